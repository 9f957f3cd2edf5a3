"""`down` in a cluster that is somebody else's: what is the environment's goes, and all else is what it was.

A real API server and the emulator's EKS. What another team has there is of the kinds that `down` takes away where the
cluster is the environment's own: claims and disks, load balancers, node pools, custom resources, Rancher's namespaces.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cli.base.environments import Environment
from cli.base.errors import KitError
from cli.cloud.kubernetes import Kubernetes
from infra.contract.naming import Names
from sandbox.tools import tool
from tests import api_server as servers
from tests.teardown import kit
from tests.teardown.conftest import Cloud
from tests.teardown.test_in_the_cluster import _claim, _deleted, _down, _set

AIRFLOW = "airflow"
KINDS = (
    *("namespaces", "persistentvolumes", "persistentvolumeclaims", "statefulsets", "deployments"),
    *("pods", "services", "ingresses.networking.k8s.io", "storageclasses", "clusterroles"),
    *("clusterrolebindings", "customresourcedefinitions", "nodepools.karpenter.sh"),
    *("stores.shop.example.com", "validatingwebhookconfigurations", "priorityclasses"),
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with servers.running(tmp_path_factory.mktemp("foreign")) as kubeconfig:
        yield kubeconfig


@pytest.fixture
def cluster(server: str) -> kit.Cluster:
    cluster = kit.Cluster(Kubernetes(server, AIRFLOW, tool("kubectl")))
    cluster.define(
        kit.definition("nodepools", "NodePool", "karpenter.sh", "Cluster"),
        kit.definition("stores", "Store", "shop.example.com", "Namespaced"),
    )
    for name in ("shop", "cattle-system", "monitoring"):
        cluster.namespace(name)
    cluster.apply(*_of_another())
    return cluster


@pytest.fixture
def session(
    tmp_path: Path, cloud: Cloud, server: str, monkeypatch: pytest.MonkeyPatch
) -> kit.Sandboxed:
    monkeypatch.setenv("AERODROME_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "of the tests")
    return kit.Sandboxed(tmp_path, cloud.client, server)


def _of_another() -> list[dict[str, Any]]:
    shop = {"namespace": "shop"}
    helm = {"annotations": {"meta.helm.sh/release-namespace": "monitoring"}}
    role = "rbac.authorization.k8s.io/v1"
    service = {"spec": {"type": "LoadBalancer", "ports": [{"port": 80}]}}
    backend = {"service": {"name": "ui", "port": {"number": 80}}}
    deployment = {
        "replicas": 1,
        "selector": {"matchLabels": {"component": "scheduler"}},
        "template": {
            "metadata": {"labels": {"component": "scheduler"}},
            "spec": {"containers": [{"name": "main", "image": "shop"}]},
        },
    }
    return [
        *_claim("data-database-0", "of-another", "Retain", "shop"),
        *(
            {**one, "metadata": {**one["metadata"], **shop}}
            for one in _set("database", "data-database-0")
        ),
        {
            **{"apiVersion": "apps/v1", "kind": "Deployment", "spec": deployment},
            "metadata": {"name": "scheduler", **shop, "labels": {"component": "scheduler"}},
        },
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "ui", **shop}, **service},
        {
            **{"apiVersion": "networking.k8s.io/v1", "kind": "Ingress"},
            **{"metadata": {"name": "ui", **shop}, "spec": {"defaultBackend": backend}},
        },
        {"apiVersion": "karpenter.sh/v1", "kind": "NodePool", "metadata": {"name": "default"}},
        {"apiVersion": "shop.example.com/v1", "kind": "Store", "metadata": {"name": "s", **shop}},
        {
            **{"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass"},
            **{"metadata": {"name": "gp3"}, "provisioner": "ebs.csi.aws.com"},
        },
        # Of another release in a namespace that is not ours, with the very name that ours would have.
        {
            **{"apiVersion": role, "kind": "ClusterRole", "rules": []},
            "metadata": {"name": "monitoring-monitoring-telegraf", **helm},
        },
    ]


def _ours(name: str, disk: str) -> list[dict[str, Any]]:
    metadata = {"namespace": AIRFLOW}
    return [
        *_claim("data-database-0", disk, "Retain"),
        *_set("database", "data-database-0"),
        {
            **{"apiVersion": "v1", "kind": "Service"},
            "metadata": {"name": "ui", **metadata, "finalizers": [kit.LOAD_BALANCER]},
            "spec": {"type": "LoadBalancer", "ports": [{"port": 80}]},
        },
        {
            **{"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass"},
            **{"metadata": {"name": f"aerodrome-{name}-gp3"}, "provisioner": "ebs.csi.aws.com"},
        },
    ]


class Team:
    """Another team's EKS cluster, with people and pods of its own in it."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud, self.eks = cloud, cloud.client("eks")
        self.name = f"team-{cloud.ours}"
        cloud.emulator.cluster(self.name, cloud.emulator.subnets(), tags={"Owner": "platform"})
        trust = ["sts:AssumeRole", "sts:TagSession"]
        self.role = cloud.emulator.role(f"{self.name}-p", "pods.eks.amazonaws.com", trust)
        self.let_in(self.role, {})
        self.tie("shop", {})

    def let_in(self, principal: str, tags: dict[str, str]) -> None:
        self.eks.create_access_entry(clusterName=self.name, principalArn=principal, tags=tags)

    def tie(self, namespace: str, tags: dict[str, str]) -> None:
        self.eks.create_pod_identity_association(
            clusterName=self.name,
            namespace=namespace,
            serviceAccount="airflow",
            roleArn=self.role,
            tags=tags,
        )

    def described(self) -> dict[str, Any]:
        eks, named = self.eks, {"clusterName": self.name}
        return {
            "cluster": eks.describe_cluster(name=self.name)["cluster"],
            "addons": eks.list_addons(**named)["addons"],
            "nodes": eks.list_nodegroups(**named)["nodegroups"],
            "entries": sorted(eks.list_access_entries(**named)["accessEntries"]),
            "ties": eks.list_pod_identity_associations(**named)["associations"],
        }


