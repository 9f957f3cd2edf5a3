"""`aerodrome bootstrap ENV --sandbox`: the same for an environment on this machine. No AWS, no Pulumi CLI."""

from collections.abc import Sequence

from cli.base import passphrase
from cli.base.environments import Environment
from cli.base.errors import UserError
from cli.operations.bootstrap import requested_settings
from cli.session import Session
from cli.stack import stack_config


def prepare(session: Session, environment: Environment, assignments: Sequence[str]) -> list[str]:
    """Configuration, secrets and passphrase. The keys that were added or changed."""
    wanted = requested_settings.read(environment, assignments)
    passphrase.provide(environment, make=True)
    backend = session.backend(environment)
    changes = {
        key: value for key, value in wanted.given.items() if wanted.configured.get(key) != value
    }
    backend.set_plain(changes)
    return [*changes, *stack_config.complete(environment, backend)]


def remove(session: Session, environment: Environment) -> list[str]:
    """Deletes them again. Returns the files that were deleted."""
    passphrase.provide(environment)
    if session.backend(environment).deployed():
        raise UserError(
            f'Environment "{environment.name}" is still deployed',
            "Its configuration is needed to take it down. Do that first.",
            f"./aerodrome down --env {environment.name}",
        )
    doomed = [environment.config_file, passphrase.own_file(environment)]
    others = set(environment.config_file.parent.glob("Pulumi.*.yaml")) - set(doomed)
    if not others:
        # It opens nothing any more.
        doomed.append(passphrase.shared_file())
    gone = [file for file in doomed if file.exists()]
    for file in gone:
        file.unlink()
    return [file.name for file in gone]
