"""The things that stand: those of a stack's state, and single ones that were found in the cloud.

`so_far` is for `aerodrome list`, `price` for `aerodrome sweep`. Both are about what others found; where
there is no price they say None, and the caller shows that there is none.
"""

from collections.abc import Iterable
from datetime import UTC, datetime

from cli.base import lifetime
from cli.cloud.catalogue import kind_of
from cli.cloud.catalogue.kind import Charge, Kind
from cli.cloud.resource import Resource
from cli.operations.cost import prices, pricing
from cli.operations.cost.things import Thing
from cli.stack.backends import Found


def things(found: Iterable[Found]) -> list[Thing]:
    """A stack's resources."""
    return [Thing(item.type, item.name, item.inputs, item.created) for item in found]


def so_far(found: Iterable[Found], region: str, now: datetime | None = None) -> float | None:
    """What a stack's resources have cost since they were made, at today's size, in dollars.

    None if the region has no prices, or if one of the resources has none, or costs something since
    nobody knows when. What is billed by use is not in it; nor are a shared environment's pods, which
    run on its base's workers.
    """
    if region not in prices.regions():
        return None
    table, until = prices.of(region), now or datetime.now(UTC)
    total = 0.0
    for thing in things(found):
        for line in pricing.lines(thing, table):
            if line.missing or (line.hourly and not line.created):
                return None
            total += (line.hourly or 0.0) * _hours(line.created, until)
    return total


def _hours(created: str, until: datetime) -> float:
    if not created:
        return 0.0
    return max(0.0, (until - lifetime.instant(created)).total_seconds() / 3600)


def price(resource: Resource, region: str) -> float | None:
    """What something in the cloud costs an hour, in dollars; None if nobody knows, or it is billed by use."""
    kind = kind_of(resource)
    if kind is None or region not in prices.regions():
        return None
    if resource.ending:
        return 0.0
    charges = _charges(kind, resource)
    if charges and all(charge.by_use for charge in charges):
        return None
    table = prices.of(region)
    found = [pricing.hour(charge, table) for charge in charges if not charge.by_use]
    known = [each for each in found if each is not None]
    return sum(known) if len(known) == len(found) else None


def _charges(kind: Kind, resource: Resource) -> list[Charge]:
    """Without what is used for nothing, such as a gateway endpoint."""
    return [each for each in kind.price(resource.facts) if each.rates or not each.by_use]


def by_use(resource: Resource) -> bool:
    """Whether what it costs depends on what is in it, or done with it, alone."""
    kind = kind_of(resource)
    charges = _charges(kind, resource) if kind else []
    return bool(charges) and all(charge.by_use for charge in charges)
