"""A cluster and what belongs to it, on the real emulator."""

import json

import pytest

from sandbox.providers import contract

ADMIN = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy"
VIEW = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSViewPolicy"


def trust(*services):
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": list(services)},
        "Action": ["sts:AssumeRole", "sts:TagSession"],
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


@pytest.fixture
def parts(engine):
    """A network, two roles and a key."""
    vpc = engine.create("aws:ec2/vpc:Vpc", "eks", cidrBlock="10.30.0.0/16")
    subnets = [
        engine.create(
            "aws:ec2/subnet:Subnet",
            f"eks-{zone}",
            vpcId=vpc.id,
            cidrBlock=f"10.30.{number}.0/24",
            availabilityZone=f"us-east-1{zone}",
            tags={"Name": zone},
        )
        for number, zone in enumerate("ab")
    ]
    role = engine.create(
        "aws:iam/role:Role",
        "eks-roles",
        assumeRolePolicy=trust("eks.amazonaws.com", "ec2.amazonaws.com", "pods.eks.amazonaws.com"),
    )
    key = engine.create("aws:kms/key:Key", "eks-secrets")
    yield {"vpc": vpc, "subnets": subnets, "role": role, "key": key}
    for one in (key, role, *subnets, vpc):
        engine.delete(one)


@pytest.fixture
def cluster(engine, parts):
    made = engine.create(
        "aws:eks/cluster:Cluster",
        "main",
        roleArn=parts["role"]["arn"],
        version="1.36",
        accessConfig={
            "authenticationMode": "API",
            "bootstrapClusterCreatorAdminPermissions": True,
        },
        vpcConfig={
            "subnetIds": [subnet.id for subnet in parts["subnets"]],
            "endpointPrivateAccess": True,
            "endpointPublicAccess": True,
        },
        encryptionConfig={
            "provider": {"keyArn": parts["key"]["arn"]},
            "resources": ["secrets"],
        },
        enabledClusterLogTypes=["audit", "api"],
        tags={"Name": "main"},
    )
    yield made
    engine.delete(made)


def test_a_cluster(engine, cluster, parts):
    assert cluster["status"] == "ACTIVE"
    assert cluster["endpoint"] == "https://10.213.63.2:6443"
    assert cluster["certificateAuthority"]["data"]
    assert cluster["identities"][0]["oidcs"][0]["issuer"].startswith("https://")
    assert cluster["vpcConfig"]["vpcId"] == parts["vpc"].id
    assert cluster["vpcConfig"]["clusterSecurityGroupId"].startswith("sg-")
    engine.update(cluster, enabledClusterLogTypes=["audit"])
    network = cluster.inputs["vpcConfig"] | {"publicAccessCidrs": ["10.0.0.0/8"]}
    engine.update(cluster, vpcConfig=network)
    engine.update(cluster, tags={"Name": "other", "aerodrome:environment": "test"})
    assert engine.replaces(cluster, roleArn="arn:aws:iam::000000000000:role/x") == ["roleArn"]


def test_a_node_group(engine, cluster, parts):
    made = engine.create(
        "aws:eks/nodeGroup:NodeGroup",
        "workers",
        clusterName=cluster["name"],
        nodeRoleArn=parts["role"]["arn"],
        subnetIds=[subnet.id for subnet in parts["subnets"]],
        scalingConfig={"desiredSize": 2, "minSize": 1, "maxSize": 4},
        instanceTypes=["t3.large"],
        labels={"pool": "workers"},
        version="1.36",
    )
    assert made.id == f"{cluster.id}:{made['nodeGroupName']}"
    engine.imported(made)
    engine.update(made, scalingConfig={"desiredSize": 3, "minSize": 1, "maxSize": 4})
    engine.update(made, labels={"pool": "others"})
    engine.update(made, tags={"aerodrome:environment": "test", "a": "b"})
    assert engine.replaces(made, instanceTypes=["t3.small"]) == ["instanceTypes"]
    engine.delete(made)


