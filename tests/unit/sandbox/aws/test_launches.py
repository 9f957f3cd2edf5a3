"""Launches by fleet and template: what comes of them, and what IAM is asked before."""

import base64
import json

import pytest
from botocore.exceptions import ClientError

from infra.karpenter_policy import CLASS_TAG, POOL, Territory, make_nodes

IMAGE = "ami-0c2023a1b2c3d4e5f"
CLUSTER = "launches"
OWN = {f"kubernetes.io/cluster/{CLUSTER}": "owned", CLASS_TAG: POOL}
KINDS = ("instance", "volume", "fleet")


def pairs(tags):
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def tagged(tags, kinds=KINDS):
    return [{"ResourceType": kind, "Tags": pairs(tags)} for kind in kinds]


@pytest.fixture(scope="module")
def place(emulator):
    """A network, a profile with a role, and somebody who may what Karpenter may there."""
    ec2, iam = emulator.client("ec2"), emulator.client("iam")
    subnets, beside = emulator.subnets(), emulator.subnets()
    vpc = ec2.describe_subnets(SubnetIds=subnets)["Subnets"][0]["VpcId"]
    group = ec2.create_security_group(GroupName="nodes", Description="d", VpcId=vpc)["GroupId"]
    role = emulator.role("launched", "ec2.amazonaws.com", ["sts:AssumeRole"])
    other = emulator.role("powerful", "ec2.amazonaws.com", ["sts:AssumeRole"])
    for name in ("launched", "powerful"):
        iam.create_instance_profile(InstanceProfileName=name, Path="/aerodrome/")
        iam.add_role_to_instance_profile(InstanceProfileName=name, RoleName=name)
    territory = Territory(
        partition="aws",
        region="us-east-1",
        cluster=CLUSTER,
        cluster_arn=f"arn:aws:eks:us-east-1:000000000000:cluster/{CLUSTER}",
        queue_arn="arn:aws:sqs:us-east-1:000000000000:queue",
        role_arn=role,
        subnet_ids=subnets,
        security_group_id=group,
    )
    key = emulator.user("launcher", json.loads(make_nodes(territory)))
    return {
        "subnets": subnets,
        "beside": beside,
        "group": group,
        "other role": other,
        "root": ec2,
        "launcher": emulator.client("ec2", **key),
    }


