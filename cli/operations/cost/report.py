"""The cost report as a person reads it: each thing with its price, totals by the hour and the month, both tenancies side by side."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from cli.operations.bootstrap.requested_settings import RequestedSettings
from cli.operations.cost import planned, pricing
from cli.operations.cost.prices import HOURS, Prices, sources
from cli.operations.cost.things import Line, Thing

DEDICATED, SHARED, STANDING = "dedicated", "shared", "deployed"

ON_THE_WORKERS = (
    "A shared environment adds nothing that AWS bills by the hour: its pods run on the workers of its\n"
    "base, and cost something only if these must become more. The row shows the share they take."
)


@dataclass(frozen=True)
class Estimate:
    """One way to have the environment, or the one that stands."""

    kind: str
    lines: Sequence[Line]
    on_workers: Sequence[Line] = ()
    """The share of the base's workers: in the table, not in the total."""

    @property
    def hourly(self) -> float:
        """The sum of what is known."""
        return sum(line.hourly or 0.0 for line in self.lines)

    @property
    def missing(self) -> list[Line]:
        return [line for line in self.lines if line.missing]

    @property
    def by_use(self) -> list[Line]:
        return [line for line in self.lines if line.by_use]

    def data(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "hourly": round(self.hourly, 6),
            "monthly": round(self.hourly * HOURS, 2),
            "complete": not self.missing,
            "resources": [_line_data(line) for line in self.lines],
            "onTheBasesWorkers": [_line_data(line) for line in self.on_workers],
        }


def _line_data(line: Line) -> dict[str, Any]:
    return {
        "what": line.what,
        "name": line.name,
        "detail": line.detail,
        "hourly": None if line.hourly is None else round(line.hourly, 6),
        "monthly": None if line.hourly is None else round(line.hourly * HOURS, 2),
        "byUse": line.by_use,
    }


@dataclass(frozen=True)
class CostReport:
    """The estimates beside one another."""

    environment: str
    prices: Prices
    estimates: Sequence[Estimate]
    notes: Sequence[str] = field(default_factory=tuple)

    def data(self) -> dict[str, Any]:
        return {
            "environment": self.environment,
            "region": self.prices.region,
            "pricesOf": self.prices.date,
            "hoursOfAMonth": HOURS,
            "currency": "USD",
            "estimates": {each.kind: each.data() for each in self.estimates},
            "notes": list(self.notes),
            "sources": self._sources(),
            "oneSource": self.prices.unproven()[0],
            "fromMemory": self.prices.unproven()[1],
        }

    @property
    def headings(self) -> tuple[str, ...]:
        prices = (f"{each.kind} {unit}" for each in self.estimates for unit in ("/h", "/month"))
        return ("", *prices)

    def rows(self) -> list[tuple[str, ...]]:
        """One for each thing, in the order of the first estimate that has it; then the total."""
        labels = list(dict.fromkeys(_label(line) for each in self.estimates for line in _all(each)))
        rows = [self._row(label) for label in labels]
        partly = any(each.missing for each in self.estimates)
        heading = "total of what has a price" if partly else "total"
        return [*rows, (heading, *_each(self.estimates, _total))]

    def columns(self) -> list[tuple[str, ...]]:
        """The headings and the rows for a terminal: numbers end where their headings do."""
        table = [self.headings, *self.rows()]
        widths = [max(map(len, cells)) for cells in zip(*table, strict=True)]
        return [
            (row[0], *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)))
            for row in table
        ]

    def _row(self, label: str) -> tuple[str, ...]:
        def lines_of(each: Estimate) -> list[Line]:
            return [line for line in _all(each) if _label(line) == label]

        count = max(len(lines_of(each)) for each in self.estimates)
        return (f"{count} x {label}" if count > 1 else label, *_each(self.estimates, lines_of))

    def remarks(self) -> list[str]:
        """What the table alone does not say."""
        found = list(self.notes)
        missing = sorted({_label(line) for each in self.estimates for line in each.missing})
        if missing:
            found.append(
                f"No price, and in no total: {', '.join(missing)}. Add it to cli/operations/cost/prices.json."
            )
        uses = sorted({f"{x.what}: {x.by_use}" for each in self.estimates for x in each.by_use})
        if uses:
            found.append(f"Billed by use, in no total: {'; '.join(uses)}.")
        if any(each.on_workers for each in self.estimates):
            found.append(ON_THE_WORKERS.replace("\n", " "))
        found.append(
            f"List prices of {self.prices.date} in {self.prices.region}, USD, {HOURS} hours a month."
        )
        return [*found, *self._unproven()]

    def _unproven(self) -> list[str]:
        """What the table is not sure of."""
        single, remembered = self.prices.unproven()
        remarks = [
            f"{what}: {', '.join(names)}"
            for what, names in (("in one source only", single), ("from memory only", remembered))
            if names
        ]
        return [f"Not compared with a second source: {'; '.join(remarks)}."] if remarks else []

    def _sources(self) -> dict[str, list[dict[str, str]]]:
        known = sources()
        return {
            service: [dict(known[name]) for name in names]
            for service, names in self.prices.sources().items()
        }

    def markdown(self) -> str:
        """The comment for a pull request."""
        rule = ["---", *["---:"] * (len(self.headings) - 1)]
        rows = [self.headings, tuple(rule), *self.rows()]
        table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
        remarks = "\n".join(f"- {remark}" for remark in self.remarks())
        return f"### What `{self.environment}` costs on AWS\n\n{table}\n\n{remarks}\n"


def estimate(kind: str, things: Iterable[Thing], prices: Prices) -> Estimate:
    """The prices of things."""
    return Estimate(kind, [line for thing in things for line in pricing.lines(thing, prices)])


def plan(kind: str, wanted: RequestedSettings, environment: str, prices: Prices) -> Estimate:
    """The estimate of what the settings will create on a tenancy."""
    if kind == DEDICATED:
        return estimate(kind, planned.dedicated(wanted, environment), prices)
    found = estimate(kind, planned.shared(wanted, environment), prices)
    return Estimate(kind, found.lines, [planned.pods(wanted, prices)])


def _all(each: Estimate) -> list[Line]:
    """What has a row: not what is billed by use, which has no price by the hour."""
    return [line for line in (*each.lines, *each.on_workers) if not line.by_use]


def _label(line: Line) -> str:
    return f"{line.what} ({line.detail})" if line.detail else line.what


def _total(each: Estimate) -> list[Line]:
    return [Line("total", "", each.hourly)]


def _each(estimates: Sequence[Estimate], lines_of: Callable[[Estimate], list[Line]]) -> list[str]:
    """The cells of a row: by the hour and the month, for every estimate."""
    cells: list[str] = []
    for each in estimates:
        lines = lines_of(each)
        if not lines:
            cells += ["-", "-"]
        elif any(line.hourly is None for line in lines):
            cells += ["no price", "no price"]
        else:
            hourly = sum(line.hourly or 0.0 for line in lines)
            apart = lines[0] in each.on_workers
            cells += [_apart(f"{hourly:.4f}", apart), _apart(f"{hourly * HOURS:.2f}", apart)]
    return cells


def _apart(text: str, apart: bool) -> str:
    """In brackets what is in no total."""
    return f"({text})" if apart else text
