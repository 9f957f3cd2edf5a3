"""What Airflow's masker does not do by itself.

It looks for a secret as it is. What a program prints is often another form of it: quoted in an address, escaped in JSON
or in a `repr`, or one line of it at a time, since a log is cut into lines before it is masked. `forms` is the setting
`logging.secret_mask_adapter`, unless values have another (aerodrome_policy.py).
"""

import json
from collections.abc import Iterator
from typing import Final
from urllib.parse import quote, quote_plus

SHORTEST_LINE: Final = 8
"""Characters of a line that is looked for by itself: shorter ones would be found in what is no secret."""

ARMOR: Final = "-----"
"""First and last line of a key in PEM begin with it; they are the same in all keys."""


def forms(secret: str) -> list[str]:
    """Of one secret, each once, without the secret itself."""
    found = dict.fromkeys(_forms(secret))
    found.pop(secret, None)
    return list(found)


def _forms(secret: str) -> Iterator[str]:
    yield quote(secret)
    yield quote(secret, safe="")
    yield quote_plus(secret)
    yield json.dumps(secret)[1:-1]
    yield json.dumps(secret, ensure_ascii=False)[1:-1]
    yield repr(secret)[1:-1]
    if not _is_json(secret):
        lines = [line.strip() for line in secret.splitlines()]
        if len(lines) > 1:
            yield from (
                line for line in lines if len(line) >= SHORTEST_LINE and not line.startswith(ARMOR)
            )


def _is_json(secret: str) -> bool:
    """A connection's extra is masked as a whole, too, and most of its lines are no secrets."""
    try:
        return isinstance(json.loads(secret), (dict, list))
    except ValueError:
        return False