def template(place, who, name, *, tags=OWN, profile="launched", group=None):
    """A launch template as Karpenter makes it."""
    place[who].create_launch_template(
        LaunchTemplateName=name,
        LaunchTemplateData={
            "ImageId": IMAGE,
            "IamInstanceProfile": {"Name": profile},
            "UserData": base64.b64encode(b"hello").decode(),
            "MetadataOptions": {"HttpTokens": "required", "HttpPutResponseHopLimit": 1},
            "BlockDeviceMappings": [
                {"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 50, "Encrypted": True}}
            ],
            "NetworkInterfaces": [{"DeviceIndex": 0, "Groups": [group or place["group"]]}],
            "TagSpecifications": [
                {"ResourceType": kind, "Tags": pairs(tags)}
                for kind in ("network-interface", "spot-instances-request")
            ],
        },
        TagSpecifications=tagged(tags, ["launch-template"]),
    )
    return name


def fleet(place, who, name, *, tags=OWN, subnets=None, capacity="on-demand", count=1, **more):
    overrides = [
        {"InstanceType": kind, "SubnetId": subnet}
        for kind in ("m5.xlarge", "m5.large")
        for subnet in subnets or place["subnets"]
    ]
    return place[who].create_fleet(
        Type="instant",
        LaunchTemplateConfigs=[
            {
                "LaunchTemplateSpecification": {"LaunchTemplateName": name, "Version": "$Latest"},
                "Overrides": overrides,
            }
        ],
        TargetCapacitySpecification={
            "TotalTargetCapacity": count,
            "DefaultTargetCapacityType": capacity,
        },
        TagSpecifications=tagged(tags),
        **more,
    )


def code(call):
    with pytest.raises(ClientError) as failure:
        call()
    return failure.value.response["Error"]["Code"]


def test_a_fleet_is_one_launch_from_the_cheapest_pool(place):
    made = fleet(place, "launcher", template(place, "launcher", "whole"), count=2)
    (pool,) = made["Instances"]
    assert (pool["InstanceType"], pool["Lifecycle"]) == ("m5.large", "on-demand")
    chosen = pool["LaunchTemplateAndOverrides"]["Overrides"]
    assert chosen["SubnetId"] == place["subnets"][0]
    assert (chosen["AvailabilityZone"], chosen["ImageId"]) == ("us-east-1a", IMAGE)
    ec2 = place["root"]
    found = ec2.describe_instances(InstanceIds=pool["InstanceIds"])["Reservations"]
    assert len(found) == 2
    instance = found[0]["Instances"][0]
    assert instance["SecurityGroups"][0]["GroupId"] == place["group"]
    assert instance["MetadataOptions"]["HttpTokens"] == "required"
    assert {each["Key"]: each["Value"] for each in instance["Tags"]} == OWN
    assert "SpotInstanceRequestId" not in instance
    (disk,) = instance["BlockDeviceMappings"]
    (volume,) = ec2.describe_volumes(VolumeIds=[disk["Ebs"]["VolumeId"]])["Volumes"]
    assert (volume["Size"], volume["Encrypted"]) == (50, True)
    assert {each["Key"]: each["Value"] for each in volume["Tags"]} == OWN


def test_a_spot_instance_has_its_request(place):
    made = fleet(place, "launcher", template(place, "launcher", "spot"), capacity="spot")
    (pool,) = made["Instances"]
    (found,) = place["root"].describe_instances(InstanceIds=pool["InstanceIds"])["Reservations"]
    assert found["Instances"][0]["SpotInstanceRequestId"].startswith("sir-")
    assert found["Instances"][0]["InstanceLifecycle"] == "spot"


def test_a_pool_that_is_not_there_is_an_error_of_the_fleet(place):
    name = template(place, "root", "nowhere")
    made = fleet(place, "root", name, subnets=["subnet-0123456789abcdef0"])
    assert made["Instances"] == []
    assert {one["ErrorCode"] for one in made["Errors"]} == {"InsufficientInstanceCapacity"}
    assert code(lambda: fleet(place, "root", "no-such-template")).endswith("NotFoundException")


def test_a_dry_run_makes_nothing_and_says_whether_one_may(place):
    name = template(place, "launcher", "dry")

    def instances():
        return len(place["root"].describe_instances()["Reservations"])

    before = instances()
    assert code(lambda: fleet(place, "launcher", name, DryRun=True)) == "DryRunOperation"
    denied = code(lambda: fleet(place, "launcher", name, tags={"a": "b"}, DryRun=True))
    assert denied == "UnauthorizedOperation"
    assert instances() == before


def test_iam_is_asked_about_everything_that_is_made_or_used(place):
    name = template(place, "launcher", "asked")
    elsewhere = place["root"].create_security_group(
        GroupName="elsewhere",
        Description="d",
        VpcId=place["root"].describe_subnets(SubnetIds=place["beside"])["Subnets"][0]["VpcId"],
    )["GroupId"]
    strangers = template(place, "root", "strangers", tags={"whose": "another's"})
    mighty = template(place, "root", "mighty", profile="powerful")
    open_group = template(place, "root", "open", group=elsewhere)
    refused = {
        "without tags": lambda: fleet(place, "launcher", name, tags={"a": "b"}),
        "other subnets": lambda: fleet(place, "launcher", name, subnets=place["beside"]),
        "another's template": lambda: fleet(place, "launcher", strangers),
        "a role that is not the nodes'": lambda: fleet(place, "launcher", mighty),
        "another group": lambda: fleet(place, "launcher", open_group),
        "a template without tags": lambda: template(place, "launcher", "bare", tags={"a": "b"}),
    }
    assert {case: code(call) for case, call in refused.items()} == dict.fromkeys(
        refused, "UnauthorizedOperation"
    )
    assert fleet(place, "root", strangers)["Instances"]


def test_what_is_taken_away_and_named_is_asked_about_by_its_tags(place):
    ec2, launcher = place["root"], place["launcher"]

    def launched(tags):
        made = fleet(place, "root", template(place, "root", f"of {tags}"), tags=tags)
        return made["Instances"][0]["InstanceIds"]

    own, workers = launched(OWN), launched({"kubernetes.io/cluster/launches": "owned"})
    refused = [
        lambda: launcher.terminate_instances(InstanceIds=workers),
        lambda: launcher.terminate_instances(InstanceIds=[*own, *workers]),
        lambda: launcher.create_tags(Resources=workers, Tags=pairs({"Name": "x"})),
        lambda: launcher.create_tags(Resources=workers, Tags=pairs(OWN)),
        lambda: launcher.create_tags(Resources=own, Tags=pairs({"another": "x"})),
        lambda: launcher.delete_launch_template(
            LaunchTemplateName=template(place, "root", "kept", tags={"a": "b"})
        ),
    ]
    assert {code(call) for call in refused} == {"UnauthorizedOperation"}
    launcher.create_tags(Resources=own, Tags=pairs({"Name": "x"}))
    launcher.terminate_instances(InstanceIds=own)
    launcher.delete_launch_template(LaunchTemplateName=template(place, "root", "gone"))
    states = {
        instance["InstanceId"]: instance["State"]["Name"]
        for each in ec2.describe_instances(InstanceIds=[*own, *workers])["Reservations"]
        for instance in each["Instances"]
    }
    assert [states[each] for each in (*own, *workers)] == ["terminated", "running"]


def test_types_are_told_as_a_maker_of_nodes_asks(place):
    asked = [
        {"Name": "supported-virtualization-type", "Values": ["hvm"]},
        {"Name": "processor-info.supported-architecture", "Values": ["arm64"]},
    ]
    found = place["root"].describe_instance_types(Filters=asked)["InstanceTypes"]
    assert {one["InstanceType"].partition(".")[0][-1] for one in found} == {"g"}
    assert found[0]["SupportedUsageClasses"] == ["on-demand", "spot"]
    assert found[0]["NetworkInfo"]["MaximumNetworkInterfaces"] > 1
    prices = place["root"].describe_spot_price_history(ProductDescriptions=["Linux/UNIX"])
    by = {
        one["InstanceType"]: float(one["SpotPrice"])
        for one in prices["SpotPriceHistory"]
        if one["AvailabilityZone"] == "us-east-1a"
    }
    assert 0 < by["m7i.large"] < by["m7i.xlarge"]
