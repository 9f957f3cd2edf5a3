"""An inventory by tag sees every resource; what is gone is not in it."""

import json

import pytest
from botocore.exceptions import ClientError

ENVIRONMENT = "aerodrome:environment"
PODS = "pods.eks.amazonaws.com"


def listed(emulator, environment):
    pages = emulator.client("resourcegroupstaggingapi").get_paginator("get_resources")
    found = pages.paginate(
        TagFilters=[{"Key": ENVIRONMENT, "Values": [environment]}], ResourcesPerPage=3
    )
    return [item["ResourceARN"] for page in found for item in page["ResourceTagMappingList"]]


def kinds(arns):
    """The service and type of each, as `ec2:vpc`."""
    parts = [arn.split(":", 5) for arn in arns]
    return sorted({f"{part[2]}:{part[5].split('/')[0].split(':')[0]}" for part in parts})


def make_network(ec2, tags):
    """A network with an instance in it; the subnets."""

    def spec(kind):
        return [{"ResourceType": kind, "Tags": tags}]

    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16", TagSpecifications=spec("vpc"))["Vpc"]["VpcId"]
    subnets = [
        ec2.create_subnet(
            VpcId=vpc,
            CidrBlock=f"10.0.{number}.0/24",
            AvailabilityZone=f"us-east-1{zone}",
            TagSpecifications=spec("subnet"),
        )["Subnet"]["SubnetId"]
        for number, zone in enumerate("ab")
    ]
    ec2.create_internet_gateway(TagSpecifications=spec("internet-gateway"))
    address = ec2.allocate_address(Domain="vpc", TagSpecifications=spec("elastic-ip"))
    ec2.create_nat_gateway(
        SubnetId=subnets[0],
        AllocationId=address["AllocationId"],
        TagSpecifications=spec("natgateway"),
    )
    ec2.create_route_table(VpcId=vpc, TagSpecifications=spec("route-table"))
    group = ec2.create_security_group(
        GroupName="rancher", Description="d", VpcId=vpc, TagSpecifications=spec("security-group")
    )["GroupId"]
    ec2.run_instances(
        ImageId="ami-0c2023a1b2c3d4e5f",
        MinCount=1,
        MaxCount=1,
        SubnetId=subnets[0],
        SecurityGroupIds=[group],
        TagSpecifications=[*spec("instance"), *spec("volume")],
    )
    return subnets


def test_all_that_issue_3_deploys_is_listed(emulator):
    tags = [{"Key": ENVIRONMENT, "Value": "all"}]
    flat = {ENVIRONMENT: "all"}
    ec2, iam, eks = (emulator.client(name) for name in ("ec2", "iam", "eks"))
    subnets = make_network(ec2, tags)
    user = iam.create_user(UserName="all-operator", Tags=tags)["User"]["Arn"]
    role = emulator.role("all", PODS, ["sts:AssumeRole"])
    iam.tag_role(RoleName="all", Tags=tags)
    statement = {"Effect": "Allow", "Action": "ec2:Describe*", "Resource": "*"}
    document = {"Version": "2012-10-17", "Statement": [statement]}
    iam.create_policy(PolicyName="all", PolicyDocument=json.dumps(document), Tags=tags)
    iam.create_instance_profile(InstanceProfileName="all", Tags=tags)
    iam.create_open_id_connect_provider(
        Url="https://oidc.eks.us-east-1.amazonaws.com/id/ABC",
        ThumbprintList=["a" * 40],
        Tags=tags,
    )
    emulator.cluster("all", subnets, tags=flat)
    eks.create_nodegroup(
        clusterName="all", nodegroupName="n", nodeRole=role, subnets=subnets, tags=flat
    )
    eks.create_addon(clusterName="all", addonName="vpc-cni", tags=flat)
    eks.create_pod_identity_association(
        clusterName="all", namespace="n", serviceAccount="s", roleArn=role, tags=flat
    )
    eks.create_access_entry(clusterName="all", principalArn=user, tags=flat)
    emulator.client("ecr").create_repository(repositoryName="all", tags=tags)
    emulator.client("s3").create_bucket(Bucket="all-logs")
    emulator.client("s3").put_bucket_tagging(Bucket="all-logs", Tagging={"TagSet": tags})
    emulator.client("kms").create_key(Tags=[{"TagKey": ENVIRONMENT, "TagValue": "all"}])
    emulator.client("logs").create_log_group(logGroupName="/aws/eks/all/cluster", tags=flat)
    emulator.client("secretsmanager").create_secret(Name="all", SecretString="s", Tags=tags)
    emulator.client("ssm").put_parameter(Name="/all", Value="v", Type="String", Tags=tags)
    emulator.client("elbv2").create_load_balancer(Name="all", Subnets=subnets, Tags=tags)
    emulator.client("rds").create_db_subnet_group(
        DBSubnetGroupName="all", DBSubnetGroupDescription="d", SubnetIds=subnets, Tags=tags
    )
    assert kinds(listed(emulator, "all")) == [
        "ec2:elastic-ip",
        "ec2:instance",
        "ec2:internet-gateway",
        "ec2:natgateway",
        "ec2:route-table",
        "ec2:security-group",
        "ec2:subnet",
        "ec2:volume",
        "ec2:vpc",
        "ecr:repository",
        "eks:access-entry",
        "eks:addon",
        "eks:cluster",
        "eks:nodegroup",
        "eks:podidentityassociation",
        "elasticloadbalancing:loadbalancer",
        "iam:instance-profile",
        "iam:oidc-provider",
        "iam:policy",
        "iam:role",
        "iam:user",
        "kms:key",
        "logs:log-group",
        "rds:subgrp",
        "s3:all-logs",
        "secretsmanager:secret",
        "ssm:parameter",
    ]


