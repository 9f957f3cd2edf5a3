"""EKS updates of a cluster or a node group that MiniStack has no route for.

They take effect at once; ListUpdates and DescribeUpdate know those of this run.
"""

import re
import time
import uuid
from typing import Any

from sandbox.aws.standin import emulator
from sandbox.aws.standin.call import Call, json_answer
from sandbox.aws.standin.emulator import Answer
from sandbox.aws.standin.internals import records

_updates: dict[str, dict[str, Any]] = {}
_of: dict[str, str] = {}
"""What each update is of, as the path that led to it."""

CLUSTER_FIELDS = {
    "logging": "LoggingUpdate",
    "resourcesVpcConfig": "EndpointAccessUpdate",
    "accessConfig": "AccessConfigUpdate",
}
NODEGROUP_FIELDS = ("scalingConfig", "labels", "taints", "updateConfig", "nodeRepairConfig")


def remember(update: dict[str, Any], path: str) -> None:
    """`path`: that of the call that began it."""
    _updates[update["id"]] = update
    _of[update["id"]] = re.sub(r"/(update|updates|update-config|update-version)$", "", path)


def listed(call: Call, found: re.Match[str]) -> Answer:
    """ListUpdates: the cluster's own, a node group's or an add-on's."""
    cluster = f"/clusters/{found[1]}"
    if found[1] not in records("eks").clusters:
        text = f"No cluster found for name: {found[1]}."
        return emulator.error("ResourceNotFoundException", text, 404)
    wanted = cluster
    for parameter, folder in (("nodegroupName", "node-groups"), ("addonName", "addons")):
        if name := call.query.get(parameter, [""])[0]:
            wanted = f"{cluster}/{folder}/{name}"
    return json_answer({"updateIds": [key for key, path in _of.items() if path == wanted]})


def describe(_call: Call, found: re.Match[str]) -> Answer:
    update = _updates.get(found[2])
    if update is None:
        return emulator.error("ResourceNotFoundException", f"No update found for: {found[2]}", 404)
    return json_answer({"update": update})


def cluster_config(call: Call, found: re.Match[str]) -> Answer:
    """UpdateClusterConfig: logging, endpoint access or authentication mode."""
    cluster = records("eks").clusters.get(found[1])
    if cluster is None:
        return emulator.error(
            "ResourceNotFoundException", f"No cluster found for name: {found[1]}.", 404
        )
    body = call.json()
    body.pop("clientRequestToken", None)
    unknown = body.keys() - CLUSTER_FIELDS.keys()
    if unknown or not body:
        return _refused(unknown)
    for field, value in body.items():
        cluster[field] = {**(cluster.get(field) or {}), **value}
    return done(CLUSTER_FIELDS[next(iter(body))], call.path)


def nodegroup_config(call: Call, found: re.Match[str]) -> Answer:
    """UpdateNodegroupConfig: size, labels and taints."""
    group = records("eks").nodegroups.get(f"{found[1]}/{found[2]}")
    if group is None:
        return emulator.error(
            "ResourceNotFoundException", f"No node group found for name: {found[2]}.", 404
        )
    body = call.json()
    body.pop("clientRequestToken", None)
    unknown = body.keys() - set(NODEGROUP_FIELDS)
    if unknown:
        return _refused(unknown)
    for field, value in body.items():
        match field:
            case "labels":
                kept = {k: v for k, v in group["labels"].items() if k not in _removed(value)}
                group["labels"] = kept | value.get("addOrUpdateLabels", {})
            case "taints":
                gone = [_taint(taint) for taint in value.get("removeTaints", [])]
                added = value.get("addOrUpdateTaints", [])
                gone += [_taint(taint) for taint in added]
                group["taints"] = [t for t in group["taints"] if _taint(t) not in gone] + added
            case _:
                group[field] = {**(group.get(field) or {}), **value}
    group["modifiedAt"] = int(time.time())
    return done("ConfigUpdate", call.path)


def _removed(labels: dict[str, Any]) -> list[str]:
    return list(labels.get("removeLabels", []))


def _taint(taint: dict[str, Any]) -> tuple[Any, Any]:
    return taint.get("key"), taint.get("effect")


def _refused(fields: object) -> Answer:
    return emulator.error(
        "InvalidParameterException", f"The sandbox's EKS cannot change {fields or 'nothing'}"
    )


def done(kind: str, path: str) -> Answer:
    """The answer to a call that has taken effect: an update that succeeded."""
    update = {
        "id": str(uuid.uuid4()),
        "status": "Successful",
        "type": kind,
        "params": [],
        "createdAt": int(time.time()),
        "errors": [],
    }
    remember(update, path)
    return json_answer({"update": update})
