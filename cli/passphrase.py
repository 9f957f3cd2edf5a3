"""Another passphrase for a sandbox environment, and the file that then holds it.

All environments of a machine begin with one passphrase, in one file. One that gets another has
a file of its own from then on. It is put in place after the secrets were encrypted anew; a
run that is ended in between leaves it beside, and the next one finds out which of the two opens
them. Passphrases that Pulumi's variables give are the user's to change.
"""

import os
from collections.abc import Mapping
from pathlib import Path

from cli.environments import Environment
from cli.record import write_atomically
from sandbox.instance import state_dir

PASSPHRASE = "PULUMI_CONFIG_PASSPHRASE"
PASSPHRASE_FILE = "PULUMI_CONFIG_PASSPHRASE_FILE"


def file_of(environment: Environment, shared: Path) -> Path:
    """Which file holds the environment's passphrase."""
    own = own_file(environment)
    proposed = _proposed(own)
    # Not removed if it opens nothing: somebody may be about to use it.
    if proposed.exists() and _opens(environment, proposed):
        write_atomically(own, proposed.read_text())
        proposed.unlink(missing_ok=True)
    return own if own.exists() else shared


def own_file(environment: Environment) -> Path:
    """The file of an environment that has got a passphrase of its own."""
    return state_dir() / f"passphrase.{environment.name}"


def change(environment: Environment, new: str, *, managed: bool) -> int:
    """Encrypt all secrets anew; how many there were. `managed`: the passphrase is in our file."""
    from cli.embedded import EmbeddedBackend

    own = own_file(environment)
    if managed:
        write_atomically(_proposed(own), f"{new}\n")
    count = EmbeddedBackend(environment, None).change_passphrase(new)
    if managed:
        write_atomically(own, f"{new}\n")
        _proposed(own).unlink(missing_ok=True)
    return count


def is_managed(variables: Mapping[str, str] = os.environ) -> bool:
    """Whether no variable of the user's says what the passphrase is; one that names our own
    file was set by us, for an environment that this process had to do with before."""
    file = variables.get(PASSPHRASE_FILE)
    ours = not file or Path(file).parent == state_dir()
    return PASSPHRASE not in variables and ours


def _proposed(own: Path) -> Path:
    return own.with_name(f"{own.name}.new")


def _opens(environment: Environment, file: Path) -> bool:
    from sandbox.engine import operations

    return operations.opens_config(environment.config_file, file.read_text().strip())
