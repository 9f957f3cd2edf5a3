"""`secrets rotate`: what must be so before, the lease, and the rotation itself."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from cli.base.airflow import PATIENCE
from cli.base.environments import Environment
from cli.base.errors import KitError, UserError
from cli.base.phases import Phases
from cli.base.settings import qualified
from cli.base.values import need
from cli.operations import deployment, live
from cli.operations.deployment import DeploymentPlan, UpOptions
from cli.operations.live import Live
from cli.operations.rotation import applicable, database, fernet, rancher, tokens
from cli.operations.rotation.celery_installation import CeleryInstallation
from cli.operations.rotation.database import OF_CELERY, RotatedDatabase
from cli.operations.rotation.database_installation import PasswordInstallation
from cli.operations.rotation.database_logins import tried
from cli.operations.rotation.fernet import Rotated
from cli.operations.rotation.installation import DeployedInstallation
from cli.operations.rotation.rancher import RotatedRancherKey
from cli.operations.rotation.rancher_installation import KeyInstallation
from cli.operations.rotation.rollout import Rollout
from cli.operations.rotation.token_installation import TokenInstallation
from cli.operations.rotation.tokens import RotatedTokens
from cli.session import Session
from cli.stack import rotation
from infra.contract.outputs import Outputs
from infra.contract.settings import SECRETS

DOING = "secrets rotate"
PHASES: Final[Mapping[str, int]] = {
    rotation.FERNET: len(fernet.STEPS),
    rotation.TOKENS: len(tokens.STEPS),
    rotation.DATABASE: len(database.STEPS),
    rotation.CELERY: len(database.STEPS),
    rotation.RANCHER: len(rancher.STEPS),
}
"""Deployments of each rotation in several steps."""

ADMIN_PASSWORD: Final = rotation.RENEWED["admin"]


@dataclass(frozen=True)
class SimpleRotation:
    """A secret that one deployment replaces."""

    key: str
    doing: str
    """What the phase is called."""


SIMPLE: Final[Mapping[str, SimpleRotation]] = {
    rotation.MONITOR: SimpleRotation(
        rotation.RENEWED[rotation.MONITOR], "the new password of the user for PostgreSQL's figures"
    ),
    "api": SimpleRotation(rotation.RENEWED["api"], "the new key of the UI's sessions"),
    "admin": SimpleRotation(ADMIN_PASSWORD, "the administrator's new password"),
}


@contextmanager
def _alone(session: Session, environment: Environment) -> Iterator[tuple[Live, DeploymentPlan]]:
    """A deployed environment, and what a deployment of it would be. UserError if somebody is at work on it."""
    found = live.of(session, environment)
    planned = deployment.plan(session, environment, UpOptions())
    with deployment.alone_at_work(session, planned, DOING):
        yield found, planned


def fernet_key(session: Session, environment: Environment, phases: Phases) -> Rotated:
    """A new Fernet key for a deployed environment. UserError if somebody is at work on it."""
    with _alone(session, environment) as (found, planned):
        installation = DeployedInstallation(found, planned, phases)
        return fernet.rotate(installation, session.console.report)


def token_key(session: Session, environment: Environment, phases: Phases) -> RotatedTokens:
    """A new key of the tokens between Airflow's components. UserError if somebody is at work on the environment."""
    with _alone(session, environment) as (found, planned):
        rollout = Rollout(found, planned, phases, rotation.TOKENS, ("jwt",), tokens.STEPS)
        return tokens.rotate(TokenInstallation(rollout), session.console.report)


def database_password(
    session: Session, environment: Environment, phases: Phases
) -> RotatedDatabase:
    """A new password of Airflow's database. UserError if somebody is at work on the environment."""
    with _alone(session, environment) as (found, planned):
        read = ("database", "pgbouncer")
        rollout = Rollout(found, planned, phases, rotation.DATABASE, read, database.STEPS)
        return database.rotate(PasswordInstallation(rollout), session.console.report)


def celery_password(session: Session, environment: Environment, phases: Phases) -> RotatedDatabase:
    """A new password of Celery's queue and of its results. UserError if somebody is at work on the environment, or it has none."""
    found = live.of(session, environment)
    planned = deployment.plan(session, environment, UpOptions())
    with deployment.alone_at_work(session, planned, DOING):
        rollout = Rollout(found, planned, phases, rotation.CELERY, ("celery",), database.STEPS)
        return database.rotate(CeleryInstallation(rollout), session.console.report, OF_CELERY)


def rancher_key(
    session: Session, environment: Environment, phases: Phases, *, handed_over: bool = False
) -> RotatedRancherKey:
    """A new access key of Rancher's user. UserError if somebody is at work on the environment, or it has no Rancher; KitError
    as long as Rancher has not been seen with the new key, unless somebody says that it has it."""
    with _alone(session, environment) as (found, planned):
        installation = KeyInstallation(found, planned, phases, handed_over)
        return rancher.rotate(installation, session.console.report)


def simple(session: Session, environment: Environment, name: str, phases: Phases) -> None:
    """A new value for a secret of SIMPLE. Interrupted, it is begun again: nothing depends on the value in between."""
    which = SIMPLE[name]
    found = live.of(session, environment)
    if reason := applicable.hindrance(found, name):
        raise UserError(
            f'"{environment.name}" has no {which.key} to replace',
            f"{reason} Nothing was changed.",
            f"./aerodrome secrets status{session.same}",
        )
    planned = deployment.plan(session, environment, UpOptions())
    with deployment.alone_at_work(session, planned, DOING):
        full = qualified(which.key)
        old = need(found.backend.config(), full)
        found.backend.set_config(full, SECRETS[which.key](), secret=True)
        rotation.note_made(found.backend, [which.key], session.today())
        deployment.deploy_again(session, planned, phases, which.doing)
        if which.key == ADMIN_PASSWORD:
            _prove_login(found, old)
        elif name == rotation.MONITOR:
            _prove_monitor(found, old)


def _prove_monitor(found: Live, old: str) -> None:
    """KitError unless the server lets in its user for figures with the new password alone."""
    new = need(found.backend.config(), qualified(rotation.RENEWED[rotation.MONITOR]))
    user = found.names.monitor_user
    if tried(found, [(user, new), (user, old)]) != [True, False]:
        raise KitError(
            "PostgreSQL does not have the new password of its user for figures",
            "The migration Job has not brought the user to what its Secret says.",
            f"./aerodrome secrets rotate {rotation.MONITOR}{found.session.same}",
        )


def _prove_login(found: Live, old: str) -> None:
    """KitError unless the new password opens Airflow, and the old one does not."""
    with found.airflow(PATIENCE) as airflow:
        airflow.dags()
    user = need(found.outputs, Outputs.admin_user)
    try:
        with found.ui() as url, found.session.airflow(url, user, old, 0.0) as airflow:
            airflow.dags()
    except KitError:
        return
    raise KitError(
        f'The old password of "{user}" still opens Airflow',
        "The migration Job has not brought the account to what its Secret says.",
        f"./aerodrome secrets rotate admin{found.session.same}",
    )
