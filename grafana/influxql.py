"""Queries in InfluxQL of measurements that exist. Grafana replaces `$timeFilter`, `$__interval` and variables."""

import re
from collections.abc import Sequence
from typing import Final

from grafana.errors import GrafanaError
from infra.contract import metrics
from infra.contract.metrics import Measurement

TIME: Final = "$timeFilter"
INTERVAL: Final = "$__interval"
HERE: Final = f'"{metrics.ENVIRONMENT_TAG}" =~ /^${{environment:regex}}$/'
"""Of the environments that the dashboard's variable has; several, or all, are one expression."""

THIS_DAG: Final = '"dag_id" =~ /^${dag:regex}$/'

_MEASUREMENTS: Final = {one.name: one for one in metrics.ALL}
_COUNTED: Final = ("counter", "runs")
_QUOTED = re.compile(r'"([^"]+)"')
_NAMED = re.compile(r'AS "([^"]+)"')


def measurement(name: str) -> Measurement:
    """GrafanaError if nothing sends it."""
    if name not in _MEASUREMENTS:
        raise GrafanaError(f'no measurement "{name}" in infra/contract/metrics.py')
    return _MEASUREMENTS[name]


def select(
    fields: str,
    name: str,
    *,
    where: Sequence[str] = (),
    by: Sequence[str] = (),
    every: str = "",
    fill: str = "",
) -> str:
    """A query of one measurement. GrafanaError if it has no such field or tag.

    A step of time without points is 0 of what is counted, and otherwise none at all.
    """
    source = measurement(name)
    tags = {*source.tags, metrics.ENVIRONMENT_TAG}
    used = set(_QUOTED.findall(fields)) - set(_NAMED.findall(fields))
    filters = {tag for one in where for tag in _QUOTED.findall(one)}
    if strange := used - set(metrics.FIELDS[source.kind]):
        raise GrafanaError(f"{name} has no field {', '.join(sorted(strange))}")
    if strange := {*filters, *by} - tags:
        raise GrafanaError(f"{name} has no tag {', '.join(sorted(strange))}")
    conditions = " AND ".join((TIME, *where))
    filled = fill or ("0" if source.kind in _COUNTED else "none")
    return f'SELECT {fields} FROM "{name}" WHERE {conditions}{_grouped(by, every, filled)}'


def outer(fields: str, sources: Sequence[str], *, by: Sequence[str] = (), every: str = "") -> str:
    """A query of what other queries answer, all of one measurement: others' answers would stay apart."""
    inner = ", ".join(f"({one})" for one in sources)
    return f"SELECT {fields} FROM {inner} WHERE {TIME}{_grouped(by, every, 'none')}"


def _grouped(by: Sequence[str], every: str, fill: str) -> str:
    groups = [*((f"time({every})",) if every else ()), *(f'"{tag}"' for tag in by)]
    if not groups:
        return ""
    return f" GROUP BY {', '.join(groups)}" + (f" fill({fill})" if every else "")


def values_of(tag: str, pattern: str, *where: str) -> str:
    """The values of a tag in the measurements of a pattern, for a dashboard's variable."""
    if not any(re.search(pattern, one.name) and _has(one, tag) for one in metrics.ALL):
        raise GrafanaError(f"no measurement like {pattern} has a tag {tag}")
    conditions = f" WHERE {' AND '.join(where)}" if where else ""
    return f'SHOW TAG VALUES FROM /{pattern}/ WITH KEY = "{tag}"{conditions}'


def _has(one: Measurement, tag: str) -> bool:
    return tag in one.tags or tag == metrics.ENVIRONMENT_TAG
