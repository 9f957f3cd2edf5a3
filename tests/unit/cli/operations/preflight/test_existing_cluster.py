"""What another's cluster must be for an environment, each lack by its name; and what the cluster itself is asked."""

from dataclasses import replace
from typing import Any

import pytest

from cli.cloud.kubernetes import Kubernetes, Refused, Unreachable
from cli.operations.bootstrap.requested_settings import RequestedSettings
from cli.operations.preflight import existing_cluster
from cli.operations.preflight.existing_cluster import (
    ClusterFound,
    ClusterRequest,
    InsideFound,
    check_settings,
    judge,
    judge_inside,
    look_inside,
)
from cli.operations.preflight.refusal import Refusal
from tests.api_server import OUTSIDER, TOKEN, free_port

ASKED = ClusterRequest("dev", "team", "eu-north-1", monitored=False)
CALLER = "arn:aws:sts::111122223333:assumed-role/deployer/session"
CLUSTER: dict[str, Any] = {
    "name": "team",
    "status": "ACTIVE",
    "version": "1.36",
    "tags": {"Owner": "platform"},
    "accessConfig": {"authenticationMode": "API_AND_CONFIG_MAP"},
    "resourcesVpcConfig": {"endpointPublicAccess": True, "publicAccessCidrs": ["192.0.2.0/24"]},
}
ADDONS = {
    "eks-pod-identity-agent": "",
    "aws-ebs-csi-driver": "",
    "vpc-cni": '{"enableNetworkPolicy": "true"}',
}
FOUND = ClusterFound(CALLER, CLUSTER, ADDONS)


def node(*taints: str, ready: str = "True", arch: str = "amd64", **spec: Any) -> dict[str, Any]:
    return {
        "metadata": {"labels": {"kubernetes.io/arch": arch, "kubernetes.io/os": "linux"}},
        "spec": {"taints": [{"key": "x", "effect": one} for one in taints], **spec},
        "status": {"conditions": [{"type": "Ready", "status": ready}]},
    }


def daemon(*arguments: str) -> dict[str, Any]:
    container = {"name": "aws-eks-nodeagent", "args": list(arguments)}
    return {"spec": {"template": {"spec": {"containers": [container]}}}}


INSIDE = InsideFound([node()], {}, {}, [], grows=False)


def with_cluster(**changed: Any) -> ClusterFound:
    return replace(FOUND, cluster={**CLUSTER, **changed})


@pytest.mark.parametrize(
    ("found", "said", "command"),
    [
        (replace(FOUND, cluster=None), "There is no EKS cluster team in eu-north-1", "config set"),
        (with_cluster(status="CREATING"), "The cluster team is CREATING", "describe-cluster"),
        (with_cluster(version="1.33"), "The cluster team runs Kubernetes 1.33", "config set"),
        (with_cluster(version="1.37"), "The cluster team runs Kubernetes 1.37", "config set"),
        (
            with_cluster(accessConfig={"authenticationMode": "CONFIG_MAP"}),
            "The cluster team lets people in by its ConfigMap alone",
            "--access-config authenticationMode=API_AND_CONFIG_MAP",
        ),
        (with_cluster(computeConfig={"enabled": True}), "runs in EKS Auto Mode", "config set"),
        (
            with_cluster(tags={"aerodrome:environment": "prod"}),
            "The cluster team is another environment's",
            "config set",
        ),
    ],
)
def test_what_aws_says_of_it_is_refused_by_name(
    found: ClusterFound, said: str, command: str
) -> None:
    refusal = judge(ASKED, found)
    assert refusal is not None
    assert said in refusal.summary
    assert command in _command(refusal)


def _command(refusal: Refusal) -> str:
    from cli.base.environments import Environment

    return refusal.command(Environment("dev"))


