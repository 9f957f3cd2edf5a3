"""What a teardown needs of the world, played: a backend that is a file, controllers, a session.

The AWS APIs are the emulator's and Kubernetes' API server is real; only what acts behind them is
played here, so that a test can have it die at the wrong moment.
"""

import json
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from cli.base.environments import Environment
from cli.base.errors import KitError
from cli.cloud.kubernetes import Kubernetes, reference
from cli.cloud.lease_bucket import store_of
from cli.cloud.limits import Limits
from cli.cloud.patience import Patience
from cli.stack.backends import Found, Outcome
from infra.contract.outputs import Outputs
from sandbox.tools import tool
from tests.repeating import Repeating
from tests.unit.cli.fakes import FakeSession

QUICK = Limits(
    drain=4.0,
    cluster=6.0,
    settle=0.5,
    destroy=60.0,
    pause=0.2,
    cloud=Patience(limit=20.0, stuck=1.0, pause=0.1),
)
"""Where a step waits in vain."""

PATIENT = replace(QUICK, cluster=60.0)
"""Where somebody answers, however busy the machine is."""

LOAD_BALANCER = "service.kubernetes.io/load-balancer-cleanup"
"""The finalizer of Services of type LoadBalancer: their controller takes it off."""


@dataclass
class FileBackend:
    """cli.stack.backends.Backend: a stack whose state outlives the process that has it.

    Its resources are (service, name): S3 buckets and IAM roles of the emulator.
    """

    file: Path
    client: Callable[[str], Any]
    refuses: list[KitError] = field(default_factory=list)
    """What the next calls of `destroy` fail with."""

    seconds: float = 0.0
    """How long each deletion takes."""

    def write(self, **parts: Any) -> None:
        self.file.write_text(json.dumps(self._read() | parts))

    def _read(self) -> dict[str, Any]:
        empty: dict[str, Any] = {"resources": [], "outputs": {}, "plain": {}, "there": False}
        return empty | (json.loads(self.file.read_text()) if self.file.exists() else {})

    def refresh(self, show: Any, *, seconds: float | None = None) -> Outcome:
        """Forgets the buckets that are gone."""
        there = [one["Name"] for one in self.client("s3").list_buckets()["Buckets"]]
        left = self._read()["resources"]
        self.write(resources=[each for each in left if each[0] != "s3" or each[1] in there])
        return Outcome({}, 0.0)

    def destroy(self, show: Any, *, seconds: float | None = None, stop: Any = None) -> Outcome:
        if self.refuses:
            raise self.refuses.pop(0)
        left = self._read()["resources"]
        count = len(left)
        while left:
            service, name = left[-1]
            time.sleep(self.seconds)
            if service == "kubernetes":
                raise KitError("can't delete Helm Release with unreachable cluster")
            try:
                if service == "s3":
                    self.client("s3").delete_bucket(Bucket=name)
                else:
                    self.client("iam").delete_role(RoleName=name)
            except ClientError as error:
                if "NoSuch" not in str(error):
                    raise KitError(f"{name} cannot be deleted", str(error)) from error
            left.pop()
            self.write(resources=left)
        return Outcome({"delete": count}, 0.0)

    def outputs(self) -> Outputs:
        return Outputs(self._read()["outputs"])

    def resources(self) -> list[Found]:
        return [Found(service, name, name, name) for service, name in self._read()["resources"]]

    def deployed(self) -> bool:
        return bool(self._read()["resources"])

    def forget(self) -> None:
        self.write(resources=[])

    def forget_in_cluster(self) -> int:
        every = self._read()["resources"]
        kept = [each for each in every if each[0] != "kubernetes"]
        self.write(resources=kept)
        return len(every) - len(kept)

    def remove(self, *, config: bool) -> None:
        if self.file.exists():
            assert not self._read()["resources"], "a stack with resources is removed"
            self.file.unlink()

    def config(self) -> dict[str, Any]:
        return {"aerodrome:adminPassword": "secret"}

    def configured(self) -> set[str]:
        return set(self._read()["plain"])

    def plain(self) -> dict[str, str]:
        return dict(self._read()["plain"])

    def set_plain(self, values: Mapping[str, str]) -> None:
        self.write(plain=self.plain() | dict(values))


class Sandboxed(FakeSession):
    """A session on the emulator and a real API server."""

    def __init__(self, root: Path, client: Callable[[str], Any], kubeconfig: str = "") -> None:
        super().__init__(root)
        self.limits = QUICK
        self._client = client
        self._root = root
        self._kubeconfig = kubeconfig
        self.backends: dict[str, FileBackend] = {}
        self.fake_machine.up(self.sandbox_name, report=lambda step: None, ui_port=1)

    def backend(self, environment: Any, cloud: Any = None) -> Any:
        name = str(environment.name)
        if name not in self.backends:
            self.backends[name] = FileBackend(self._root / f"{name}.stack", self._client)
        return self.backends[name]

    def client(self, region: str | None = None) -> Callable[[str], Any]:
        return self._client

    def lease_store(self, environment: Environment, region: str) -> Any:
        if environment.sandboxed:
            return super().lease_store(environment, region)
        return store_of(self._client, environment.name, region)

    def kubernetes(self, namespace: str, outputs: Any) -> Any:
        if not self._kubeconfig:
            return super().kubernetes(namespace, outputs)
        return Kubernetes(self._kubeconfig, namespace, tool("kubectl"))


