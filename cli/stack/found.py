"""Looks in the cloud for what an interrupted creation may have made, as its row of the catalogue says.

By the name in its inputs, by its tags, or by what it is attached to. Some creations are safe to
repeat: settings that are put, and attachments. Others go on in the cloud after whoever asked for
them is gone: these are waited for.
"""

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime

from botocore.exceptions import WaiterError

from cli.cloud.catalogue import BY_TYPE
from cli.cloud.catalogue.kind import Asked, Kind, Undecidable
from cli.cloud.errors import translated
from cli.cloud.kubernetes import Kubernetes
from cli.cloud.resource import Client
from cli.stack import helm_releases, objects
from cli.stack.pending import RELEASE, Look, Made, Pending, Repeatable

_IN_CLUSTER = "kubernetes:"
_PULUMIS_OWN = "pulumi:"
"""Providers: nothing in a cloud."""


def looker(client: Client, kubernetes: Callable[[str], Kubernetes]) -> Look:
    """A look into the cloud that `client` leads to, and its cluster: `kubernetes` by namespace."""

    def look(item: Pending, known: frozenset[str]) -> Made | Repeatable | None:
        if item.type == RELEASE:
            return helm_releases.look(item, kubernetes)
        if item.type.startswith(_IN_CLUSTER):
            return objects.look(item, kubernetes)
        if item.type.startswith(_PULUMIS_OWN):
            return Repeatable()
        kind = BY_TYPE.get(item.type)
        if kind is None or kind.recover is None:
            return None
        try:
            with translated(f"look for {item.label}"):
                found = kind.recover(Asked(client, item.inputs, known, _instant(item.since)))
                if found and found not in known:
                    _until_ready(client, kind, found)
        except (Undecidable, KeyError):
            return None
        return Made(found) if found else Repeatable()

    return look


def _until_ready(client: Client, kind: Kind, identifier: str) -> None:
    if kind.ready is None:
        return
    waiter, arguments = kind.ready
    # One that has failed is there, too: Pulumi reads how it is.
    with suppress(WaiterError):
        client(kind.service).get_waiter(waiter).wait(**arguments(identifier))


def _instant(text: str) -> datetime | None:
    return datetime.fromisoformat(text.replace("Z", "+00:00")) if text else None
