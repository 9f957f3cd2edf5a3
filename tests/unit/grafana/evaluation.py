"""Grafana's evaluation of a rule of the provisioning file, as far as these rules go: query, reduction, threshold, duration."""

import operator
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import yaml

from grafana.files import FOLDER
from tests.unit.grafana.points import in_grafana
from tests.unit.images.metrics_pipeline import Pipeline

RULES = FOLDER / "provisioning" / "alerting" / "rules.yaml"
SECONDS = {"s": 1, "m": 60, "h": 3600}
COMPARED: dict[str, Callable[[float, float], bool]] = {"gt": operator.gt, "lt": operator.lt}

Series = tuple[tuple[str, str], ...]
"""The labels of an alert; none if there is no data."""


def seconds(text: str) -> int:
    """Of a duration as the file has it."""
    found = re.fullmatch(r"(\d+)([smh])", text)
    assert found, text
    return int(found[1]) * SECONDS[found[2]]


@dataclass
class Rule:
    """One rule, and since when each of its series is beyond the threshold."""

    content: dict[str, Any]
    since: dict[Series, int] = field(default_factory=dict)

    @property
    def parts(self) -> dict[str, dict[str, Any]]:
        """Query, reduction and threshold."""
        return {one["refId"]: one for one in self.content["data"]}

    def values(self, pipeline: Pipeline, now: int) -> dict[Series, float]:
        """The value of each series, at a time."""
        query, reduction = self.parts["A"], self.parts["B"]["model"]
        assert (reduction["type"], reduction["expression"], reduction["reducer"]) == (
            "reduce",
            "A",
            "last",
        )
        past = query["relativeTimeRange"]
        text = in_grafana(query["model"]["query"], now - past["from"], now - past["to"])
        found = {}
        for row in pipeline.ask(text):
            del row["time"]
            value = _take_value(row)
            # The later row replaces the earlier one: the reduction.
            found[tuple(sorted(row.items()))] = value
        return found

    def firing(self, pipeline: Pipeline, now: int) -> set[Series]:
        """What fires after an evaluation at that time."""
        threshold = self.parts["C"]["model"]
        assert self.content["condition"] == "C"
        assert (threshold["type"], threshold["expression"]) == ("threshold", "B")
        (condition,) = threshold["conditions"]
        (limit,) = condition["evaluator"]["params"]
        beyond = COMPARED[condition["evaluator"]["type"]]
        values = self.values(pipeline, now)
        bad = {series for series, value in values.items() if beyond(value, limit)}
        if not values and self.content["noDataState"] == "Alerting":
            bad = {()}
        self.since = {series: self.since.get(series, now) for series in bad}
        lasting = seconds(self.content["for"])
        return {series for series, since in self.since.items() if now - since >= lasting}


def _take_value(row: dict[str, Any]) -> float:
    """The column that is no tag: there is one, or Grafana would not know which to take."""
    (name,) = [name for name, value in row.items() if not isinstance(value, str)]
    return float(row.pop(name))


def group() -> dict[str, Any]:
    """What the file has."""
    (found,) = yaml.safe_load(RULES.read_text())["groups"]
    return dict(found)


def rule(name: str) -> Rule:
    """A rule of the file, evaluated never yet."""
    (found,) = [one for one in group()["rules"] if one["uid"] == f"aerodrome-{name}"]
    return Rule(found)


def history(rule: Rule, pipeline: Pipeline, times: Iterable[int], **labels: str) -> dict[int, bool]:
    """Whether the series with these labels fires, after each evaluation."""
    wanted = set(labels.items())
    return {
        now: any(wanted <= set(series) for series in rule.firing(pipeline, now)) for now in times
    }
