"""Pulumi's passphrase secrets provider: who holds the passphrase can read the state.

Key: PBKDF2-HMAC-SHA256 of passphrase and salt, 1,000,000 rounds. A ciphertext is
`v1:NONCE:TEXT` (AES-256-GCM, base64); the salt line `v1:SALT:CIPHERTEXT` carries the word
"pulumi" encrypted, so that a wrong passphrase is noticed before anything is read.
"""

import base64
import hashlib
import os
import threading
from collections.abc import Mapping
from concurrent.futures import Future
from pathlib import Path

from sandbox.errors import UserError

_ROUNDS = 1_000_000
_CHECK_WORD = "pulumi"
_VERSION = "v1"
_PASSPHRASE = "PULUMI_CONFIG_PASSPHRASE"
_PASSPHRASE_FILE = "PULUMI_CONFIG_PASSPHRASE_FILE"

_keys: dict[tuple[str, bytes], Future[bytes]] = {}
_keys_lock = threading.Lock()


def find_passphrase(environment: Mapping[str, str]) -> str | None:
    """The passphrase as the Pulumi CLI finds it: a variable, or a file that one names."""
    if _PASSPHRASE in environment:
        return environment[_PASSPHRASE]
    name = environment.get(_PASSPHRASE_FILE)
    if not name:
        return None
    try:
        return Path(name).read_text().strip()
    except OSError as error:
        raise UserError(
            f"The passphrase file {name} cannot be read", error.strerror or str(error)
        ) from error


class Secrets:
    """Encrypts and decrypts with one passphrase and salt. The key is made on first use.

    May be used from several threads. Without a salt line a new one is made, which `salt`
    gives from then on.
    """

    def __init__(self, passphrase: str | None, salt: str = "") -> None:
        self._passphrase = passphrase
        self.salt = salt
        self._key: bytes | None = None
        self._lock = threading.Lock()

    def unlock(self) -> None:
        """Make the key now; a passphrase that is missing or wrong is a UserError."""
        with self._lock:
            if self._key is not None:
                return
            if self._passphrase is None:
                raise UserError(
                    "A passphrase is needed for the stack's secrets",
                    f"Set {_PASSPHRASE}, or {_PASSPHRASE_FILE} to the name of a file "
                    "that holds it.",
                )
            if self.salt:
                self._key = self._check()
                return
            salt = os.urandom(8)
            self._key = _derive(self._passphrase, salt)
            self.salt = f"{_VERSION}:{_encode(salt)}:{_encrypt(self._key, _CHECK_WORD)}"

    def check(self) -> None:
        """A passphrase is there and, where that can be said, it is the right one."""
        if self.salt or self._passphrase is None:
            self.unlock()

    def _check(self) -> bytes:
        version, _, rest = self.salt.partition(":")
        salt_text, _, check = rest.partition(":")
        if version != _VERSION or not check:
            raise UserError("The stack's encryption salt is damaged", "It must start with `v1:`.")
        key = _derive(self._passphrase or "", base64.b64decode(salt_text))
        try:
            word = _decrypt(key, check)
        except _Unreadable:
            word = ""
        if word != _CHECK_WORD:
            raise UserError(
                "Wrong passphrase",
                f"{_PASSPHRASE} (or the file in {_PASSPHRASE_FILE}) does not open this "
                "stack's secrets.",
            )
        return key

    def encrypt(self, text: str) -> str:
        self.unlock()
        assert self._key is not None
        return _encrypt(self._key, text)

    def decrypt(self, ciphertext: str) -> str:
        self.unlock()
        assert self._key is not None
        try:
            return _decrypt(self._key, ciphertext)
        except _Unreadable as error:
            raise UserError(
                "A secret cannot be decrypted", "It was encrypted with another key."
            ) from error


class _Unreadable(ValueError):
    """Not encrypted with this key, or not a ciphertext at all."""


def _derive(passphrase: str, salt: bytes) -> bytes:
    # A third of a second each: once per process and salt is enough, and two may be made side by side.
    with _keys_lock:
        found = _keys.get((passphrase, salt))
        made = found or _keys.setdefault((passphrase, salt), Future())
    if found is None:
        try:
            made.set_result(hashlib.pbkdf2_hmac("sha256", passphrase.encode(), salt, _ROUNDS, 32))
        except BaseException as error:
            # Whoever waits for it hears of it too.
            made.set_exception(error)
            raise
    return made.result()


def _encrypt(key: bytes, text: str) -> str:
    # Imported late: a stack without secrets need not pay for it.
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    nonce = os.urandom(12)
    return f"{_VERSION}:{_encode(nonce)}:{_encode(AESGCM(key).encrypt(nonce, text.encode(), None))}"


def _decrypt(key: bytes, ciphertext: str) -> str:
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    parts = ciphertext.split(":")
    if len(parts) != 3 or parts[0] != _VERSION:
        raise _Unreadable
    try:
        nonce, body = base64.b64decode(parts[1]), base64.b64decode(parts[2])
        return AESGCM(key).decrypt(nonce, body, None).decode()
    except (InvalidTag, ValueError) as error:
        raise _Unreadable from error


def _encode(data: bytes) -> str:
    return base64.b64encode(data).decode()
