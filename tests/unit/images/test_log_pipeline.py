"""From containers' log files through the shipper to Elasticsearch: both are real, with the chart's settings."""

import json
import signal
import time
from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest

from cli.base.elasticsearch import Elasticsearch
from cli.base.errors import UserError
from cli.operations import log_search
from infra.contract import logs, metrics
from tests.unit.grafana.evaluation import rule
from tests.unit.images import metrics_pipeline
from tests.unit.images.log_pipeline import PASSWORDS, Container, Pipeline, Refused, event, running
from tests.unit.images.real_airflow import until

pytestmark = pytest.mark.slow

_UIDS = count(1)
TASK = {
    "dag_id": "etl/späte läufe",
    "run_id": "manual__2026-11-29T08:00:00+00:00",
    "task_id": "load",
}


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[metrics_pipeline.Pipeline]:
    with metrics_pipeline.running(tmp_path_factory.mktemp("metrics")) as found:
        yield found


@pytest.fixture(scope="module")
def pipeline(
    measured: metrics_pipeline.Pipeline, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Pipeline]:
    with running(tmp_path_factory.mktemp("logs"), f"127.0.0.1:{measured.statsd_port}") as found:
        yield found


def container(pipeline: Pipeline, namespace: str = "airflow", **of: str) -> Container:
    """One that nobody has had before."""
    number = next(_UIDS)
    uid = f"{number:08d}-0000-4000-8000-000000000000"
    return Container(pipeline.path("logs"), namespace, f"pod-{number}", uid, **of)


def of_pod(pipeline: Pipeline, pod: Container, lines: int) -> list[dict[str, Any]]:
    """Its documents, once so many are there."""
    query = {"term": {"pod": pod.pod}}
    pipeline.wait(lambda: len(pipeline.documents(query)) >= lines, 60)
    return pipeline.documents(query)


def test_a_tasks_lines_are_found_by_dag_run_task_and_try_in_order(pipeline: Pipeline) -> None:
    pod = container(pipeline)
    for number in (1, 2):
        fields = {**TASK, "try_number": number, "map_index": 3, "logger": "task"}
        pod.write(*(event(f"line {n}", **fields) for n in range(50)))
    of_pod(pipeline, pod, 100)
    wanted = {**TASK, "try_number": 2, "map_index": 3, "environment": "test"}
    query = {"bool": {"filter": [{"term": {key: value}} for key, value in wanted.items()]}}
    found = pipeline.documents(query)
    assert [one["message"] for one in found] == [f"line {n}" for n in range(50)]
    assert found[0]["level"] == "info"
    assert found[0]["container"] == "base"


def test_a_search_of_the_command_line_finds_what_it_is_asked_for(pipeline: Pipeline) -> None:
    pod = container(pipeline)
    pod.write(*(event(f"axolotl no. {n}", **{**TASK, "run_id": f"run{n % 2}"}) for n in range(6)))
    of_pod(pipeline, pod, 6)
    authority = (pipeline.path("data") / "authority" / "ca.crt").read_text()
    server = Elasticsearch(
        f"https://127.0.0.1:{pipeline.port}", authority, logs.READER, PASSWORDS[logs.READER]
    )

    def found(environment: str = "test", **wanted: Any) -> list[str]:
        search = log_search.LogQuery("axolotl", **wanted)
        return [one["message"] for one in log_search.lines(server, environment, search)]

    with server:
        assert found() == [f"axolotl no. {n}" for n in range(6)]
        assert found(lines=2) == ["axolotl no. 4", "axolotl no. 5"]
        assert found(run="run1", dag=TASK["dag_id"], task="load", since="1h") == [
            f"axolotl no. {n}" for n in (1, 3, 5)
        ]
        assert found(container="scheduler") == []
        assert found("nobody") == []
        (line,) = log_search.lines(server, "test", log_search.LogQuery("axolotl 3"))
        assert log_search.shown(line).endswith("run1/load info axolotl no. 3")
    stranger = Elasticsearch(server.url, authority, logs.READER, "wrong")
    with stranger, pytest.raises(UserError, match="refuses the login of reader"):
        found_by = log_search.lines(stranger, "test", log_search.LogQuery("x"))
        assert not found_by


def test_what_is_not_airflows_is_a_message_as_it_is(pipeline: Pipeline) -> None:
    pod = container(pipeline, container="postgres")
    lines = ['{"no": "event"}', "{broken", "LOG:  checkpoint <&> ä", '{"event": {"a": 1}}']
    pod.write(*lines)
    assert [one["message"] for one in of_pod(pipeline, pod, len(lines))] == lines


