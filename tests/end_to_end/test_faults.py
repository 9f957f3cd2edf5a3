"""Tasks live through outages of what Airflow stands on; a pod that cannot run its task says why in the task's log.

On the sandbox of the main job (see conftest.py), whose DAGs are pushed for as long.
"""

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cli.base.errors import KitError
from sandbox.tools import tool
from tests.end_to_end import faulty_dags, outages
from tests.end_to_end.example_runs import OVER, Api
from tests.end_to_end.kit import UP_SECONDS, Kit

pytestmark = pytest.mark.slow

OUTAGE_SECONDS = 30
SCHEDULER = "app.kubernetes.io/component=scheduler"


SETTINGS = {
    "dags": ("s3", "image"),
    "executor": ("KubernetesExecutor,CeleryExecutor", "KubernetesExecutor"),
    "taskPolicies": (
        json.dumps(
            [
                {
                    "Effect": "Allow",
                    "Action": "s3:ListBucket",
                    "Resource": f"arn:aws:s3:::{faulty_dags.LAKE}",
                }
            ]
        ),
        "[]",
    ),
}
"""What these tests set, and what they leave."""

VALUES = Path(__file__).with_name("two-schedulers.yaml")


@pytest.fixture(scope="module")
def api(kit: Kit, first: dict[str, Any]) -> Iterator[Api]:
    for bucket in (faulty_dags.LAKE, faulty_dags.SECRET_LAKE):
        kit.client("s3").create_bucket(Bucket=bucket)
    _change(kit, 0, "--values", str(VALUES))
    folder = kit.folder / "faulty"
    folder.mkdir()
    (folder / "faulty.py").write_text(faulty_dags.DAGS)
    faulty_dags.seeds(folder / "wheels")
    kit.json("dags", "push", str(folder))
    password = kit.json("config", "get", "adminPassword", "--show")["value"]
    with Api(first["url"], kit.json("outputs")["adminUser"], password) as api:
        yield api
    # Without the other executor Airflow would refuse what is published, wherever DAGs come from S3 again.
    kit.json("dags", "push")
    _change(kit, 1)
    for bucket in (faulty_dags.LAKE, faulty_dags.SECRET_LAKE):
        kit.client("s3").delete_bucket(Bucket=bucket)


def _change(kit: Kit, which: int, *options: str) -> None:
    for name, values in SETTINGS.items():
        done = kit.run("config", "set", name, values[which])
        assert done.returncode == 0, done.stderr
    kit.json("up", *options, seconds=UP_SECONDS)


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
    return _named(kit, f"dag_id={dag}")


def _named(kit: Kit, labels: str) -> str:
    return kit.kubectl(
        *("-n", "airflow", "get", "pods", "-l", labels),
        *("-o", "jsonpath={.items[*].metadata.name}"),
    )


def _ready(kit: Kit, labels: str) -> int:
    """How many pods with those labels are ready."""
    words = kit.kubectl(
        *("-n", "airflow", "get", "pods", "-l", labels, "-o"),
        'jsonpath={.items[*].status.conditions[?(@.type=="Ready")].status}',
    )
    return words.split().count("True")


def _kill(kit: Kit, *pods: str) -> None:
    """At once, as when their node is lost."""
    kit.kubectl("-n", "airflow", "delete", "pod", "--force", "--grace-period=0", *pods)


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


CELERY = "app.kubernetes.io/component=celery-worker"

FAILING: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("fault_memory", "hungry", (faulty_dags.BEGIN, "out of memory")),
    ("fault_image", "after", ("ErrImagePull", "The pod is made again; this is no try")),
    ("fault_airflow", "after", ("there is no Airflow here", "exit code 3")),
    ("fault_volume", "talkative", ("No space left on device", "exit code 1")),
    ("fault_evicted", "work", (faulty_dags.BEGIN, "EvictionByEvictionAPI")),
)
"""DAG, task, and what its log must say."""


@pytest.fixture(scope="module")
def lost(kit: Kit, api: Api) -> str:
    """A run whose worker is killed. It takes Airflow five minutes to miss its task: the other tests go on meanwhile."""
    run = _start(api, "fault_celery")
    _until(_says(api, "fault_celery", run, "work", "second 1"), "no worker begins")
    _kill(kit, *_named(kit, CELERY).split())
    return run


