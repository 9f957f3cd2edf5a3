"""Where a Rancher is and with which token it is asked: what was typed, variables, a file. Checked before anything is asked.

The token is never on the command line, where every process of the machine can read it.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from cli.base.errors import UserError
from cli.cloud.rancher import TOKEN, Rancher

_TOKEN = re.compile(r"[A-Za-z0-9/._-]+:[A-Za-z0-9]+")
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_MOST_BYTES = 4096


@dataclass(frozen=True)
class RancherAccess:
    """A Rancher, and who asks it."""

    url: str
    token: str = field(repr=False)
    variables: Mapping[str, str] = field(default_factory=dict, repr=False)

    def open(self) -> Rancher:
        return Rancher(self.url, self.token, self.variables)


def access(
    url: str, token_file: Path | None = None, variables: Mapping[str, str] = os.environ
) -> RancherAccess:
    """UserError if the address is none, or there is no token."""
    return RancherAccess(checked_url(url), _token(token_file, variables), variables)


def checked_url(url: str) -> str:
    """The address without a slash at its end. UserError if it cannot be Rancher's."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError as error:
        raise _bad(url, str(error)) from error
    if parts.username or parts.password:
        # Not shown: what stands there is a secret.
        raise UserError(
            "Rancher's URL has a name or a password in it",
            f"Rancher takes a token: from {TOKEN}, or from a file.",
            f"./aerodrome rancher import --url https://{host or 'HOST'} --token-file FILE",
        )
    if not host or not re.fullmatch(r"[A-Za-z0-9._:-]+", host):
        raise _bad(url, "It has no host name.")
    if parts.query or parts.fragment:
        raise _bad(url, "It goes on after its path: the address alone is wanted.")
    if parts.scheme != "https" and not (parts.scheme == "http" and host in _LOOPBACK):
        raise _bad(
            url, "Rancher and its agents speak https, and the token must not travel in clear."
        )
    return url.rstrip("/")


def _bad(url: str, why: str) -> UserError:
    return UserError(
        f"{url!r} is no address of a Rancher",
        why,
        "./aerodrome rancher import --url https://rancher.example.com",
    )


def _token(file: Path | None, variables: Mapping[str, str]) -> str:
    if file is None:
        where, text = TOKEN, variables.get(TOKEN, "")
        if not text:
            raise UserError(
                f"Rancher is not asked without a token: {TOKEN} is not set",
                "Make one in Rancher (Account & API Keys), for a user who may create clusters.",
                "./aerodrome rancher import --url URL --token-file FILE",
            )
    else:
        where = str(file)
        try:
            with file.open("rb") as opened:
                text = opened.read(_MOST_BYTES + 1).decode()
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", "") or "it is no text"
            raise UserError(f"The token cannot be read from {where}", reason) from error
    token = text.strip()
    if not _TOKEN.fullmatch(token):
        raise UserError(
            f"What {where} has is no token of Rancher's",
            "It looks like token-abcde:..., the access key, a colon and the secret key.",
        )
    return token
