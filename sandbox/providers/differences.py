"""The detailed diff: property paths at which two values differ, as Pulumi writes them.

Called by `server.py` with the result of a provider's Diff; knows no provider and no protocol.
"""

import re
from collections.abc import Iterator
from typing import Literal

from sandbox.wire.values import Properties, Value

Kind = Literal["ADD", "DELETE", "UPDATE"]

_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_MISSING = object()


def differences(old: Properties, new: Properties, key: str) -> dict[str, Kind]:
    """Path -> kind for everything below the top-level `key` that differs.

    A provider may know of a change that the inputs do not show (drift): then the key
    itself is the path.
    """
    before = old.get(key, _MISSING)
    after = new.get(key, _MISSING)
    found = dict(_walk(_join("", key), before, after))
    return found or {_join("", key): "UPDATE"}


def _walk(path: str, old: Value, new: Value) -> Iterator[tuple[str, Kind]]:
    if old is _MISSING or new is _MISSING:
        if old is not new:
            yield path, "ADD" if old is _MISSING else "DELETE"
        return
    match old, new:
        case dict(), dict():
            for key in sorted(old.keys() | new.keys()):
                yield from _walk(_join(path, key), old.get(key, _MISSING), new.get(key, _MISSING))
        case list(), list():
            for index in range(max(len(old), len(new))):
                yield from _walk(
                    f"{path}[{index}]",
                    old[index] if index < len(old) else _MISSING,
                    new[index] if index < len(new) else _MISSING,
                )
        case _:
            if old != new:
                yield path, "UPDATE"


def _join(path: str, key: str) -> str:
    if not _PLAIN_NAME.fullmatch(key):
        quoted = key.replace('"', '\\"')
        return f'{path}["{quoted}"]'
    return f"{path}.{key}" if path else key
