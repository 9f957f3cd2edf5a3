"""Claims become volumes as the EBS driver would make them."""

import copy
from typing import Any

import pytest

from sandbox.cluster.provisioner import DRIVER, Create, Delete, Grow, carry_out, decide
from sandbox.layout import Layout

LATE = {
    "metadata": {"name": "gp3"},
    "provisioner": DRIVER,
    "volumeBindingMode": "WaitForFirstConsumer",
    "reclaimPolicy": "Retain",
}
AT_ONCE = {"metadata": {"name": "now"}, "provisioner": DRIVER, "volumeBindingMode": "Immediate"}
FOREIGN = {"metadata": {"name": "nfs"}, "provisioner": "example.com/nfs"}


def claim(storage_class: str, **annotations: str) -> dict:
    return {
        "metadata": {
            "name": "data",
            "namespace": "airflow",
            "uid": "u-1",
            "annotations": {key.replace("_", "/"): value for key, value in annotations.items()},
        },
        "spec": {
            "storageClassName": storage_class,
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": "8Gi"}},
        },
    }


CHOSEN = {"volume.kubernetes.io_selected-node": "aerodrome-trial"}


def volume(phase: str, policy: str = "Delete", by: str = DRIVER) -> dict:
    return {
        "metadata": {"name": "pvc-u-1", "annotations": {"pv.kubernetes.io/provisioned-by": by}},
        "spec": {"persistentVolumeReclaimPolicy": policy},
        "status": {"phase": phase},
    }


def test_a_claim_waits_for_its_first_pod(layout: Layout) -> None:
    assert decide([LATE], [claim("gp3")], [], layout) == []


def test_a_claim_with_a_node_gets_a_volume_bound_to_it(layout: Layout) -> None:
    (step,) = decide([LATE], [claim("gp3", **CHOSEN)], [], layout)
    assert isinstance(step, Create)
    spec = step.volume["spec"]
    assert step.volume["metadata"]["name"] == "pvc-u-1"
    assert spec["capacity"] == {"storage": "8Gi"}
    assert spec["claimRef"]["uid"] == "u-1"
    assert spec["hostPath"]["path"] == str(layout.volumes / "pvc-u-1")
    assert spec["persistentVolumeReclaimPolicy"] == "Retain"


def test_an_immediate_class_does_not_wait(layout: Layout) -> None:
    (step,) = decide([AT_ONCE], [claim("now")], [], layout)
    assert isinstance(step, Create)
    assert step.volume["spec"]["persistentVolumeReclaimPolicy"] == "Delete"


@pytest.mark.parametrize("classes", [[], [FOREIGN]])
def test_claims_of_other_drivers_are_not_ours(layout: Layout, classes: list[dict]) -> None:
    assert decide(classes, [claim("nfs", **CHOSEN)], [], layout) == []


def test_a_claim_that_has_its_volume_needs_no_other(layout: Layout) -> None:
    bound = copy.deepcopy(claim("gp3", **CHOSEN))
    bound["spec"]["volumeName"] = "pvc-u-1"
    assert decide([LATE], [bound], [volume("Bound")], layout) == []
    # Made already, but not bound yet.
    assert decide([LATE], [claim("gp3", **CHOSEN)], [volume("Available")], layout) == []


def test_a_released_volume_goes_if_its_policy_says_so(layout: Layout) -> None:
    assert decide([LATE], [], [volume("Released")], layout) == [Delete("pvc-u-1")]
    assert decide([LATE], [], [volume("Released", policy="Retain")], layout) == []
    assert decide([LATE], [], [volume("Released", by="example.com/nfs")], layout) == []
    assert decide([LATE], [], [volume("Bound")], layout) == []


def grown(asked: str, have: str, phase: str = "Bound", storage_class: str = "gp3") -> dict:
    bound = claim(storage_class, **CHOSEN)
    bound["spec"] |= {"volumeName": "pvc-u-1", "resources": {"requests": {"storage": asked}}}
    bound["status"] = {"phase": phase, "capacity": {"storage": have}}
    return bound


def test_a_claim_that_asks_for_more_gets_it(layout: Layout) -> None:
    wanted = grown("30Gi", "20Gi")
    assert decide([LATE], [wanted], [volume("Bound")], layout) == [Grow("pvc-u-1", wanted, "30Gi")]


def test_a_claim_that_has_what_it_asks_for_is_left_alone(layout: Layout) -> None:
    assert decide([LATE], [grown("20Gi", "20Gi")], [volume("Bound")], layout) == []
    assert decide([LATE], [grown("30Gi", "20Gi", phase="Lost")], [], layout) == []
    assert decide([FOREIGN], [grown("30Gi", "20Gi", storage_class="nfs")], [], layout) == []


class Requests:
    """An API that keeps what it is asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Any]] = []

    def merge(self, path: str, change: Any) -> None:
        self.asked.append((path, change))


def test_volume_and_claim_are_told_their_size(layout: Layout) -> None:
    api: Any = Requests()
    carry_out(Grow("pvc-u-1", grown("30Gi", "20Gi"), "30Gi"), api, layout)
    capacity = {"capacity": {"storage": "30Gi"}}
    assert api.asked == [
        ("/api/v1/persistentvolumes/pvc-u-1", {"spec": capacity}),
        ("/api/v1/namespaces/airflow/persistentvolumeclaims/data/status", {"status": capacity}),
    ]
