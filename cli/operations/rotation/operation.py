"""`secrets rotate`: what must be so before, the lease, and the rotation itself."""

from cli.base.environments import Environment
from cli.base.phases import Phases
from cli.operations import deployment, live
from cli.operations.deployment import UpOptions
from cli.operations.rotation import fernet
from cli.operations.rotation.fernet import Rotated
from cli.operations.rotation.installation import DeployedInstallation
from cli.session import Session

DOING = "secrets rotate"
PHASES = len(fernet.STEPS)


def fernet_key(session: Session, environment: Environment, phases: Phases) -> Rotated:
    """A new Fernet key for a deployed environment. UserError if somebody is at work on it."""
    found = live.of(session, environment)
    planned = deployment.plan(session, environment, UpOptions())
    with deployment.alone_at_work(session, planned, DOING):
        installation = DeployedInstallation(found, planned, phases)
        return fernet.rotate(installation, session.console.report)
