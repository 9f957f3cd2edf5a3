"""The kit's KubernetesExecutor: what waits, what fails at once, and what the task's author is told."""

import json
import threading
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import SimpleNamespace
from typing import Any

import pytest
from kubernetes import client

from tests.unit.images.loading import script
from tests.unit.images.stand_in_airflow import ApiException, Job, Results, Stats, installed

with installed():
    task_pods = script("task_pods")

DOWN = ApiException(500, json.dumps({"message": "failed calling webhook"}))
INVALID = ApiException(422, json.dumps({"message": "spec.containers[0].image: Required value"}))
LOST = ApiException(504, "timeout")
EXISTS = ApiException(409, 'pods "pod-0" already exists')


class Logs:
    """Notes what would be uploaded."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, list[str], str, str]] = []

    def add(self, key: str, lines: list[str], level: str, printed: str = "") -> None:
        self.lines.append((key, lines, level, printed))


class Api:
    """The API server's pods, as far as the executor looks at them."""

    def __init__(self, pod: dict[str, Any] | None, printed: str = "") -> None:
        self._pod, self._printed = pod, printed
        self.api_client = SimpleNamespace(sanitize_for_serialization=lambda thing: thing)

    def read_namespaced_pod(self, **_: str) -> dict[str, Any]:
        if self._pod is None:
            raise ApiException(404)
        return self._pod

    def list_namespaced_event(self, *_: str, **__: str) -> dict[str, Any]:
        return {"items": []}

    def read_namespaced_pod_log(self, *_: str, **__: Any) -> Any:
        return SimpleNamespace(data=self._printed.encode())


