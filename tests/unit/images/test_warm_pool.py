"""The warm pool of the KubernetesExecutor: its pods in a real API server, the process that waits in them, real HTTP."""

import base64
import http.client
import json
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from copy import deepcopy
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from kubernetes import client, config

from tests.ports import free_port
from tests.unit.images.loading import SCRIPTS, script
from tests.unit.images.real_airflow import python

await_task: ModuleType = script("await_task")
warm_pool: ModuleType = script("warm_pool")

TOKEN = "the-token-of-this-pod"
WORKLOAD = json.dumps({"type": "ExecuteTask", "token": "t"})


def post(port: int, token: str, body: str = WORKLOAD) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("POST", "/", body, {"Authorization": f"Bearer {token}"})
    return connection.getresponse().status


class Waiting:
    """A pod's process up to its task, as a thread of this one."""

    def __init__(self, port: int, token: str, seconds: float = 20) -> None:
        self.got: list[str | None] = []
        server = await_task.TaskServer(port, token)
        self._thread = threading.Thread(target=lambda: self.got.append(server.wait(seconds)))
        self._thread.start()

    def end(self) -> str | None:
        self._thread.join(30)
        return self.got[0]


class TestWaiting:
    def test_who_shows_the_token_hands_a_task_over(self) -> None:
        port = free_port()
        waiting = Waiting(port, TOKEN)
        assert post(port, "another") == 403
        assert post(port, "") == 403
        assert post(port, TOKEN, "") == 413
        assert post(port, TOKEN) == 202
        assert waiting.end() == WORKLOAD
        with pytest.raises(OSError):
            socket.create_connection(("127.0.0.1", port), 1)

    def test_who_connects_and_says_nothing_does_not_hold_it_up(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(await_task._Handler, "timeout", 0.3)
        port = free_port()
        waiting = Waiting(port, TOKEN)
        socket.create_connection(("127.0.0.1", port), 1).close()
        silent = socket.create_connection(("127.0.0.1", port), 1)
        assert post(port, TOKEN) == 202
        assert waiting.end() == WORKLOAD
        silent.close()

    def test_it_does_not_wait_for_ever(self) -> None:
        assert Waiting(free_port(), TOKEN, 0.2).end() is None


NAMESPACE = "warm-pool"


@pytest.fixture(scope="module")
def api(api_server: str) -> client.CoreV1Api:
    made = client.CoreV1Api(config.new_client_from_config_dict(json.loads(api_server)))
    made.create_namespace({"metadata": {"name": NAMESPACE}})
    return made


def task_pod(task: str, **spec: Any) -> dict[str, Any]:
    """The pod of a task, in the form of Airflow's."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": f"dag-{task}-x1",
            "namespace": NAMESPACE,
            "labels": {"app": "worker", "dag_id": "dag", "task_id": task, "airflow-worker": "7"},
            "annotations": {
                "dag_id": "dag",
                "task_id": task,
                "run_id": "r",
                "note": "all",
                warm_pool.KEPT: "true",
                warm_pool.EVICTABLE: "false",
            },
        },
        "spec": {
            "containers": [
                {
                    "name": "base",
                    "image": "airflow",
                    "args": [*warm_pool.EXECUTE, json.dumps({"task": task})],
                    "env": [{"name": "A", "value": "b"}],
                }
            ],
            **spec,
        },
    }


class LateApi:
    """An API server whose memory is as old as a request allows: a list is the one of its start, unless a newer one is asked for."""

    def __init__(self, api: client.CoreV1Api) -> None:
        self._api = api
        self._lists: dict[str, Any] = {}

    def list_namespaced_pod(
        self, namespace: str, label_selector: str, resource_version: str, **options: Any
    ) -> Any:
        known = self._lists.get(label_selector)
        if known is None or int(known.metadata.resource_version) < int(resource_version):
            known = self._api.list_namespaced_pod(namespace, label_selector=label_selector)
            self._lists[label_selector] = known
        return known

    def __getattr__(self, name: str) -> Any:
        return getattr(self._api, name)


class Pool:
    """A pool of two, and what a kubelet would do for its pods."""

    def __init__(self, api: client.CoreV1Api) -> None:
        self.api = api
        self.port = free_port()
        pod = {"metadata": {"generateName": "scheduler-"}, "spec": task_pod("x")["spec"]}
        made = api.create_namespaced_pod(NAMESPACE, pod)
        self.scheduler = api.api_client.sanitize_for_serialization(made)
        self.pool = warm_pool.WarmPool(LateApi(api), 2, self.scheduler, self.port)

    def turn(self) -> None:
        self.pool._next_turn = 0.0
        self.pool.tend()

    def pods(self) -> list[dict[str, Any]]:
        name = self.scheduler["metadata"]["name"]
        found = self.api.list_namespaced_pod(NAMESPACE, label_selector=f"{warm_pool.LABEL}={name}")
        pods: list[dict[str, Any]] = self.api.api_client.sanitize_for_serialization(found)["items"]
        return pods

    def run(self, pod: dict[str, Any], phase: str = "Running") -> str:
        """It runs at this machine's address; its token."""
        status = {"phase": phase, "podIP": "127.0.0.1", "podIPs": [{"ip": "127.0.0.1"}]}
        name = pod["metadata"]["name"]
        patched = self.api.patch_namespaced_pod_status(name, NAMESPACE, {"status": status})
        # The pool's next turn is to see it, however late the API server's memory is.
        self.pool._written = patched.metadata.resource_version
        variables = {one["name"]: one["value"] for one in pod["spec"]["containers"][0]["env"]}
        return str(variables[await_task.TOKEN])

    def ready(self) -> tuple[str, str]:
        """The name and the token of one of the two, which runs."""
        self.pool.learn(task_pod("first"))
        self.turn()
        pod = self.pods()[0]
        return pod["metadata"]["name"], self.run(pod)

    def end(self) -> None:
        self.pool.end()
        self.api.delete_namespaced_pod(
            self.scheduler["metadata"]["name"], NAMESPACE, grace_period_seconds=0
        )


@pytest.fixture
def pool(api: client.CoreV1Api) -> Iterator[Pool]:
    made = Pool(api)
    yield made
    made.end()


class TestPool:
    def test_it_is_empty_until_it_has_seen_a_task(self, pool: Pool) -> None:
        pool.turn()
        assert pool.pods() == []
        pool.pool.learn({"spec": {"containers": [{"name": "base", "args": ["sh"]}]}})
        pool.turn()
        assert pool.pods() == []

    def test_its_pods_are_a_tasks_without_the_task_and_the_schedulers(self, pool: Pool) -> None:
        pool.pool.learn(task_pod("first", priority=0))
        pool.turn()
        pool.turn()
        first, second = pool.pods()
        assert first["metadata"]["annotations"] == {"note": "all", warm_pool.EVICTABLE: "true"}
        scheduler = pool.scheduler["metadata"]
        assert first["metadata"]["labels"] == {"app": "worker", warm_pool.LABEL: scheduler["name"]}
        assert [one["uid"] for one in first["metadata"]["ownerReferences"]] == [scheduler["uid"]]
        (container,) = first["spec"]["containers"]
        assert container["args"] == ["python", warm_pool.SCRIPT]
        assert {"name": "A", "value": "b"} in container["env"]
        assert pool.run(first) != pool.run(second)

    def test_a_task_gets_a_pod_that_becomes_its_own(self, pool: Pool) -> None:
        name, token = pool.ready()
        waiting = Waiting(pool.port, token)
        pool.turn()
        assert pool.pool.hand_over(task_pod("second"))
        assert json.loads(waiting.end() or "") == {"task": "second"}
        metadata = pool.api.read_namespaced_pod(name, NAMESPACE).metadata
        assert metadata.labels == task_pod("second")["metadata"]["labels"]
        assert metadata.annotations == task_pod("second")["metadata"]["annotations"]
        assert metadata.owner_references is None
        pool.turn()
        assert len(pool.pods()) == 2, "another is made in its place"
        pool.pool.end()
        assert pool.pods() == []
        assert pool.api.read_namespaced_pod(name, NAMESPACE), "a task's pod is none of the pool's"
        pool.api.delete_namespaced_pod(name, NAMESPACE, grace_period_seconds=0)

    def test_whose_tasks_pods_may_be_moved_keeps_them_so(self, pool: Pool) -> None:
        def movable(task: str) -> dict[str, Any]:
            pod = task_pod(task)
            for key in (warm_pool.KEPT, warm_pool.EVICTABLE):
                del pod["metadata"]["annotations"][key]
            return pod

        pool.pool.learn(movable("first"))
        name, token = pool.ready()
        waiting = Waiting(pool.port, token)
        pool.turn()
        assert pool.pool.hand_over(movable("second"))
        assert waiting.end()
        metadata = pool.api.read_namespaced_pod(name, NAMESPACE).metadata
        assert metadata.annotations == movable("second")["metadata"]["annotations"]
        pool.api.delete_namespaced_pod(name, NAMESPACE, grace_period_seconds=0)

    def test_a_pod_that_has_just_got_its_task_is_left_alone(self, pool: Pool) -> None:
        name, token = pool.ready()
        waiting = Waiting(pool.port, token)
        pool.turn()
        pool.turn()
        assert pool.pool.hand_over(task_pod("second"))
        assert waiting.end()
        pool.turn()
        assert pool.api.read_namespaced_pod(name, NAMESPACE).metadata.deletion_timestamp is None
        pool.api.delete_namespaced_pod(name, NAMESPACE, grace_period_seconds=0)

    def test_a_task_that_is_different_gets_a_pod_of_its_own(self, pool: Pool) -> None:
        _, token = pool.ready()
        waiting = Waiting(pool.port, token, 1)
        pool.turn()
        labelled = task_pod("other")
        labelled["metadata"]["labels"]["team"] = "a"
        assert not pool.pool.hand_over(task_pod("other", nodeSelector={"gpu": "yes"}))
        assert not pool.pool.hand_over(labelled)
        assert waiting.end() is None

    def test_a_pod_that_does_not_wait_yet_is_left_alone(self, pool: Pool) -> None:
        name, _ = pool.ready()
        pool.turn()
        assert not pool.pool.hand_over(task_pod("other"))
        assert name in {pod["metadata"]["name"] for pod in pool.pods()}

    def test_a_pod_that_no_longer_answers_is_replaced(self, pool: Pool) -> None:
        name, token = pool.ready()
        waiting = Waiting(pool.port, token, 1)
        pool.turn()
        waiting.end()
        assert not pool.pool.hand_over(task_pod("other"))
        assert name not in {pod["metadata"]["name"] for pod in pool.pods()}

    def test_a_pod_that_somebody_removed_is_not_taken(self, pool: Pool) -> None:
        name, token = pool.ready()
        waiting = Waiting(pool.port, token, 1)
        pool.turn()
        pool.api.delete_namespaced_pod(name, NAMESPACE, grace_period_seconds=0)
        assert not pool.pool.hand_over(task_pod("other"))
        assert waiting.end() is None

    def test_a_pod_that_refuses_its_task_goes_and_the_executor_sees_whose_it_was(
        self, pool: Pool
    ) -> None:
        name, _ = pool.ready()
        waiting = Waiting(pool.port, "another token", 1)
        pool.turn()
        before = pool.api.list_namespaced_pod(NAMESPACE).metadata.resource_version
        assert pool.pool.hand_over(task_pod("other"))
        watch = pool.api.list_namespaced_pod(
            NAMESPACE,
            label_selector="airflow-worker=7",
            watch=True,
            resource_version=before,
            timeout_seconds=2,
            _preload_content=False,
        )
        events = [json.loads(line) for line in watch]
        assert [events[0]["type"], events[-1]["type"]] == ["ADDED", "DELETED"]
        assert events[-1]["object"]["metadata"]["annotations"]["task_id"] == "other"
        assert events[-1]["object"]["metadata"]["name"] == name
        assert waiting.end() is None

    @pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
    def test_a_pod_that_has_ended_is_replaced(self, pool: Pool, phase: str) -> None:
        name, _ = pool.ready()
        pool.run(
            pool.api.api_client.sanitize_for_serialization(
                pool.api.read_namespaced_pod(name, NAMESPACE)
            ),
            phase,
        )
        pool.turn()
        pool.turn()
        names = {pod["metadata"]["name"] for pod in pool.pods()}
        assert len(names) == 2
        assert name not in names

    def test_it_makes_room_for_tasks_and_comes_back(
        self, pool: Pool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        pool.ready()
        pool.pool.give_way()
        assert pool.pods() == []
        pool.pool.tend()
        assert pool.pods() == []
        now = time.monotonic() + warm_pool.ABSENCE + 1
        monkeypatch.setattr(warm_pool.time, "monotonic", lambda: now)
        pool.pool.tend()
        assert len(pool.pods()) == 2

    def test_a_pod_that_kubernetes_refuses_ends_nothing(self, pool: Pool) -> None:
        model = task_pod("first")
        del model["spec"]["containers"][0]["image"]
        pool.pool.learn(model)
        pool.turn()
        assert pool.pods() == []
        assert pool.pool._tokens == {}
        assert pool.pool._next_turn > time.monotonic() + warm_pool.TURN


PODS = """
import json
from airflow.executors.workloads import ExecuteTask
from airflow.providers.cncf.kubernetes.pod_generator import PodGenerator, workload_to_command_args
from kubernetes.client import ApiClient, models

class Workload:
    def model_dump_json(self):
        return "{}"

base = models.V1Pod(
    metadata=models.V1ObjectMeta(labels={"app": "worker"}, annotations={"note": "all"}),
    spec=models.V1PodSpec(containers=[models.V1Container(name="base", env=[])]),
)
def pod(dag, task, index):
    made = PodGenerator.construct_pod(
        namespace="n", scheduler_job_id="1", pod_id=f"{dag}-{task}", dag_id=dag, task_id=task,
        kube_image="airflow", try_number=index + 2, map_index=index, date=None, run_id=f"run {dag}",
        args=workload_to_command_args(Workload()), pod_override_object=None, base_worker_pod=base,
        with_mutation_hook=True,
    )
    return ApiClient().sanitize_for_serialization(made)
print(json.dumps([pod("a", "b", -1), pod("c", "d", 5)]))
"""


def test_pods_of_airflows_own_differ_in_nothing_but_the_task(tmp_path: Path) -> None:
    environment = {**os.environ, "AIRFLOW_HOME": str(tmp_path), "HOME": str(tmp_path)}
    done = subprocess.run(
        [python(), "-c", PODS], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    first, second = json.loads(done.stdout.splitlines()[-1])
    assert first != second
    assert warm_pool._is_workload(first)
    assert warm_pool.without_task(first) == warm_pool.without_task(second)
    assert warm_pool.without_task(first)["metadata"]["annotations"] == {"note": "all"}
    changed = deepcopy(second)
    changed["spec"]["containers"][0]["image"] = "another"
    assert warm_pool.without_task(first) != warm_pool.without_task(changed)


class _ExecutionApi(HTTPServer):
    """Airflow's, as far as its first request: refuses to let the task run."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []
        super().__init__(("127.0.0.1", 0), _Refusal)


class _Refusal(BaseHTTPRequestHandler):
    server: _ExecutionApi

    def do_PATCH(self) -> None:
        self.server.asked.append((self.path, self.headers["Authorization"]))
        body = json.dumps({"detail": {"reason": "invalid_state", "message": "not now"}}).encode()
        self.send_response(409)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        pass


def _workload() -> str:
    later = int(time.time()) + 600
    claims = base64.urlsafe_b64encode(json.dumps({"sub": "x", "exp": later}).encode()).decode()
    return json.dumps(
        {
            "type": "ExecuteTask",
            "token": f"e30.{claims.rstrip('=')}.x",
            "ti": {
                "id": "01900000-0000-7000-8000-000000000001",
                "dag_version_id": "01900000-0000-7000-8000-000000000002",
                "task_id": "t",
                "dag_id": "d",
                "run_id": "r",
                "try_number": 1,
                "map_index": -1,
                "pool_slots": 1,
                "queue": "default",
                "priority_weight": 1,
            },
            "dag_rel_path": "d.py",
            "bundle_info": {"name": "dags-folder", "version": None},
            "log_path": "d/t.log",
        }
    )


@pytest.fixture
def process(tmp_path: Path) -> Iterator[tuple["subprocess.Popen[bytes]", int, _ExecutionApi]]:
    """The real process of a waiting pod, and the execution API that it will ask."""
    server = _ExecutionApi()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    port = free_port()
    environment = {
        "PATH": os.environ["PATH"],
        "AIRFLOW_HOME": str(tmp_path),
        "HOME": str(tmp_path),
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{server.server_port}/execution/",
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(tmp_path / "logs"),
        await_task.TOKEN: TOKEN,
    }
    start = (
        f"import sys; sys.path[:0] = ['unused', {str(SCRIPTS)!r}]; import await_task; "
        f"await_task.PORT = {port}; await_task.main()"
    )
    with (tmp_path / "out").open("wb") as out:
        running = subprocess.Popen([python(), "-c", start], env=environment, stdout=out, stderr=out)
    give_up = time.monotonic() + 120
    while running.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            break
        except OSError:
            assert time.monotonic() < give_up
            time.sleep(0.1)
    assert running.poll() is None, (tmp_path / "out").read_text()
    yield running, port, server
    running.kill()
    running.wait()
    server.shutdown()
    server.server_close()


def test_the_process_runs_the_task_that_it_gets(
    process: tuple["subprocess.Popen[bytes]", int, _ExecutionApi], tmp_path: Path
) -> None:
    running, port, server = process
    workload = _workload()
    assert post(port, TOKEN, workload) == 202
    running.wait(60)
    out = (tmp_path / "out").read_text()
    assert server.asked, out
    path, authorization = server.asked[0]
    assert path == "/execution/task-instances/01900000-0000-7000-8000-000000000001/run", out
    assert authorization == f"Bearer {json.loads(workload)['token']}"
    assert TOKEN not in out


def test_a_process_that_waits_ends_when_it_is_told_to(
    process: tuple["subprocess.Popen[bytes]", int, _ExecutionApi], tmp_path: Path
) -> None:
    running, _, _ = process
    running.send_signal(signal.SIGTERM)
    assert running.wait(10) == 0
    assert "Traceback" not in (tmp_path / "out").read_text()