def test_what_is_gone_is_not_listed(emulator):
    ec2 = emulator.client("ec2")
    tags = [{"Key": ENVIRONMENT, "Value": "gone"}]

    def spec(kind):
        return [{"ResourceType": kind, "Tags": tags}]

    subnet = emulator.subnets()[0]
    address = ec2.allocate_address(Domain="vpc", TagSpecifications=spec("elastic-ip"))
    gateway = ec2.create_nat_gateway(
        SubnetId=subnet,
        AllocationId=address["AllocationId"],
        TagSpecifications=spec("natgateway"),
    )["NatGateway"]["NatGatewayId"]
    instance = ec2.run_instances(
        ImageId="ami-0c2023a1b2c3d4e5f",
        MinCount=1,
        MaxCount=1,
        SubnetId=subnet,
        TagSpecifications=[*spec("instance"), *spec("volume")],
    )["Instances"][0]["InstanceId"]
    assert len(listed(emulator, "gone")) == 4
    ec2.terminate_instances(InstanceIds=[instance])
    ec2.delete_nat_gateway(NatGatewayId=gateway)
    ec2.release_address(AllocationId=address["AllocationId"])
    assert listed(emulator, "gone") == []


def test_a_key_that_waits_for_its_deletion_is_still_listed(emulator):
    kms = emulator.client("kms")
    key = kms.create_key(Tags=[{"TagKey": ENVIRONMENT, "TagValue": "key"}])["KeyMetadata"]["KeyId"]
    kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=7)
    assert kms.describe_key(KeyId=key)["KeyMetadata"]["KeyState"] == "PendingDeletion"
    assert kinds(listed(emulator, "key")) == ["kms:key"]


def test_filters_narrow_the_list(emulator):
    tags = [{"Key": ENVIRONMENT, "Value": "filtered"}, {"Key": "branch", "Value": "main"}]
    made = [
        emulator.client("ecr").create_repository(repositoryName=f"filtered-{n}", tags=tags)
        for n in "ab"
    ]
    arns = [item["repository"]["repositoryArn"] for item in made]
    api = emulator.client("resourcegroupstaggingapi")

    def arns_with(**asked):
        found = api.get_resources(**asked)["ResourceTagMappingList"]
        return [item["ResourceARN"] for item in found]

    both = [{"Key": ENVIRONMENT, "Values": ["other", "filtered"]}, {"Key": "branch"}]
    assert arns_with(TagFilters=both) == arns
    assert arns_with(TagFilters=both, ResourceTypeFilters=["ecr:repository"]) == arns
    assert arns_with(TagFilters=both, ResourceTypeFilters=["ec2", "s3"]) == []
    assert arns_with(ResourceARNList=arns[:1]) == arns[:1]
    with pytest.raises(ClientError, match="does not support"):
        api.get_resources(IncludeComplianceDetails=True)
