"""A base with branches, as the kit deploys them, on the nodes of a group that EKS manages.

Real are Kubernetes' API server, scheduler and controllers, and what the program and the charts say. Of machines, containers
and disks there is nothing: kwok says of pods that they are ready, three seconds after they have a node.
"""

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from cli.cloud.kubernetes import Kubernetes
from cli.operations.live import COMPONENT_LABEL
from sandbox import tools
from tests import api_server
from tests.charts.rendering import ROOT, Object, Rendered, merge, render_exactly
from tests.program.conftest import BRANCH, BRANCH_SECRETS
from tests.program.recording import SECRETS, Program, run_program
from tests.repeating import Repeating
from tests.task_nodes.api import Api
from tests.task_nodes.cluster import API_SERVER_FLAGS, Cluster
from tests.task_nodes.machines import until
from tests.task_nodes.node_group import ZONE, NodeGroup
from tests.task_nodes.readiness import is_ready

BASE = "organization/aerodrome/test"
BRANCHES = ("test-x", "test-y")
RELEASE = "kubernetes:helm.sh/v3:Release"
COMPONENTS = ("apiServer", "scheduler", "dagProcessor", "triggerer", "pgbouncer")
"""Those of which there can be several pods, as values name them."""

CONTROLLERS = (
    *("deployment", "replicaset", "statefulset", "daemonset", "job", "disruption", "namespace"),
    *("garbage-collector", "pod-garbage-collector", "resourcequota", "persistentvolume-binder"),
)
IN_NO_NAMESPACE = ("Namespace", "StorageClass", "ClusterRole", "ClusterRoleBinding")
READY_AFTER = {"durationMilliseconds": 3000}
"""Longer than a node takes to be drained: without a budget the next one is, too, before the pods of the first are back."""
STAGES = ("node/node-initialize", "pod/pod-ready", "pod/pod-complete", "pod/pod-delete")
SETTLE_SECONDS = 120
CLAIMS = "/api/v1/persistentvolumeclaims"


class Disks(Repeating):
    """The driver of EBS: a disk for each claim, in the zone of the node that the scheduler has chosen for its pod."""

    def __init__(self, api: Api) -> None:
        super().__init__()
        self._api, self._made = api, set[str]()

    def round(self) -> None:
        for claim in self._api.items(CLAIMS):
            metadata = claim["metadata"]
            node = metadata.get("annotations", {}).get("volume.kubernetes.io/selected-node")
            if node and metadata["uid"] not in self._made:
                self._made.add(metadata["uid"])
                zone = self._api.get(f"/api/v1/nodes/{node}")["metadata"]["labels"][ZONE]
                self._api.post("/api/v1/persistentvolumes", _disk(claim, zone))


def _disk(claim: Object, zone: str) -> Object:
    metadata, spec = claim["metadata"], claim["spec"]
    rule = {"key": ZONE, "operator": "In", "values": [zone]}
    of = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "name": metadata["name"]}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": f"disk-{metadata['uid']}"},
        "spec": {
            "capacity": {"storage": spec["resources"]["requests"]["storage"]},
            "accessModes": spec["accessModes"],
            "storageClassName": spec["storageClassName"],
            "csi": {"driver": "ebs.csi.aws.com", "volumeHandle": metadata["uid"]},
            "claimRef": of | {"namespace": metadata["namespace"], "uid": metadata["uid"]},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [rule]}]}},
        },
    }


