"""What the UI shows of a task with `taskLogs` elasticsearch: the image's Airflow with its provider, configured by the chart,
reads from a real Elasticsearch what a real shipper brought there, and from S3 what is not there.
"""

import base64
import json
import subprocess
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from infra import policies
from infra.contract import logs
from tests.charts.rendering import render
from tests.unit.images.airflow_database import python
from tests.unit.images.loading import IMAGES
from tests.unit.images.log_pipeline import PASSWORDS, Container, Pipeline, event, running
from tests.unit.sandbox.aws.conftest import REGION, Emulator, new_emulator

pytestmark = pytest.mark.slow

BUCKET, FOLDER = "the-logs", "task-logs/test"
RUN = "manual__2026-11-29T08:00:00+00:00"

READ = """
import json, sys
from datetime import UTC, datetime
from types import SimpleNamespace
import airflow.settings
airflow.settings.initialize()
from airflow.utils.log.log_reader import TaskLogReader

for each in json.load(sys.stdin):
    ended = each.pop("ended")
    run = SimpleNamespace(
        logical_date=None, run_after=datetime.now(UTC),
        get_log_template=lambda session: SimpleNamespace(filename="{{ ti.task_id }}.log"),
    )
    ti = SimpleNamespace(
        **each, executor=None, hostname="", triggerer_job=None, id="1", region_index=None,
        end_date=ended and datetime.fromisoformat(ended), get_dagrun=lambda session: run,
    )
    reader = TaskLogReader()
    link = ""
    if reader.supports_external_link:
        link = reader.log_handler.get_external_log_url(ti, ti.try_number)
    stream = reader.read_log_stream(ti, ti.try_number, {"download_logs": True})
    print("READ", json.dumps([link, [json.loads(line) for line in stream]]))
"""


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    with running(tmp_path_factory.mktemp("logs")) as found:
        yield found


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    """The bucket, in which logs of these tasks are."""
    aws = new_emulator(tmp_path_factory.mktemp("aws"))
    s3 = aws.client("s3")
    s3.create_bucket(Bucket=BUCKET)
    for name in ("before", "load"):
        line = {"timestamp": "2026-11-29T08:00:00Z", "event": f"{name} from S3"}
        s3.put_object(Bucket=BUCKET, Key=f"{FOLDER}/{name}.log", Body=json.dumps(line).encode())
    yield aws
    aws.kill()
    aws.kubernetes.server.shutdown()


class Reader:
    """Airflow's api-server of one environment, as far as it reads logs."""

    def __init__(
        self, pipeline: Pipeline, environment: str, home: Path, more: Mapping[str, str] = {}
    ) -> None:
        user = logs.reader_of(environment)
        login = f"{user}:{logs.reader_password(environment, PASSWORDS[logs.READER])}"
        frontend = "https://kibana.example/app/discover#/?_a=(query:'log_id:\"{log_id}\"')"
        server = {
            "url": f"https://localhost:{pipeline.port}",
            "indices": logs.indices_of(environment),
            "frontend": frontend,
            "authority": {"namespace": logs.SHIPPER_NAMESPACE, "configMap": logs.AUTHORITY},
        }
        chart = render(
            {
                "logs": {"bucket": BUCKET, "prefix": FOLDER, "region": REGION},
                "secrets": {"taskLogs": "airflow-task-logs"},
                "taskLogs": {"source": "elasticsearch", "elasticsearch": server},
            }
        )
        told = {
            name: value
            for name, value in chart.environment().items()
            if any(word in name for word in ("ELASTICSEARCH", "LOGGING", "CONN_"))
        }
        assert told["AIRFLOW__ELASTICSEARCH_CONFIGS__CA_CERTS"].startswith("/run/task-logs/")
        self._environment = {
            **told,
            "PATH": "/usr/bin:/bin",
            "HOME": str(home),
            "PYTHONPATH": str(IMAGES / "airflow" / "modules"),
            "PYTHONDONTWRITEBYTECODE": "1",
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(home / "logs"),
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
            "AIRFLOW__ELASTICSEARCH_CONFIGS__CA_CERTS": str(
                pipeline.path("data") / "authority" / "ca.crt"
            ),
            "AIRFLOW__ELASTICSEARCH_CONFIGS__BASIC_AUTH": base64.b64encode(login.encode()).decode(),
            **more,
        }
        self.links: list[str] = []

    def read(self, *tries: Mapping[str, Any]) -> list[list[dict[str, Any]]]:
        """The lines of each try, as the API gives them out."""
        done = subprocess.run(
            [python(), "-c", READ],
            env=self._environment,
            input=json.dumps(tries),
            capture_output=True,
            text=True,
            check=False,
            timeout=180,
        )
        answers = [
            json.loads(line.removeprefix("READ "))
            for line in done.stdout.splitlines()
            if line.startswith("READ ")
        ]
        assert len(answers) == len(tries), done.stdout[-3000:] + done.stderr[-3000:]
        self.links = [link for link, _ in answers]
        return [[line for line in lines if not is_frame(line)] for _, lines in answers]


