"""The price table: `prices.json`, by region and AWS's service, each with the sources that it was read in.

A price that is not in it is missing, never zero. One that no second source has is named as such.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from cli.base.errors import UserError

FILE = Path(__file__).with_name("prices.json")

HOURS = 730
"""Of a month, as AWS counts them."""

SIZES = {
    "nano": 1 / 16,
    "micro": 1 / 8,
    "small": 1 / 4,
    "medium": 1 / 2,
    "large": 1,
    "xlarge": 2,
    **{f"{n}xlarge": 2 * n for n in (2, 4, 8, 12, 16, 24)},
}
"""Of instances, against `large`: within a family AWS's prices are in proportion."""


MEMORY = "memory"
"""The source that is none: what the writer remembered, and compared with nothing."""

NAMES = {"cloudwatch": "CloudWatch"}
"""Of services, where it is not their key in capitals."""

TWO_ZONES = "{} in two zones"
"""The key of a database class's price with a standby, where it is known: rounded, it is not always twice."""


@dataclass(frozen=True)
class Prices:
    """One region's prices in dollars."""

    region: str
    date: str
    _services: Mapping[str, Mapping[str, Any]]
    """By service: `prices`, `from` (their sources), `alone` (those that only one of these has) and
    `remembered` (those that none of them has)."""

    def hour(self, key: str) -> float | None:
        """What a thing costs an hour."""
        return self._price(key)

    def month(self, key: str) -> float | None:
        """What a thing, or a GB, that is billed by the month costs an hour."""
        price = self._price(key)
        return None if price is None else price / HOURS

    def use(self, key: str) -> float | None:
        """What a unit of something that is billed by use costs."""
        return self._price(key)

    def instance(self, kind: str) -> float | None:
        """What an EC2 instance of a type costs an hour."""
        large, times = self._of("ec2").get(kind.partition(".")[0]), self.times_large(kind)
        return None if large is None or times is None else large * times

    @staticmethod
    def times_large(kind: str) -> float | None:
        """How many of its family's `large` a type is."""
        return SIZES.get(kind.partition(".")[2])

    def database(self, kind: str, *, two_zones: bool = False) -> float | None:
        """What an RDS instance of a class costs an hour."""
        known = self._of("rds")
        one = known.get(kind)
        return (
            known.get(TWO_ZONES.format(kind), None if one is None else 2 * one)
            if two_zones
            else one
        )

    def all(self) -> dict[str, float]:
        """Every price, by its key."""
        return {key: price for name in self._services for key, price in self._of(name).items()}

    def sources(self) -> dict[str, list[str]]:
        """The names of each service's sources."""
        return {name: list(service["from"]) for name, service in self._services.items()}

    def unproven(self) -> tuple[list[str], list[str]]:
        """Services, or keys of them, that one source alone has; and those from memory alone."""
        single: list[str] = []
        remembered: list[str] = []
        for name, service in self._services.items():
            real = [source for source in service["from"] if source != MEMORY]
            title = NAMES.get(name, name.upper())
            remembered += [f"{title} {key}" for key in service.get("remembered", ())]
            if not real:
                remembered.append(title)
            elif len(real) == 1:
                single.append(title)
            else:
                single += [f"{title} {key}" for key in service.get("alone", ())]
        return single, remembered

    def _of(self, service: str) -> Mapping[str, float]:
        found: Mapping[str, float] = self._services.get(service, {}).get("prices", {})
        return found

    def _price(self, key: str) -> float | None:
        return self.all().get(key)


def regions() -> list[str]:
    """Those that the table has."""
    return sorted(_document()["regions"])


def of(region: str) -> Prices:
    """The prices of a region. UserError if the table does not have it."""
    document = _document()
    if region not in document["regions"]:
        raise UserError(
            f"There are no prices for the region {region or '(none)'}",
            f"The table of {document['date']} (cli/operations/cost/prices.json) has {', '.join(regions())}. Add yours\n"
            "there, or see what it would cost in one of these:",
            f"./aerodrome cost --region {regions()[0]}",
        )
    return Prices(region, document["date"], document["regions"][region])


def sources() -> Mapping[str, Mapping[str, str]]:
    """What the prices were read in, by the name that the table has for it: what it is, and its date."""
    found: dict[str, dict[str, str]] = _document()["sources"]
    return found


@cache
def _document() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(FILE.read_text())
    return document
