"""The few kinds of panels that the dashboards are made of, and what all dashboards have in common."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from grafana_foundation_sdk.builders import bargauge, common, dashboard, stat, table, timeseries
from grafana_foundation_sdk.models.common import BigValueColorMode, VisibilityMode
from grafana_foundation_sdk.models.dashboard import (
    DashboardLinkType,
    Threshold,
    ThresholdsMode,
    VariableOption,
    VariableRefresh,
)

from grafana import influxql
from grafana.datasource import TABLE, InfluxTarget, reference
from infra.contract import metrics

TAG: Final = "aerodrome"
WIDTH: Final = 24
MILLISECONDS, PERCENT, RATIO, BYTES, COUNT = "ms", "percent", "percentunit", "bytes", "short"
DOLLARS: Final = "currencyUSD"
"""Grafana's names of units."""

GOOD, WARNING, BAD = "green", "orange", "red"


@dataclass(frozen=True)
class Line:
    """One query of a panel, and what its series are called; `$tag_NAME` is a tag's value."""

    query: str
    alias: str | None = None


def graph(
    title: str,
    lines: Sequence[Line],
    *,
    unit: str = COUNT,
    description: str = "",
    span: int = WIDTH // 2,
) -> timeseries.Panel:
    """Series over time."""
    panel = timeseries.Panel().title(title).datasource(reference()).unit(unit).span(span).height(8)
    panel = panel.min(0).fill_opacity(10).show_points(VisibilityMode.AUTO)
    for name, line in zip("ABCDEFGH", lines, strict=False):
        panel = panel.with_target(InfluxTarget(line.query, alias=line.alias, ref_id=name))
    return panel.description(description) if description else panel


def number(
    title: str, query: str, steps: Sequence[tuple[float | None, str]], *, unit: str = COUNT
) -> stat.Panel:
    """The last value of each series, coloured from the step on that it has reached."""
    thresholds = (
        dashboard.ThresholdsConfig()
        .mode(ThresholdsMode.ABSOLUTE)
        .steps([Threshold(value, color) for value, color in steps])
    )
    return (
        stat.Panel()
        .title(title)
        .datasource(reference())
        .unit(unit)
        .span(4)
        .height(4)
        .thresholds(thresholds)
        .color_mode(BigValueColorMode.BACKGROUND)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .with_target(InfluxTarget(query, alias=f"$tag_{metrics.ENVIRONMENT_TAG}"))
    )


def rows(title: str, query: str, *, unit: str = COUNT, description: str = "") -> table.Panel:
    """A row for each series of the answer."""
    panel = table.Panel().title(title).datasource(reference()).unit(unit).span(WIDTH).height(9)
    panel = panel.with_target(InfluxTarget(query, form=TABLE))
    return panel.description(description) if description else panel


def bars(title: str, query: str, alias: str, *, unit: str, most: float) -> bargauge.Panel:
    """The last value of each series, as a part of the most that there can be."""
    return (
        bargauge.Panel()
        .title(title)
        .datasource(reference())
        .unit(unit)
        .min(0)
        .max(most)
        .span(WIDTH)
        .height(6)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .with_target(InfluxTarget(query, alias=alias))
    )


def variable(name: str, label: str, query: str) -> dashboard.QueryVariable:
    """Values to choose from: all of them unless somebody chooses."""
    return (
        dashboard.QueryVariable(name)
        .label(label)
        .datasource(reference())
        .query(query)
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .multi(True)
        .include_all(True)
        .current(VariableOption(text="All", value="$__all"))
    )


def amount(name: str, label: str, default: str, description: str) -> dashboard.TextBoxVariable:
    """A number that whoever looks may type; `${NAME:raw}` in a query."""
    return (
        dashboard.TextBoxVariable(name).label(label).default_value(default).description(description)
    )


def environment() -> dashboard.QueryVariable:
    """Whose metrics a dashboard shows."""
    return variable(
        "environment", "Environment", influxql.values_of(metrics.ENVIRONMENT_TAG, "^airflow_")
    )


def board(uid: str, title: str, description: str) -> dashboard.Dashboard:
    """A dashboard without panels, with links to all others."""
    others = (
        dashboard.DashboardLink("Aerodrome")
        .type(DashboardLinkType.DASHBOARDS)
        .tags([TAG])
        .as_dropdown(True)
        .include_vars(True)
        .keep_time(True)
    )
    return (
        dashboard.Dashboard(title)
        .uid(uid)
        .description(description)
        .tags([TAG])
        .timezone("browser")
        .refresh("30s")
        .time("now-6h", "now")
        .readonly()
        .link(others)
    )
