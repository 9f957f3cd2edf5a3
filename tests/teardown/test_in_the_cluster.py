"""Leftovers that begin in the cluster: with a controller that lives, and with one that does not.

A real API server, without controllers of its own: each test plays those that it wants.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from cli.base.environments import Environment
from cli.base.errors import KitError, UserError
from cli.base.phases import Phases
from cli.cloud.kubernetes import Kubernetes
from cli.operations.teardown.operation import DownOptions, TornDown, tear_down
from infra.contract.naming import Names
from sandbox.tools import tool
from tests.teardown import kit
from tests.teardown.conftest import Cloud

AIRFLOW = "airflow"


@pytest.fixture
def cluster(api_server: str) -> kit.Cluster:
    cluster = kit.Cluster(Kubernetes(api_server, AIRFLOW, tool("kubectl")))
    cluster.namespace(AIRFLOW)
    return cluster


@pytest.fixture
def session(
    tmp_path: Path, cloud: Cloud, api_server: str, monkeypatch: pytest.MonkeyPatch
) -> kit.Sandboxed:
    monkeypatch.setenv("AERODROME_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "of the tests")
    return kit.Sandboxed(tmp_path, cloud.client, api_server)


def _down(session: kit.Sandboxed, name: str, **options: Any) -> TornDown:
    phases = Phases(session.console, total=12)
    return tear_down(session, Environment(name), phases, DownOptions(keep_sandbox=True, **options))


def _deleted(done: TornDown, step: str) -> list[str]:
    return next(one.deleted for one in done.steps if one.name == step)


def _service(name: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": AIRFLOW, "finalizers": [kit.LOAD_BALANCER]},
        "spec": {"type": "LoadBalancer", "ports": [{"port": 80}]},
    }


def _ingress(name: str) -> dict[str, Any]:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {
            "name": name,
            "namespace": AIRFLOW,
            "finalizers": ["ingress.k8s.aws/resources"],
        },
        "spec": {"defaultBackend": {"service": {"name": "ui", "port": {"number": 80}}}},
    }


def _balancer(cloud: Cloud, environment: str, name: str) -> str:
    _, subnets = cloud.network(environment)
    tags = {
        "elbv2.k8s.aws/cluster": Names(environment).cluster,
        "service.k8s.aws/stack": f"{AIRFLOW}/{name}",
    }
    made = cloud.client("elbv2").create_load_balancer(
        Name=f"k8s-{name}"[:32],
        Subnets=subnets,
        Tags=[{"Key": key, "Value": value} for key, value in tags.items()],
    )
    return str(made["LoadBalancers"][0]["LoadBalancerArn"])


@pytest.mark.parametrize("living", [True, False], ids=["living", "dead"])
def test_load_balancers_go_with_their_objects_or_without(
    living: bool, cloud: Cloud, cluster: kit.Cluster, session: kit.Sandboxed
) -> None:
    arns = {
        name: _balancer(cloud, cloud.ours, name) for name in (f"{cloud.ours}-s", f"{cloud.ours}-i")
    }
    beside = _balancer(cloud, cloud.theirs, cloud.theirs)
    cluster.apply(_service(f"{cloud.ours}-s"), _ingress(f"{cloud.ours}-i"))

    def delete(name: str) -> None:
        cloud.client("elbv2").delete_load_balancer(LoadBalancerArn=arns[name])

    session.limits = kit.PATIENT if living else kit.QUICK
    with kit.Controllers(cluster, [kit.balancers(delete)] if living else []):
        done = _down(session, cloud.ours)
    told = _deleted(done, "load balancers")
    assert f"service {AIRFLOW}/{cloud.ours}-s" in told
    assert f"ingress {AIRFLOW}/{cloud.ours}-i" in told
    assert f"elasticloadbalancing load-balancer {arns[f'{cloud.ours}-s']}" in told
    assert cloud.labels(cloud.ours) == []
    assert f"elasticloadbalancing load-balancer {beside}" in cloud.labels(cloud.theirs)
    for kind in ("services", "ingresses.networking.k8s.io"):
        for item in cluster.kubernetes.objects(kind):
            if item["metadata"]["name"].startswith(cloud.ours):
                cluster.kubernetes.patch(item, {"metadata": {"finalizers": []}})


def _disk(cloud: Cloud, environment: str, name: str, namespace: str) -> str:
    tags = cloud.tags(environment, **{"kubernetes.io/created-for/pvc/namespace": namespace})
    made = cloud.client("ec2").create_volume(
        AvailabilityZone="us-east-1a",
        Size=8,
        TagSpecifications=[{"ResourceType": "volume", "Tags": tags}],
    )
    return str(made["VolumeId"])


def _claim(name: str, disk: str, policy: str, namespace: str = AIRFLOW) -> list[dict[str, Any]]:
    size = {"storage": "8Gi"}
    return [
        {
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": {"name": f"pv-{disk}"},
            "spec": {
                "capacity": size,
                "accessModes": ["ReadWriteOnce"],
                "persistentVolumeReclaimPolicy": policy,
                "claimRef": {"namespace": namespace, "name": name},
                "csi": {"driver": "ebs.csi.aws.com", "volumeHandle": disk},
            },
        },
        {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": name, "namespace": namespace},
            "spec": {
                "accessModes": ["ReadWriteOnce"],
                "resources": {"requests": size},
                "volumeName": f"pv-{disk}",
                "storageClassName": "",
            },
        },
    ]


def _set(name: str, claim: str) -> list[dict[str, Any]]:
    """A StatefulSet, and the pod that its controller would have made."""
    labels = {"app": name}
    container = {"name": "main", "image": "postgres"}
    pod = {
        "containers": [container],
        "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": claim}}],
    }
    return [
        {
            "apiVersion": "apps/v1",
            "kind": "StatefulSet",
            "metadata": {"name": name, "namespace": AIRFLOW},
            "spec": {
                "replicas": 1,
                "serviceName": name,
                "selector": {"matchLabels": labels},
                "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
                "volumeClaimTemplates": [
                    {
                        "metadata": {"name": "data"},
                        "spec": {
                            "accessModes": ["ReadWriteOnce"],
                            "resources": {"requests": {"storage": "8Gi"}},
                        },
                    }
                ],
            },
        },
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": f"{name}-0", "namespace": AIRFLOW, "labels": labels},
            "spec": pod,
        },
    ]


@pytest.mark.parametrize("policy", ["Delete", "Retain"])
def test_the_claims_of_a_stateful_set_go_with_their_disks(
    policy: str, cloud: Cloud, cluster: kit.Cluster, session: kit.Sandboxed
) -> None:
    disk = _disk(cloud, cloud.ours, "data-database-0", AIRFLOW)
    beside = _disk(cloud, cloud.theirs, "data", AIRFLOW)
    cluster.apply(*_claim("data-database-0", disk, policy), *_set("database", "data-database-0"))

    def delete(volume: str) -> None:
        cloud.client("ec2").delete_volume(VolumeId=volume)

    session.limits = kit.PATIENT
    with kit.Controllers(cluster, [kit.workloads, kit.volumes(delete)]):
        done = _down(session, cloud.ours)
    told = _deleted(done, "volumes")
    assert f"persistentvolumeclaim {AIRFLOW}/data-database-0" in told
    assert f"pv-{disk}" in told
    assert cluster.names("persistentvolumes") == []
    assert cloud.labels(cloud.ours) == []
    assert cloud.labels(cloud.theirs) == [f"ec2 volume {beside}"]
    cluster.delete("apps/v1", "StatefulSet", "database")


def test_a_disk_whose_driver_is_dead_is_found_in_the_cloud(
    cloud: Cloud, cluster: kit.Cluster, session: kit.Sandboxed
) -> None:
    disk = _disk(cloud, cloud.ours, "orphan", AIRFLOW)
    cluster.apply(*_claim("orphan", disk, "Delete"))
    done = _down(session, cloud.ours)
    assert any("these disks were not deleted" in note for one in done.steps for note in one.notes)
    assert f"ec2 volume {disk}" in _deleted(done, "cloud")
    for kind in ("persistentvolumeclaim", "persistentvolume"):
        for item in cluster.kubernetes.objects(kind):
            cluster.kubernetes.patch(item, {"metadata": {"finalizers": []}})
            cluster.kubernetes.delete(item)


def _definition(plural: str, kind: str) -> dict[str, Any]:
    return kit.definition(plural, kind, "karpenter.sh", "Cluster")


def _node(cloud: Cloud, environment: str) -> str:
    _, subnets = cloud.network(environment)
    tags = {**cloud.cluster_tag(environment), "karpenter.sh/nodepool": "default"}
    made = cloud.client("ec2").run_instances(
        ImageId="ami-12345678",
        InstanceType="m7i.large",
        MinCount=1,
        MaxCount=1,
        SubnetId=subnets[0],
        TagSpecifications=[
            {
                "ResourceType": "instance",
                "Tags": [{"Key": key, "Value": value} for key, value in tags.items()],
            }
        ],
    )
    return str(made["Instances"][0]["InstanceId"])


def test_karpenters_nodes_go_with_their_pools(
    cloud: Cloud, cluster: kit.Cluster, session: kit.Sandboxed
) -> None:
    node, beside = _node(cloud, cloud.ours), _node(cloud, cloud.theirs)
    cluster.define(_definition("nodepools", "NodePool"), _definition("nodeclaims", "NodeClaim"))
    cluster.apply(
        {"apiVersion": "karpenter.sh/v1", "kind": "NodePool", "metadata": {"name": "default"}},
        {
            "apiVersion": "karpenter.sh/v1",
            "kind": "NodeClaim",
            "metadata": {"name": "default-1"},
            "status": {"instance": node},
        },
    )

    def terminate(instance: str) -> None:
        cloud.client("ec2").terminate_instances(InstanceIds=[instance])

    session.limits = kit.PATIENT
    with kit.Controllers(cluster, [kit.karpenter(terminate)]):
        done = _down(session, cloud.ours)
    assert _deleted(done, "node pools") == ["nodepool default", "nodeclaim default-1"]
    assert cloud.labels(cloud.ours) == []
    assert f"ec2 instance {beside}" in cloud.labels(cloud.theirs)


def test_a_dead_karpenters_nodes_go_too_and_nothing_waits_for_it(
    cloud: Cloud, cluster: kit.Cluster, session: kit.Sandboxed
) -> None:
    node, beside = _node(cloud, cloud.ours), _node(cloud, cloud.theirs)
    cluster.define(
        _definition("nodepools", "NodePool"),
        _definition("nodeclaims", "NodeClaim"),
        kit.definition("ec2nodeclasses", "EC2NodeClass", "karpenter.k8s.aws", "Cluster"),
    )
    cluster.apply(
        {"apiVersion": "karpenter.sh/v1", "kind": "NodePool", "metadata": {"name": "tasks"}},
        {
            "apiVersion": "karpenter.sh/v1",
            "kind": "NodeClaim",
            "metadata": {"name": "tasks-1", "finalizers": ["karpenter.sh/termination"]},
        },
        {
            "apiVersion": "karpenter.k8s.aws/v1",
            "kind": "EC2NodeClass",
            "metadata": {"name": "tasks", "finalizers": ["karpenter.k8s.aws/termination"]},
        },
    )
    done = _down(session, cloud.ours)
    (step,) = (one for one in done.steps if one.name == "node pools")
    assert step.notes == ["Karpenter did not delete these: nodeclaim tasks-1"]
    # Before the engine, which deletes its subnet.
    assert f"ec2 instance {node}" in _deleted(done, "node pools")
    for kind in ("nodeclaims.karpenter.sh", "ec2nodeclasses.karpenter.k8s.aws"):
        for item in cluster.kubernetes.objects(kind):
            assert not item["metadata"].get("finalizers")
            cluster.kubernetes.delete(item)
    assert cloud.labels(cloud.ours) == []
    assert f"ec2 instance {beside}" in cloud.labels(cloud.theirs)


def _shared(session: kit.Sandboxed, cluster: kit.Cluster, cloud: Cloud, name: str) -> None:
    """A branch's environment on the base `sandbox`: a stack, a namespace, and a namespace's disk."""
    plain = {"aerodrome:tenancy": "shared", "aerodrome:base": "sandbox", "aerodrome:branch": name}
    backend = session.backend(Environment(name))
    bucket = f"aerodrome-{name}"
    cloud.client("s3").create_bucket(Bucket=bucket)
    backend.write(
        plain=plain, resources=[["s3", bucket]], outputs={"tenancy": "shared", "base": "sandbox"}
    )
    cluster.namespace(f"airflow-{name}", aerodrome__environment=name, aerodrome__base="sandbox")


def test_a_shared_environment_takes_its_own_and_not_its_neighbours(
    cloud: Cloud, cluster: kit.Cluster, session: kit.Sandboxed
) -> None:
    for name in (cloud.ours, cloud.theirs):
        _shared(session, cluster, cloud, name)
    disks = [
        _disk(cloud, "sandbox", "data", f"airflow-{one}") for one in (cloud.ours, cloud.theirs)
    ]
    hook = {"name": f"database-{cloud.ours}-drop", "labels": {"aerodrome/environment": cloud.ours}}
    other = {"name": "of-theirs", "labels": {"aerodrome/environment": cloud.theirs}}
    for metadata in (hook, other):
        secret = {"metadata": metadata | {"namespace": AIRFLOW}, "stringData": {"a": "b"}}
        cluster.apply({"apiVersion": "v1", "kind": "Secret", **secret})
    with kit.Controllers(cluster, [kit.namespaces]):
        done = _down(session, cloud.ours)
    assert _deleted(done, "cluster") == [
        f"secret database-{cloud.ours}-drop",
        f"namespace airflow-{cloud.ours}",
    ]
    assert _deleted(done, "cloud") == [f"ec2 volume {disks[0]}"]
    assert not session.backend(Environment(cloud.ours)).file.exists()
    assert session.backend(Environment(cloud.theirs)).deployed()
    assert f"airflow-{cloud.theirs}" in cluster.names("namespaces")
    assert "of-theirs" in cluster.names("secrets", AIRFLOW)
    assert cloud.labels(cloud.theirs) == [f"ec2 volume {disks[1]}"]
    _end(cluster, cloud.theirs)


def test_a_namespace_that_does_not_go_is_named_and_the_stack_kept(
    cloud: Cloud, cluster: kit.Cluster, session: kit.Sandboxed
) -> None:
    _shared(session, cluster, cloud, cloud.ours)
    with pytest.raises(KitError) as left:
        _down(session, cloud.ours)
    assert left.value.exit_code == 1
    assert f"namespace airflow-{cloud.ours}\n" in left.value.detail
    assert f"kubectl get all --namespace airflow-{cloud.ours}" in left.value.detail
    assert session.backend(Environment(cloud.ours)).file.exists()
    _end(cluster, cloud.ours)


def test_a_base_with_branches_refuses_and_names_them_or_takes_them_first(
    cloud: Cloud,
    cluster: kit.Cluster,
    session: kit.Sandboxed,
    capsys: pytest.CaptureFixture[str],
) -> None:
    cluster.namespace(
        f"airflow-{cloud.ours}", aerodrome__environment=cloud.ours, aerodrome__base=cloud.theirs
    )
    session.backend(Environment(cloud.ours)).write(
        plain={"aerodrome:tenancy": "shared", "aerodrome:base": cloud.theirs}
    )
    with pytest.raises(UserError, match=f"carries {cloud.ours}") as refused:
        _down(session, cloud.theirs)
    assert refused.value.command == f"./aerodrome down --env {cloud.theirs} --with-branches"
    with kit.Controllers(cluster, [kit.namespaces]):
        done = _down(session, cloud.theirs, with_branches=True)
    assert [branch.environment for branch in done.branches] == [cloud.ours]
    told = capsys.readouterr().err
    assert f"[1/24] {cloud.ours}: drain" in told
    assert f"[24/24] {cloud.theirs}: inventory" in told
    assert f"airflow-{cloud.ours}" not in cluster.names("namespaces")


def _end(cluster: kit.Cluster, name: str) -> None:
    cluster.delete("v1", "Namespace", f"airflow-{name}")
    found = cluster.kubernetes.find("namespace", f"airflow-{name}")
    if found is not None:
        kit.finalize(cluster.kubernetes, json.loads(json.dumps(found)))
