"""Monitoring of a base and of its branch, turned on, looked into, broken and turned off again.

On the sandbox of the main job (see conftest.py), in order. What a run left in Elasticsearch and in InfluxDB is compared with
the logs in S3 and with what Airflow itself says.
"""

import json
import re
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from cli.base.errors import KitError
from infra.contract import logs, metrics
from infra.contract.naming import branch_environment
from tests.end_to_end import watched_dags
from tests.end_to_end.example_runs import OVER, Api
from tests.end_to_end.kit import BUILD_SECONDS, UP_SECONDS, Kit
from tests.monitored import Monitoring
from tests.unit.grafana import evaluation
from tests.unit.grafana.evaluation import Rule

pytestmark = pytest.mark.slow

BASE = "sandbox"
BRANCH = "feature/watched"
PROOF = "aerodrome_proof"
NAMESPACES = (metrics.NAMESPACE, logs.SHIPPER_NAMESPACE)

SETTINGS = {"dags": ("s3", "image"), "monitoring": ("all", "none")}
"""What these tests set, and what they leave."""


@pytest.fixture(scope="module")
def on(kit: Kit, first: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The `up` with all of it, and in the end one without, whatever failed."""
    try:
        yield _turn_on(kit)
    finally:
        _change(kit, 1)


def _turn_on(kit: Kit) -> dict[str, Any]:
    done = _change(kit, 0)
    folder = kit.folder / "watched"
    folder.mkdir()
    (folder / "watched.py").write_text(watched_dags.DAGS)
    kit.json("dags", "push", str(folder))
    return done


def _change(kit: Kit, which: int) -> dict[str, Any]:
    for name, values in SETTINGS.items():
        done = kit.run("config", "set", name, values[which])
        assert done.returncode == 0, done.stderr
    changed: dict[str, Any] = kit.json("up", seconds=BUILD_SECONDS)
    return changed


@pytest.fixture(scope="module")
def monitoring(kit: Kit, on: dict[str, Any]) -> Monitoring:
    return Monitoring(kit.root / "admin.kubeconfig")


@pytest.fixture(scope="module")
def api(kit: Kit, first: dict[str, Any], on: dict[str, Any]) -> Iterator[Api]:
    password = kit.json("config", "get", "adminPassword", "--show")["value"]
    with Api(first["url"], kit.json("outputs")["adminUser"], password) as api:
        secrets = watched_dags.SECRETS
        api.add_variable("watched_password", secrets["watched_password"])
        api.add_connection(watched_dags.CONNECTION, secrets["connection"])
        yield api


def _until(found: Callable[[], bool], what: Callable[[], object], seconds: float = 120) -> None:
    give_up = time.monotonic() + seconds
    while True:
        try:
            if found():
                return
        except KitError:
            # It was killed a moment ago.
            pass
        assert time.monotonic() < give_up, what()
        time.sleep(1)


def _start(api: Api, dag: str) -> str:
    run = f"watched-{time.time_ns()}"
    api.unpause(dag)
    api.trigger(dag, run)
    return run


def _ended(api: Api, dag: str, run: str) -> str:
    _until(lambda: api.run_state(dag, run) in OVER, lambda: f"{dag} does not end", 240)
    return api.run_state(dag, run)


@pytest.fixture(scope="module")
def run(api: Api) -> str:
    """One of `watched` that is over."""
    run = _start(api, "watched")
    assert _ended(api, "watched", run) == "failed"
    return run


def _in_s3(kit: Kit, run: str) -> dict[tuple[str, int, int], list[dict[str, Any]]]:
    """What S3 has of a run: the entries of each try, by task, map index and try."""
    outputs = kit.json("outputs")
    s3 = kit.client("s3")
    prefix = f"{outputs['logPrefix'].strip('/')}/dag_id=watched/run_id={run}/"
    found = {}
    for item in s3.list_objects_v2(Bucket=outputs["logBucket"], Prefix=prefix)["Contents"]:
        words = dict(re.findall(r"(task_id|map_index|attempt)=([^/.]+)", item["Key"]))
        text = s3.get_object(Bucket=outputs["logBucket"], Key=item["Key"])["Body"].read().decode()
        where = (words["task_id"], int(words.get("map_index", -1)), int(words["attempt"]))
        found[where] = [json.loads(line) for line in text.splitlines()]
    return found


def _tries(api: Api, run: str) -> int:
    return sum(int(task["try_number"]) for task in api.tasks("watched", run))


class TestLogs:
    def test_each_trys_lines_are_those_of_s3_in_order_and_none_is_missing(
        self, kit: Kit, api: Api, monitoring: Monitoring, run: str
    ) -> None:
        _until(lambda: len(_in_s3(kit, run)) == _tries(api, run), lambda: list(_in_s3(kit, run)))
        for (task, index, number), entries in _in_s3(kit, run).items():
            wanted = {
                **{"dag_id": "watched", "run_id": run, "environment": BASE},
                **{"task_id": task, "map_index": index, "try_number": number},
            }
            lines = [str(entry["event"]) for entry in entries]

            def missing(wanted: Any = wanted, lines: list[str] = lines) -> list[str]:
                found = iter(one["message"] for one in monitoring.documents(wanted))
                return [line for line in lines if line not in found]

            _until(lambda missing=missing: not missing(), missing, 60)
            told = [line for line in lines if line.startswith("aerodrome: ")]
            found = [one["message"] for one in monitoring.documents(wanted)]
            assert [line for line in found if line.startswith("aerodrome: ")] == told

    def test_the_lines_say_what_was_done(self, monitoring: Monitoring, run: str) -> None:
        def messages(**wanted: Any) -> list[str]:
            found = monitoring.documents({"dag_id": "watched", "run_id": run, **wanted})
            return [one["message"] for one in found if one["message"].startswith("aerodrome: ")]

        numbers = range(watched_dags.LINES)
        assert messages(task_id="lines") == [f"aerodrome: line {number}" for number in numbers]
        assert messages(task_id="mapped", map_index=2) == ["aerodrome: mapped 2"]
        for number in (1, 2):
            assert f"aerodrome: try {number}" in messages(task_id="flaky", try_number=number)

    def test_a_failed_tasks_traceback_is_found(
        self, kit: Kit, monitoring: Monitoring, run: str
    ) -> None:
        found = kit.json("logs", "--search", "quokka", "--dag", "watched", "--run", run)
        (line,) = [one for one in found["lines"] if watched_dags.TRACEBACK in str(one)]
        assert line["task_id"] == "failing"
        assert "in failing" in line["traceback"]

    def test_components_are_found_too(self, monitoring: Monitoring) -> None:
        for container in ("scheduler", "api-server", "dag-processor"):
            assert monitoring.documents({"container": container, "environment": BASE}), container

    def test_no_secret_that_airflow_masks_is_in_an_index(
        self, monitoring: Monitoring, run: str
    ) -> None:
        of_run = monitoring.documents({"dag_id": "watched", "run_id": run, "task_id": "secrets"})
        printed = [one["message"] for one in of_run if "aerodrome: a secret" in one["message"]]
        assert len(printed) == len(watched_dags.SECRETS)
        assert all("***" in line for line in printed)
        with monitoring.elasticsearch() as server:
            everything = json.dumps(server.search("*", _newest()))
        assert TRACES in everything
        for secret in watched_dags.SECRETS.values():
            assert secret not in everything

    def test_no_such_secret_is_in_s3_or_in_what_kubernetes_tells(self, kit: Kit, run: str) -> None:
        in_s3 = json.dumps(list(_in_s3(kit, run).values()))
        assert TRACES in in_s3
        told = kit.kubectl("-n", "airflow", "get", "pods,events,configmaps", "-o", "json")
        assert "watched" in told
        printed = [
            kit.kubectl("-n", "airflow", "logs", f"deployment/{name}", "--tail=-1")
            for name in ("airflow-scheduler", "airflow-api-server", "airflow-dag-processor")
        ]
        for secret in watched_dags.SECRETS.values():
            for text in (in_s3, told, *printed):
                assert secret not in text


BREAKS_SECONDS = 40
"""From now on: longer than a push, which refuses what is broken already."""

TRACES = "refused: "
"""Of the exception with the secrets in it."""


def _newest() -> dict[str, Any]:
    return {"size": 10_000, "sort": [{"@timestamp": "desc"}], "query": {"match_all": {}}}


class TestMetrics:
    def test_each_tries_end_is_counted_under_its_tags(
        self, monitoring: Monitoring, run: str
    ) -> None:
        def finished() -> dict[tuple[str, str], int]:
            return monitoring.finished("watched", BASE)

        _until(lambda: finished() == watched_dags.FINISHED, finished, 60)

    def test_the_command_line_shows_the_figures(self, kit: Kit, run: str) -> None:
        figures = kit.json("metrics")["figures"]
        failed = sum(
            count for (_, state), count in watched_dags.FINISHED.items() if state == "failed"
        )
        assert figures["failed"]["value"] >= failed
        assert figures["succeeded"]["value"] > 0


def _pods(kit: Kit) -> list[tuple[str, str]]:
    """Namespace and name of all pods of monitoring."""
    return [
        (namespace, name)
        for namespace in NAMESPACES
        for name in kit.kubectl(
            *("-n", namespace, "get", "pods", "-o", "jsonpath={.items[*].metadata.name}")
        ).split()
    ]


def test_everything_killed_in_the_middle_of_runs_and_nothing_is_missing(
    kit: Kit, api: Api, monitoring: Monitoring, run: str
) -> None:
    """Telegraf lives: what it does not hear nobody keeps."""
    before = monitoring.finished("watched", BASE)
    talking = _start(api, "watched_steadily")
    ticks = {"dag_id": "watched_steadily", "run_id": talking}

    def told() -> list[str]:
        found = [one["message"] for one in monitoring.documents(ticks)]
        return [line for line in found if line.startswith("aerodrome: tick")]

    _until(lambda: len(told()) > 0, told)
    another = _start(api, "watched")
    killed = [pod for pod in _pods(kit) if "telegraf" not in pod[1]]
    assert len(killed) == 3, killed
    for namespace, pod in killed:
        kit.kubectl("-n", namespace, "delete", "pod", "--force", "--grace-period=0", pod)
    assert _ended(api, "watched", another) == "failed"
    assert _ended(api, "watched_steadily", talking) == "success"
    everything = [f"aerodrome: tick {number}" for number in range(watched_dags.TICKS)]
    _until(lambda: told() == everything, lambda: (len(told()), told()[-3:]))
    twice = {key: 2 * count for key, count in before.items()}
    _until(
        lambda: monitoring.finished("watched", BASE) == twice,
        lambda: monitoring.finished("watched", BASE),
    )


class TestAlerts:
    """That a rule's own query sees the condition. That it then lasts as long as the rule says is in tests/unit/grafana."""

    @staticmethod
    def beyond(rule: Rule, monitoring: Monitoring) -> bool:
        rule.content["for"] = "0s"
        found = rule.firing(monitoring, int(time.time()))
        return any(dict(series).get("environment") == BASE for series in found)

    def test_a_scheduler_that_is_gone_and_a_broken_dag_file(
        self, kit: Kit, monitoring: Monitoring, api: Api, run: str
    ) -> None:
        heartbeat, imports = map(evaluation.rule, ("no-scheduler-heartbeat", "import-errors"))
        assert not self.beyond(heartbeat, monitoring)
        assert not self.beyond(imports, monitoring)
        folder = kit.folder / "watched"
        broken = watched_dags.breaks_at(time.time() + BREAKS_SECONDS)
        (folder / "broken.py").write_text(broken)
        # On a slow machine it breaks while the push still waits for Airflow to take it, which is then told.
        assert "is published" in kit.run("dags", "push", str(folder)).stderr
        kit.kubectl("-n", "airflow", "scale", "--replicas=0", "deployment/airflow-scheduler")
        try:
            _until(lambda: self.beyond(imports, monitoring), lambda: "no import error", 240)
            _until(lambda: self.beyond(heartbeat, monitoring), lambda: "still a heartbeat", 420)
        finally:
            kit.kubectl("-n", "airflow", "scale", "--replicas=1", "deployment/airflow-scheduler")
        (folder / "broken.py").unlink()
        kit.json("dags", "push", str(folder))
        _until(lambda: not self.beyond(imports, monitoring), lambda: "an import error stays", 240)
        _until(lambda: not self.beyond(heartbeat, monitoring), lambda: "no heartbeat comes", 240)


@pytest.fixture(scope="class")
def branch(kit: Kit, on: dict[str, Any]) -> Iterator[Kit]:
    branch = kit.branch(BRANCH)
    branch.json("up", seconds=UP_SECONDS)
    yield branch
    branch.json("down", "--yes", seconds=UP_SECONDS)


class TestBranch:
    def test_lines_and_metrics_carry_its_environment(
        self, kit: Kit, branch: Kit, monitoring: Monitoring
    ) -> None:
        own = branch_environment(BASE, BRANCH)
        of_proof = {"dag_id": PROOF, "environment": own}
        _until(lambda: bool(monitoring.documents(of_proof)), lambda: "no line of the branch")
        _until(lambda: bool(monitoring.finished(PROOF, own)), lambda: "no point of the branch")
        indices = logs.indices_of(own)
        in_own_index = {one["environment"] for one in monitoring.documents({}, indices)}
        assert in_own_index == {own}
        found = branch.json("logs", "--search", "the sum is", "--dag", PROOF)["lines"]
        assert {one["environment"] for one in found} == {own}

    def test_a_reader_of_the_branch_does_not_get_the_bases_lines(
        self, branch: Kit, monitoring: Monitoring
    ) -> None:
        own = branch_environment(BASE, BRANCH)
        password = logs.reader_password(own, monitoring.secret(logs.SECRET, logs.READER))
        with monitoring.elasticsearch(logs.reader_of(own), password) as server:
            assert server.search(logs.indices_of(own), _newest())
            assert server.search(logs.indices_of(BASE), _newest()) == []
            today = f"{datetime.now(UTC):%Y.%m.%d}"
            with pytest.raises(KitError, match="403"):
                server.search(f"{logs.INDEX}.{BASE}.{today}", _newest())
            assert {one["environment"] for one in server.search("airflow.*", _newest())} == {own}


def test_its_series_go_with_the_branch(monitoring: Monitoring) -> None:
    own = branch_environment(BASE, BRANCH)
    rows = monitoring.ask(f"SHOW SERIES WHERE \"environment\" = '{own}'")
    assert rows == []


def test_off_again_and_nothing_of_it_is_left(kit: Kit, monitoring: Monitoring) -> None:
    volumes = {item["metadata"]["name"] for item in _items(kit, "persistentvolumeclaims")}
    assert volumes
    done = _change(kit, 1)
    assert done["changes"]["delete"] > 10
    assert not _items(kit, "namespaces", *NAMESPACES)
    claimed = [
        item["spec"]["claimRef"]["namespace"]
        for item in json.loads(kit.kubectl("get", "persistentvolumes", "-o", "json"))["items"]
    ]
    assert metrics.NAMESPACE not in claimed
    assert kit.json("status")["airflow"]["scheduler"] == "healthy"


def _items(kit: Kit, kind: str, *names: str) -> list[dict[str, Any]]:
    """Objects of monitoring's namespace; of namespaces those with these names."""
    if kind == "namespaces":
        everything = json.loads(kit.kubectl("get", kind, "-o", "json"))["items"]
        return [item for item in everything if item["metadata"]["name"] in names]
    found = json.loads(kit.kubectl("-n", metrics.NAMESPACE, "get", kind, "-o", "json"))
    items: list[dict[str, Any]] = found["items"]
    return items
