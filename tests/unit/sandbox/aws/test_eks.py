"""EKS in front of a real Kubernetes."""

import base64

import pytest
from botocore.exceptions import ClientError

from sandbox.instance import KUBERNETES_VERSION

CLUSTER_ADMIN = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy"
VIEW = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSViewPolicy"


@pytest.fixture(scope="module")
def eks(emulator):
    return emulator.client("eks")


@pytest.fixture(scope="module")
def cluster(emulator, subnets):
    """A cluster's name."""
    emulator.cluster("main", subnets, tags={"team": "data"})
    return "main"


def test_a_clusters_address_is_the_sandboxs_kubernetes(emulator, subnets):
    created = emulator.cluster("addressed", subnets)
    described = emulator.client("eks").describe_cluster(name="addressed")["cluster"]
    authority = base64.b64encode(emulator.settings.cluster_ca.read_bytes()).decode()
    for shown in (created, described):
        assert shown["endpoint"] == "https://10.213.0.2:6443"
        assert shown["certificateAuthority"]["data"] == authority
        assert shown["identity"]["oidc"]["issuer"].startswith(
            "https://oidc.eks.us-east-1.amazonaws.com/id/"
        )
    assert described["status"] == "ACTIVE"


def test_a_cluster_has_the_network_of_its_subnets(emulator, eks, cluster, subnets):
    ec2 = emulator.client("ec2")
    network = eks.describe_cluster(name=cluster)["cluster"]["resourcesVpcConfig"]
    described = ec2.describe_subnets(SubnetIds=[subnets[0]])
    assert network["vpcId"] == described["Subnets"][0]["VpcId"]
    group = network["clusterSecurityGroupId"]
    found = ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"][0]
    assert found["GroupName"].startswith(f"eks-cluster-sg-{cluster}-")


def test_a_cluster_needs_subnets_that_exist(emulator):
    with pytest.raises(ClientError, match="unknown: subnet-0"):
        emulator.cluster("lost", ["subnet-0", "subnet-1"])


def test_tags_given_later_are_shown(eks, cluster):
    arn = eks.describe_cluster(name=cluster)["cluster"]["arn"]
    eks.tag_resource(resourceArn=arn, tags={"later": "yes"})
    assert eks.describe_cluster(name=cluster)["cluster"]["tags"] == {"team": "data", "later": "yes"}
    eks.untag_resource(resourceArn=arn, tagKeys=["later"])
    assert eks.describe_cluster(name=cluster)["cluster"]["tags"] == {"team": "data"}


def test_a_node_group_can_be_resized_and_labelled(emulator, eks, cluster, subnets):
    role = emulator.role("node", "ec2.amazonaws.com", ["sts:AssumeRole"])
    eks.create_nodegroup(
        clusterName=cluster,
        nodegroupName="workers",
        nodeRole=role,
        subnets=subnets,
        labels={"a": "1", "b": "2"},
    )
    update = eks.update_nodegroup_config(
        clusterName=cluster,
        nodegroupName="workers",
        scalingConfig={"desiredSize": 5, "maxSize": 6},
        labels={"addOrUpdateLabels": {"c": "3"}, "removeLabels": ["a"]},
    )["update"]
    group = eks.describe_nodegroup(clusterName=cluster, nodegroupName="workers")["nodegroup"]
    assert group["scalingConfig"] == {"minSize": 1, "maxSize": 6, "desiredSize": 5}
    assert group["labels"] == {"b": "2", "c": "3"}
    assert group["amiType"] == "AL2023_x86_64_STANDARD"
    assert eks.describe_update(name=cluster, updateId=update["id"])["update"]["status"] == (
        "Successful"
    )
    assert eks.list_updates(name=cluster, nodegroupName="workers")["updateIds"] == [update["id"]]
    assert update["id"] not in eks.list_updates(name=cluster)["updateIds"]
    with pytest.raises(ClientError) as failure:
        eks.delete_cluster(name=cluster)
    assert failure.value.response["Error"]["Code"] == "ResourceInUseException"
    eks.delete_nodegroup(clusterName=cluster, nodegroupName="workers")