@pytest.fixture(scope="module")
def runs(kit: Kit, api: Api, lost: str) -> dict[str, str]:
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

    def test_a_task_waits_for_a_quota_that_is_used_up(self, kit: Kit, api: Api) -> None:
        kit.kubectl("-n", "airflow", "create", "quota", "full", "--hard=count/pods=1")
        try:
            used = "jsonpath={.status.used.count/pods}"
            get = ("-n", "airflow", "get", "quota", "full", "-o", used)
            _until(lambda: kit.kubectl(*get) not in ("", "0"), "Kubernetes does not count")
            run = _start(api, "fault_quota")
            says = _says(api, "fault_quota", run, "after", "exceeded quota: full")
            _until(says, "no reason in the log")
        finally:
            kit.kubectl("-n", "airflow", "delete", "quota", "full")
        assert _state(api, "fault_quota", run) == "success"
        (ended,) = api.tasks("fault_quota", run)
        assert ended["try_number"] == 1


def test_a_task_may_do_what_task_policies_say_and_no_more(api: Api) -> None:
    run = _start(api, "fault_policy")
    assert _state(api, "fault_policy", run) == "success"
    answers = {faulty_dags.LAKE: "listed", faulty_dags.SECRET_LAKE: "AccessDenied"}
    assert api.result("fault_policy", run, "buckets") == answers


def test_a_task_runs_in_a_virtual_environment_of_its_own(api: Api) -> None:
    run = _start(api, "fault_virtualenv")
    assert _state(api, "fault_virtualenv", run) == "success"
    assert api.result("fault_virtualenv", run, "alone") == "True, None"


def _printed(kit: Kit, runs: list[str]) -> set[tuple[str, str, int, int]]:
    """The tries whose lines are on the workers' standard output."""
    text = kit.kubectl("-n", "airflow", "logs", "-l", CELERY, "-c", "celery-worker", "--tail=-1")
    lines = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    return {
        (line["run_id"], line["task_id"], line["try_number"], line["map_index"])
        for line in lines
        if line.get("run_id") in runs and "aerodrome: " in str(line.get("event"))
    }


class TestCelery:
    def test_more_tasks_make_more_workers_and_redis_may_be_killed(self, kit: Kit, api: Api) -> None:
        runs = [_start(api, "fault_celery") for _ in range(3)]
        _until(lambda: len(_named(kit, CELERY).split()) == 2, "no second worker")
        begins = [_says(api, "fault_celery", run, "work", "second 1") for run in runs]
        _until(lambda: sum(begun() for begun in begins) == 2, "two workers, and not two tasks")
        # While both are there: what the shipper of logs reads goes with a worker.
        printed = _printed(kit, runs)
        assert len(printed) == 2
        assert {(task, number, index) for _, task, number, index in printed} == {("work", 1, -1)}
        _kill(kit, *_named(kit, "app.kubernetes.io/component=redis").split())
        for run in runs:
            assert _state(api, "fault_celery", run) == "success"
            tries = {each["task_id"]: each["try_number"] for each in api.tasks("fault_celery", run)}
            assert tries == {"work": 1, "after": 1}
        _until(lambda: len(_named(kit, CELERY).split()) == 1, "idle workers stay")

    def test_the_task_of_a_killed_worker_runs_again(self, api: Api, lost: str) -> None:
        _until(lambda: api.run_state("fault_celery", lost) in OVER, "it is not missed", 600)
        assert api.run_state("fault_celery", lost) == "success"
        tries = {each["task_id"]: each["try_number"] for each in api.tasks("fault_celery", lost)}
        assert tries == {"work": 2, "after": 1}


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
        _kill(kit, *_named(kit, SCHEDULER).split())
        self.nothing_is_lost(api, run)

    def test_one_scheduler_of_two_killed(self, kit: Kit, api: Api) -> None:
        """Whichever made the pod: one of the two is killed, and then the other one."""
        run = self.at_work(api)
        one, other = _named(kit, SCHEDULER).split()
        _kill(kit, one)
        _until(lambda: _ready(kit, SCHEDULER) == 2, "no other scheduler comes")
        _kill(kit, other)
        self.nothing_is_lost(api, run)
        _until(lambda: not _pod(kit, "fault_outage"), "a pod is left behind")

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
