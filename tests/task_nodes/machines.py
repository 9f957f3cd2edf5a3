"""What an instance of EC2 does on AWS, and the emulator's do not: start a kubelet that joins the cluster.

Of a kubelet it does the first thing alone: it reads the user data that Karpenter's launch template has, and makes the
Node object that it asks for, labels and taints included. What comes after, that a node is ready and its pods run, does
kwok. A machine that is gone says nothing any more, which the cluster's controllers note on its Node: that is done here,
too, and at once.
"""

import base64
import email
import time
from typing import Any

import yaml

from tests.repeating import Repeating
from tests.task_nodes.api import Api

FAKE = {"kwok.x-k8s.io/node": "fake"}
"""The annotation by which kwok knows its nodes."""


class Machines(Repeating):
    """Starts the kubelet of each new instance of a cluster, until the end of a `with`."""

    def __init__(self, ec2: Any, api: Api, cluster: str) -> None:
        super().__init__()
        self._ec2, self._api, self._cluster = ec2, api, cluster
        self._joined: dict[str, str] = {}
        """The node of each instance that lives."""

        self.failures: list[Exception] = []

    def round(self) -> None:
        try:
            self._follow()
        except Exception as error:
            self.failures.append(error)

    def _follow(self) -> None:
        running = {instance["InstanceId"]: instance for instance in self.running()}
        for key, instance in running.items():
            if key not in self._joined:
                node = self._node(instance)
                self._joined[key] = node["metadata"]["name"]
                self._api.post("/api/v1/nodes", node)
        for key in self._joined.keys() - running.keys():
            self._fall_silent(self._joined.pop(key))

    def _fall_silent(self, node: str) -> None:
        path = f"/api/v1/nodes/{node}"
        if not any(one["metadata"]["name"] == node for one in self._api.items("/api/v1/nodes")):
            return
        self._api.patch(path, {"metadata": {"annotations": dict.fromkeys(FAKE)}})
        silent = {"type": "Ready", "status": "Unknown", "reason": "NodeStatusUnknown"}
        body = {"status": {"conditions": [silent]}}
        self._api.patch(f"{path}/status", body, "strategic-merge")

    def running(self) -> list[dict[str, Any]]:
        """The cluster's instances."""
        tag = {"Name": f"tag:kubernetes.io/cluster/{self._cluster}", "Values": ["owned"]}
        running = {"Name": "instance-state-name", "Values": ["running"]}
        found = self._ec2.describe_instances(Filters=[tag, running])["Reservations"]
        return [instance for each in found for instance in each["Instances"]]

    def _node(self, instance: dict[str, Any]) -> dict[str, Any]:
        told = node_config(self._user_data(instance["InstanceId"]))
        assert told["spec"]["cluster"]["name"] == self._cluster
        kind, zone = instance["InstanceType"], instance["Placement"]["AvailabilityZone"]
        name = instance["PrivateDnsName"]
        # What kubelet and the cloud's controller put on every node of AWS.
        labels = {
            "kubernetes.io/hostname": name,
            "kubernetes.io/arch": "amd64",
            "kubernetes.io/os": "linux",
            "node.kubernetes.io/instance-type": kind,
            "topology.kubernetes.io/zone": zone,
            "topology.kubernetes.io/region": zone[:-1],
        }
        size = self._size(kind)
        return {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": name, "labels": labels | asked_labels(told), "annotations": FAKE},
            "spec": {
                "providerID": f"aws:///{zone}/{instance['InstanceId']}",
                "taints": told["spec"]["kubelet"]["config"]["registerWithTaints"],
            },
            "status": {"capacity": size, "allocatable": allocatable(size)},
        }

    def _user_data(self, instance: str) -> str:
        found = self._ec2.describe_instance_attribute(InstanceId=instance, Attribute="userData")
        return base64.b64decode(found["UserData"]["Value"]).decode()

    def _size(self, kind: str) -> dict[str, str]:
        (found,) = self._ec2.describe_instance_types(InstanceTypes=[kind])["InstanceTypes"]
        network = found["NetworkInfo"]
        pods = network["MaximumNetworkInterfaces"] * (network["Ipv4AddressesPerInterface"] - 1) + 2
        # The machine itself keeps some of its memory.
        memory = int(found["MemoryInfo"]["SizeInMiB"] * 0.95)
        return {
            "cpu": str(found["VCpuInfo"]["DefaultVCpus"]),
            "memory": f"{memory}Mi",
            "pods": str(pods),
            "ephemeral-storage": "50Gi",
        }


def node_config(user_data: str) -> dict[str, Any]:
    """What nodeadm of Amazon Linux 2023 reads of the user data."""
    for part in email.message_from_string(user_data).walk():
        if part.get_content_type() == "application/node.eks.aws":
            found: dict[str, Any] = yaml.safe_load(str(part.get_payload()))
            return found
    raise AssertionError(f"no NodeConfig in {user_data}")


def asked_labels(told: dict[str, Any]) -> dict[str, str]:
    """Those of `--node-labels`."""
    for flag in told["spec"]["kubelet"].get("flags", []):
        name, _, value = flag.strip('"').partition("=")
        if name == "--node-labels":
            return dict(pair.split("=", 1) for pair in value.strip('"').split(","))
    return {}


def allocatable(size: dict[str, str]) -> dict[str, str]:
    """What EKS leaves for pods, by the rules of its nodeadm."""
    cores = int(size["cpu"])
    reserved = 60 + 10 * min(cores - 1, 1) + 5 * min(max(cores - 2, 0), 2) + 2.5 * max(cores - 4, 0)
    memory = int(size["memory"].removesuffix("Mi")) - (255 + 11 * int(size["pods"])) - 100
    return size | {
        "cpu": f"{int(1000 * cores - reserved)}m",
        "memory": f"{memory}Mi",
        "ephemeral-storage": "40Gi",
    }


def until(seconds: float, what: str, true: Any, pause: float = 0.5) -> float:
    """Waits until `true()` is; how many seconds that took."""
    started = time.monotonic()
    while not true():
        assert time.monotonic() - started < seconds, f"not within {seconds} s: {what}"
        time.sleep(pause)
    return time.monotonic() - started
