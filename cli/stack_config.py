"""The configuration of sandbox environments: made once, with generated secrets.

Secrets belong to the stack: made here, kept encrypted in Pulumi's configuration file, never
made anew while something deployed depends on them. The passphrase that opens them is in a
file of this machine, unless Pulumi's own variables name another.
"""

import base64
import os
import secrets
import tempfile
from collections.abc import Callable, Mapping, MutableMapping
from pathlib import Path

from cli.backends import Backend
from cli.environments import Environment
from cli.settings import NAMESPACE
from sandbox.errors import UserError
from sandbox.instance import REGION, UI_NODE_PORT, state_dir

PASSPHRASE = "PULUMI_CONFIG_PASSPHRASE"
PASSPHRASE_FILE = "PULUMI_CONFIG_PASSPHRASE_FILE"


def _fernet_key() -> str:
    # What cryptography's Fernet takes: URL-safe base64 of 32 bytes.
    return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()


SECRETS: Mapping[str, Callable[[], str]] = {
    "fernetKey": _fernet_key,
    "jwtSecret": lambda: secrets.token_urlsafe(48),
    "apiSecretKey": lambda: secrets.token_urlsafe(32),
    "databasePassword": lambda: secrets.token_urlsafe(24),
    "adminPassword": lambda: secrets.token_urlsafe(12),
}


def passphrase_file() -> Path:
    return state_dir() / "passphrase"


def provide_passphrase(
    environment: Environment,
    variables: MutableMapping[str, str] = os.environ,
    *,
    make: bool = False,
) -> None:
    """Let the engine find the passphrase of a sandbox environment, as Pulumi finds it.

    Only what writes secrets may `make` one: looking at nothing must leave nothing behind.
    """
    if PASSPHRASE in variables or variables.get(PASSPHRASE_FILE):
        return
    file = passphrase_file()
    if not file.exists():
        # A new passphrase would make the secrets that exist unreadable for good.
        for config in sorted(environment.config_file.parent.glob("Pulumi.*.yaml")):
            if "encryptionsalt:" in config.read_text():
                raise UserError(
                    f"The passphrase file {file} is missing",
                    f"The secrets in {config} were encrypted with it. Put it back, or set\n"
                    f"{PASSPHRASE}. If it is lost for good, so are the secrets: delete the\n"
                    "configuration and what was deployed with it.",
                    f"./aerodrome sandbox down --force && rm {config}",
                )
        if not make:
            return
        _create(file, secrets.token_urlsafe(32) + "\n")
    variables[PASSPHRASE_FILE] = str(file)


def passphrase(variables: Mapping[str, str] = os.environ) -> str | None:
    """The passphrase as Pulumi finds it; None if there is none."""
    if PASSPHRASE in variables:
        return variables[PASSPHRASE]
    file = variables.get(PASSPHRASE_FILE)
    if not file:
        return None
    try:
        return Path(file).read_text().strip()
    except OSError as error:
        raise UserError(
            f"The passphrase file {file} cannot be read", error.strerror or str(error)
        ) from error


def _create(path: Path, text: str) -> None:
    """`path` with `text` in it, whole, for its owner only; another process's file is kept."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        os.link(name, path)
    except FileExistsError:
        pass
    finally:
        Path(name).unlink()


def complete(environment: Environment, backend: Backend) -> list[str]:
    """Adds what a sandbox environment's configuration lacks; the keys that were added."""
    have = backend.configured()
    plain = {
        f"{NAMESPACE}:environment": environment.name,
        f"{NAMESPACE}:uiServiceType": "NodePort",
        f"{NAMESPACE}:uiNodePort": str(UI_NODE_PORT),
        "aws:region": REGION,
    }
    missing = [key for key in SECRETS if f"{NAMESPACE}:{key}" not in have]
    if missing and backend.deployed():
        raise UserError(
            f"{environment.config_file} lacks the secret {missing[0]}",
            f'Environment "{environment.name}" is deployed with it; a new one would not fit.\n'
            "Put the file back, or take the environment down first.",
            "./aerodrome sandbox down --force",
        )
    added = [key for key in plain if key not in have]
    for key in added:
        backend.set_config(key, plain[key], secret=False)
    for name in missing:
        backend.set_config(f"{NAMESPACE}:{name}", SECRETS[name](), secret=True)
    return added + [f"{NAMESPACE}:{name}" for name in missing]