def test_a_traceback_is_one_document_and_can_be_searched(pipeline: Pipeline) -> None:
    frames = [{"filename": "/dags/a.py", "lineno": 7, "name": "load"}]
    error = [{"exc_type": "ValueError", "exc_value": "broken\nquokka", "frames": frames}]
    pod = container(pipeline)
    pod.write(event("Task failed", **TASK, level="error", error_detail=error))
    (found,) = of_pod(pipeline, pod, 1)
    assert 'File "/dags/a.py", line 7, in load' in found["traceback"]
    assert pipeline.documents({"match": {"traceback": "quokka"}}) == [found]


def test_a_line_that_the_runtime_has_cut_is_one_again(pipeline: Pipeline) -> None:
    text = event("x" * 40000, **TASK)
    pod = container(pipeline)
    for start in range(0, len(text), 16384):
        pod.write(text[start : start + 16384], partial=start + 16384 < len(text))
    (found,) = of_pod(pipeline, pod, 1)
    assert found["message"] == "x" * 40000


def test_fields_of_any_kind_refuse_no_line(pipeline: Pipeline) -> None:
    """A field that is a number here and a text there would be refused if Elasticsearch guessed."""
    pod = container(pipeline)
    pod.write(
        event("a", rows=1, try_number="two"),
        event("b", rows={"deep": ["x"]}, try_number=2),
        event("c", rows="many", level=5),
    )
    found = of_pod(pipeline, pod, 3)
    assert [json.loads(one["extra"])["rows"] for one in found] == [1, {"deep": ["x"]}, "many"]
    assert found[1]["try_number"] == 2


def test_a_file_that_the_kubelet_begins_anew_loses_and_repeats_nothing(pipeline: Pipeline) -> None:
    pod = container(pipeline)
    pod.write("first", "second")
    of_pod(pipeline, pod, 2)
    pod.rotate()
    pod.write("first", "second")
    assert [one["message"] for one in of_pod(pipeline, pod, 4)] == ["first", "second"] * 2


def test_that_nothing_arrives_is_an_alert_until_something_does(
    pipeline: Pipeline, measured: metrics_pipeline.Pipeline
) -> None:
    pod, name = container(pipeline), metrics.LOGS_ARRIVED.name

    def fires(minutes: int) -> bool:
        """With the figures of now, so much later."""
        evaluated, later = rule("logs-not-arriving"), int(time.time()) + minutes * 60
        evaluated.firing(measured, later - 60)
        return any(("environment", "test") in one for one in evaluated.firing(measured, later))

    pod.write(*(event(f"line {n}", **TASK) for n in range(30)))
    of_pod(pipeline, pod, 30)
    # Every line that there is was counted, once.
    until(lambda: measured.sum(name) == pipeline.count())
    assert not fires(0)
    pipeline.stop("shipper")
    pod.write(*(event(f"later {n}", **TASK) for n in range(20)))
    assert fires(25)
    # After some hours there is nothing to compare with.
    assert not fires(250)
    pipeline.start("shipper")
    of_pod(pipeline, pod, 50)
    until(lambda: measured.sum(name) == pipeline.count())
    assert not fires(0)


def test_elasticsearch_and_shipper_are_killed_and_every_line_is_there_once(
    pipeline: Pipeline,
) -> None:
    pod = container(pipeline)
    pod.write(*(f"before {n}" for n in range(200)))
    of_pod(pipeline, pod, 200)
    pipeline.stop("keeper", signal.SIGKILL)
    pipeline.stop("elasticsearch", signal.SIGKILL)
    pod.write(*(f"away {n}" for n in range(200)))
    pipeline.wait(lambda: "connection refused" in pipeline.log("shipper"))
    pipeline.stop("shipper", signal.SIGKILL)
    # What the kubelet has taken away meanwhile is on the shipper's disk.
    pod.file.unlink()
    later = container(pipeline)
    later.write(*(f"later {n}" for n in range(200)))
    pipeline.start("shipper")
    pipeline.start_server()
    found = of_pod(pipeline, pod, 400)
    assert [one["message"] for one in found] == [
        f"{when} {n}" for when in ("before", "away") for n in range(200)
    ]
    assert len(of_pod(pipeline, later, 200)) == 200


LARGE_LINES = 100_000
LARGE_LINE = 1000
"""Characters: together 100 MB."""


