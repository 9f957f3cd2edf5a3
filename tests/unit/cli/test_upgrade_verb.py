"""`aerodrome upgrade`, as it is typed: what it refuses, what it tells before, and what it looks at afterwards.

EKS and the cluster are in memory here; with the emulator and Pulumi's engine it is in `tests/promises/test_upgrade.py`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

import pytest

from cli.base import lease
from cli.base.environments import Environment
from cli.base.lease_stores import FileStore
from cli.cloud.kubernetes.errors import FORBIDDEN, Refused
from cli.cloud.patience import Patience
from cli.operations.upgrade import kept_tasks
from cli.stack.backends import Found, Outcome
from tests.unit.cli.conftest import Run
from tests.unit.cli.fakes import FakeBackend, FakeCloud, FakeKubernetes, FakeSession

KEY = "aerodrome:kubernetesVersion"
SPACE = {"metadata": {"labels": {"aerodrome/base": "sandbox", "aerodrome/environment": "b-1"}}}
METRICS = (
    "# TYPE apiserver_requested_deprecated_apis gauge\n"
    'apiserver_requested_deprecated_apis{group="flowcontrol.apiserver.k8s.io",removed_release="1.36",'
    'resource="flowschemas",subresource="",version="v1beta3"} 1\n'
)


@dataclass
class Eks(FakeCloud):
    """One cluster, with a node group and add-ons."""

    version: str = "1.35"
    statuses: list[str] = field(default_factory=lambda: ["ACTIVE"])
    nodes: str = "1.35"
    proxy: str = "v1.35.0"
    offered: tuple[str, ...] = ("1.37", "1.36", "1.35", "1.34", "1.33")
    answers: Mapping[str, list[dict[str, Any]]] = field(default_factory=dict)
    insights: list[dict[str, Any]] = field(default_factory=list)

    def __call__(self, service: str) -> Any:
        found = super().__call__(service)
        if service != "eks":
            return found
        status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        group = {
            "nodegroupName": "workers",
            "version": self.nodes,
            "status": "ACTIVE",
            "scalingConfig": {"desiredSize": 2},
        }

        def addon(clusterName: str, addonName: str) -> dict[str, Any]:
            versions = {"kube-proxy": self.proxy, "foreign": "v1"}
            return {
                "addon": {
                    "addonName": addonName,
                    "addonVersion": versions[addonName],
                    "status": "ACTIVE",
                }
            }

        def fitting(addonName: str, kubernetesVersion: str) -> dict[str, Any]:
            one = [{"addonVersion": f"v{kubernetesVersion}.0"}]
            return {"addons": [{"addonVersions": one}] if addonName == "kube-proxy" else []}

        versions = [{"clusterVersion": each} for each in self.offered]
        return SimpleNamespace(
            can_paginate=lambda _: False,
            describe_cluster=lambda name: {"cluster": {"status": status, "version": self.version}},
            list_nodegroups=lambda clusterName: {"nodegroups": ["workers"]},
            describe_nodegroup=lambda clusterName, nodegroupName: {"nodegroup": group},
            list_addons=lambda clusterName: {"addons": ["kube-proxy", "foreign"]},
            describe_addon=addon,
            describe_addon_versions=fitting,
            describe_cluster_versions=lambda: {"clusterVersions": versions},
            list_insights=lambda clusterName, filter: {"insights": self.insights},
        )


def node(name: str, kubelet: str, **labels: str) -> dict[str, Any]:
    found = {key.replace("__", "/").replace("_", "."): value for key, value in labels.items()}
    return {
        "metadata": {"name": name, "labels": found},
        "status": {"nodeInfo": {"kubeletVersion": kubelet}},
    }


def pod(name: str, on: str = "", **labels: str) -> dict[str, Any]:
    return {
        "metadata": {"name": name, "namespace": "airflow", "labels": labels},
        "spec": {"nodeName": on},
        "status": {"phase": "Running"},
    }


TASK = {"app.kubernetes.io/component": "worker"}


class Cluster(FakeKubernetes):
    """A cluster that one can look into as a whole."""

    metrics = ""
    forbidden = False
    held: str = ""
    """Why no pod can be evicted."""

    def __init__(self) -> None:
        super().__init__()
        self.there: dict[str, list[dict[str, Any]]] = {
            "nodes": [node("n-1", "v1.35.4-eks-1", eks_amazonaws_com__nodegroup="workers")],
            "namespaces": [SPACE],
            "poddisruptionbudgets": [],
            "pods": [],
        }

    def text(self, path: str) -> str:
        assert path == "/metrics"
        if self.forbidden:
            raise Refused("Kubernetes forbids it", f"nonResourceURLs: {path}", status=FORBIDDEN)
        return self.metrics

    def unevictable(self, pod: dict[str, Any]) -> str:
        return self.held if pod["metadata"]["name"] == "web" else ""

    def apply(self, item: dict[str, Any], manager: str) -> None:
        self.there["poddisruptionbudgets"].append(item)
        self.calls.append(("apply", item["kind"], item["metadata"]["namespace"]))

    def delete(self, item: dict[str, Any], *, grace: int | None = None) -> bool:
        self.there["poddisruptionbudgets"].remove(item)
        return super().delete(item, grace=grace)

    def objects(self, kind: str, *, everywhere: bool = False, **more: Any) -> list[dict[str, Any]]:
        if kind == "pods" and not everywhere:
            return super().objects(kind, **more)
        return self.there[kind] if kind in self.there else super().objects(kind, **more)


class Deploying(FakeBackend):
    """Its `up` takes the cluster to the version that is configured."""

    eks: Eks
    cluster: Cluster
    lazy = False
    """Whether the nodes stay behind."""

    def resources(self) -> list[Found]:
        proxy = Found("aws:eks/addon:Addon", "p", "urn::p", "p", inputs={"addonName": "kube-proxy"})
        return [*super().resources(), proxy] if self.there else []

    def up(self, show: Any, *, refresh: bool = False, stop: Any = None) -> Outcome:
        done = super().up(show, refresh=refresh, stop=stop)
        if version := self.values.get(KEY):
            self.eks.version, self.eks.proxy = version, f"v{version}.0"
            if not self.lazy:
                self.eks.nodes = version
                found = node("n-2", f"v{version}.1-eks-1", eks_amazonaws_com__nodegroup="workers")
                self.cluster.there["nodes"] = [found]
        return replace(done, changes={"update": 3, **done.changes})


@dataclass
class Scene:
    """A deployed environment of Kubernetes 1.35."""

    backend: Deploying
    eks: Eks
    cluster: Cluster


@pytest.fixture
def scene(run: Run, session: FakeSession) -> Scene:
    scene = Scene(Deploying(), Eks(), Cluster())
    scene.backend.eks, scene.backend.cluster = scene.eks, scene.cluster
    session.fake_backends["sandbox"] = session.fake_backend = scene.backend
    session.fake_cloud, session.fake_kubernetes = scene.eks, scene.cluster
    quick = Patience(limit=0.1, pause=0.01)
    session.limits = replace(session.limits, eks=quick, joined=quick)
    scene.backend.values[KEY] = "1.35"
    result = run("up", "--no-proof")
    assert result.exit_code == 0, result.output
    scene.backend.calls.clear()
    return scene


def unchanged(scene: Scene) -> bool:
    ups = [call for call in scene.backend.calls if call.startswith("up")]
    return scene.backend.values[KEY] == "1.35" and scene.eks.version == "1.35" and not ups


@pytest.mark.parametrize(
    ("asked", "said", "instead"),
    [
        ("1.40", "EKS does not offer Kubernetes 1.40", "upgrade --kubernetes 1.36"),
        ("1.34", '"sandbox" runs Kubernetes 1.35, and --kubernetes is 1.34', "status"),
        ("1.37", "EKS upgrades one minor version at a time", "upgrade --kubernetes 1.36"),
        ("v1.36", '"v1.36" is no version of Kubernetes', "describe-cluster-versions"),
        ("latest", '"latest" is no version of Kubernetes', "describe-cluster-versions"),
    ],
)
def test_a_version_that_will_not_do_is_refused(
    scene: Scene, run: Run, asked: str, said: str, instead: str
) -> None:
    for more in ((), ("--check",)):
        result = run("upgrade", "--kubernetes", asked, *more)
        assert result.exit_code == 2, result.output
        assert said in result.stderr
        assert instead in result.stderr
        assert "Nothing was changed." in result.stderr
        assert unchanged(scene)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({}, "Rancher 2.15 takes Kubernetes 1.34 to 1.36"),
        (
            {"aerodrome:rancherEnabled": "false", "aerodrome:taskNodes": "true"},
            "Karpenter 1.13 takes Kubernetes 1.26 to 1.36",
        ),
    ],
    ids=["Rancher", "Karpenter"],
)
def test_one_that_rancher_or_karpenter_does_not_know_is_refused(
    scene: Scene, run: Run, settings: dict[str, str], said: str
) -> None:
    scene.eks.version = "1.36"
    scene.backend.values.update(settings)
    result = run("upgrade", "--kubernetes", "1.37")
    assert result.exit_code == 2
    assert said in result.stderr
    assert scene.eks.version == "1.36"


def test_a_branch_is_sent_to_its_base(scene: Scene, run: Run) -> None:
    scene.backend.values.update({"aerodrome:tenancy": "shared", "aerodrome:base": "prod"})
    result = run("upgrade", "--kubernetes", "1.36")
    assert result.exit_code == 2
    assert "./aerodrome upgrade --kubernetes 1.36 --env prod" in result.stderr
    assert unchanged(scene)


def test_anothers_cluster_is_its_owners_to_upgrade(scene: Scene, run: Run) -> None:
    scene.backend.more["clusterName"] = "team"
    result = run("upgrade", "--kubernetes", "1.36")
    assert result.exit_code == 2
    assert "stands in the cluster team, which is somebody else's" in result.stderr
    assert unchanged(scene)


def test_what_else_has_begun_is_named(scene: Scene, run: Run) -> None:
    with lease.held(Environment("sandbox"), "up", print, FileStore("sandbox")):
        result = run("upgrade", "--kubernetes", "1.36")
        assert run("upgrade", "--kubernetes", "1.36", "--check").exit_code == 0
    assert result.exit_code == 2
    assert '`up` is running on environment "sandbox"' in result.stderr
    scene.backend.values["rotation:fernet"] = "{}"
    result = run("upgrade", "--kubernetes", "1.36")
    assert result.exit_code == 2
    assert "./aerodrome secrets rotate fernet" in result.stderr
    del scene.backend.values["rotation:fernet"]
    scene.backend.wanted += 1
    result = run("upgrade", "--kubernetes", "1.36")
    assert result.exit_code == 2
    assert '1 other change(s) of "sandbox" are not deployed yet' in result.stderr
    assert unchanged(scene)


def test_it_takes_all_to_the_version_and_says_so(
    scene: Scene, run_json: Callable[..., Any]
) -> None:
    done = run_json("upgrade", "--kubernetes", "1.36")
    assert (done["result"], done["from"], done["to"]) == ("succeeded", "1.35", "1.36")
    assert done["changed"]
    assert done["proof"]
    assert done["branches"] == ["b-1"]
    assert scene.backend.values[KEY] == "1.36"
    assert scene.backend.calls == ["preview", "preview", "up"]
    assert (scene.eks.version, scene.eks.nodes, scene.eks.proxy) == ("1.36", "1.36", "v1.36.0")
    again = run_json("upgrade", "--kubernetes", "1.36")
    assert (again["state"], again["changed"]) == ("done", False)
    assert scene.backend.calls == ["preview", "preview", "up"]


@pytest.mark.parametrize("reached", ["configured", "control plane", "nodes"])
def test_it_goes_on_with_what_is_unfinished(
    scene: Scene, run_json: Callable[..., Any], reached: str
) -> None:
    scene.backend.values[KEY] = "1.36"
    if reached != "configured":
        scene.eks.version = "1.36"
    if reached == "nodes":
        scene.eks.nodes = "1.36"
        scene.cluster.there["nodes"] = [node("n-2", "v1.36.1-eks-1")]
    done = run_json("upgrade", "--kubernetes", "1.36")
    assert (done["state"], done["changed"]) == ("unfinished", True)
    assert scene.backend.calls == ["preview --refresh", "up --refresh"]
    assert (scene.eks.version, scene.eks.nodes, scene.eks.proxy) == ("1.36", "1.36", "v1.36.0")


def test_eks_is_waited_for_where_it_is_at_work(scene: Scene, run: Run) -> None:
    scene.backend.values[KEY] = "1.36"
    scene.eks.statuses = ["ACTIVE", "ACTIVE", "UPDATING", "UPDATING", "ACTIVE"]
    result = run("upgrade", "--kubernetes", "1.36")
    assert result.exit_code == 0, result.output
    assert "EKS is at work on the control plane" in result.stderr
    scene.eks.statuses = ["UPDATING"]
    result = run("upgrade", "--kubernetes", "1.36")
    assert result.exit_code == 1
    assert "EKS is still at work on the control plane" in result.stderr


HELD = "The disruption budget one needs 1 healthy pods and has 1 currently"


def _hold(scene: Scene) -> None:
    pods = [pod("web", "n-2"), pod("web", "k-1"), pod("other", "n-2")]
    scene.cluster.there["pods"] = pods
    scene.cluster.held = HELD


IN_THE_WAY: dict[str, Callable[[Scene], None]] = {
    "flowschemas of flowcontrol.apiserver.k8s.io/v1beta3": lambda scene: setattr(
        scene.cluster, "metrics", METRICS
    ),
    f"Pod airflow/web cannot be evicted: {HELD}. EKS waits for 15 minutes": _hold,
    "node n-0 has kubelet v1.32.9": lambda scene: scene.cluster.there["nodes"].append(
        node("n-0", "v1.32.9-eks-1")
    ),
    "EKS: Cluster health: no addresses": lambda scene: scene.eks.insights.append(
        {"name": "Cluster health", "insightStatus": {"status": "ERROR", "reason": "no addresses"}}
    ),
}


@pytest.mark.parametrize("said", IN_THE_WAY)
def test_what_is_in_the_way_is_told_before_anything_is_changed(
    scene: Scene, run: Run, run_json: Callable[..., Any], said: str
) -> None:
    IN_THE_WAY[said](scene)
    checked = run_json("upgrade", "--kubernetes", "1.36", "--check", exit_code=2)
    assert checked["result"] == "blocked"
    (finding,) = [one for one in checked["findings"] if one["blocks"]]
    assert said in finding["text"]
    assert finding["command"]
    result = run("upgrade", "--kubernetes", "1.36")
    assert result.exit_code == 2
    assert said in result.stderr
    assert finding["command"] in result.stderr
    assert unchanged(scene)
    assert run("upgrade", "--kubernetes", "1.36", "--force").exit_code == 0
    assert scene.eks.version == "1.36"


def test_what_is_no_hindrance_is_not_taken_for_one(
    scene: Scene, run_json: Callable[..., Any]
) -> None:
    scene.cluster.metrics = METRICS.replace('"1.36"', '"1.37"') + METRICS.replace('"1.36"', '""')
    gone, daemon, elsewhere = pod("web", "n-2"), pod("web", "n-2"), pod("web", "k-1")
    for each in (gone, daemon, elsewhere):
        each["metadata"]["ownerReferences"] = [{"kind": "ReplicaSet"}]
    gone["metadata"]["deletionTimestamp"] = "2027-01-01T00:00:00Z"
    daemon["metadata"]["ownerReferences"] = [{"kind": "DaemonSet"}]
    scene.cluster.there["pods"], scene.cluster.held = [gone, daemon, elsewhere], HELD
    checked = run_json("upgrade", "--kubernetes", "1.36", "--check")
    assert [one["kind"] for one in checked["findings"]] == ["addon"]
    assert unchanged(scene)


def test_the_plan_names_tasks_branches_and_pods_that_nobody_makes_again(
    scene: Scene, run: Run
) -> None:
    karpenter = node("k-1", "v1.35.4-eks-1", karpenter_sh__nodepool="tasks")
    scene.cluster.there["nodes"].append(karpenter)
    ended = pod("t-4", "n-1", **TASK)
    ended["status"]["phase"] = "Succeeded"
    owned = pod("scheduler", "n-1")
    owned["metadata"]["ownerReferences"] = [{"kind": "ReplicaSet"}]
    tasks = [pod("t-1", "k-1", **TASK), pod("t-2", "n-1", **TASK), pod("t-3", "n-1", **TASK)]
    scene.cluster.there["pods"] = [*tasks, ended, owned, pod("by-hand", "n-1")]
    result = run("upgrade", "--kubernetes", "1.36", "--check")
    assert result.exit_code == 0, result.output
    assert "running tasks     1 on k-1, 2 on n-1." in result.stdout
    assert "Karpenter's nodes 1 follow in time" in result.stdout
    assert "branches          b-1: they keep running" in result.stdout
    assert "node group        workers: 1.35 -> 1.36, 2 node(s)" in result.stdout
    assert "add-on            kube-proxy: v1.35.0 -> v1.36.0" in result.stdout
    assert "Pod airflow/by-hand has no controller" in result.stdout
    assert "scheduler" not in result.stdout
    assert "./aerodrome upgrade --kubernetes 1.36" in result.stdout
    assert "\x1b" not in result.stdout


def test_pods_that_stop_more_slowly_than_eks_waits_are_named(
    scene: Scene, run_json: Callable[..., Any]
) -> None:
    worker, quick = pod("celery", "n-2"), pod("scheduler", "n-2")
    for each, seconds in ((worker, 3600), (quick, 600)):
        each["metadata"]["ownerReferences"] = [{"kind": "ReplicaSet"}]
        each["spec"]["terminationGracePeriodSeconds"] = seconds
    scene.cluster.there["pods"] = [worker, quick]
    checked = run_json("upgrade", "--kubernetes", "1.36", "--check")
    (finding,) = [one for one in checked["findings"] if one["kind"] == "pod"]
    assert finding["text"].startswith("Pod airflow/celery may take 3600 s to stop")
    assert not finding["blocks"]


def test_running_tasks_are_kept_while_nodes_are_replaced(
    scene: Scene, run_json: Callable[..., Any]
) -> None:
    scene.cluster.there["pods"] = [pod("t-1", "n-1", **TASK, dag_id="etl")]
    left = kept_tasks.budget_in("of-a-killed-run")
    scene.cluster.there["poddisruptionbudgets"] = [left]
    run_json("upgrade", "--kubernetes", "1.36", "--check")
    assert scene.cluster.there["poddisruptionbudgets"] == [left]
    scene.cluster.calls.clear()
    run_json("upgrade", "--kubernetes", "1.36")
    budgets = [call for call in scene.cluster.calls if call[0] in ("apply", "delete")]
    assert budgets == [
        ("delete", kept_tasks.NAME),
        ("apply", "PodDisruptionBudget", "airflow"),
        ("delete", kept_tasks.NAME),
    ]
    assert scene.cluster.there["poddisruptionbudgets"] == []


@pytest.mark.parametrize("configured", ["1.35", None])
def test_a_deployment_that_is_refused_leaves_the_configuration_as_it_was(
    scene: Scene, run: Run, configured: str | None
) -> None:
    if configured is None:
        # The program's default is 1.36: AWS, or the kit, is a version ahead of the cluster.
        del scene.backend.values[KEY]
    scene.eks.answers = {"describe_instance_type_offerings": [{}]}
    result = run("upgrade", "--kubernetes", "1.36")
    assert result.exit_code == 2
    assert "m7i.large cannot be had" in result.stderr
    assert scene.backend.values.get(KEY) == configured
    assert scene.eks.version == "1.35"


def test_what_stayed_behind_is_named(scene: Scene, run: Run) -> None:
    scene.backend.lazy = True
    result = run("upgrade", "--kubernetes", "1.36")
    assert result.exit_code == 1
    assert "node group workers: 1.35" in result.stderr
    assert "node n-2: kubelet v1.35.1-eks-1" in result.stderr
    assert "./aerodrome upgrade --kubernetes 1.36" in result.stderr


def test_what_may_not_be_asked_stops_nothing(scene: Scene, run_json: Callable[..., Any]) -> None:
    scene.cluster.forbidden = True
    checked = run_json("upgrade", "--kubernetes", "1.36", "--check")
    (finding,) = [one for one in checked["findings"] if one["kind"] == "unknown"]
    assert finding["text"] == "APIs in use were not asked for: nonResourceURLs: /metrics"


def test_on_aws_it_asks_before(scene: Scene, run: Run, session: FakeSession) -> None:
    session.fake_backends["dev"] = scene.backend
    result = run("upgrade", "--kubernetes", "1.36", "--env", "dev")
    assert result.exit_code == 2
    assert "Cancelled" in result.stderr
    assert "control plane     1.35 -> 1.36" in result.stderr
    assert unchanged(scene)
    result = run("upgrade", "--kubernetes", "1.36", "--env", "dev", "--yes")
    assert result.exit_code == 0, result.output
    assert scene.eks.version == "1.36"
