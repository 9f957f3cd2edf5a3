"""The deletion of all resources of an environment, pass by pass: what one pass frees, the next deletes.

Some things take minutes to go (NAT gateways, databases), some are kept by others that have just
been asked to delete. So the cloud is asked again after each pass, and it has the last word.
"""

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from cli.base.errors import CloudError
from cli.cloud.catalogue import delete, find
from cli.cloud.patience import Patience
from cli.cloud.resource import Client, Resource, Search


@dataclass(frozen=True)
class Left:
    """A resource that could not be deleted, and the reason."""

    resource: Resource
    reason: str = ""

    def lines(self) -> list[str]:
        """What it is, why it stays, and the command that shows it."""
        item = self.resource
        why = [f"    {self.reason}"] if self.reason else []
        return [f"{item.label} ({item.arn})", *why, f"    {item.show}"]


def clear(
    client: Client,
    environment: str,
    report: Callable[[str], None],
    *,
    services: Collection[str] | None = None,
    region: str = "",
    patience: Patience = Patience(),
    wanted: Callable[[Resource], bool] = lambda resource: True,
) -> list[Left]:
    """Deletes all of an environment. Each deletion is reported; what is left comes back."""
    make = _remembered(client)
    give_up = time.monotonic() + patience.limit
    reported: set[str] = set()
    before: tuple[str, ...] | None = None
    moved = time.monotonic()
    while True:
        search = Search(make, environment, region)
        found = [resource for resource in find(search, services) if wanted(resource)]
        now = tuple(resource.arn for resource in found)
        if now != before:
            before, moved = now, time.monotonic()
        over = time.monotonic() > give_up or time.monotonic() - moved > patience.stuck
        reasons = _pass(search, found, reported, report)
        if not found or (over and not any(resource.ending for resource in found)):
            return [Left(resource, reasons.get(resource.arn, "")) for resource in found]
        if time.monotonic() > give_up:
            return [
                Left(item, reasons.get(item.arn, "its deletion is in progress")) for item in found
            ]
        time.sleep(patience.pause if reasons or any(item.ending for item in found) else 0)


def _pass(
    search: Search, found: list[Resource], reported: set[str], report: Callable[[str], None]
) -> Mapping[str, str]:
    """Tries to delete each; why some stay."""
    reasons = {}
    for resource in found:
        try:
            delete(search, resource)
        except CloudError as error:
            reasons[resource.arn] = (
                f"{error.summary}: {error.detail}" if error.detail else error.summary
            )
            continue
        if resource.arn not in reported:
            reported.add(resource.arn)
            report(f"deleted {resource.label}")
    return reasons


def _remembered(client: Client) -> Client:
    """Clients that every pass shares: making one takes longer than most of its calls."""
    made: dict[str, object] = {}

    def make(service: str) -> object:
        if service not in made:
            made[service] = client(service)
        return made[service]

    return make