@pytest.fixture
def team(cloud: Cloud) -> Team:
    return Team(cloud)


def _snapshot(cluster: kit.Cluster, but: str = "") -> dict[str, Any]:
    """All objects, without what the API server counts; `but` is a namespace whose content nobody here deletes."""

    def plain(item: dict[str, Any]) -> Any:
        return {**item, "metadata": {**item["metadata"], "managedFields": None}}

    return {
        kind: [
            plain(item)
            for item in cluster.kubernetes.objects(kind, everywhere=True)
            if not but or item["metadata"].get("namespace") != but
        ]
        for kind in KINDS
    }


def _configured(session: kit.Sandboxed, name: str, team: Team, **state: Any) -> None:
    session.backend(Environment(name)).write(plain={"aerodrome:clusterName": team.name}, **state)


def test_what_is_its_own_goes_and_the_rest_is_what_it_was(
    cloud: Cloud, cluster: kit.Cluster, session: kit.Sandboxed, team: Team
) -> None:
    before, there = team.described(), _snapshot(cluster)
    tags = {one["Key"]: one["Value"] for one in cloud.tags(cloud.ours)}
    cluster.namespace(AIRFLOW, aerodrome__environment=cloud.ours)
    made = cloud.client("ec2").create_volume(
        AvailabilityZone="us-east-1a",
        Size=8,
        TagSpecifications=[{"ResourceType": "volume", "Tags": cloud.tags(cloud.ours)}],
    )
    cluster.apply(*_ours(cloud.ours, made["VolumeId"]))
    team.tie(AIRFLOW, tags)
    user = cloud.client("iam").create_user(
        UserName=f"aerodrome-{cloud.ours}-operator", Path=Names(cloud.ours).iam_path
    )
    team.let_in(user["User"]["Arn"], tags)
    bucket = f"aerodrome-{cloud.ours}"
    cloud.client("s3").create_bucket(Bucket=bucket)
    _configured(session, cloud.ours, team, resources=[["s3", bucket]])

    def delete(volume: str) -> None:
        if volume != "of-another":
            cloud.client("ec2").delete_volume(VolumeId=volume)

    session.limits = kit.PATIENT
    balancers = kit.balancers(lambda name: None)
    acting = [kit.workloads, kit.volumes(delete), balancers, kit.namespaces]
    with kit.Controllers(cluster, acting):
        done = _down(session, cloud.ours)

    assert _deleted(done, "load balancers") == [f"service {AIRFLOW}/ui"]
    assert f"persistentvolumeclaim {AIRFLOW}/data-database-0" in _deleted(done, "volumes")
    told = _deleted(done, "cluster")
    assert f"storageclass aerodrome-{cloud.ours}-gp3 in {team.name}" in told
    assert f"namespace {AIRFLOW} in {team.name}" in told
    assert any(one.startswith("eks pod-identity-association ") for one in told)
    assert f"eks access-entry {user['User']['Arn']} in {team.name}" in told
    assert cloud.labels(cloud.ours) == []
    assert team.described() == before
    # That of the namespace goes with it, by a controller that is not played here.
    assert _snapshot(cluster, but=AIRFLOW) == there


def test_a_namespace_of_that_name_that_is_anothers_is_not_touched(
    cloud: Cloud, cluster: kit.Cluster, session: kit.Sandboxed, team: Team
) -> None:
    cluster.namespace(AIRFLOW, aerodrome__environment="another")
    cluster.apply(*_ours("another", "disk"))
    before, there = team.described(), _snapshot(cluster)
    _configured(session, cloud.ours, team)
    done = _down(session, cloud.ours)
    assert _deleted(done, "cluster") == []
    assert (team.described(), _snapshot(cluster)) == (before, there)


def test_what_is_left_in_it_is_named_and_the_stack_is_kept(
    cloud: Cloud, cluster: kit.Cluster, session: kit.Sandboxed, team: Team
) -> None:
    """A namespace whose controller is dead."""
    cluster.namespace("monitoring", aerodrome__environment=cloud.ours)
    _configured(session, cloud.ours, team)
    with pytest.raises(KitError) as raised:
        _down(session, cloud.ours)
    assert f"namespace monitoring in {team.name}" in raised.value.detail
    assert "kubectl get namespace monitoring" in raised.value.detail
    assert session.backend(Environment(cloud.ours)).file.exists()
