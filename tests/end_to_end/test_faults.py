"""Tasks live through outages of what Airflow stands on; a pod that cannot run its task says why in the task's log.

On the sandbox of the main job (see conftest.py), whose DAGs are pushed for as long.
"""

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from cli.base.errors import KitError
from sandbox.tools import tool
from tests.end_to_end import faulty_dags, outages
from tests.end_to_end.example_runs import OVER, Api
from tests.end_to_end.kit import UP_SECONDS, Kit

OUTAGE_SECONDS = 30


@pytest.fixture(scope="module")
def api(kit: Kit, first: dict[str, Any]) -> Iterator[Api]:
    _take_dags_from(kit, "s3")
    folder = kit.folder / "faulty"
    folder.mkdir()
    (folder / "faulty.py").write_text(faulty_dags.DAGS)
    kit.json("dags", "push", str(folder))
    password = kit.json("config", "get", "adminPassword", "--show")["value"]
    with Api(first["url"], kit.json("outputs")["adminUser"], password) as api:
        yield api
    _take_dags_from(kit, "image")


def _take_dags_from(kit: Kit, source: str) -> None:
    assert kit.run("config", "set", "dags", source).returncode == 0
    kit.json("up", seconds=UP_SECONDS)


def _start(api: Api, dag: str) -> str:
    run = f"fault-{time.time_ns()}"
    api.unpause(dag)
    api.trigger(dag, run)
    return run


def _until(found: Callable[[], bool], what: str, seconds: float = 180) -> None:
    give_up = time.monotonic() + seconds
    while True:
        try:
            if found():
                return
        except KitError:
            # It is an outage.
            pass
        assert time.monotonic() < give_up, what
        time.sleep(1)


def _says(api: Api, dag: str, run: str, task: str, text: str) -> Callable[[], bool]:
    return lambda: any(text in line for line in api.log(dag, run, task, 1))


def _state(api: Api, dag: str, run: str) -> str:
    _until(lambda: api.run_state(dag, run) in OVER, f"{dag} does not end")
    return api.run_state(dag, run)


def _pod(kit: Kit, dag: str) -> str:
    return kit.kubectl(
        *("-n", "airflow", "get", "pods", "-l", f"dag_id={dag}"),
        *("-o", "jsonpath={.items[*].metadata.name}"),
    )


def _evict(kit: Kit, pod: str) -> None:
    """As `kubectl drain` does with each pod of a node."""
    body = {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": pod, "namespace": "airflow"},
    }
    path = f"/api/v1/namespaces/airflow/pods/{pod}/eviction"
    command = [str(tool("kubectl")), f"--kubeconfig={kit.root}/admin.kubeconfig", "create"]
    done = subprocess.run(
        [*command, "--raw", path, "-f", "-"],
        input=json.dumps(body),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


FAILING: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("fault_memory", "hungry", (faulty_dags.BEGIN, "out of memory")),
    ("fault_image", "after", ("ErrImagePull", "The pod is made again; this is no try")),
    ("fault_airflow", "after", ("there is no Airflow here", "exit code 3")),
    ("fault_volume", "talkative", ("No space left on device", "exit code 1")),
    ("fault_evicted", "work", (faulty_dags.BEGIN, "EvictionByEvictionAPI")),
)
"""DAG, task, and what its log must say."""


@pytest.fixture(scope="module")
def runs(kit: Kit, api: Api) -> dict[str, str]:
    """A run of each DAG, all at once."""
    runs = {dag: _start(api, dag) for dag, _, _ in FAILING}
    says = _says(api, "fault_evicted", runs["fault_evicted"], "work", "second 1")
    _until(says, "the task to evict does not begin")
    _evict(kit, _pod(kit, "fault_evicted"))
    return runs


class TestPods:
    @pytest.mark.parametrize(("dag", "task", "texts"), FAILING)
    def test_the_task_fails_and_its_log_says_why(
        self, api: Api, runs: dict[str, str], dag: str, task: str, texts: tuple[str, ...]
    ) -> None:
        assert _state(api, dag, runs[dag]) == "failed"
        for text in texts:
            _until(_says(api, dag, runs[dag], task, text), f"no {text!r} in the log", 30)
        (ended,) = api.tasks(dag, runs[dag])
        assert ended["try_number"] == 1

    def test_a_task_that_no_node_can_take_waits_and_its_log_says_why(
        self, kit: Kit, api: Api
    ) -> None:
        run = _start(api, "fault_room")
        says = _says(api, "fault_room", run, "after", "Insufficient memory")
        _until(says, "no reason in the log")
        assert api.run_state("fault_room", run) == "running"
        api.change_run("fault_room", run, {"state": "failed"})
        _until(lambda: not _pod(kit, "fault_room"), "its pod stays")


class TestOutages:
    def test_a_minute_without_database_api_server_and_s3(self, kit: Kit, api: Api) -> None:
        run = self.at_work(api)
        away = ("statefulset/airflow-database", "deployment/airflow-api-server")
        with outages.stopped(kit, "aws"), outages.scaled_to_none(kit, *away):
            time.sleep(OUTAGE_SECONDS)
        self.nothing_is_lost(api, run)

    def test_without_kubernetes_api_and_then_without_scheduler(self, kit: Kit, api: Api) -> None:
        run = self.at_work(api)
        with outages.stopped(kit, "kube-apiserver"):
            time.sleep(OUTAGE_SECONDS)
        scheduler = "app.kubernetes.io/component=scheduler"
        kit.kubectl("-n", "airflow", "delete", "pod", "-l", scheduler, "--grace-period=0")
        self.nothing_is_lost(api, run)

    def at_work(self, api: Api) -> str:
        """A run whose first task works already."""
        run = _start(api, "fault_outage")
        _until(_says(api, "fault_outage", run, "work", "second 1"), "the task does not begin")
        return run

    def nothing_is_lost(self, api: Api, run: str) -> None:
        assert _state(api, "fault_outage", run) == "success"
        tries = {each["task_id"]: each["try_number"] for each in api.tasks("fault_outage", run)}
        assert tries == {"work": 1, "after": 1}
        _until(_says(api, "fault_outage", run, "work", faulty_dags.END), "its log is not saved")
        lines = [
            line.partition("second ")[2].split()[0]
            for line in api.log("fault_outage", run, "work", 1)
            if "second " in line
        ]
        assert lines == [str(second) for second in range(faulty_dags.SECONDS)]
        _until(_says(api, "fault_outage", run, "after", "after "), "the log of the other is lost")