def is_frame(line: Mapping[str, Any]) -> bool:
    """What the UI folds away: from where the lines are."""
    return line["event"].startswith(("::", "pod-", "s3://"))


def a_try(
    task: str, try_number: int = 1, map_index: int = -1, minutes: float | None = 5, **of: Any
) -> dict[str, Any]:
    """One that ended so many minutes ago, or that runs."""
    ended = minutes is not None and datetime.now(UTC) - timedelta(minutes=minutes)
    return {
        "dag_id": "etl",
        "run_id": RUN,
        "task_id": task,
        "try_number": try_number,
        "map_index": map_index,
        "state": "success" if ended else "running",
        "ended": ended.isoformat() if ended else None,
        **of,
    }


def fields(one: Mapping[str, Any]) -> dict[str, Any]:
    return {key: one[key] for key in ("dag_id", "run_id", "task_id", "try_number", "map_index")}


def texts(lines: list[dict[str, Any]]) -> list[str]:
    return [line["event"] for line in lines]


def container(pipeline: Pipeline, number: int, namespace: str = "airflow") -> Container:
    uid = f"{number:08d}-0000-4000-8000-000000000000"
    return Container(pipeline.path("logs"), namespace, f"pod-{number}", uid)


@pytest.fixture(scope="module")
def tries(pipeline: Pipeline) -> dict[str, dict[str, Any]]:
    """What ran: a retry, a mapped task, one of many lines, one that was deferred and went on in another pod."""
    first, second = a_try("load"), a_try("load", 2)
    mapped = a_try("each", map_index=3)
    long, deferred = a_try("long"), a_try("wait/für immer")
    frames = [{"filename": "/dags/a.py", "lineno": 7, "name": "load"}]
    detail = [{"exc_type": "ValueError", "exc_value": "broken", "frames": frames}]
    pod = container(pipeline, 1)
    pod.write(
        event("begins", **fields(first)), event("fails", **fields(first), error_detail=detail)
    )
    container(pipeline, 2).write(*(event(f"again {n}", **fields(second)) for n in range(50)))
    container(pipeline, 3).write(event("of index 3", **fields(mapped)))
    container(pipeline, 3).write(event("of index 4", **{**fields(mapped), "map_index": 4}))
    # More than Airflow asks for at once, and than Elasticsearch gives out.
    container(pipeline, 4).write(*(event(f"line {n}", **fields(long)) for n in range(12_000)))
    for number in (6, 5):
        container(pipeline, number).write(
            *(event(f"pod {number} line {n}", **fields(deferred)) for n in range(30))
        )
    written = 2 + 50 + 2 + 12_000 + 60
    pipeline.wait(lambda: pipeline.count() >= written)
    user, word = logs.reader_of("test"), logs.reader_password("test", PASSWORDS[logs.READER])
    pipeline.wait(lambda: pipeline.admits(user, word, logs.indices_of("test")), 60)
    return {"first": first, "second": second, "mapped": mapped, "long": long, "deferred": deferred}