@pytest.mark.parametrize("mode", ["API", "API_AND_CONFIG_MAP"])
def test_what_is_enough(mode: str) -> None:
    assert judge(ASKED, with_cluster(accessConfig={"authenticationMode": mode})) is None
    assert judge_inside(ASKED, FOUND, INSIDE) is None
    # Installed in another way than by add-ons.
    own = {
        "eks-pod-identity-agent": daemon(),
        "ebs-csi-node": daemon(),
        "aws-node": daemon("--enable-network-policy=true"),
    }
    assert judge_inside(ASKED, replace(FOUND, addons={}), replace(INSIDE, daemons=own)) is None
    # Another network, whose rules nobody here knows.
    other = replace(FOUND, addons={name: "" for name in ADDONS if name != "vpc-cni"})
    assert judge_inside(ASKED, other, INSIDE) is None
    # Something makes nodes.
    assert judge_inside(ASKED, FOUND, replace(INSIDE, nodes=[], grows=True)) is None
    ours = {"airflow": {"metadata": {"labels": {"aerodrome/environment": "dev"}}}}
    assert judge_inside(ASKED, FOUND, replace(INSIDE, spaces=ours)) is None


def without(addon: str) -> ClusterFound:
    return replace(FOUND, addons={key: one for key, one in ADDONS.items() if key != addon})


def configured(text: str) -> ClusterFound:
    return replace(FOUND, addons={**ADDONS, "vpc-cni": text})


@pytest.mark.parametrize(
    ("found", "inside", "said"),
    [
        (without("eks-pod-identity-agent"), INSIDE, "lacks eks-pod-identity-agent"),
        (without("aws-ebs-csi-driver"), INSIDE, "lacks aws-ebs-csi-driver"),
        *(
            (configured(text), INSIDE, "takes NetworkPolicies and holds nobody back")
            for text in ("", "{}", '{"enableNetworkPolicy": "false"}', "no JSON", "[]")
        ),
        (
            without("vpc-cni"),
            replace(INSIDE, daemons={"aws-node": daemon("--enable-network-policy=false")}),
            "takes NetworkPolicies and holds nobody back",
        ),
        *(
            (FOUND, replace(INSIDE, nodes=nodes), "No node of team takes the environment's pods")
            for nodes in (
                [],
                [node(ready="False")],
                [node(arch="arm64")],
                [node("NoSchedule"), node("NoExecute")],
                [node(unschedulable=True)],
            )
        ),
        (
            FOUND,
            replace(INSIDE, spaces={"airflow": {"metadata": {"labels": {"team": "data"}}}}),
            "The cluster team has a namespace airflow already",
        ),
        (
            FOUND,
            replace(INSIDE, refused=[("create", "", "namespaces", "")]),
            "The cluster team does not let the caller deploy",
        ),
    ],
)
def test_what_is_in_it_is_refused_by_name(
    found: ClusterFound, inside: InsideFound, said: str
) -> None:
    refusal = judge_inside(ASKED, found, inside)
    assert refusal is not None
    assert said in refusal.summary


def test_a_taint_that_only_prefers_keeps_nobody_off() -> None:
    assert judge_inside(ASKED, FOUND, replace(INSIDE, nodes=[node("PreferNoSchedule")])) is None


