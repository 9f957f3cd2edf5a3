"""Another passphrase for a stack: its state and its configuration file change together.

Both are encrypted with keys made of the one passphrase, so neither may be left behind: see
`files`. The marker lies beside the configuration file, where everything that reads either of
them passes by (`settle`).
"""

import fcntl
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sandbox.engine.state import files
from sandbox.engine.state.lock import hold
from sandbox.engine.state.secrets import Secrets
from sandbox.engine.state.store import StackStore
from sandbox.errors import UserError
from sandbox.wire.marshal import SECRET, SIGNATURE

Reencrypt = Callable[[str], str]
"""A ciphertext of the old passphrase to one of the new."""


def settle(config_file: Path) -> None:
    """Finish a change of the passphrase that was cut short after it was decided."""
    marker = _marker(config_file)
    found = files.read_marker(marker)
    if found is None:
        return
    with hold(StackStore(Path(found["stateDir"]), found["project"], found["stack"])):
        files.finish(marker)


@contextmanager
def editing(config_file: Path) -> Iterator[None]:
    """Nobody else changes the configuration file meanwhile."""
    folder = config_file.parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # The folder is locked, not a file: nothing has to be made, and nothing taken away.
        handle = os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise UserError(f"{config_file} cannot be written", error.strerror or str(error)) from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def change(store: StackStore, state_dir: Path, config_file: Path, old: str | None, new: str) -> int:
    """Encrypt everything anew; how many secrets that were. The caller holds the stack's lock
    and has folded the journal."""
    with editing(config_file):
        secrets = Secrets(new)
        secrets.unlock()
        changed: dict[Path, bytes] = {}
        count = 0
        for path, convert in ((store.checkpoint, _state), (config_file, _config)):
            text = path.read_text() if path.exists() else ""
            converted = convert(text, old, secrets) if text else None
            if converted is not None:
                data, number = converted
                changed[path.absolute()] = data.encode()
                count += number
        note = {
            "stateDir": str(state_dir.absolute()),
            "project": store.project,
            "stack": store.stack,
        }
        if changed:
            files.replace_together(_marker(config_file.absolute()), changed, note)
    return count


def _marker(config_file: Path) -> Path:
    return config_file.with_name(f".{config_file.name}.passphrase")


def _state(text: str, passphrase: str | None, new: Secrets) -> tuple[str, int] | None:
    """A checkpoint with other ciphertexts; None if it has no salt, and so no secrets."""
    document = json.loads(text)
    latest = document["checkpoint"].get("latest") or {}
    provider = (latest.get("secrets_providers") or {}).get("state") or {}
    if not provider.get("salt"):
        return None
    convert = _converter(Secrets(passphrase, provider["salt"]), new)
    count = _convert_ciphertexts(latest, convert)
    provider["salt"] = new.salt
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False), count


def _convert_ciphertexts(value: Any, convert: Reencrypt) -> int:
    """In place; how many there were."""
    if isinstance(value, list):
        return sum(_convert_ciphertexts(inner, convert) for inner in value)
    if not isinstance(value, dict):
        return 0
    if value.get(SIGNATURE) == SECRET and "ciphertext" in value:
        value["ciphertext"] = convert(value["ciphertext"])
        return 1
    return sum(_convert_ciphertexts(inner, convert) for inner in value.values())


def _config(text: str, passphrase: str | None, new: Secrets) -> tuple[str, int] | None:
    """A configuration file with other ciphertexts; its comments and order stay."""
    import yaml

    document = yaml.safe_load(text) or {}
    salt = document.get("encryptionsalt")
    if not salt:
        return None
    convert = _converter(Secrets(passphrase, salt), new)
    found = list(dict.fromkeys(_secure(document.get("config"))))
    for ciphertext in found:
        text = text.replace(ciphertext, convert(ciphertext))
    text = text.replace(salt, new.salt)
    again = yaml.safe_load(text)
    if again.get("encryptionsalt") != new.salt or any(
        ciphertext in _secure(again.get("config")) for ciphertext in found
    ):
        raise UserError(
            "The configuration file cannot be encrypted anew",
            "A secret in it is spread over several lines: put it on one.",
        )
    return text, len(found)


def _secure(value: Any) -> list[str]:
    if isinstance(value, dict):
        if set(value) == {"secure"} and isinstance(value["secure"], str):
            return [value["secure"]]
        return [text for inner in value.values() for text in _secure(inner)]
    if isinstance(value, list):
        return [text for inner in value for text in _secure(inner)]
    return []


def _converter(old: Secrets, new: Secrets) -> Reencrypt:
    old.unlock()
    return lambda ciphertext: new.encrypt(old.decrypt(ciphertext))
