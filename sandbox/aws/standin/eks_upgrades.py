"""EKS' upgrades: of a cluster's control plane and of a node group, and what EKS sees in the way of one.

MiniStack has none of these calls. They change the records, at once; the Kubernetes of the sandbox stays what it is.
"""

import re
import time
from typing import Any

from sandbox.aws.standin import eks_updates, emulator
from sandbox.aws.standin.call import Call, json_answer
from sandbox.aws.standin.cluster_versions import OFFERED
from sandbox.aws.standin.emulator import Answer
from sandbox.aws.standin.internals import records

OLDER_KUBELETS = 3
"""Minor versions that a kubelet may be behind its API server."""


def cluster_version(call: Call, found: re.Match[str]) -> Answer:
    """UpdateClusterVersion: one minor version on, and never back."""
    cluster = records("eks").clusters.get(found[1])
    if cluster is None:
        return _missing(f"No cluster found for name: {found[1]}.")
    running, asked = str(cluster["version"]), str(call.json().get("version", ""))
    if asked not in OFFERED:
        return _refused(f"unsupported Kubernetes version {asked}")
    if asked == running:
        return _refused(f"Cluster is already at the desired configuration: version {running}")
    if _minor(asked) != _minor(running) + 1:
        return _refused(f"Unsupported Kubernetes minor version update from {running} to {asked}")
    cluster["version"] = asked
    return eks_updates.done("VersionUpdate", call.path)


def nodegroup_version(call: Call, found: re.Match[str]) -> Answer:
    """UpdateNodegroupVersion: to the cluster's version, if none is named, and never beyond it."""
    eks = records("eks")
    group = eks.nodegroups.get(f"{found[1]}/{found[2]}")
    if group is None:
        return _missing(f"No node group found for name: {found[2]}.")
    limit = str(eks.clusters[found[1]]["version"])
    asked = str(call.json().get("version") or limit)
    if asked not in OFFERED or _minor(asked) > _minor(limit):
        return _refused(f"A node group of version {asked} does not fit a cluster of {limit}")
    if _minor(asked) < _minor(str(group["version"])):
        return _refused(f"A node group does not go back from {group['version']} to {asked}")
    group["version"] = asked
    group["modifiedAt"] = int(time.time())
    return eks_updates.done("VersionUpdate", call.path)


def insights(call: Call, found: re.Match[str]) -> Answer:
    """ListInsights: the one that its records can answer, whether workers are too old for the next version."""
    eks = records("eks")
    cluster = eks.clusters.get(found[1])
    if cluster is None:
        return _missing(f"No cluster found for name: {found[1]}.")
    asked: dict[str, Any] = call.json().get("filter") or {}
    following = f"1.{_minor(str(cluster['version'])) + 1}"
    too_old = [
        group["nodegroupName"]
        for group in eks.nodegroups.values()
        if group["clusterName"] == found[1]
        and _minor(following) - _minor(str(group["version"])) > OLDER_KUBELETS
    ]
    status = "ERROR" if too_old else "PASSING"
    insight = {
        "id": "00000000-0000-4000-8000-000000000001",
        "name": "Kubelet version skew",
        "category": "UPGRADE_READINESS",
        "kubernetesVersion": following,
        "description": "Checks for kubelet versions of worker nodes that the next version does not take.",
        "insightStatus": {
            "status": status,
            "reason": f"Too old: {', '.join(too_old)}" if too_old else "All are recent enough.",
        },
    }
    wanted = all(
        insight_value in asked[key]
        for key, insight_value in (
            ("categories", insight["category"]),
            ("kubernetesVersions", following),
            ("statuses", status),
        )
        if asked.get(key)
    )
    return json_answer({"insights": [insight] if wanted else []})


def _minor(version: str) -> int:
    return int(version.split(".")[1])


def _missing(text: str) -> Answer:
    return emulator.error("ResourceNotFoundException", text, 404)


def _refused(text: str) -> Answer:
    return emulator.error("InvalidParameterException", text)