def test_a_node_group_that_somebody_scaled(engine, cluster, parts):
    """What an update does not change, it does not send."""
    made = engine.create(
        "aws:eks/nodeGroup:NodeGroup",
        "scaled",
        clusterName=cluster["name"],
        nodeRoleArn=parts["role"]["arn"],
        subnetIds=[subnet.id for subnet in parts["subnets"]],
        scalingConfig={"desiredSize": 2, "minSize": 1, "maxSize": 4},
    )
    name, scaled = made["nodeGroupName"], {"desiredSize": 4, "minSize": 1, "maxSize": 4}
    engine.provider._aws.client("eks").update_nodegroup_config(
        clusterName=cluster["name"], nodegroupName=name, scalingConfig=scaled
    )
    news = made.inputs | {"labels": {"pool": "others"}}
    engine.provider.update(
        contract.UpdateRequest(made.urn, made.type, made.id, made.inputs, made.outputs, news)
    )
    asked = {"clusterName": cluster["name"], "nodeGroupName": name}
    found = engine.invoke("aws:eks/getNodeGroup:getNodeGroup", **asked)
    assert found["labels"] == {"pool": "others"}
    assert found["scalingConfigs"] == [scaled]
    assert engine.invoke("aws:eks/getClusters:getClusters")["names"] == [cluster["name"]]
    one = engine.invoke("aws:eks/getCluster:getCluster", name=cluster["name"])
    assert (one["arn"], one["vpcConfig"]) == (cluster["arn"], cluster["vpcConfig"])
    assert one["certificateAuthorities"] == [cluster["certificateAuthority"]]
    groups = engine.invoke("aws:eks/getNodeGroups:getNodeGroups", clusterName=cluster["name"])
    assert groups["names"] == [name]
    engine.delete(made)


def test_an_addon(engine, cluster):
    version = engine.invoke(
        "aws:eks/getAddonVersion:getAddonVersion",
        addonName="vpc-cni",
        kubernetesVersion="1.36",
        mostRecent=True,
    )["version"]
    made = engine.create(
        "aws:eks/addon:Addon",
        "vpc-cni",
        clusterName=cluster["name"],
        addonName="vpc-cni",
        addonVersion=version,
        configurationValues='{"env": {"WARM_ENI_TARGET": "1"}}',
        preserve=True,
        resolveConflictsOnCreate="OVERWRITE",
        resolveConflictsOnUpdate="OVERWRITE",
    )
    assert made.id == f"{cluster.id}:vpc-cni"
    engine.imported(made)
    other = made.inputs | {"configurationValues": '{"env":{"WARM_ENI_TARGET":"1"}}'}
    assert engine.diff(made, other).changes == []
    engine.update(made, configurationValues='{"env":{"WARM_ENI_TARGET":"2"}}')
    engine.update(made, tags={"aerodrome:environment": "test", "a": "b"})
    engine.delete(made)


def test_access(engine, cluster, parts):
    principal = parts["role"]["arn"]
    entry = engine.create(
        "aws:eks/accessEntry:AccessEntry",
        "operator",
        clusterName=cluster["name"],
        principalArn=principal,
        kubernetesGroups=["operators"],
    )
    assert entry.id == f"{cluster.id}:{principal}"
    engine.imported(entry)
    engine.update(entry, kubernetesGroups=["operators", "viewers"])
    policy = engine.create(
        "aws:eks/accessPolicyAssociation:AccessPolicyAssociation",
        "operator",
        clusterName=cluster["name"],
        principalArn=principal,
        policyArn=VIEW,
        accessScope={"type": "namespace", "namespaces": ["a", "b"]},
    )
    assert policy.id == f"{cluster.id}#{principal}#{VIEW}"
    engine.imported(policy)
    assert engine.replaces(policy, policyArn=ADMIN) == ["policyArn"]
    engine.delete(policy)
    engine.delete(entry)


def test_pod_identity(engine, cluster, parts):
    made = engine.create(
        "aws:eks/podIdentityAssociation:PodIdentityAssociation",
        "airflow",
        clusterName=cluster["name"],
        namespace="airflow",
        serviceAccount="airflow",
        roleArn=parts["role"]["arn"],
    )
    assert made.id == f"{cluster.id},{made['associationId']}"
    engine.imported(made)
    other = engine.create(
        "aws:iam/role:Role", "other-pod", assumeRolePolicy=trust("pods.eks.amazonaws.com")
    )
    engine.update(made, roleArn=other["arn"])
    engine.update(made, tags={"aerodrome:environment": "test", "a": "b"})
    engine.delete(made)
    engine.delete(other)
