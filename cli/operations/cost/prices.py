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
from cli.cloud.catalogue.kind import IN_TWO_ZONES

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

NAMES = {"cloudwatch": "CloudWatch", "secrets": "Secrets Manager"}
"""Of services, where it is not their key in capitals."""


@dataclass(frozen=True)
class Prices:
    """One region's prices in dollars."""

    region: str
    date: str
    _services: Mapping[str, Mapping[str, Any]]
    """By service: `prices`, `from` (their sources), `alone` (those that only one of these has) and
    `remembered` (those that none of them has)."""

    def rate(self, key: str) -> float | None:
        """What a unit costs: of the table, of an instance type by its family's `large`, of a database class."""
        known, kind = self.all(), key.removesuffix(IN_TWO_ZONES)
        family, times = known.get(kind.partition(".")[0]), self.times_large(kind)
        if key in known:
            return known[key]
        if kind != key:
            # Where it is not known.
            return 2 * known[kind] if kind in known else None
        return None if family is None or times is None else family * times

    @staticmethod
    def times_large(kind: str) -> float | None:
        """How many of its family's `large` an instance type is."""
        return SIZES.get(kind.partition(".")[2])

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
