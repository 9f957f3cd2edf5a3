"""eks:index:Cluster registers the children that pulumi-eks 4.4.0 was seen to register."""

import json
import subprocess
import time
from pathlib import Path
from typing import Any

import grpc
import pytest

from sandbox.wire.values import UNKNOWN, ResourceReference, Secret, reveal
from tests.unit.sandbox.providers.conformance.real_engine import BIN, NOBODY, RealEngine, urn

CLUSTER_URN = urn("eks:index:Cluster", "c")
EKS_URN = "urn:pulumi:dev::test::eks:index:Cluster$aws:eks/cluster:Cluster::c-eksCluster"


def test_the_children(bench: Any) -> None:
    bench.cluster()
    registered = [(r.type, r.name) for r in bench.engine.registrations]
    assert registered[0] == ("eks:index:Cluster", "c")
    assert sorted(registered) == sorted(
        [
            ("eks:index:Cluster", "c"),
            ("eks:index:ServiceRole", "c-eksRole"),
            ("aws:iam/role:Role", "c-eksRole-role"),
            ("aws:iam/rolePolicyAttachment:RolePolicyAttachment", "c-eksRole-4b490823"),
            ("aws:ec2/securityGroup:SecurityGroup", "c-eksClusterSecurityGroup"),
            ("aws:ec2/securityGroupRule:SecurityGroupRule", "c-eksClusterInternetEgressRule"),
            ("aws:eks/cluster:Cluster", "c-eksCluster"),
            ("aws:eks/addon:Addon", "c-kube-proxy"),
            ("pulumi:providers:kubernetes", "c-eks-k8s"),
            ("aws:ec2/securityGroup:SecurityGroup", "c-nodeSecurityGroup"),
            ("aws:ec2/securityGroupRule:SecurityGroupRule", "c-eksNodeIngressRule"),
            ("aws:ec2/securityGroupRule:SecurityGroupRule", "c-eksNodeClusterIngressRule"),
            ("aws:ec2/securityGroupRule:SecurityGroupRule", "c-eksExtApiServerClusterIngressRule"),
            ("aws:ec2/securityGroupRule:SecurityGroupRule", "c-eksNodeInternetEgressRule"),
            ("aws:ec2/securityGroupRule:SecurityGroupRule", "c-eksClusterIngressRule"),
            ("eks:index:VpcCniAddon", "c-vpc-cni"),
            ("aws:eks/addon:Addon", "c-vpc-cni"),
        ]
    )


def test_parents_are_the_component_or_a_component_in_it(bench: Any) -> None:
    bench.cluster()
    engine = bench.engine
    assert engine.one("c-eksRole-role").parent == (
        "urn:pulumi:dev::test::eks:index:Cluster$eks:index:ServiceRole::c-eksRole"
    )
    assert engine.one("c-vpc-cni", "addon:Addon").parent == (
        "urn:pulumi:dev::test::eks:index:Cluster$eks:index:VpcCniAddon::c-vpc-cni"
    )
    direct = {r.name for r in engine.registrations if r.parent == CLUSTER_URN}
    assert {"c-eksRole", "c-eksCluster", "c-kube-proxy", "c-eks-k8s"} <= direct


def test_the_control_plane(bench: Any) -> None:
    bench.cluster(
        encryptionConfigKeyArn="arn:key",
        enabledClusterLogTypes=["api"],
        endpointPrivateAccess=True,
        endpointPublicAccess=True,
        publicAccessCidrs=["192.0.2.0/24"],
        tags={"owner": "me"},
    )
    cluster = bench.engine.one("c-eksCluster")
    role = "arn:aws:aws:iam/role:Role:c-eksRole-role"
    assert cluster.inputs == {
        "accessConfig": {
            "authenticationMode": "API",
            "bootstrapClusterCreatorAdminPermissions": True,
        },
        "bootstrapSelfManagedAddons": True,
        "enabledClusterLogTypes": ["api"],
        "encryptionConfig": {"provider": {"keyArn": "arn:key"}, "resources": ["secrets"]},
        "name": "real",
        "roleArn": role,
        "tags": {"Name": "c-eksCluster", "owner": "me"},
        "version": "1.36",
        "vpcConfig": {
            "endpointPrivateAccess": True,
            "endpointPublicAccess": True,
            "publicAccessCidrs": ["192.0.2.0/24"],
            "securityGroupIds": ["c-eksClusterSecurityGroup-id"],
            "subnetIds": ["public-a", "public-b", "private-a", "private-b"],
        },
    }
    assert cluster.version == "7.25.0"
    assert cluster.ignore_changes == [
        "accessConfig.bootstrapClusterCreatorAdminPermissions",
        "bootstrapSelfManagedAddons",
    ]
    names = {urn.rpartition("::")[2] for urn in cluster.dependencies}
    assert names == {"c-eksRole-role", "c-eksRole-4b490823", "c-eksClusterSecurityGroup"}