@dataclass
class Cluster:
    """A real API server without controllers; `Controllers` plays those that a test wants."""

    kubernetes: Kubernetes

    def apply(self, *objects: dict[str, Any]) -> None:
        for item in objects:
            self.kubernetes.apply(item, "tests")

    def delete(self, api_version: str, kind: str, name: str) -> None:
        self.kubernetes.delete(reference(api_version, kind, name))

    def define(self, *definitions: dict[str, Any]) -> None:
        """Makes kinds known, and waits until the API server serves them."""
        self.apply(*definitions)
        give_up = time.monotonic() + 30.0
        for each in definitions:
            while True:
                try:
                    self.kubernetes.objects(each["metadata"]["name"], everywhere=True)
                    break
                except KitError:
                    assert time.monotonic() < give_up
                    time.sleep(0.1)

    def namespace(self, name: str, **labels: str) -> None:
        metadata = {
            "name": name,
            "labels": {key.replace("__", "/"): v for key, v in labels.items()},
        }
        self.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})

    def names(self, kind: str, namespace: str = "") -> list[str]:
        found = self.kubernetes.objects(kind, namespace=namespace, everywhere=not namespace)
        return sorted(str(item["metadata"]["name"]) for item in found)


class Controllers(Repeating):
    """What acts in a living cluster, as far as deletions go. Each part can be left out."""

    def __init__(self, cluster: Cluster, parts: Iterable[Callable[["Controllers"], None]]) -> None:
        super().__init__()
        self.cluster = cluster
        self.kubernetes = cluster.kubernetes
        self._parts = list(parts)
        self.failures: list[str] = []

    def round(self) -> None:
        for part in self._parts:
            try:
                part(self)
            except KitError as error:
                # Somebody else was faster; the next round looks again.
                self.failures.append(str(error))

    def free(self, item: dict[str, Any]) -> None:
        """Takes the finalizers off what is being deleted."""
        self.kubernetes.patch(item, {"metadata": {"finalizers": []}})


def volumes(volume_of: Callable[[str], None]) -> Callable[[Controllers], None]:
    """The claim controller and the driver: a released disk with policy Delete goes with its claim."""

    def act(controllers: Controllers) -> None:
        kubernetes = controllers.kubernetes
        pods = kubernetes.objects("pods", everywhere=True)
        used = {
            (pod["metadata"]["namespace"], volume["persistentVolumeClaim"]["claimName"])
            for pod in pods
            for volume in pod["spec"].get("volumes", ())
            if "persistentVolumeClaim" in volume
        }
        for claim in kubernetes.objects("persistentvolumeclaims", everywhere=True):
            metadata = claim["metadata"]
            name = (metadata["namespace"], metadata["name"])
            if metadata.get("deletionTimestamp") and name not in used:
                controllers.free(claim)
        claims = {
            (item["metadata"]["namespace"], item["metadata"]["name"])
            for item in kubernetes.objects("persistentvolumeclaims", everywhere=True)
        }
        for disk in kubernetes.objects("persistentvolumes", everywhere=True):
            reference = disk["spec"].get("claimRef") or {}
            released = (reference.get("namespace"), reference.get("name")) not in claims
            if released and disk["spec"]["persistentVolumeReclaimPolicy"] == "Delete":
                volume_of(disk["spec"]["csi"]["volumeHandle"])
                kubernetes.delete(disk)
                controllers.free(disk)

    return act


def workloads(controllers: Controllers) -> None:
    """The StatefulSet controller: without replicas it has no pods."""
    kubernetes = controllers.kubernetes
    for item in kubernetes.objects("statefulsets", everywhere=True):
        if item["spec"]["replicas"] == 0:
            selector = ",".join(
                f"{key}={value}" for key, value in item["spec"]["selector"]["matchLabels"].items()
            )
            space = item["metadata"]["namespace"]
            for pod in kubernetes.objects("pods", selector=selector, namespace=space):
                kubernetes.delete(pod, grace=0)


def balancers(delete: Callable[[str], None]) -> Callable[[Controllers], None]:
    """The load balancer controller: it deletes in the cloud, and then lets the object go."""

    def act(controllers: Controllers) -> None:
        for kind in ("services", "ingresses.networking.k8s.io"):
            for item in controllers.kubernetes.objects(kind, everywhere=True):
                metadata = item["metadata"]
                if metadata.get("deletionTimestamp") and metadata.get("finalizers"):
                    delete(metadata["name"])
                    controllers.free(item)

    return act


def namespaces(controllers: Controllers) -> None:
    """The namespace controller: what is in a namespace goes, then the namespace."""
    kubernetes = controllers.kubernetes
    for item in kubernetes.objects("namespaces"):
        metadata = item["metadata"]
        if metadata.get("deletionTimestamp") and not metadata.get("finalizers"):
            finalize(kubernetes, item)


def finalize(kubernetes: Kubernetes, item: dict[str, Any]) -> None:
    kubernetes.replace(item | {"spec": {"finalizers": []}}, "finalize")


def karpenter(terminate: Callable[[str], None]) -> Callable[[Controllers], None]:
    """Karpenter: a pool's claims go with it, and each claim's instance before the claim."""

    def act(controllers: Controllers) -> None:
        kubernetes = controllers.kubernetes
        pools = kubernetes.objects("nodepools.karpenter.sh", everywhere=True)
        if pools:
            return
        for claim in kubernetes.objects("nodeclaims.karpenter.sh", everywhere=True):
            terminate(claim["status"]["instance"])
            kubernetes.delete(claim)

    return act


def definition(plural: str, kind: str, group: str, scope: str) -> dict[str, Any]:
    """A CustomResourceDefinition whose resources may hold anything."""
    anything = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": anything},
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {
            "group": group,
            "scope": scope,
            "names": {"plural": plural, "singular": kind.lower(), "kind": kind},
            "versions": [version],
        },
    }
