"""A stack's outputs: what is secret in them is decrypted when it is first asked for."""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from cli.base.values import Secret

_SIGNATURE = "4dabf18193072939515e22adb298388d"
"""Pulumi's mark of a value that is not plain JSON."""

_MASK = "[secret]"


class StoredOutputs(dict[str, Any]):
    """Plain values, and secret ones as `Secret`. Decrypting takes a run of the CLI."""

    def __init__(self, stored: Mapping[str, Any], decrypt: Callable[[], Mapping[str, Any]]) -> None:
        super().__init__({key: value for key, value in stored.items() if not is_secret(value)})
        self._secret = {key for key, value in stored.items() if is_secret(value)}
        self._decrypt = decrypt

    def _decrypted(self) -> None:
        if self._secret:
            clear = self._decrypt()
            names, self._secret = self._secret, set()
            self.update({key: Secret(clear[key]) for key in names if key in clear})

    def __missing__(self, key: str) -> Any:
        if key in self._secret:
            self._decrypted()
            return dict.__getitem__(self, key)
        raise KeyError(key)

    def get(self, key: str, default: Any = None) -> Any:
        try:
            return self[key]
        except KeyError:
            return default

    def __contains__(self, key: object) -> bool:
        return key in self._secret or super().__contains__(key)

    def __iter__(self) -> Iterator[str]:
        self._decrypted()
        return super().__iter__()

    def keys(self) -> Any:
        self._decrypted()
        return super().keys()

    def items(self) -> Any:
        self._decrypted()
        return super().items()

    def values(self) -> Any:
        self._decrypted()
        return super().values()

    def __len__(self) -> int:
        return super().__len__() + len(self._secret)

    def __bool__(self) -> bool:
        return len(self) > 0


_SECRET = "1b47061264138c4ac30d75fd1eb44270"


def as_secret(value: Any) -> dict[str, str]:
    """A value as an exported state holds a secret one in clear: an import encrypts it."""
    return {_SIGNATURE: _SECRET, "plaintext": json.dumps(value)}


def is_marked(value: Any) -> bool:
    """Whether a stored value is not plain JSON itself."""
    return isinstance(value, dict) and _SIGNATURE in value


def is_secret(value: Any) -> bool:
    """Whether a stored value is, or holds, an encrypted one."""
    match value:
        case dict():
            return _SIGNATURE in value or any(is_secret(inner) for inner in value.values())
        case list():
            return any(is_secret(inner) for inner in value)
    return False


def marked(masked: Mapping[str, Any], clear: Mapping[str, Any]) -> dict[str, Any]:
    """Outputs as the CLI prints them, without and with their secrets."""
    return {
        key: Secret(value) if masked.get(key) == _MASK and value != _MASK else value
        for key, value in clear.items()
    }
