"""Points as Telegraf writes them, put into a real InfluxDB, and Grafana's replacements in its queries."""

import re
import urllib.request
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from grafana.influxql import measurement
from infra.contract import metrics
from tests.unit.images.metrics_pipeline import PASSWORDS, Pipeline

OF_STATSD = ("counter", "gauge", "timing")
CONTINUOUS = re.compile(r"BEGIN (?P<select>.*) (?P<groups>GROUP BY .*) END$")


def line(name: str, when: int, tags: Mapping[str, str], *values: float) -> str:
    """One point: of a timing, `values` are the milliseconds that it was made of."""
    kind = measurement(name).kind
    words = {**tags, "metric_type": kind} if kind in OF_STATSD else tags
    keys = "".join(f",{tag}={_escaped(value)}" for tag, value in words.items())
    parts = ",".join(f"{key}={value}" for key, value in _fields(kind, values).items())
    return f"{name}{keys} {parts} {when}"


def _escaped(value: str) -> str:
    return re.sub(r"([ ,=])", r"\\\1", value)


def _fields(kind: str, values: Sequence[float]) -> dict[str, Any]:
    match kind:
        case "counter":
            return {"value": f"{int(values[0])}i"}
        case "gauge":
            return {"value": float(values[0])}
        case "timing":
            return _timing(values)
    return {
        name: f"{int(value)}i" for name, value in zip(metrics.FIELDS[kind], values, strict=True)
    }


def _timing(values: Sequence[float]) -> dict[str, Any]:
    mean = sum(values) / len(values)
    top = max(values)
    return {
        "count": f"{len(values)}i",
        "sum": float(sum(values)),
        "mean": mean,
        "median": mean,
        "lower": float(min(values)),
        "upper": float(top),
        "stddev": 0.0,
        "90_percentile": float(top),
        "99_percentile": float(top),
    }


@dataclass
class Points:
    """What is written at once."""

    lines: list[str] = field(default_factory=list)

    def add(self, name: str, when: int, *values: float, **tags: str) -> None:
        """One point."""
        self.lines.append(line(name, when, tags, *values))

    def every(self, seconds: int, name: str, span: range, *values: float, **tags: str) -> None:
        """One each so many seconds."""
        for when in range(span.start, span.stop, seconds):
            self.add(name, when, *values, **tags)

    def write(self, pipeline: Pipeline) -> None:
        """As Telegraf's user, and then what the continuous queries make of the last of it."""
        url = f"http://127.0.0.1:{pipeline.influxdb_port}/write?db={metrics.DATABASE}&rp={metrics.RAW}&precision=s"
        request = urllib.request.Request(url, "\n".join(self.lines).encode())
        login = f"{metrics.WRITER}:{PASSWORDS[metrics.WRITER]}"
        request.add_header("Authorization", f"Basic {b64encode(login.encode()).decode()}")
        with urllib.request.urlopen(request, timeout=30) as answer:
            assert answer.status == 204
        times = [int(one.rsplit(" ", 1)[1]) for one in self.lines]
        run_continuous_queries(pipeline, min(times), max(times))


def run_continuous_queries(pipeline: Pipeline, since: int, until: int) -> None:
    """Those of runs, as the server has them, for a time that is gone: by itself it looks at the last half hour only."""
    rows = pipeline.ask("SHOW CONTINUOUS QUERIES", metrics.ADMIN)
    queries = [row["query"] for row in rows if row["name"].startswith("runs_")]
    assert len(queries) == 2
    for query in queries:
        found = CONTINUOUS.search(query)
        assert found, query
        when = f"WHERE time >= {since}s AND time <= {until}s"
        pipeline.ask(f"{found['select']} {when} {found['groups']}", metrics.ADMIN)


def in_grafana(query: str, since: int, until: int, **variables: str) -> str:
    """The query as Grafana sends it, with steps of an hour where it does not say others."""
    replaced = query.replace("$timeFilter", f"time >= {since}000ms and time <= {until}000ms")
    replaced = replaced.replace("$__interval", "3600s")
    for name, value in variables.items():
        replaced = replaced.replace(f"${{{name}:regex}}", value)
        replaced = replaced.replace(f"${{{name}:raw}}", value)
    assert "$" not in replaced.replace("$/", ""), replaced
    return replaced