def test_airflow_reads_each_try_whole_and_in_order(
    pipeline: Pipeline, tries: dict[str, dict[str, Any]], tmp_path: Path
) -> None:
    reader = Reader(pipeline, "test", tmp_path)
    first, second, mapped, long, deferred = reader.read(*tries.values())
    assert texts(first) == ["begins", "fails"]
    # What the UI makes a traceback of, and when the task wrote it, not the runtime.
    assert first[1]["error_detail"][0]["frames"][0]["lineno"] == 7
    assert first[0]["timestamp"] == "2026-11-29T08:00:00Z"
    assert first[0]["level"] == "info"
    assert texts(second) == [f"again {n}" for n in range(50)]
    assert texts(mapped) == ["of index 3"]
    assert texts(long) == [f"line {n}" for n in range(12_000)]
    assert texts(deferred) == [f"pod {number} line {n}" for number in (6, 5) for n in range(30)]
    assert reader.links[0].endswith(f"load-{RUN.replace(':', '%3A').replace('+', '%2B')}--1-1\"')")


def test_what_elasticsearch_does_not_have_is_read_from_s3(
    pipeline: Pipeline, storage: Emulator, tries: dict[str, dict[str, Any]], tmp_path: Path
) -> None:
    policy = json.loads(policies.run_airflow(f"arn:aws:s3:::{BUCKET}", "task-logs", "xcom", ""))
    key = storage.user("pods", policy)
    bucket = {
        "AWS_ENDPOINT_URL": storage.url,
        "AWS_ACCESS_KEY_ID": key["id"],
        "AWS_SECRET_ACCESS_KEY": key["secret"],
    }
    # Not now: on a busy machine its lines would have arrived before Airflow looks.
    soon = datetime.now(UTC) + timedelta(minutes=10)
    just_ended = {**tries["first"], "ended": soon.isoformat()}
    asked = (a_try("before"), just_ended, tries["first"])
    found = Reader(pipeline, "test", tmp_path, bucket).read(*asked)
    assert [texts(each) for each in found] == [
        ["before from S3"],
        ["load from S3"],
        ["begins", "fails"],
    ]
    for wrong in (
        {"AIRFLOW__ELASTICSEARCH__HOST": "https://localhost:1"},
        {"AIRFLOW__ELASTICSEARCH_CONFIGS__BASIC_AUTH": "cmVhZGVyOndyb25n"},
    ):
        (lines,) = Reader(pipeline, "test", tmp_path, {**bucket, **wrong}).read(tries["first"])
        assert texts(lines) == ["load from S3"]


def test_one_environments_airflow_reads_no_others_lines(
    pipeline: Pipeline, tries: dict[str, dict[str, Any]], tmp_path: Path
) -> None:
    same = fields(tries["first"])
    container(pipeline, 7, "airflow-feature").write(event("of the branch", **same))
    user, word = logs.reader_of("feature"), logs.reader_password("feature", PASSWORDS[logs.READER])
    pipeline.wait(lambda: pipeline.admits(user, word, logs.indices_of("feature")), 60)
    (lines,) = Reader(pipeline, "feature", tmp_path).read(tries["first"])
    assert texts(lines) == ["of the branch"]
    # Whatever its configuration asks for.
    wider = {"AIRFLOW__ELASTICSEARCH__INDEX_PATTERNS": "airflow.*"}
    (lines,) = Reader(pipeline, "feature", tmp_path, wider).read(tries["first"])
    assert texts(lines) == ["of the branch"]


def test_an_index_of_before_can_be_read_from(pipeline: Pipeline) -> None:
    """Its fields were those of an older template; the keeper names the others when it starts."""
    found = pipeline.ask(f"{logs.indices_of('test')}/_mapping")
    for index in found.values():
        assert index["mappings"]["properties"]["offset"] == {"type": "long"}
        assert index["mappings"]["properties"]["log_id"] == {"type": "keyword"}
