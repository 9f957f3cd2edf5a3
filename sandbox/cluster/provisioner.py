"""The volume provisioner, in place of the EBS CSI driver: `python -m sandbox.cluster.provisioner INSTANCE.json`.

A claim whose StorageClass names the driver gets a folder of the node as its volume; the
folder goes with the volume. As with the real driver, a claim of a class that says
WaitForFirstConsumer waits until the scheduler has chosen a node.

Whatever changes, everything is looked at again: `decide` needs no memory of what was before.
"""

import json
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox.cluster import watching
from sandbox.cluster.api import Api, ApiError
from sandbox.cluster.record import load_instance
from sandbox.errors import EngineBug
from sandbox.layout import Layout
from sandbox.process import Process

DRIVER = "ebs.csi.aws.com"
_SELECTED_NODE = "volume.kubernetes.io/selected-node"
_PROVISIONED_BY = "pv.kubernetes.io/provisioned-by"
_CLAIMS = "/api/v1/persistentvolumeclaims"
_VOLUMES = "/api/v1/persistentvolumes"
_CLASSES = "/apis/storage.k8s.io/v1/storageclasses"

Object = dict[str, Any]


@dataclass(frozen=True)
class Create:
    """Make a folder and its PersistentVolume."""

    volume: Object


@dataclass(frozen=True)
class Delete:
    """Remove a PersistentVolume and then its folder."""

    name: str


@dataclass(frozen=True)
class Grow:
    """Make a volume as large as its claim asks for, and tell the claim: a folder has all the room there is."""

    volume: str
    claim: Object
    size: str


Step = Create | Delete | Grow


def process(layout: Layout) -> Process:
    argv = [sys.executable, "-m", __name__, str(layout.instance_file)]
    return Process("volume-provisioner", argv, after=("kube-apiserver",))


def decide(
    classes: Sequence[Object],
    claims: Sequence[Object],
    volumes: Sequence[Object],
    layout: Layout,
) -> list[Step]:
    """The actions after which every claim of ours has its volume, and no other is kept."""
    ours = {c["metadata"]["name"]: c for c in classes if c["provisioner"] == DRIVER}
    existing = {volume["metadata"]["name"] for volume in volumes}
    steps: list[Step] = []
    for claim in claims:
        storage_class = ours.get(claim["spec"].get("storageClassName", ""))
        if storage_class is None or claim["spec"].get("volumeName"):
            continue
        if _waits(claim, storage_class) or _volume_name(claim) in existing:
            continue
        steps.append(Create(_volume(claim, storage_class, layout)))
    steps.extend(Delete(v["metadata"]["name"]) for v in volumes if _to_delete(v))
    steps.extend(
        Grow(claim["spec"]["volumeName"], claim, claim["spec"]["resources"]["requests"]["storage"])
        for claim in claims
        if _grows(claim, ours)
    )
    return steps


def _grows(claim: Object, ours: dict[str, Object]) -> bool:
    """Whether more is asked for than there is. The API server has seen to it that the class allows it, and
    that nobody asks for less."""
    status = claim.get("status", {})
    asked = claim["spec"]["resources"]["requests"]["storage"]
    have = status.get("capacity", {}).get("storage", asked)
    bound = bool(claim["spec"].get("volumeName")) and status.get("phase") == "Bound"
    return bound and claim["spec"].get("storageClassName", "") in ours and asked != have


def _waits(claim: Object, storage_class: Object) -> bool:
    if storage_class.get("volumeBindingMode") != "WaitForFirstConsumer":
        return False
    return _SELECTED_NODE not in claim["metadata"].get("annotations", {})


def _to_delete(volume: Object) -> bool:
    by = volume["metadata"].get("annotations", {}).get(_PROVISIONED_BY)
    released = volume.get("status", {}).get("phase") == "Released"
    policy = volume["spec"].get("persistentVolumeReclaimPolicy")
    return bool(by == DRIVER and released and policy == "Delete")


def _volume_name(claim: Object) -> str:
    return f"pvc-{claim['metadata']['uid']}"


def _volume(claim: Object, storage_class: Object, layout: Layout) -> Object:
    name = _volume_name(claim)
    meta = claim["metadata"]
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name, "annotations": {_PROVISIONED_BY: DRIVER}},
        "spec": {
            "capacity": {"storage": claim["spec"]["resources"]["requests"]["storage"]},
            "accessModes": claim["spec"]["accessModes"],
            "persistentVolumeReclaimPolicy": storage_class.get("reclaimPolicy", "Delete"),
            "storageClassName": storage_class["metadata"]["name"],
            "hostPath": {"path": str(layout.volumes / name), "type": "Directory"},
            "claimRef": {
                "apiVersion": "v1",
                "kind": "PersistentVolumeClaim",
                "namespace": meta["namespace"],
                "name": meta["name"],
                "uid": meta["uid"],
            },
            "nodeAffinity": {
                "required": {
                    "nodeSelectorTerms": [
                        {
                            "matchExpressions": [
                                {
                                    "key": "kubernetes.io/hostname",
                                    "operator": "In",
                                    "values": [layout.node_name],
                                }
                            ]
                        }
                    ]
                }
            },
        },
    }


def carry_out(step: Step, api: Api, layout: Layout) -> None:
    """The only place with effects."""
    if isinstance(step, Create):
        name = step.volume["metadata"]["name"]
        folder = layout.volumes / name
        folder.mkdir(parents=True, exist_ok=True)
        # A fresh EBS volume belongs to root; the kubelet then hands it to the pod's fsGroup.
        # It does not do that for a folder of the node, so any user may write here.
        folder.chmod(0o777)
        _unless(409, lambda: api.call("POST", _VOLUMES, step.volume))
    elif isinstance(step, Grow):
        capacity = {"capacity": {"storage": step.size}}
        _unless(404, lambda: api.merge(f"{_VOLUMES}/{step.volume}", {"spec": capacity}))
        meta = step.claim["metadata"]
        path = f"/api/v1/namespaces/{meta['namespace']}/persistentvolumeclaims/{meta['name']}"
        _unless(404, lambda: api.merge(f"{path}/status", {"status": capacity}))
    else:
        _unless(404, lambda: api.call("DELETE", f"{_VOLUMES}/{step.name}"))
        shutil.rmtree(layout.volumes / step.name, ignore_errors=True)


def _unless(code: int, call: Any) -> None:
    """Do it; a refusal with `code` says that somebody has done it already."""
    try:
        call()
    except ApiError as error:
        if error.code != code:
            raise


def main() -> None:
    instance = load_instance(Path(sys.argv[1]))
    if instance is None:
        raise EngineBug(f"{sys.argv[1]} holds no instance")
    layout = Layout(instance)
    api = Api(layout.kubeconfig("provisioner"))

    def provision(found: list[list[Object]]) -> None:
        for step in decide(found[0], found[1], found[2], layout):
            carry_out(step, api, layout)
            sys.stderr.write(json.dumps({"step": type(step).__name__}) + "\n")

    watching.forever(api, (_CLASSES, _CLAIMS, _VOLUMES), provision)


if __name__ == "__main__":
    main()