class World:
    """AWS as it is found, and a cluster that may answer in any way."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, found: ClusterFound) -> None:
        monkeypatch.setattr(existing_cluster, "look", lambda client, asked: found)

    def check(self, kubernetes: Any, asked: ClusterRequest = ASKED) -> Refusal:
        refusal = existing_cluster.check(lambda name: None, lambda: kubernetes, asked, print)
        assert refusal is not None
        return refusal


def test_one_that_does_not_answer_is_named_with_whom_it_lets_in(
    monkeypatch: pytest.MonkeyPatch, api_server: str
) -> None:
    import json

    config = json.loads(api_server)
    config["clusters"][0]["cluster"]["server"] = f"https://127.0.0.1:{free_port()}"
    away = Kubernetes(json.dumps(config), "airflow")
    with pytest.raises(Unreachable):
        away.objects("nodes")
    refusal = World(monkeypatch, FOUND).check(away)
    assert refusal.summary == "The Kubernetes API of team is not reached from here"
    assert "From outside it lets in 192.0.2.0/24" in refusal.detail
    closed = with_cluster(resourcesVpcConfig={"endpointPublicAccess": False})
    assert "from its own network alone" in World(monkeypatch, closed).check(away).detail


@pytest.mark.parametrize("token", [OUTSIDER, "of-nobody"])
def test_who_is_not_let_in_is_told_who_lets_him_in(
    token: str, monkeypatch: pytest.MonkeyPatch, api_server: str
) -> None:
    """By a real API server: 403 for whom it knows and 401 for whom not."""
    outside = Kubernetes(api_server.replace(TOKEN, token), "airflow")
    if token == OUTSIDER:
        assert not outside.may("create", "", "namespaces", "")
    else:
        with pytest.raises(Refused):
            outside.may("create", "", "namespaces", "")
    refusal = World(monkeypatch, FOUND).check(outside)
    assert refusal.summary == "The cluster team does not let the caller deploy"
    # The session's role, which is what an entry names.
    role = "arn:aws:iam::111122223333:role/deployer"
    assert f"--cluster-name team --principal-arn {role}" in _command(refusal)
    assert "AmazonEKSClusterAdminPolicy" in refusal.detail


def test_a_cluster_is_asked_what_it_has(api_server: str) -> None:
    cluster = Kubernetes(api_server, "airflow")
    assert cluster.may("*", "*", "*", "")
    for name in ("airflow", "monitoring"):
        space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        cluster.apply(space, "tests")
    inside = look_inside(cluster, replace(ASKED, monitored=True))
    assert set(inside.spaces) == {"airflow", "monitoring"}
    assert inside.refused == []
    assert set(look_inside(cluster, ASKED).spaces) == {"airflow"}


BASIC = {"aerodrome:clusterName": "team", "aerodrome:rancherEnabled": "false"}


@pytest.mark.parametrize(
    ("more", "said", "command"),
    [
        ({"rancherEnabled": "true"}, "rancherEnabled is true", "set rancherEnabled false"),
        ({"monitoring": "logs"}, "monitoring is logs", "config set monitoring none"),
        ({"taskNodes": "true"}, "taskNodes is true", "config rm taskNodes"),
        ({"nodeMax": "9"}, "nodeMax is 9", "config rm nodeMax"),
        ({"kubernetesVersion": "1.36"}, "kubernetesVersion is 1.36", "rm kubernetesVersion"),
        ({"vpcId": "vpc-0123456789abcdef0"}, "vpcId is vpc-0123456789abcdef0", "rm vpcId"),
    ],
)
def test_what_does_not_go_with_it_is_refused_before_anybody_is_asked(
    more: dict[str, str], said: str, command: str
) -> None:
    keys = {f"aerodrome:{key}": value for key, value in more.items()}
    refusal = check_settings(RequestedSettings({**BASIC, **keys}, {}))
    assert refusal is not None
    assert refusal.summary == said
    assert command in _command(refusal)


def test_rancher_is_named_where_nobody_has_said_no_to_it() -> None:
    refusal = check_settings(RequestedSettings({"aerodrome:clusterName": "team"}, {}))
    assert refusal is not None
    assert refusal.summary == "rancherEnabled is not set"
    assert _command(refusal) == "./aerodrome config set rancherEnabled false --env dev"


def test_who_asks_for_none_is_asked_nothing() -> None:
    branch = RequestedSettings({**BASIC, "aerodrome:tenancy": "shared"}, {})
    for requested in (RequestedSettings({}, {}), branch):
        assert check_settings(requested) is None
        assert existing_cluster.request("dev", requested, "eu-north-1") is None
    asked = existing_cluster.request("dev", RequestedSettings(BASIC, {}), "eu-north-1")
    assert asked == ASKED
