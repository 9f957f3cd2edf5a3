"""Task logs in the bucket."""

import pytest

from cli.base.errors import KitError, UserError
from cli.operations.task_logs import TaskLogs
from tests.unit.cli.fakes import FakeS3

OBJECTS = {
    "p/dag_id=d/run_id=r1/task_id=a/attempt=1.log": b"first",
    "p/dag_id=d/run_id=r1/task_id=a/attempt=2.log": b"second\nline",
    "p/dag_id=d/run_id=r1/task_id=b/map_index=3/attempt=1.log": b"mapped",
    "p/dag_id=d/run_id=r2/task_id=a/attempt=1.log": b"newest",
}


@pytest.mark.parametrize("prefix", ["p", "/p/"])
def test_the_last_attempt_counts(prefix: str) -> None:
    logs = TaskLogs(FakeS3(OBJECTS), "bucket", prefix)
    log = logs.of_task("d", "r1", "a")
    assert log.uri == "s3://bucket/p/dag_id=d/run_id=r1/task_id=a/attempt=2.log"
    assert logs.read(log) == ["second", "line"]


def test_all_logs_of_a_run() -> None:
    found = TaskLogs(FakeS3(OBJECTS), "bucket", "p").of_run("d", "r1")
    assert [(log.task, log.attempt) for log in found] == [("a", 1), ("a", 2), ("b", 1)]


def test_the_newest_run() -> None:
    assert TaskLogs(FakeS3(OBJECTS), "bucket", "p").last_run("d") == "r2"


def test_a_bucket_without_prefix() -> None:
    objects = {key.removeprefix("p/"): value for key, value in OBJECTS.items()}
    logs = TaskLogs(FakeS3(objects), "bucket", "")
    assert logs.of_task("d", "r2", "a").key == "dag_id=d/run_id=r2/task_id=a/attempt=1.log"
    assert logs.last_run("d") == "r2"


def test_a_missing_log_says_where_it_was_looked_for() -> None:
    logs = TaskLogs(FakeS3(OBJECTS), "bucket", "p")
    with pytest.raises(KitError, match="s3://bucket/p has none of run r9"):
        logs.of_task("d", "r9", "a")
    with pytest.raises(UserError, match='No log of a DAG "x"'):
        logs.last_run("x")
