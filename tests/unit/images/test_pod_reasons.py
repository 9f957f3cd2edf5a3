"""What authors of tasks read about their pods, from statuses and errors as the API server sends them."""

import json
from typing import Any

import pytest

from tests.unit.images.loading import script

reasons = script("pod_reasons")

QUOTA = (
    'pods "x" is forbidden: exceeded quota: fences, requested: limits.memory={},pods=1,'
    " used: limits.memory=40Gi,pods=7, limited: limits.memory=48Gi,pods=50"
)
RIGHTS = (
    'pods is forbidden: User "system:serviceaccount:team:airflow" cannot create resource "pods"'
    ' in API group "" in the namespace "team"'
)
WEBHOOK_DOWN = 'Internal error occurred: failed calling webhook "w": connection refused'
INVALID = (
    'Pod "x" is invalid: spec.containers[0].resources.requests: Invalid value: "3Gi": must be'
    " less than or equal to memory limit of 1Gi"
)
SECURITY = (
    'pods "x" is forbidden: violates PodSecurity "restricted:latest": allowPrivilegeEscalation'
)


class TestRefusals:
    @pytest.mark.parametrize(
        ("status", "message", "lasting"),
        [
            (500, WEBHOOK_DOWN, False),
            (503, "the server is currently unable to handle the request", False),
            (429, "too many requests", False),
            (401, "Unauthorized", False),
            (409, "the object has been modified", False),
            (410, "too old resource version", False),
            (None, "NewConnectionError: refused", False),
            (403, QUOTA.format("8Gi"), False),
            (
                403,
                'pods "x" is forbidden: status unknown for quota: fences, resources: pods',
                False,
            ),
            (403, RIGHTS, False),
            (403, QUOTA.format("64Gi"), True),
            (403, QUOTA.format("52000M"), True),
            (403, SECURITY, True),
            (403, 'pods "x" is forbidden: maximum memory usage per Container is 4Gi', True),
            (403, 'error looking up service account team/nobody: "nobody" not found', True),
            (403, RIGHTS.replace('"team"', '"elsewhere"'), True),
            (404, 'namespaces "nowhere" not found', True),
            (422, INVALID, True),
            (400, 'admission webhook "w" denied the request: no', True),
            (500, 'admission webhook "w" denied the request: no', True),
        ],
    )
    def test_only_what_can_never_work_lasts(
        self, status: int | None, message: str, lasting: bool
    ) -> None:
        assert reasons.lasting(status, message, "team") is lasting

    def test_pauses_grow_up_to_half_a_minute(self) -> None:
        pauses = [reasons.pause(number) for number in range(1, 8)]
        assert pauses == sorted(pauses)
        assert pauses[0] == 2
        assert pauses[-1] == reasons.pause(1_000_000) == 30

    @pytest.mark.parametrize(
        ("body", "reason", "message"),
        [
            (json.dumps({"kind": "Status", "message": INVALID}), "Unprocessable", INVALID),
            ("slow down", "Too Many Requests", "slow down"),
            (None, "Service Unavailable", "Service Unavailable"),
            ("", None, "no reason given"),
            ("[]", "odd", "odd"),
        ],
    )
    def test_the_api_servers_words_are_kept(
        self, body: str | None, reason: str | None, message: str
    ) -> None:
        assert reasons.message_of(body, reason) == message


def pod(**status: Any) -> dict[str, Any]:
    return {"metadata": {"name": "x"}, "status": status}


def container(**state: Any) -> dict[str, Any]:
    return {"name": "base", "state": state}


