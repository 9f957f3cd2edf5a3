"""Where alerts go: what may be said of e-mail, Slack and a webhook. Grafana sends them; `infra/alert_contacts.py` tells it."""

import re
from typing import Final
from urllib.parse import urlsplit

HTTPS_PORT: Final = 443

_ADDRESS = re.compile(r"[^@\s;,<>\"$]+@[^@\s;,<>\"$]+")
_HOST = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9.]*[A-Za-z0-9])?")


def check_addresses(values: tuple[str, ...]) -> str | None:
    """E-mail addresses, by form."""
    for value in values:
        if not _ADDRESS.fullmatch(value):
            return f"must be a list of e-mail addresses, not {value!r}"
    return None


def check_address(value: str) -> str | None:
    """One e-mail address, or none."""
    return None if not value or _ADDRESS.fullmatch(value) else "must be an e-mail address"


def check_host(value: str) -> str | None:
    """A host's name without a port, or none."""
    return (
        None
        if not value or _HOST.fullmatch(value)
        else "must be a host's name such as smtp.example.org"
    )


def check_secure_url(value: str) -> str | None:
    """An address by HTTPS. The answer never repeats the value: whoever knows it can write there."""
    return None if not value or _is_url(value, "https") else "must be an address: https://HOST/PATH"


def check_url(value: str) -> str | None:
    """An address. The answer never repeats the value."""
    if not value or _is_url(value, "https", "http"):
        return None
    return "must be an address: https://HOST/PATH, or http:// within the network"


def check_bearer(value: str) -> str | None:
    """A token in one line. The answer never repeats the value."""
    return None if re.fullmatch(r"[\x21-\x7e]*", value) else "must be one line without spaces"


def check_password(value: str) -> str | None:
    """A password in one line, which a file ends. The answer never repeats the value."""
    return None if value == value.strip() and value.isprintable() else "must be one line"


def port(url: str) -> int:
    """By which an address is called."""
    found = urlsplit(url)
    return found.port or (80 if found.scheme == "http" else HTTPS_PORT)


def _is_url(value: str, *schemes: str) -> bool:
    if not re.fullmatch(r"[\x21-\x7e]+", value):
        return False
    try:
        found = urlsplit(value)
        right = found.port is None or found.port > 0
    except ValueError:
        return False
    return right and found.scheme in schemes and bool(_HOST.fullmatch(found.hostname or ""))
