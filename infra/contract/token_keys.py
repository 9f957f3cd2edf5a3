"""The keys of the tokens between Airflow's components, and how they are told apart.

One key signs, `jwtSecret`. While it is replaced, the api-server accepts tokens of several: Airflow reads those from a JSON
Web Key Set (`[api_auth] trusted_jwks_url`) and chooses by the `kid` in a token's header, which `jwt_kid` sets.
"""

import base64
import hashlib
import json
from collections.abc import Sequence
from typing import Final

ACCEPTED: Final = "acceptedJwtSecrets"
"""The setting of what is accepted while the key is replaced; it has other secrets' values."""

KEY_ENTRY: Final = "jwt-secret"
ID_ENTRY: Final = "jwt-kid"
SET_ENTRY: Final = "jwks"
"""Keys of the Secret `jwt`; the last one is there only while a key is replaced."""

ALGORITHM: Final = "HS512"
"""What Airflow signs with a shared secret, unless it is configured otherwise."""

UNNAMED: Final = "not-used"
"""The `kid` of a shared secret's token where none is configured."""

SHORTEST: Final = 32


def key_id(secret: str) -> str:
    """What the header of a token says of the key that has signed it. It tells nothing of the key."""
    return hashlib.sha256(f"aerodrome token key\n{secret}".encode()).hexdigest()[:16]


def key_set(secrets: Sequence[str]) -> str:
    """As JSON (RFC 7517). The first one's tokens may be without a name, of an installation that gave them none."""
    named = [(key_id(secret), secret) for secret in secrets]
    keys = [_key(name, secret) for name, secret in [(UNNAMED, secrets[0]), *named]]
    return json.dumps({"keys": keys})


def _key(name: str, secret: str) -> dict[str, str]:
    raw = base64.urlsafe_b64encode(secret.encode()).rstrip(b"=").decode()
    return {"kty": "oct", "kid": name, "alg": ALGORITHM, "k": raw}


def secrets_of(key_set_text: str) -> tuple[str, ...]:
    """The secrets of a key set, as it was made of them."""
    keys = json.loads(key_set_text)["keys"]
    return tuple(
        base64.urlsafe_b64decode(f"{one['k']}==").decode() for one in keys if one["kid"] != UNNAMED
    )


def split(text: str) -> tuple[str, ...]:
    """The secrets of the setting `acceptedJwtSecrets`: one a line, the oldest first."""
    return tuple(line for line in text.splitlines() if line)


def joined(secrets: Sequence[str]) -> str:
    return "\n".join(secrets)


def check(text: str) -> str | None:
    """What is wrong with the setting's value, which is never repeated."""
    if not (found := split(text)) or any(len(secret) < SHORTEST for secret in found):
        return f"must have secrets of at least {SHORTEST} characters, one a line"
    return None