class Printed(BaseHTTPRequestHandler):
    """An API server's answer to the question for a pod's log."""

    TEXT = "one\ntwo, for 3 €\n"

    def do_GET(self) -> None:
        assert self.path.startswith("/api/v1/namespaces/here/pods/pod/log?")
        body = self.TEXT.encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, which passes when a test says so."""
    now = [1000.0]
    monkeypatch.setattr(task_pods.time, "monotonic", lambda: now[0])
    return now


def executor(*answers: Exception | None) -> Any:
    made = task_pods.KubernetesExecutor()
    made.kube_scheduler = task_pods.PodMaker(list(answers))
    made._logs = Logs()
    return made


def queue(executor: Any, *keys: str) -> None:
    for key in keys:
        executor.running.add(key)
        executor.waiting.append(Job(key))


class TestRefusals:
    def test_tasks_wait_with_growing_pauses_then_run(self, clock: list[float]) -> None:
        it = executor(DOWN, DOWN, DOWN, None, None)
        queue(it, "a", "b")
        begin = clock[0]
        asked = []
        while it.waiting:
            before = len(it.kube_scheduler.asked_for)
            it.sync()
            if len(it.kube_scheduler.asked_for) > before:
                asked.append(clock[0] - begin)
            clock[0] += 0.5
        assert asked == [0, 2, 6, 14], "one pod is asked for after each pause"
        assert not it.event_buffer, "no task has failed"

    def test_the_pause_starts_anew_after_a_success(self, clock: list[float]) -> None:
        it = executor(DOWN, DOWN, None, DOWN, None)
        queue(it, "a")
        for _ in range(3):
            it.sync()
            clock[0] += 30
        queue(it, "b")
        it.sync()
        assert it._not_before == clock[0] + 2

    def test_the_author_is_told_once(self, clock: list[float]) -> None:
        it = executor(DOWN, DOWN, DOWN, None)
        queue(it, "a")
        for _ in range(4):
            it.sync()
            clock[0] += 30
        ((key, lines, level, _),) = it._logs.lines
        assert (key, level) == ("a", "warning")
        assert "failed calling webhook" in lines[0]
        assert it.events == [("a", lines[0])]

    def test_the_api_servers_own_pause_counts(self, clock: list[float]) -> None:
        it = executor(ApiException(429, "slow down", {"Retry-After": "45"}))
        queue(it, "a")
        it.sync()
        assert it._not_before == clock[0] + 45

    def test_what_can_never_be_made_fails_at_once_and_holds_nobody_up(
        self, clock: list[float]
    ) -> None:
        it = executor(INVALID, None)
        queue(it, "bad", "good")
        it.sync()
        assert not it.waiting
        why = "Kubernetes refuses the pod of this task: spec.containers[0].image: Required value"
        assert it.event_buffer == {"bad": ("failed", why)}
        assert it._logs.lines == [("bad", [why], "error", "")]

    def test_a_lost_answer_makes_no_second_pod(self, clock: list[float]) -> None:
        it = executor(LOST, EXISTS)
        queue(it, "a")
        it.sync()
        clock[0] += 30
        it.sync()
        assert it.kube_scheduler.asked_for == ["pod-0", "pod-0"]
        assert not it.waiting
        assert not it.event_buffer

    def test_a_template_that_is_not_there_fails_its_task_only(self, clock: list[float]) -> None:
        it = executor(None)
        it.waiting.append(Job("a", "/nowhere/pod.yaml"))
        queue(it, "b")
        it.sync()
        assert "/nowhere/pod.yaml is not in the image" in it.event_buffer["a"][1]
        assert "b" not in it.event_buffer


def result(state: str, message: str = "") -> Results:
    details = {"pod_message": message} if message else None
    return Results("a", state, "pod", "team", "1", details)


KILLED = {
    "status": {
        "phase": "Failed",
        "containerStatuses": [
            {"name": "base", "state": {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}}
        ],
    }
}


class TestEnds:
    def failed(self, api: Api, message: str = "", again: bool = False) -> Any:
        it = executor()
        it.kube_client = api
        it.running.add("a")
        if again:
            it.again.add("a")
        it._change_state(result("failed", message))
        return it

    def test_the_reason_is_in_the_event_and_in_the_log_with_what_was_printed(self) -> None:
        it = self.failed(Api(KILLED, printed="last words"))
        state, why = it.event_buffer["a"]
        assert state == "failed"
        assert "137" in why
        assert "OOMKilled" in why
        assert it._logs.lines == [("a", [why], "error", "last words")]

    def test_what_was_printed_comes_as_the_api_server_sends_it(self) -> None:
        with HTTPServer(("127.0.0.1", 0), Printed) as server:
            threading.Thread(target=server.handle_request, daemon=True).start()
            address = f"http://127.0.0.1:{server.server_port}"
            api = client.CoreV1Api(client.ApiClient(client.Configuration(host=address)))
            assert task_pods.what_it_printed(api, "pod", "here") == Printed.TEXT

    def test_of_a_pod_that_is_gone_the_watcher_knows(self) -> None:
        it = self.failed(Api(None), "The pod was deleted from outside of Airflow")
        assert it.event_buffer["a"][1] == "The pod was deleted from outside of Airflow"

    def test_a_pod_that_is_made_again_is_no_failure(self) -> None:
        it = self.failed(Api(KILLED), again=True)
        assert not it.event_buffer
        ((_, lines, _, _),) = it._logs.lines
        assert lines[-1] == "The pod is made again; this is no try"

    @pytest.fixture
    def queued(self, monkeypatch: pytest.MonkeyPatch) -> list[str | Exception]:
        """Tasks that still wait for their pods, or why nobody can tell."""
        found: list[str | Exception] = ["a"]

        def is_queued(key: str) -> bool:
            if found and isinstance(found[0], Exception):
                raise found[0]
            return key in found

        monkeypatch.setattr(task_pods, "is_queued", is_queued)
        return found

    def test_a_pod_that_waits_for_a_node_is_spoken_of_after_a_while(
        self, clock: list[float], queued: list[str | Exception]
    ) -> None:
        it = executor()
        it._change_state(result("unscheduled", "No node takes the pod"))
        it.sync()
        assert not it._logs.lines
        clock[0] += task_pods.PATIENCE
        it.sync()
        it.sync()
        assert it._logs.lines == [("a", ["No node takes the pod"], "warning", "")]
        clock[0] += task_pods.PATIENCE
        it.sync()
        assert len(it._logs.lines) == 1
        assert it.kube_scheduler.deleted == []

    def test_a_pod_that_waits_for_a_node_goes_when_nobody_waits_for_it(
        self, clock: list[float], queued: list[str | Exception]
    ) -> None:
        it = executor()
        it.running.add("a")
        it._change_state(result("unscheduled", "No node takes the pod"))
        for found in ([OSError("the database is away")], ["a"], []):
            assert it.kube_scheduler.deleted == []
            queued[:] = found
            clock[0] += task_pods.PATIENCE
            it.sync()
        assert it.kube_scheduler.deleted == ["pod"]
        assert not it.running
        assert not it.event_buffer
        clock[0] += task_pods.PATIENCE
        it.sync()
        assert it.kube_scheduler.deleted == ["pod"]

    def test_a_pod_that_found_a_node_is_not(self, clock: list[float]) -> None:
        it = executor()
        it._change_state(result("unscheduled", "No node takes the pod"))
        it._change_state(result("scheduled"))
        clock[0] += 2 * task_pods.PATIENCE
        it.sync()
        assert not it._logs.lines


class TestAnApiServerThatIsAway:
    def test_the_scheduler_goes_on(self, clock: list[float]) -> None:
        it = executor(None)
        queue(it, "a")
        it.lost = [ConnectionError("refused"), ApiException(500, "etcd is gone")]
        it.sync()
        it.sync()
        assert it.waiting
        it.sync()
        assert not it.waiting

    def test_another_error_is_not_hidden(self) -> None:
        it = executor()
        it.lost = [KeyError("a bug")]
        with pytest.raises(KeyError):
            it.sync()

    def test_the_end_of_a_pod_is_settled_later_and_once(self, clock: list[float]) -> None:
        it = executor()
        it.running = {"a"}
        it.unanswered = [ConnectionError("refused"), ConnectionError("refused")]
        it._change_state(result("success"))
        asked = len(it.unanswered)
        for _ in range(3):
            it.sync()
        assert len(it.unanswered) == asked, "not in the same moment"
        for _ in range(2):
            clock[0] += 30
            it.sync()
        assert it.event_buffer == {"a": ("success", "Pod failed because of None")}
        assert not it._unsettled

    def test_others_wait_behind_it(self, clock: list[float]) -> None:
        it = executor()
        it.unanswered = [ConnectionError("refused")]
        for key in ("a", "b"):
            it._change_state(result("success")._replace(key=key))
        assert not it.event_buffer
        clock[0] += 30
        it.sync()
        assert list(it.event_buffer) == ["a", "b"]


def event(kind: str, going: bool = False, **status: Any) -> dict[str, Any]:
    metadata = {"labels": {}, **({"deletionTimestamp": "now"} if going else {})}
    return {"type": kind, "raw_object": {"metadata": metadata, "status": status}}


WAITS = [
    {
        "type": "PodScheduled",
        "status": "False",
        "reason": "Unschedulable",
        "message": "0/1 nodes are available",
    }
]


BEGUN = {"startedAt": "2026-01-01T00:00:07Z"}


class TestWatcher:
    def seen(self, *events: tuple[str, dict[str, Any]]) -> tuple[list[str], int]:
        """The states that are reported, and how many events upstream's watcher gets."""
        watcher = task_pods.Watcher()
        for phase, each in events:
            watcher.process_status("pod", "team", phase, {}, "1", each)
        return [watch.state for watch in _queued(watcher)], len(watcher.passed_on)

    def test_a_pod_that_waits_for_a_node(self) -> None:
        waits = ("Pending", event("MODIFIED", conditions=WAITS))
        found = ("Pending", event("MODIFIED"))
        assert self.seen(waits, waits, found, found) == (["unscheduled", "scheduled"], 4)

    def test_a_pod_that_never_waits_is_not_reported(self) -> None:
        assert self.seen(("Pending", event("ADDED")), ("Running", event("MODIFIED"))) == ([], 2)

    @pytest.mark.parametrize("phase", ["Pending", "Running"])
    def test_a_pod_that_is_deleted_has_failed(self, phase: str) -> None:
        # Upstream's says nothing of one that is pending: its task stays queued.
        stopping, deleted = event("MODIFIED", going=True), event("DELETED", going=True)
        assert self.seen((phase, stopping), (phase, stopping), (phase, deleted)) == (
            ["stopping", "failed"],
            2,
        )

    def test_a_pod_that_another_scheduler_adopts_is_left_to_upstream(self) -> None:
        assert self.seen(("Running", event("DELETED"))) == ([], 1)

    def test_a_revoked_pod_is_left_to_upstream(self) -> None:
        revoked = event("DELETED", going=True)
        revoked["raw_object"]["metadata"]["labels"]["revoked"] = "True"
        assert self.seen(("Running", revoked)) == ([], 1)

    def test_a_pod_that_has_ended_is_left_to_upstream(self) -> None:
        assert self.seen(("Succeeded", event("MODIFIED", going=True))) == ([], 1)

    def test_figures_are_sent_once_whatever_becomes_of_the_pod(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        sent: list[tuple[str, timedelta | None]] = []
        monkeypatch.setattr(Stats, "sent", sent)
        running = event("MODIFIED", containerStatuses=[{"state": {"running": BEGUN}}])
        killed = {"terminated": {**BEGUN, "reason": "OOMKilled"}}
        ended = event("MODIFIED", containerStatuses=[{"state": killed}])
        for one in (running, ended):
            one["raw_object"]["metadata"] |= {"creationTimestamp": "2026-01-01T00:00:00Z"}
        self.seen(("Running", running), ("Running", running), ("Failed", ended), ("Failed", ended))
        assert sent == [("pod.start", timedelta(seconds=7)), ("pod.oom_killed", None)]


def _queued(watcher: Any) -> list[Any]:
    found: list[Any] = watcher.watcher_queue
    return found


def test_a_reason_is_a_line_of_its_try_on_standard_output_as_well(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """From there the log shipper takes it: Airflow's UI may read logs of tasks in Elasticsearch."""
    logs, uploaded = task_pods.TaskLogs(), []
    logs._upload = lambda *what: uploaded.append(what) or True
    names = {"dag_id": "d", "run_id": "r", "task_id": "t", "try_number": 2, "map_index": 3}
    logs.add(SimpleNamespace(**names), ["It was killed", "for its memory"], "error")
    logs.close()
    written = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["event"] for line in written] == ["It was killed", "for its memory"]
    assert all(names.items() <= line.items() for line in written)
    ((_, text, _),) = uploaded
    assert [json.loads(line)["event"] for line in text.splitlines()] == [
        line["event"] for line in written
    ]