def test_the_role_is_attached_as_a_resource_reference(bench: Any) -> None:
    bench.cluster()
    attachment = bench.engine.one("c-eksRole-4b490823")
    assert isinstance(attachment.inputs["role"], ResourceReference)
    assert attachment.inputs["policyArn"] == "arn:aws:iam::aws:policy/AmazonEKSClusterPolicy"
    (role,) = attachment.property_dependencies["role"]
    assert role.endswith("c-eksRole-role")


def test_the_workers_group_carries_the_name_of_the_real_cluster(bench: Any) -> None:
    bench.cluster(name=None)
    assert bench.engine.one("c-nodeSecurityGroup").inputs["tags"] == {
        "Name": "c-nodeSecurityGroup",
        "kubernetes.io/cluster/real": "owned",
    }


def test_add_ons_get_the_newest_version_that_fits(bench: Any) -> None:
    bench.cluster()
    assert bench.engine.one("c-kube-proxy").inputs["addonVersion"] == "v1-kube-proxy"
    asked = [arguments for token, arguments in bench.engine.invokes if "getAddonVersion" in token]
    assert sorted(asked, key=lambda arguments: arguments["addonName"]) == [
        {"addonName": name, "kubernetesVersion": "1.36", "mostRecent": True}
        for name in ("kube-proxy", "vpc-cni")
    ]
    cni = json.loads(bench.engine.one("c-vpc-cni", "addon:Addon").inputs["configurationValues"])
    assert cni["env"]["AWS_VPC_ENI_MTU"] == "9001"
    assert cni["env"]["WARM_ENI_TARGET"] == "1"
    assert "enableNetworkPolicy" not in cni


def test_network_policies_are_enforced_where_that_is_asked_for(bench: Any) -> None:
    conflicts = dict.fromkeys(("resolveConflictsOnCreate", "resolveConflictsOnUpdate"), "OVERWRITE")
    bench.cluster(vpcCniOptions={"enableNetworkPolicy": True, **conflicts})
    cni = json.loads(bench.engine.one("c-vpc-cni", "addon:Addon").inputs["configurationValues"])
    # The add-on's own schema has it as a text.
    assert cni["enableNetworkPolicy"] == "true"


def test_other_options_of_the_network_add_on_are_refused(bench: Any) -> None:
    with pytest.raises(grpc.RpcError, match="enableNetworkPolicy only"):
        bench.cluster(vpcCniOptions={"enablePrefixDelegation": True})


def test_the_kubeconfig_signs_in_through_aws(bench: Any) -> None:
    state = bench.state(bench.cluster())
    config = json.loads(state["kubeconfigJson"])
    assert config == state["kubeconfig"]
    assert config["clusters"][0]["cluster"]["server"] == "https://api.example.com"
    plugin = config["users"][0]["user"]["exec"]
    assert [plugin["command"], *plugin["args"]] == (
        [
            "aws",
            "--region",
            "eu-north-1",
            "eks",
            "get-token",
            "--cluster-name",
            "real",
            "--output",
            "json",
        ]
    )
    assert bench.engine.one("c-eks-k8s").inputs["kubeconfig"] == state["kubeconfigJson"]


def test_outputs_refer_to_the_children(bench: Any) -> None:
    result = bench.cluster()
    state = bench.state(result)
    assert state["eksCluster"] == ResourceReference(EKS_URN, "c-eksCluster-id")
    assert state["core"]["cluster"] == state["eksCluster"]
    assert state["core"]["subnetIds"] == ["public-a", "public-b", "private-a", "private-b"]
    assert state["clusterSecurityGroupId"] == "c-eksClusterSecurityGroup-id"
    assert list(result.stateDependencies["kubeconfigJson"].urns) == [EKS_URN]
    assert set(bench.engine.component_outputs[CLUSTER_URN]) == set(state)


