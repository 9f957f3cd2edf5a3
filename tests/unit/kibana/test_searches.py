"""Every saved search and table of Kibana's, as it is in the file, asked of a real Elasticsearch: values, not just answers.

The documents are those that the real shipper made of lines such as Airflow writes.
"""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from infra.contract import logs
from kibana import content, files, requests
from kibana.objects import Reference, SavedObject
from tests.unit.images.log_pipeline import Container, Pipeline, event, running

RUN = "manual__2026-11-29T08:00:00+00:00"
BROKEN = {"dag_id": "etl/späte läufe", "run_id": RUN, "try_number": 1, "map_index": -1}
FINE = {"dag_id": "reports", "run_id": RUN, "task_id": "send", "try_number": 1, "map_index": 2}
ERROR = [
    {
        "exc_type": "ValueError",
        "exc_value": "no such file",
        "frames": [{"filename": "/dags/a.py", "lineno": 7, "name": "load"}],
    }
]


def ended(seconds: float | str, state: str, **task: Any) -> str:
    """What a task's supervisor writes at its end."""
    fields = {"duration": seconds, "final_state": state, "exit_code": 0}
    return event("Workload finished", workload_type="ExecuteTask", **fields, **task)


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    with running(tmp_path_factory.mktemp("kibana")) as found:
        pods = (
            (
                event("begin", **BROKEN, task_id="load"),
                event("disk is slow", level="warning", **BROKEN, task_id="load"),
                event("Task failed", level="error", error_detail=ERROR, **BROKEN, task_id="load"),
                ended(60.0, "up_for_retry", **BROKEN, task_id="load"),
            ),
            (
                event("gone", level="critical", **BROKEN, task_id="store"),
                event("cleared", level="error", **BROKEN, task_id="store"),
                ended(3700.25, "failed", **BROKEN, task_id="store"),
            ),
            (
                event("begin", **FINE),
                # A task's own fields of these names do not make it slow.
                event("copied", duration=90000, **FINE),
                event("asked", duration="90 s", **FINE),
                ended(59.9, "success", **FINE),
            ),
            (event("scheduler fails", level="error"), "Traceback, as text"),
        )
        for number, lines in enumerate(pods):
            uid = f"{number:08d}-0000-4000-8000-000000000000"
            pod = Container(found.path("logs"), "airflow", f"pod-{number}", uid)
            pod.write(*lines)
        found.wait(lambda: found.count() == sum(map(len, pods)))
        yield found


def committed(kind: str, name: str) -> SavedObject:
    """An object as it is in the file."""
    lines = [json.loads(line) for line in files.FILE.read_text(encoding="utf-8").splitlines()]
    (one,) = [line for line in lines if (line["type"], line["id"]) == (kind, name)]
    references = [Reference(**reference) for reference in one["references"]]
    return SavedObject(one["type"], one["id"], one["attributes"], references)


INDICES = committed("index-pattern", content.LINES.id).attributes["title"]


def found(pipeline: Pipeline, one: content.Search, also: str = "") -> list[dict[str, Any]]:
    """The documents of a saved search, in its order; `also` is what somebody adds to its query."""
    body = {"size": 100, **requests.search(committed("search", one.id))}
    if also:
        body["query"]["bool"]["must"][0]["query_string"]["query"] += f" {also}"
    answer = pipeline.ask(f"{INDICES}/_search", body, logs.READER)
    return [hit["_source"] for hit in answer["hits"]["hits"]]


def messages(documents: list[dict[str, Any]]) -> list[str]:
    return [one["message"] for one in documents]


def test_a_run_has_its_tasks_lines_in_order(pipeline: Pipeline) -> None:
    assert len(found(pipeline, content.RUN)) == 11
    only = found(pipeline, content.RUN, f'AND dag_id:"{BROKEN["dag_id"]}" AND run_id:"{RUN}"')
    assert messages(only) == [
        *("begin", "disk is slow", "Task failed", "Workload finished"),
        *("gone", "cleared", "Workload finished"),
    ]
    assert not found(pipeline, content.RUN, 'AND run_id:"another"')


def test_failed_tasks_end_with_their_errors(pipeline: Pipeline) -> None:
    documents = found(pipeline, content.FAILED)
    assert [(one["task_id"], one.get("final_state"), one["message"]) for one in documents] == [
        ("store", "failed", "Workload finished"),
        ("store", None, "cleared"),
        ("store", None, "gone"),
        ("load", "up_for_retry", "Workload finished"),
        ("load", None, "Task failed"),
    ]
    assert "ValueError: no such file" in documents[-1]["traceback"]


def test_errors_are_ordered_by_dag(pipeline: Pipeline) -> None:
    documents = found(pipeline, content.ERRORS)
    assert [(one["dag_id"], one["message"]) for one in documents] == [
        (BROKEN["dag_id"], "cleared"),
        (BROKEN["dag_id"], "gone"),
        (BROKEN["dag_id"], "Task failed"),
    ]


def test_slow_tasks_are_those_that_ended_so_late(pipeline: Pipeline) -> None:
    documents = found(pipeline, content.SLOW)
    assert [(one["task_id"], one["duration"]) for one in documents] == [
        ("store", 3700.25),
        ("load", 60.0),
    ]


def test_a_duration_that_is_no_number_is_kept_as_it_is(pipeline: Pipeline) -> None:
    (line,) = [one for one in pipeline.documents() if one["message"] == "asked"]
    assert "duration" not in line
    assert json.loads(line["extra"])["duration"] == "90 s"


def rows(pipeline: Pipeline, one: content.Table) -> list[tuple[Any, ...]]:
    """The rows of a table, as Kibana shows them."""
    searches = [committed("search", search.id) for search in content.SEARCHES]
    body = requests.table(committed("visualization", one.id), searches)
    answer = pipeline.ask(f"{INDICES}/_search", body, logs.READER)

    def below(level: dict[str, Any], number: int) -> Iterator[tuple[Any, ...]]:
        name = str(number)
        if name not in level:
            yield (level["1"]["value"] if "1" in level else level["doc_count"],)
            return
        for bucket in level[name]["buckets"]:
            yield from ((bucket["key"], *rest) for rest in below(bucket, number + 1))

    return list(below(answer["aggregations"], 2))


def test_the_tables_of_the_dashboard_show_what_there_is(pipeline: Pipeline) -> None:
    assert rows(pipeline, content.ERRORS_BY_DAG) == [(BROKEN["dag_id"], 3)]
    assert rows(pipeline, content.SLOWEST) == [
        (BROKEN["dag_id"], "store", 3700.25),
        (BROKEN["dag_id"], "load", 60.0),
    ]