@dataclass
class Base(Cluster):
    """A cluster with a node group, and environments on it."""

    version: str = "1.35"
    """Of the nodes that there are."""

    replicas: int = 0
    group: NodeGroup = field(init=False)

    def __post_init__(self) -> None:
        self.group = NodeGroup(self.api)

    @cached_property
    def kubernetes(self) -> Kubernetes:
        """The kit's client."""
        return Kubernetes(self.kubeconfig)

    @cached_property
    def program(self) -> Program:
        return run_program(
            {"environment": "test", "monitoring": "all", "pgbouncer": "true"}, SECRETS
        )

    def prepare(self) -> None:
        """Controllers, machines, and what the program makes before its charts."""
        self.start_controllers(f"{name}-controller" for name in CONTROLLERS)
        self.start_kwok(self._stages())
        self.group.join(self.version, self.group.nodes)
        self.apply(*_objects(self.program, "Namespace", "StorageClass"))

    def _stages(self) -> Iterator[Path]:
        for stage in STAGES:
            text = (tools.karpenter_program("stages") / f"{stage}.yaml").read_text()
            document = yaml.safe_load(text)
            if stage == "pod/pod-ready":
                document["spec"]["delay"] = READY_AFTER
            path = self.folder / f"{Path(stage).name}.yaml"
            path.write_text(yaml.safe_dump(document))
            yield path

    def deploy(self, replicas: int, *branches: str) -> None:
        """Base and branches with so many pods of each component, and waits until all are ready, unless they are there."""
        if replicas == self.replicas:
            return
        self.replicas = replicas
        self._install(self.program, "-monitoring", ROOT / "charts" / "monitoring")
        self._install(self.program, "-airflow")
        for branch in branches:
            self.up(branch)
        self.settle()

    def settle(self) -> None:
        """Waits until all that should be there is ready."""
        give_up = time.monotonic() + SETTLE_SECONDS
        while left := self.not_ready():
            assert time.monotonic() < give_up, left
            time.sleep(0.5)

    def up(self, branch: str) -> None:
        """What `up` of a branch deploys."""
        program = run_program(
            {**BRANCH, "environment": branch, "branch": branch},
            BRANCH_SECRETS,
            {BASE: self.program},
        )
        self.apply(*_objects(program, "Namespace", "ResourceQuota", "LimitRange"))
        self._install(program, "-airflow")

    def _install(self, program: Program, name: str, chart: Path | None = None) -> None:
        release = program.one(RELEASE, name).inputs
        rendered = self._rendered(program, name, chart)
        placed: dict[str, list[Object]] = {}
        for one in rendered.objects:
            if one["kind"] not in IN_NO_NAMESPACE:
                one["metadata"].setdefault("namespace", release["namespace"])
            placed.setdefault(one["metadata"].get("namespace", ""), []).append(one)
        for namespace, objects in placed.items():
            self.apply(*objects, namespace=namespace)

    def _rendered(self, program: Program, name: str, chart: Path | None = None) -> Rendered:
        release = program.one(RELEASE, name).inputs
        values = json.loads(json.dumps(dict(release["values"])))
        if chart is None:
            several = {name: {"replicas": self.replicas} for name in COMPONENTS}
            values = merge(values, several)
        more = {} if chart is None else {"chart": chart}
        found = render_exactly(values, release["name"], release["namespace"], **more)
        assert not found.error
        return found

    def start_tasks(self, namespace: str, *names: str) -> None:
        """Pods as the executor makes them: the chart's pattern, with the labels of a task."""
        template = self.api.get(f"/api/v1/namespaces/{namespace}/configmaps/airflow-pod-template")
        pod: Object = yaml.safe_load(template["data"]["pod.yaml"])
        for name in names:
            whose = {"dag_id": "etl", "task_id": name, "run_id": "r", "try_number": "1"}
            own = {"airflow-worker": "1", "kubernetes_executor": "True", **whose}
            metadata = pod["metadata"] | {
                "name": name,
                "labels": pod["metadata"]["labels"] | own,
                "annotations": pod["metadata"]["annotations"] | whose,
            }
            self.api.post(f"/api/v1/namespaces/{namespace}/pods", pod | {"metadata": metadata})
        keys = {f"{namespace}/{name}" for name in names}
        until(60, "the tasks run", lambda: not keys & set(self.not_ready()))

    def end_task(self, key: str) -> None:
        """The executor deletes the pod of a task that has ended."""
        space, _, name = key.partition("/")
        self.api.delete(f"/api/v1/namespaces/{space}/pods/{name}?gracePeriodSeconds=0")

    def pods(self, namespace: str = "") -> list[Object]:
        found = self.api.items("/api/v1/pods")
        return [pod for pod in found if namespace in ("", pod["metadata"]["namespace"])]

    def component(self, namespace: str, name: str) -> list[Object]:
        return [
            pod
            for pod in self.pods(namespace)
            if pod["metadata"]["labels"].get(COMPONENT_LABEL) == name
        ]

    def not_ready(self) -> list[str]:
        """Pods that are not there where they should be, or not ready."""
        missing = [
            f"{one['metadata']['namespace']}/{one['metadata']['name']}"
            for kind in ("deployments", "statefulsets")
            for one in self.api.items(f"/apis/apps/v1/{kind}")
            if one["status"].get("readyReplicas", 0) != one["spec"]["replicas"]
            or one["status"].get("observedGeneration") != one["metadata"]["generation"]
            or one["status"].get("updatedReplicas") != one["spec"]["replicas"]
            or one["status"].get("replicas") != one["spec"]["replicas"]
        ]
        pods = [pod for pod in self.pods() if pod.get("status", {}).get("phase") != "Succeeded"]
        return missing + [
            f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"
            for pod in pods
            if not is_ready(pod)
        ]


def _objects(program: Program, *kinds: str) -> list[Object]:
    """Of these kinds, what the program makes itself."""
    found: list[Any] = [
        dict(one.inputs)
        for one in program.resources
        if one.type.startswith("kubernetes:") and one.type.rpartition(":")[2] in kinds
    ]
    return found


@contextmanager
def new_base(folder: Path, settings: Mapping[str, Any]) -> Iterator[Base]:
    """Within a `with`, the cluster with its node group. Nothing is deployed on it yet."""
    for name in ("api-server", "base"):
        (folder / name).mkdir(parents=True)
    with ExitStack() as stack:
        server = api_server.running(folder / "api-server", *API_SERVER_FLAGS)
        base = Base(folder / "base", stack.enter_context(server), **settings)
        stack.callback(lambda: [base.kill(name) for name in [*base.processes]])
        base.prepare()
        with Disks(base.api):
            yield base
