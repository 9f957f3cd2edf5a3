"""A node group that EKS manages, as its documentation tells of an update: surge, cordon, then drain after drain.

The machines are kwok's. Evictions are asked of the API server, whose judgement they are.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from cli.operations.upgrade.world import OF_EKS
from tests.task_nodes.api import Api, RefusedCall
from tests.task_nodes.machines import FAKE, allocatable, until

ZONES = ("eu-north-1a", "eu-north-1b")
ZONE = "topology.kubernetes.io/zone"
SIZE = {"cpu": "2", "memory": "7782Mi", "pods": "29", "ephemeral-storage": "20Gi"}
"""An m7i.large."""

NODES, PODS = "/api/v1/nodes", "/api/v1/pods"


class PodEvictionFailure(Exception):
    """EKS' word for pods that did not leave a node in time."""


@dataclass
class NodeGroup:
    """The workers of a cluster."""

    api: Api
    nodes: int = 4
    seconds: float = 60.0
    """EKS' 15 minutes."""

    on_cordoned: Callable[[], None] = lambda: None
    on_refused: Callable[[str], None] = lambda _: None
    """Told which pod, as NAMESPACE/NAME, may not be evicted now."""

    made: int = 0
    refused: set[str] = field(default_factory=set)

    def join(self, version: str, count: int) -> list[str]:
        """Machines in turn in each zone."""
        names = []
        for _ in range(count):
            zone = ZONES[self.made % len(ZONES)]
            self.made += 1
            name = f"ip-10-0-0-{self.made}"
            self.api.post(NODES, _node(name, zone, version))
            names.append(name)
        until(60, "the nodes are ready", lambda: set(names) <= self.ready())
        return names

    def ready(self) -> set[str]:
        return {
            str(node["metadata"]["name"])
            for node in self.api.items(NODES)
            for one in node.get("status", {}).get("conditions", [])
            if (one["type"], one["status"]) == ("Ready", "True")
        }

    def update(self, version: str) -> None:
        """All nodes to a version. PodEvictionFailure leaves it half done."""
        old = [str(node["metadata"]["name"]) for node in self.api.items(NODES)]
        # Twice as many as there are zones.
        self.join(version, 2 * len(ZONES))
        for name in old:
            self.api.patch(f"{NODES}/{name}", {"spec": {"unschedulable": True}})
        self.on_cordoned()
        for number, name in enumerate(old, start=1):
            self._drain(name)
            self.api.delete(f"{NODES}/{name}")
            # The group falls to its size, and then is kept at it.
            missing = self.nodes - (len(old) - number) - 2 * len(ZONES)
            if missing > 0:
                self.join(version, 1)

    def _drain(self, node: str) -> None:
        give_up = time.monotonic() + self.seconds
        while left := self._to_evict(node):
            if time.monotonic() >= give_up:
                raise PodEvictionFailure(f"{node}: {', '.join(map(_key, left))}")
            for pod in left:
                if "deletionTimestamp" not in pod["metadata"]:
                    self._evict(pod)
            time.sleep(0.2)

    def _to_evict(self, node: str) -> list[dict[str, Any]]:
        pods = self.api.items(f"{PODS}?fieldSelector=spec.nodeName={node}")
        return [pod for pod in pods if not _owned_by(pod, "DaemonSet")]

    def _evict(self, pod: dict[str, Any]) -> None:
        space, name = pod["metadata"]["namespace"], pod["metadata"]["name"]
        body = {
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {"name": name, "namespace": space},
        }
        try:
            self.api.post(f"/api/v1/namespaces/{space}/pods/{name}/eviction", body)
        except RefusedCall as error:
            if error.status == 404:
                return
            assert error.status in (429, 500), error
            self.refused.add(_key(pod))
            self.on_refused(_key(pod))


def _node(name: str, zone: str, version: str) -> dict[str, Any]:
    labels = {
        "kubernetes.io/hostname": name,
        "kubernetes.io/arch": "amd64",
        "kubernetes.io/os": "linux",
        ZONE: zone,
        OF_EKS: "workers",
    }
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": labels, "annotations": FAKE},
        "status": {
            "capacity": SIZE,
            "allocatable": allocatable(SIZE),
            "nodeInfo": dict.fromkeys(_UNKNOWN, "") | {"kubeletVersion": f"v{version}.1-eks-1"},
        },
    }


_UNKNOWN = (
    *("machineID", "systemUUID", "bootID", "kernelVersion", "osImage", "containerRuntimeVersion"),
    *("kubeProxyVersion", "operatingSystem", "architecture"),
)


def _owned_by(pod: dict[str, Any], kind: str) -> bool:
    return any(owner["kind"] == kind for owner in pod["metadata"].get("ownerReferences", []))


def _key(pod: dict[str, Any]) -> str:
    return f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"