def test_in_a_preview_what_is_not_known_stays_so(bench: Any) -> None:
    bench.engine.preview = True
    result = bench.cluster(version=None, name=None)
    state = bench.state(result)
    assert state["kubeconfigJson"] is UNKNOWN
    assert state["eksCluster"].resource_id is UNKNOWN
    assert bench.engine.one("c-kube-proxy").inputs["addonVersion"] is UNKNOWN
    assert bench.engine.one("c-nodeSecurityGroup").inputs["tags"] is UNKNOWN
    assert [token for token, _ in bench.engine.invokes] == ["aws:index/getPartition:getPartition"]


def test_secrets_and_dependencies_go_on_to_the_children(bench: Any) -> None:
    vpc, key = urn("aws:ec2/vpc:Vpc", "v"), urn("aws:kms/key:Key", "k")
    bench.cluster(
        encryptionConfigKeyArn=Secret("arn:key"),
        dependencies={"vpcId": [vpc], "encryptionConfigKeyArn": [key]},
    )
    group = bench.engine.one("c-eksClusterSecurityGroup")
    assert group.property_dependencies["vpcId"] == [vpc]
    cluster = bench.engine.one("c-eksCluster")
    assert key in cluster.dependencies
    assert reveal(cluster.inputs["encryptionConfig"])["provider"]["keyArn"] == "arn:key"
    assert "arn:key" not in repr(cluster.inputs)


def test_an_explicit_provider_serves_the_children(bench: Any) -> None:
    aws = f"{urn('pulumi:providers:aws', 'aws')}::11111111-2222-4333-8444-555555555555"
    bench.cluster(providers={"aws": aws})
    served = {r.provider for r in bench.engine.registrations if r.type.startswith("aws:")}
    assert served == {aws}


def test_an_oidc_provider_only_if_asked_for(bench: Any) -> None:
    bench.cluster()
    assert "c-oidcProvider" not in bench.engine.names()
    bench.engine.registrations.clear()
    bench.cluster(createOidcProvider=True)
    assert bench.engine.one("c-oidcProvider").inputs["url"] == "https://oidc.example.com/id/1"


@pytest.mark.parametrize("preview", [True, False])
def test_a_kubeconfig_for_another_profile(bench: Any, preview: bool) -> None:
    bench.cluster()
    bench.engine.preview = preview
    answer = bench.call(ResourceReference(CLUSTER_URN), profileName="work")
    plugin = json.loads(reveal(answer)["result"])["users"][0]["user"]["exec"]
    assert {"name": "AWS_PROFILE", "value": "work"} in plugin["env"]


@pytest.mark.parametrize(
    ("inputs", "summary"),
    [
        ({"fargate": True}, "The sandbox's eks:index:Cluster does not know the option fargate"),
        ({"autoMode": {"enabled": True}}, "does not know the option autoMode"),
        ({"skipDefaultNodeGroup": False}, "does not make the default node group"),
        ({"authenticationMode": "CONFIG_MAP"}, "does not know authenticationMode CONFIG_MAP"),
        ({"instanceRoles": ["r"]}, "does not know the option instanceRoles"),
        ({"vpcId": None}, "Missing required property 'vpcId'"),
        ({"createOidcProvider": UNKNOWN}, "'createOidcProvider' must be true or false"),
    ],
)
def test_what_it_does_not_do_is_refused_before_anything_is_registered(
    bench: Any, inputs: dict[str, Any], summary: str
) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        bench.cluster(**inputs)
    assert summary in caught.value.details()
    assert "Traceback" not in caught.value.details()
    assert "File " not in caught.value.details()
    assert bench.engine.registrations == []


def test_a_component_that_pulumi_eks_has_and_the_sandbox_has_not(bench: Any) -> None:
    with pytest.raises(grpc.RpcError, match="eks:index:NodeGroupV2"):
        bench.construct("eks:index:NodeGroupV2", "n", {})


def test_it_ends_when_it_is_told_to(tmp_path: Path) -> None:
    with RealEngine("eks", tmp_path, {}) as engine:
        assert engine.close() == 0


def test_it_ends_with_an_engine_that_is_killed(tmp_path: Path) -> None:
    plugin = BIN / "pulumi-resource-eks"
    script = f"{plugin} {NOBODY} & echo $!; wait"
    shell = subprocess.Popen(["sh", "-c", script], stdout=subprocess.PIPE, text=True, bufsize=1)
    assert shell.stdout is not None
    pid = int(shell.stdout.readline())
    port = int(shell.stdout.readline())
    assert port
    shell.kill()
    shell.wait()
    until = time.monotonic() + 5
    while Path(f"/proc/{pid}").exists() and time.monotonic() < until:
        time.sleep(0.02)
    assert not Path(f"/proc/{pid}").exists()
