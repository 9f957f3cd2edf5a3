"""The token that an environment's own Rancher has left in AWS Secrets Manager, for who registers its cluster there.

A token that somebody gives (RANCHER_TOKEN, a file) comes first. That of the secret goes to the environment's own address
and to no other, and is trusted with the authority that the server has left beside it.
"""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from cli.base.errors import KitError
from cli.cloud import errors
from cli.cloud.rancher import AUTHORITY, TOKEN, URL
from cli.cloud.resource import Client
from infra.contract.outputs import Outputs
from infra.contract.secrets_backends import SECRETS_MANAGER

YOUNG = 1800.0
"""Seconds from its making on in which a secret's server may still be starting for the first time."""


@dataclass(frozen=True)
class Handover:
    """What the server has left."""

    token: str = field(repr=False)
    authority: str = field(default="", repr=False)
    """PEM text; empty where everybody knows the authority of its certificate."""


def is_own(outputs: Outputs, variables: Mapping[str, str]) -> bool:
    """Whether the Rancher that is asked is the environment's own."""
    own, other = outputs.rancher_address, variables.get(URL)
    return bool(own and (not other or urlsplit(other).netloc == urlsplit(own).netloc))


def read(client: Client, outputs: Outputs) -> Handover | None:
    """None if there is no such secret, or nothing in it yet. CloudError if AWS does not give it out."""
    name = outputs.rancher_token_secret
    if not name:
        return None
    with errors.translated("read the token of Rancher"):
        found = errors.unless_gone(client(SECRETS_MANAGER).get_secret_value, SecretId=name)
    if found is None:
        return None
    try:
        content = json.loads(found.get("SecretString") or "{}")
        return Handover(str(content["token"]), str(content.get("authority") or ""))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        # Without its content, which is a secret.
        raise KitError(
            "The secret of Rancher's token has something else in it",
            f"{name} has no JSON object with a token. The server writes it anew within a month, or at once: docs/rancher.md.",
        ) from error


def waited_for(
    client: Client,
    outputs: Outputs,
    seconds: float,
    pause: float,
    report: Callable[[str], None],
    clock: Callable[[], float] = time.monotonic,
) -> Handover | None:
    """The same, when a server that starts for the first time may still write it."""
    if not outputs.rancher_token_secret:
        return None
    give_up, told = clock() + (seconds if _young(client, outputs) else 0.0), False
    while (found := read(client, outputs)) is None and clock() < give_up:
        if not told:
            report("its Rancher starts, and has not handed over a token yet")
            told = True
        time.sleep(pause)
    return found


def _young(client: Client, outputs: Outputs) -> bool:
    with errors.translated("look at the token of Rancher"):
        found: Any = errors.unless_gone(
            client(SECRETS_MANAGER).describe_secret, SecretId=outputs.rancher_token_secret
        )
    made = (found or {}).get("CreatedDate")
    return bool(made and (datetime.now(UTC) - made).total_seconds() < YOUNG)


def filled(found: Handover | None, variables: Mapping[str, str]) -> Mapping[str, str]:
    """The variables with what was handed over, and what they say first."""
    if found is None:
        return variables
    more = {TOKEN: found.token, **({AUTHORITY: found.authority} if found.authority else {})}
    return {**more, **{key: value for key, value in variables.items() if value}}


def variables_for(
    client: Client, outputs: Outputs, variables: Mapping[str, str]
) -> Mapping[str, str]:
    """What to ask a Rancher with: the variables themselves, but for the environment's own without a token in them."""
    if variables.get(TOKEN) or not is_own(outputs, variables):
        return variables
    return filled(read(client, outputs), variables)
