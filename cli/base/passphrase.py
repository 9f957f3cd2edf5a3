"""The passphrase of an environment on this machine, and how it is changed.

All environments of a machine begin with one passphrase, in one file. One that gets another has
a file of its own from then on. Passphrases that Pulumi's variables give are the user's.

A change is made on copies of state and configuration. Both, and the new passphrase's file, are
then written down in one file, the decision; whoever comes next finishes what it says. So a run
that is killed anywhere has changed all of it or nothing.
"""

import json
import os
import secrets
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from cli.base.environments import Environment
from cli.base.errors import UserError
from cli.base.paths import state_dir
from cli.base.record import write_atomically

PASSPHRASE = "PULUMI_CONFIG_PASSPHRASE"
PASSPHRASE_FILE = "PULUMI_CONFIG_PASSPHRASE_FILE"


def shared_file() -> Path:
    """The one that environments begin with."""
    return state_dir() / "passphrase"


def own_file(environment: Environment) -> Path:
    """The file of an environment that has got a passphrase of its own."""
    return state_dir() / f"passphrase.{environment.name}"


def is_managed(variables: Mapping[str, str] = os.environ) -> bool:
    """Whether the passphrase is in a file of ours: no variable of the user's says what it is. One that names such a file is
    from `sandbox env`."""
    given = variables.get(PASSPHRASE_FILE)
    ours = not given or (
        Path(given).parent == state_dir() and Path(given).name.startswith(shared_file().name)
    )
    return PASSPHRASE not in variables and ours


def file(environment: Environment, variables: Mapping[str, str] = os.environ) -> Path | None:
    """Which file holds the environment's passphrase, be it there yet or not; None if a variable does."""
    finish_change(environment)
    if not is_managed(variables):
        return None
    own = own_file(environment)
    return own if own.exists() else shared_file()


def provide(environment: Environment, *, make: bool = False) -> None:
    """Sees to it that what encrypts the environment's secrets is there, or was never needed.

    Only what writes secrets may `make` one: looking at nothing must leave nothing behind.
    """
    wanted = file(environment)
    if wanted is None:
        _check_users()
        return
    if wanted.exists():
        return
    # A new passphrase would make the secrets that exist unreadable for good.
    for config in sorted(environment.config_file.parent.glob("Pulumi.*.yaml")):
        if "encryptionsalt:" in config.read_text():
            raise UserError(
                f"The passphrase file {wanted} is missing",
                f"The secrets in {config} were encrypted with it. Put it back, or set\n"
                f"{PASSPHRASE}. If it is lost for good, so are the secrets: delete the\n"
                "configuration and what was deployed with it.",
                f"./aerodrome sandbox down --force && rm {config}",
            )
    if make:
        create(wanted)


def _check_users(variables: Mapping[str, str] = os.environ) -> None:
    path = variables.get(PASSPHRASE_FILE)
    if PASSPHRASE in variables or not path:
        return
    try:
        Path(path).read_bytes()
    except OSError as error:
        raise UserError(
            f"The passphrase file {path} cannot be read", error.strerror or str(error)
        ) from error


def create(path: Path) -> None:
    """A passphrase at random in `path`, whole, for its owner only; another process's file is kept."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w") as stream:
            stream.write(secrets.token_urlsafe(32) + "\n")
            stream.flush()
            os.fsync(stream.fileno())
        os.link(name, path)
    except FileExistsError:
        pass
    finally:
        Path(name).unlink()


def change(
    environment: Environment,
    new: str,
    encrypted: Callable[[str], Mapping[Path, str]],
    *,
    managed: bool,
) -> None:
    """Encrypts all secrets again. `encrypted` gives the files that change, with their new texts."""
    contents = {str(path): text for path, text in encrypted(new).items()}
    if managed:
        contents[str(own_file(environment))] = f"{new}\n"
    write_atomically(_decision(environment), json.dumps(contents))
    finish_change(environment)


def finish_change(environment: Environment) -> None:
    """Carries out what a change had decided, if it was ended before it was done."""
    decision = _decision(environment)
    try:
        contents = json.loads(decision.read_text())
    except FileNotFoundError:
        return
    for path, text in contents.items():
        write_atomically(Path(path), text)
    decision.unlink(missing_ok=True)


def _decision(environment: Environment) -> Path:
    return state_dir() / f".passphrase.{environment.name}.change"
