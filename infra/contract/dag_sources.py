"""Where DAG files come from: the sources by name, and what may be said of a git repository."""

import re
from pathlib import PurePosixPath
from typing import Final

IMAGE: Final = "image"
GIT: Final = "git"
S3: Final = "s3"
SOURCES: Final = (IMAGE, GIT, S3)

_OVER_HTTPS = re.compile(r"https://[A-Za-z0-9.-]+(:\d{1,5})?(/[A-Za-z0-9._~+-]+)+/?")
_OVER_SSH = re.compile(
    r"ssh://[A-Za-z0-9._-]+@[A-Za-z0-9.-]+(:\d{1,5})?(/[A-Za-z0-9._~+-]+)+/?"
    r"|[A-Za-z0-9._-]+@[A-Za-z0-9.-]+:(?!/)[A-Za-z0-9._~+-]+(/[A-Za-z0-9._~+-]+)*/?"
)
_HOST_KEY = re.compile(
    r"(@(cert-authority|revoked) )?\S+ (ssh-|ecdsa-|sk-)[a-z0-9@.-]+ [A-Za-z0-9+/]+=*( .*)?"
)
_PRIVATE_KEY = re.compile(
    r"-----BEGIN (?P<kind>[A-Z ]*PRIVATE KEY)-----\s.+\s-----END (?P=kind)-----\s*", re.DOTALL
)


def over_ssh(repository: str) -> bool:
    """Whether it is reached with a key and not with a token."""
    return bool(_OVER_SSH.fullmatch(repository))


def check_repository(value: str) -> str | None:
    """The address of a repository without a password, which would be in the state and in lists of processes."""
    if not value or _OVER_HTTPS.fullmatch(value) or _OVER_SSH.fullmatch(value):
        return None
    return "must be like https://HOST/PATH, ssh://git@HOST/PATH or git@HOST:PATH, with no password in it"


def check_folder(value: str) -> str | None:
    """A folder in the repository."""
    path = PurePosixPath(value)
    if path.is_absolute() or ".." in path.parts or re.search(r"[\x00-\x1f{}]", value):
        return "must be a folder's path from the top of the repository, such as airflow/dags"
    return None


def check_known_hosts(value: str) -> str | None:
    """Lines as `ssh-keyscan` prints them."""
    lines = [line for line in value.splitlines() if line.strip() and not line.startswith("#")]
    wrong = [number for number, line in enumerate(lines, 1) if not _HOST_KEY.fullmatch(line)]
    if not wrong:
        return None
    return f"must be lines of the form HOST TYPE KEY, as `ssh-keyscan HOST` prints them (line {wrong[0]} is none)"


def check_token(value: str) -> str | None:
    """A token in one line. The answer never repeats the value."""
    return None if re.fullmatch(r"[\x21-\x7e]*", value) else "must be one line without spaces"


def check_key(value: str) -> str | None:
    """A private key in PEM or OpenSSH's form. The answer never repeats the value."""
    if value and not _PRIVATE_KEY.fullmatch(value):
        return "must be a private key, from -----BEGIN ... PRIVATE KEY----- to its end"
    if "ENCRYPTED" in value:
        return "must be a private key without a passphrase"
    return None
