"""`down` of a shared environment takes its metrics out of its base's InfluxDB, a real one: no alert tells of it any more."""

import base64
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, cast

from cli.base.console import Console
from cli.base.environments import Environment
from cli.base.errors import KitError
from cli.base.influxdb import InfluxDB
from cli.base.phases import Phases
from cli.cloud.patience import Patience
from cli.operations.teardown import metric_series
from cli.operations.teardown.report import Report
from cli.operations.teardown.target import Target
from grafana.alerts import ALERTS
from infra.contract import metrics
from infra.contract.outputs import Outputs
from tests.unit.grafana.evaluation import Series, rule
from tests.unit.grafana.points import Points
from tests.unit.images.metrics_pipeline import PASSWORDS, Pipeline

MINUTE = 60
SHORT = Patience(limit=0.3, stuck=0.3, pause=0.05)


@dataclass
class Cluster:
    """`cli.cloud.kubernetes.Kubernetes` of a base, whose forwarded port leads to the server of the test."""

    pipeline: Pipeline
    monitored: bool = True
    reachable: bool = True
    forwards: list[str] = field(default_factory=list)

    def find(self, kind: str, name: str) -> dict[str, Any] | None:
        assert (kind, name) == ("secret", metrics.SECRET)
        words = {user: base64.b64encode(word.encode()).decode() for user, word in PASSWORDS.items()}
        return {"data": words} if self.monitored else None

    @property
    def kubectl(self) -> "Cluster":
        return self

    @contextmanager
    def forwarded(self, target: str, port: int) -> Iterator[int]:
        self.forwards.append(target)
        if not self.reachable:
            raise KitError("no port could be forwarded")
        yield self.pipeline.influxdb_port


@dataclass
class Cloud:
    """`cli.cloud.protocol.Cloud`, as far as it leads to that cluster."""

    cluster: Cluster
    keeps_kubernetes: bool = True

    def kubernetes(self, namespace: str, *_: object) -> Cluster:
        return self.cluster


def target(name: str, cluster: Cluster, base: str = "prod") -> Target:
    tenancy = "shared" if base else "dedicated"
    outputs = Outputs({"tenancy": tenancy, "base": base, "clusterName": "prod"})
    unused = cast(Any, None)
    cloud = cast(Any, Cloud(cluster))
    return Target(unused, Environment(name), unused, cloud, unused, "", outputs)


def report() -> Report:
    found = Report(Phases(Console(), 1))
    with found.step("cluster"):
        pass
    return found


def troubled(pipeline: Pipeline, environment: str, now: int) -> None:
    """An environment of which the alerts have much to tell."""
    points, here = Points(), {"environment": environment}
    points.every(5, "airflow_scheduler_heartbeat", range(now - 2400, now - 900), 1, **here)
    points.every(60, "logs_arrived", range(now - 7200, now - 3600), 9, **here)
    for run in range(1, 5):
        points.add(
            "airflow_dagrun_duration_failed",
            now - run * 600,
            1000,
            dag_id="etl",
            run_type="scheduled",
            **here,
        )
    for minute in range(60):
        when = now - minute * MINUTE
        points.add("airflow_dag_processing_import_errors", when, 2, **here)
        points.add("airflow_pool_queued_slots", when, 4, pool_name="default", **here)
        points.add(
            "airflow_dagrun_schedule_delay",
            when,
            900_000,
            dag_id="etl",
            run_type="scheduled",
            **here,
        )
    points.write(pipeline)


def firing(pipeline: Pipeline, environment: str, now: int) -> set[str]:
    """The alerts that tell of it, evaluated each minute of half an hour."""
    rules = {one.name: rule(one.name) for one in ALERTS}
    last: dict[str, set[Series]] = {}
    for minute in range(30, -1, -1):
        last = {name: one.firing(pipeline, now - minute * MINUTE) for name, one in rules.items()}
    tells = ("environment", environment)
    return {name for name, series in last.items() if any(tells in one for one in series)}


OF_AN_ENVIRONMENT = {one.name for one in ALERTS} - {
    "certificate-near-its-end",
    "disk-filling",
    "server-connections",
    "database-connections",
}


def test_after_down_no_alert_tells_of_it_and_all_tell_of_the_others(pipeline: Pipeline) -> None:
    now = int(time.time()) // MINUTE * MINUTE + 7 - 2 * MINUTE
    for environment in ("prod-x", "prod-x-y", "prod"):
        troubled(pipeline, environment, now)
        assert firing(pipeline, environment, now) == OF_AN_ENVIRONMENT
    told = report()
    metric_series.remove(target("prod-x", Cluster(pipeline)), told, SHORT)
    assert told.steps[-1].deleted == ["metrics of prod-x in prod"]
    assert not told.steps[-1].notes
    assert firing(pipeline, "prod-x", now) == set()
    # One whose name begins alike is another.
    assert firing(pipeline, "prod-x-y", now) == firing(pipeline, "prod", now) == OF_AN_ENVIRONMENT
    # Nothing of it is shown, either; and a second `down` finds nothing to do.
    assert not pipeline.ask("SHOW SERIES WHERE environment = 'prod-x'")
    again = report()
    metric_series.remove(target("prod-x", Cluster(pipeline)), again, SHORT)
    assert again.steps[-1].deleted == []


class Asked(InfluxDB):
    """Keeps what it was asked."""

    queries: list[str]

    def rows(self, query: str) -> list[dict[str, Any]]:
        self.queries = [*getattr(self, "queries", []), query]
        return super().rows(query)


def test_it_waits_while_points_are_on_the_way_and_not_for_ever(pipeline: Pipeline) -> None:
    points, now = Points(), int(time.time())
    for name, seconds in (("late", 1), ("silent", 60)):
        points.add("airflow_triggerer_heartbeat", now - seconds, 1, environment=name)
    points.write(pipeline)
    url = f"http://127.0.0.1:{pipeline.influxdb_port}"
    looks = {}
    for name in ("late", "silent"):
        with (
            Asked(url, metrics.DATABASE, metrics.READER, PASSWORDS[metrics.READER]) as reader,
            InfluxDB(url, metrics.DATABASE, metrics.WRITER, PASSWORDS[metrics.WRITER]) as writer,
        ):
            assert metric_series.drop(reader, writer, name, SHORT)
            looks[name] = sum("now()" in query for query in reader.queries)
        assert not pipeline.ask(f"SHOW SERIES WHERE environment = '{name}'")
    assert looks["silent"] == 1
    assert looks["late"] > 1


def test_a_base_without_metrics_is_left_alone(pipeline: Pipeline) -> None:
    cluster, told = Cluster(pipeline, monitored=False), report()
    metric_series.remove(target("x", cluster), told, SHORT)
    assert (told.steps[-1].deleted, told.steps[-1].notes, cluster.forwards) == ([], [], [])


def test_a_dedicated_environments_metrics_go_with_its_influxdb(pipeline: Pipeline) -> None:
    cluster = Cluster(pipeline)
    metric_series.remove(target("prod", cluster, base=""), report(), SHORT)
    assert not cluster.forwards


def test_an_influxdb_that_is_away_is_a_note_and_no_failure(pipeline: Pipeline) -> None:
    told = report()
    metric_series.remove(target("x", Cluster(pipeline, reachable=False)), told, SHORT)
    (note,) = told.steps[-1].notes
    assert note.startswith("its metrics are left in prod")
    assert note.endswith("no port could be forwarded")