class TestPods:
    def test_a_pod_that_no_node_takes(self) -> None:
        message = "0/1 nodes are available: 1 Insufficient memory."
        condition = {
            "type": "PodScheduled",
            "status": "False",
            "reason": "Unschedulable",
            "message": message,
        }
        assert (
            reasons.unscheduled(pod(conditions=[condition])) == f"No node takes the pod: {message}"
        )
        assert not reasons.unscheduled(pod(conditions=[{**condition, "status": "True"}]))
        assert not reasons.unscheduled(pod())

    @pytest.mark.parametrize(
        ("reason", "words"),
        [
            ("EvictionByEvictionAPI", "its node is being drained"),
            ("PreemptionByScheduler", "a pod of higher priority"),
            ("DeletionByTaintManager", "a taint"),
            ("SomethingNew", "told by Kubernetes"),
        ],
    )
    def test_a_pod_that_kubernetes_takes_away(self, reason: str, words: str) -> None:
        condition = {
            "type": "DisruptionTarget",
            "status": "True",
            "reason": reason,
            "message": "told by Kubernetes",
        }
        told = reasons.being_deleted(pod(conditions=[condition]))
        assert words in told
        assert reason in told

    def test_a_pod_that_somebody_deletes(self) -> None:
        assert reasons.being_deleted(pod()) == "The pod was deleted from outside of Airflow"

    def test_memory(self) -> None:
        ended = {"exitCode": 137, "reason": "OOMKilled"}
        told = reasons.ended(pod(phase="Failed", containerStatuses=[container(terminated=ended)]))
        assert "exit code 137 (SIGKILL), OOMKilled: it needed more memory than its limit" in told

    def test_a_supervisor_that_was_killed(self) -> None:
        ended = {"exitCode": 137, "reason": "Error"}
        told = reasons.ended(pod(phase="Failed", containerStatuses=[container(terminated=ended)]))
        assert told == "Container base ended with exit code 137 (SIGKILL), Error"

    def test_an_image_that_is_not_there(self) -> None:
        waiting = {"reason": "ErrImagePull", "message": "not found"}
        event = {"type": "Warning", "reason": "Failed", "message": "no such host"}
        told = reasons.ended(
            pod(phase="Pending", containerStatuses=[container(waiting=waiting)]), [event]
        )
        assert told.splitlines() == [
            "Container base does not start: ErrImagePull: not found",
            "Failed: no such host",
        ]

    def test_an_evicted_pod(self) -> None:
        told = reasons.ended(pod(phase="Failed", reason="Evicted", message="low on memory"))
        assert told == "The pod failed: Evicted: low on memory"

    def test_it_says_so_if_nobody_knows(self) -> None:
        normal = {"type": "Normal", "reason": "Pulled", "message": "pulled"}
        assert "gives no reason" in reasons.ended(pod(phase="Failed"), [normal])

    def test_containers_that_ended_well_are_no_reason(self) -> None:
        good = container(terminated={"exitCode": 0, "reason": "Completed"})
        bad = {"name": "other", "state": {"terminated": {"exitCode": 3}}}
        told = reasons.ended(pod(phase="Failed", containerStatuses=[good, bad]))
        assert told == "Container other ended with exit code 3, Error"


def line(second: int, event: str) -> str:
    return json.dumps({"timestamp": f"2026-01-01T00:00:{second:02}.000000Z", "event": event})


class TestUnsavedLines:
    PRINTED = f"sh: 1: first\n{line(1, 'one')}\n{line(2, 'two')}\nno json\n"

    def test_all_of_it_if_nothing_was_saved(self) -> None:
        assert self.kept("") == self.PRINTED.splitlines()

    def test_the_rest_if_the_beginning_was(self) -> None:
        assert self.kept(f"{line(1, 'one')}\n") == [line(2, "two"), "no json"]

    def test_nothing_if_all_of_it_was(self) -> None:
        assert self.kept(f"{line(1, 'one')}\n{line(2, 'two')}") == []

    def test_an_exception_has_the_name_that_the_ui_shows(self) -> None:
        detail = [{"exc_type": "OSError", "exc_value": "No space left on device", "frames": []}]
        printed = json.dumps({"timestamp": "2026", "event": "failed", "exception": detail})
        (kept,) = reasons.unsaved(printed, "").splitlines()
        assert json.loads(kept)["error_detail"] == detail
        assert "exception" not in json.loads(kept)

    def kept(self, saved: str) -> list[str]:
        text: str = reasons.unsaved(self.PRINTED, saved)
        return text.splitlines()
