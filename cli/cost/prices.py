"""The price table: `prices.json`, by region. A price that is not in it is missing, never zero."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from sandbox.errors import UserError

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


@dataclass(frozen=True)
class Prices:
    """One region's prices in dollars."""

    region: str
    date: str
    _table: Mapping[str, Any]

    def hour(self, key: str) -> float | None:
        """What a thing costs an hour."""
        return self._number(key)

    def month(self, key: str) -> float | None:
        """What a thing, or a GB, that is billed by the month costs an hour."""
        price = self._number(key)
        return None if price is None else price / HOURS

    def use(self, key: str) -> float | None:
        """What a unit of something that is billed by use costs."""
        return self._number(key)

    def instance(self, kind: str) -> float | None:
        """What an EC2 instance of a type costs an hour."""
        large, times = self._table["ec2"].get(kind.partition(".")[0]), self.times_large(kind)
        return None if large is None or times is None else float(large) * times

    @staticmethod
    def times_large(kind: str) -> float | None:
        """How many of its family's `large` a type is."""
        return SIZES.get(kind.partition(".")[2])

    def database(self, kind: str) -> float | None:
        """What an RDS instance of a class costs an hour, in one zone."""
        price = self._table.get("rds", {}).get(kind)
        return None if price is None else float(price)

    def _number(self, key: str) -> float | None:
        price = self._table.get(key)
        return None if price is None else float(price)


def regions() -> list[str]:
    """Those that the table has."""
    return sorted(_document()["regions"])


def of(region: str) -> Prices:
    """The prices of a region. UserError if the table does not have it."""
    document = _document()
    if region not in document["regions"]:
        raise UserError(
            f"There are no prices for the region {region or '(none)'}",
            f"The table of {document['date']} (cli/cost/prices.json) has {', '.join(regions())}. Add yours\n"
            "there, or see what it would cost in one of these:",
            f"./aerodrome cost --region {regions()[0]}",
        )
    return Prices(region, document["date"], document["regions"][region])


def sources() -> Mapping[str, str]:
    """The pages that the prices are from, by service."""
    found: dict[str, str] = _document()["sources"]
    return found


@cache
def _document() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(FILE.read_text())
    return document