def test_a_log_of_100_mb_and_elasticsearch_away_keep_no_other_line_and_lose_none(
    pipeline: Pipeline,
) -> None:
    """All of it on the shipper's disk; the shipper is killed while it hands that over."""
    before = pipeline.count()
    pipeline.stop("keeper", signal.SIGKILL)
    pipeline.stop("elasticsearch", signal.SIGKILL)
    large, other = container(pipeline), container(pipeline)
    large.write(*(event(f"{n} ".ljust(LARGE_LINE, "x"), **TASK) for n in range(LARGE_LINES)))
    pipeline.wait(lambda: _waiting(pipeline) > 0)
    other.write(*(f"beside it {n}." for n in range(200)))
    # It is read while the large one waits for Elasticsearch.
    pipeline.wait(lambda: _waiting(pipeline, b"beside it 199.") > LARGE_LINES * LARGE_LINE, 300)
    pipeline.start_server()
    pipeline.wait(lambda: _count(pipeline, large) > 0)
    pipeline.stop("shipper", signal.SIGKILL)
    assert _count(pipeline, large) < LARGE_LINES
    pipeline.start("shipper")
    pipeline.wait(lambda: pipeline.count() >= before + LARGE_LINES + 200, 300)
    assert [one["message"] for one in of_pod(pipeline, other, 200)] == [
        f"beside it {n}." for n in range(200)
    ]
    assert _count(pipeline, large) == LARGE_LINES
    assert pipeline.count() == before + LARGE_LINES + 200


def _waiting(pipeline: Pipeline, text: bytes = b"") -> int:
    """Bytes on the shipper's disk; none while no file has this text."""
    files = [one.read_bytes() for one in pipeline.path("shipper").rglob("*") if one.is_file()]
    return sum(map(len, files)) if any(text in one for one in files) else 0


def _count(pipeline: Pipeline, pod: Container) -> int:
    found = pipeline.ask("airflow.*/_count", {"query": {"term": {"pod": pod.pod}}})
    return int(found["count"])


def test_a_shipper_that_has_forgotten_everything_stores_nothing_twice(pipeline: Pipeline) -> None:
    """Its state goes with its pod: it reads from the beginning."""
    pod = container(pipeline)
    pod.write(*(f"line {n}" for n in range(300)))
    of_pod(pipeline, pod, 300)
    before = pipeline.count()
    pipeline.stop("shipper")
    for path in pipeline.path("shipper").iterdir():
        path.unlink()
    pipeline.start("shipper")
    pod.write("the last")
    assert len(of_pod(pipeline, pod, 301)) == 301
    assert pipeline.count() == before + 1


def test_a_branchs_lines_carry_its_name_and_a_reader_sees_one_environment(
    pipeline: Pipeline,
) -> None:
    for namespace in ("airflow", "airflow-feature", "airflow-feature-x"):
        pod = container(pipeline, namespace)
        # Whatever a line says of itself: the namespace counts.
        pod.write(event(f"of {namespace}", environment="test"))
        of_pod(pipeline, pod, 1)
    user = logs.reader_of("feature")
    password = logs.reader_password("feature", "re ader$")
    login = {"user": user, "password": password}

    pipeline.wait(lambda: pipeline.admits(user, password, logs.indices_of("feature")), 60)
    found = pipeline.documents(index="*", **login)
    assert {one["environment"] for one in found} == {"feature"}
    for other in ("test", "feature-x"):
        with pytest.raises(Refused, match="403"):
            pipeline.ask(f"{logs.indices_of(other).removesuffix('*')}2026.11.29/_search", **login)


@pytest.mark.parametrize(
    ("user", "method", "path", "body", "status"),
    [
        ("reader", "DELETE", "airflow.test.2026.11.29", None, 403),
        ("reader", "POST", "airflow.test.2026.11.29/_doc", {"message": "x"}, 403),
        ("writer", "GET", "airflow.*/_search", None, 403),
        ("writer", "DELETE", "airflow.test.2026.11.29", None, 403),
        ("writer", "PUT", "other", {}, 403),
        ("writer", "GET", "_cluster/settings", None, 403),
        ("elastic", "GET", "_cluster/health", None, 401),
        ("", "GET", "_cluster/health", None, 401),
    ],
)
def test_nobody_may_more_than_he_needs(
    pipeline: Pipeline, user: str, method: str, path: str, body: Any, status: int
) -> None:
    with pytest.raises(Refused) as refused:
        pipeline.ask(path, body, user, method=method)
    assert refused.value.args[0] == status


def test_passwords_are_in_no_log(pipeline: Pipeline) -> None:
    for program in ("elasticsearch", "keeper", "shipper"):
        for word in ("wri:t", "re ader"):
            assert word not in pipeline.log(program)


def test_days_that_are_over_are_deleted(pipeline: Pipeline) -> None:
    old, other = "airflow.test.2020.01.01", "airflow.test.note"
    for index in (old, other):
        document = {"create": {"_index": index, "_id": "1"}}
        text = f"{json.dumps(document)}\n{json.dumps({'message': 'x'})}\n"
        pipeline.bulk(text)
    pipeline.wait(lambda: f"{old} is deleted" in pipeline.log("keeper"), 60)
    names = pipeline.ask("airflow.*?filter_path=*.aliases")
    assert old not in names
    assert other in names
    assert len(names) > 2