def test_a_clusters_logging_can_be_changed(eks, cluster):
    wanted = {"clusterLogging": [{"types": ["api"], "enabled": True}]}
    update = eks.update_cluster_config(name=cluster, logging=wanted)["update"]
    assert update["id"] in eks.list_updates(name=cluster)["updateIds"]
    with pytest.raises(eks.exceptions.ResourceNotFoundException):
        eks.list_updates(name="missing")
    assert eks.describe_cluster(name=cluster)["cluster"]["logging"] == wanted


def test_a_cluster_is_upgraded_one_minor_version_at_a_time(emulator, eks, subnets):
    emulator.cluster("older", subnets, version="1.34")
    role = emulator.role("older-nodes", "ec2.amazonaws.com", ["sts:AssumeRole"])
    eks.create_nodegroup(clusterName="older", nodegroupName="n", subnets=subnets, nodeRole=role)
    eks.create_addon(clusterName="older", addonName="kube-proxy")
    group = {"clusterName": "older", "nodegroupName": "n"}
    for asked, said in (
        ("1.40", "unsupported Kubernetes version 1.40"),
        ("1.34", "already at the desired configuration"),
        ("1.36", "Unsupported Kubernetes minor version update from 1.34 to 1.36"),
        ("1.33", "Unsupported Kubernetes minor version update from 1.34 to 1.33"),
    ):
        with pytest.raises(ClientError, match=said):
            eks.update_cluster_version(name="older", version=asked)
    with pytest.raises(ClientError, match=r"does not fit a cluster of 1\.34"):
        eks.update_nodegroup_version(**group, version="1.35")
    update = eks.update_cluster_version(name="older", version="1.35")["update"]
    assert eks.describe_update(name="older", updateId=update["id"])["update"]["status"] == (
        "Successful"
    )
    assert eks.list_updates(name="older")["updateIds"] == [update["id"]]
    assert eks.describe_cluster(name="older")["cluster"]["version"] == "1.35"
    assert eks.describe_nodegroup(**group)["nodegroup"]["version"] == "1.34"
    eks.update_nodegroup_version(**group)
    assert eks.describe_nodegroup(**group)["nodegroup"]["version"] == "1.35"
    with pytest.raises(ClientError, match="does not go back"):
        eks.update_nodegroup_version(**group, version="1.34")
    eks.update_addon(clusterName="older", addonName="kube-proxy")
    found = eks.describe_addon(clusterName="older", addonName="kube-proxy")["addon"]
    assert found["addonVersion"] == "v1.35.0-eksbuild.1"


def test_workers_that_are_too_old_for_the_next_version_are_an_insight(emulator, eks, subnets):
    emulator.cluster("skewed", subnets, version="1.32")
    role = emulator.role("skewed-nodes", "ec2.amazonaws.com", ["sts:AssumeRole"])
    eks.create_nodegroup(clusterName="skewed", nodegroupName="n", subnets=subnets, nodeRole=role)

    def insights(*statuses):
        asked = {"categories": ["UPGRADE_READINESS"], "statuses": list(statuses)}
        return eks.list_insights(clusterName="skewed", filter=asked)["insights"]

    assert insights("ERROR") == []
    assert insights("PASSING")[0]["kubernetesVersion"] == "1.33"
    for version in ("1.33", "1.34", "1.35"):
        eks.update_cluster_version(name="skewed", version=version)
    assert insights("ERROR")[0]["insightStatus"]["reason"] == "Too old: n"


def test_an_addon_gets_the_default_version(eks, cluster):
    offered = eks.describe_addon_versions(addonName="vpc-cni", kubernetesVersion="1.36")
    version = offered["addons"][0]["addonVersions"][0]
    assert version["compatibilities"][0]["clusterVersion"] == "1.36"
    addon = eks.create_addon(clusterName=cluster, addonName="vpc-cni")["addon"]
    assert addon["addonVersion"] == version["addonVersion"]


