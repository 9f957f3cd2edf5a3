"""Looks in the cloud for what an interrupted creation may have made."""

from collections.abc import Callable
from typing import Any

from cli.stack.pending import Look, Made, Pending, Repeatable

Clients = Callable[[str], Callable[[str], Any]]
"""Makes, for a region, what makes boto3 clients by service."""


def looker(clients: Clients, environment: str) -> Look:
    """A look into the cloud of `environment`."""

    def look(item: Pending) -> Made | Repeatable | None:
        if item.type.startswith("kubernetes:") or item.type.startswith("pulumi:"):
            # Pulumi's provider applies objects: one that is there already is taken over.
            return Repeatable()
        return None

    return look