@pytest.mark.parametrize(
    "arguments", [{"addonName": "nonsense"}, {"addonName": "coredns", "addonVersion": "v0"}]
)
def test_an_addon_that_is_not_offered_is_refused(eks, cluster, arguments):
    with pytest.raises(ClientError, match="not supported"):
        eks.create_addon(clusterName=cluster, **arguments)


def test_an_association_can_be_tagged(emulator, eks, cluster):
    role = emulator.role("tagged", "pods.eks.amazonaws.com", ["sts:AssumeRole"])
    made = eks.create_pod_identity_association(
        clusterName=cluster, namespace="n", serviceAccount="s", roleArn=role, tags={"a": "1"}
    )["association"]
    arn, key = made["associationArn"], made["associationId"]
    eks.tag_resource(resourceArn=arn, tags={"b": "2"})
    found = eks.describe_pod_identity_association(clusterName=cluster, associationId=key)
    assert found["association"]["tags"] == {"a": "1", "b": "2"}
    assert eks.list_tags_for_resource(resourceArn=arn)["tags"] == {"a": "1", "b": "2"}


def test_what_the_sandbox_cannot_do_is_refused(emulator, eks, cluster):
    user = emulator.client("iam").create_user(UserName="refused")["User"]["Arn"]
    eks.create_access_entry(clusterName=cluster, principalArn=user)
    scoped = {"type": "namespace", "namespaces": ["airflow-*"]}
    with pytest.raises(ClientError, match="namespaces by pattern: airflow-"):
        eks.associate_access_policy(
            clusterName=cluster, principalArn=user, policyArn=VIEW, accessScope=scoped
        )
    with pytest.raises(ClientError, match="access policy"):
        eks.associate_access_policy(
            clusterName=cluster,
            principalArn=user,
            policyArn=VIEW.replace("View", "Unknown"),
            accessScope={"type": "cluster"},
        )
    role = emulator.role("chained", "pods.eks.amazonaws.com", ["sts:AssumeRole"])
    with pytest.raises(ClientError, match="targetRoleArn"):
        eks.create_pod_identity_association(
            clusterName=cluster,
            namespace="n",
            serviceAccount="t",
            roleArn=role,
            targetRoleArn=role,
        )


def test_a_deleted_cluster_takes_its_own_things_with_it(emulator, eks, subnets):
    network = emulator.cluster("short", subnets, tags={"gone": "soon"})["resourcesVpcConfig"]
    eks.create_addon(clusterName="short", addonName="coredns", tags={"gone": "soon"})
    eks.delete_cluster(name="short")
    with pytest.raises(ClientError):
        emulator.client("ec2").describe_security_groups(
            GroupIds=[network["clusterSecurityGroupId"]]
        )
    left = emulator.client("resourcegroupstaggingapi").get_resources(TagFilters=[{"Key": "gone"}])
    assert left["ResourceTagMappingList"] == []


def test_the_versions_that_eks_offers_are_told_to_who_may_ask(emulator, eks):
    found = eks.describe_cluster_versions()["clusterVersions"]
    assert [each["clusterVersion"] for each in found if each["defaultVersion"]] == [
        KUBERNETES_VERSION
    ]
    assert {each["versionStatus"] for each in found} == {"STANDARD_SUPPORT", "EXTENDED_SUPPORT"}
    with pytest.raises(ClientError, match="does not have includeAll"):
        eks.describe_cluster_versions(includeAll=True)
    statement = {"Effect": "Allow", "Action": "eks:DescribeClusterVersions", "Resource": "*"}
    key = emulator.user("version-reader", {"Version": "2012-10-17", "Statement": [statement]})
    own = emulator.client("eks", **key)
    assert own.describe_cluster_versions()["clusterVersions"] == found
    with pytest.raises(ClientError, match="eks:ListClusters"):
        own.list_clusters()
