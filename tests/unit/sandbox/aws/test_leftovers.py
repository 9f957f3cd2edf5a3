"""What controllers leave behind can be planted, found by tag and network, and deleted."""

import json

import pytest
from botocore.exceptions import ClientError

ENVIRONMENT = "aerodrome:environment"


def tags(environment):
    return [{"Key": ENVIRONMENT, "Value": environment}]


def spec(kind, environment):
    return [{"ResourceType": kind, "Tags": tags(environment)}]


def by_tag(environment):
    return {"Name": f"tag:{ENVIRONMENT}", "Values": [environment]}


def listed(emulator, environment):
    api = emulator.client("resourcegroupstaggingapi")
    found = api.get_resources(TagFilters=[{"Key": ENVIRONMENT, "Values": [environment]}])
    return {item["ResourceARN"].split(":", 5)[5] for item in found["ResourceTagMappingList"]}


@pytest.fixture
def network(emulator):
    """A VPC with one subnet and one group: their ids."""
    ec2 = emulator.client("ec2")
    subnet = emulator.subnets()[0]
    vpc = ec2.describe_subnets(SubnetIds=[subnet])["Subnets"][0]["VpcId"]
    group = ec2.create_security_group(GroupName="left", Description="d", VpcId=vpc)["GroupId"]
    return vpc, subnet, group


def test_network_interfaces_are_found_by_tag_group_and_state(emulator, network):
    _, subnet, group = network
    ec2 = emulator.client("ec2")
    made = ec2.create_network_interface(
        SubnetId=subnet, Groups=[group], TagSpecifications=spec("network-interface", "eni")
    )["NetworkInterface"]["NetworkInterfaceId"]
    ec2.create_network_interface(SubnetId=subnet)

    def found(*filters):
        answer = ec2.describe_network_interfaces(Filters=list(filters))
        return [item["NetworkInterfaceId"] for item in answer["NetworkInterfaces"]]

    assert listed(emulator, "eni") == {f"network-interface/{made}"}
    assert found(by_tag("eni"), {"Name": "status", "Values": ["available"]}) == [made]
    assert found({"Name": "group-id", "Values": [group]}) == [made]
    assert found({"Name": "tag-key", "Values": ["aerodrome:*"]}, by_tag("eni")) == [made]
    assert found(by_tag("eni"), {"Name": "status", "Values": ["in-use"]}) == []
    for delete in (
        lambda: ec2.delete_security_group(GroupId=group),
        lambda: ec2.delete_subnet(SubnetId=subnet),
    ):
        with pytest.raises(ClientError, match="DependencyViolation"):
            delete()
    ec2.delete_network_interface(NetworkInterfaceId=made)
    assert listed(emulator, "eni") == set()
    ec2.delete_security_group(GroupId=group)


def test_a_filter_that_nobody_applies_is_refused(emulator):
    with pytest.raises(ClientError, match=r"The filter 'operator\.managed' is invalid"):
        emulator.client("ec2").describe_instances(
            Filters=[{"Name": "operator.managed", "Values": ["true"]}]
        )


def test_instances_are_found_by_their_network(emulator, network):
    vpc, subnet, _ = network
    ec2 = emulator.client("ec2")
    made = ec2.run_instances(
        ImageId="ami-0c2023a1b2c3d4e5f", MinCount=1, MaxCount=1, SubnetId=subnet
    )["Instances"][0]["InstanceId"]
    found = ec2.describe_instances(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["Reservations"]
    assert [item["InstanceId"] for one in found for item in one["Instances"]] == [made]


def test_volumes_and_snapshots(emulator):
    ec2 = emulator.client("ec2")
    volume = ec2.create_volume(
        AvailabilityZone="us-east-1a", Size=8, TagSpecifications=spec("volume", "pvc")
    )["VolumeId"]
    snapshot = ec2.create_snapshot(VolumeId=volume, TagSpecifications=spec("snapshot", "pvc"))
    assert listed(emulator, "pvc") == {
        f"volume/{volume}",
        f"snapshot/{snapshot['SnapshotId']}",
    }
    available = {"Name": "status", "Values": ["available"]}
    found = ec2.describe_volumes(Filters=[by_tag("pvc"), available])["Volumes"]
    assert [item["VolumeId"] for item in found] == [volume]
    ec2.delete_volume(VolumeId=volume)
    ec2.delete_snapshot(SnapshotId=snapshot["SnapshotId"])
    assert listed(emulator, "pvc") == set()


def test_a_load_balancer_holds_its_network_and_takes_its_listeners_along(emulator, network):
    vpc, subnet, group = network
    ec2, elb = emulator.client("ec2"), emulator.client("elbv2")
    balancer = elb.create_load_balancer(
        Name="left", Subnets=[subnet], SecurityGroups=[group], Tags=tags("alb")
    )["LoadBalancers"][0]
    assert balancer["LoadBalancerName"] == "left"
    arn = balancer["LoadBalancerArn"]
    targets = elb.create_target_group(
        Name="left", Protocol="HTTP", Port=80, VpcId=vpc, Tags=tags("alb")
    )["TargetGroups"][0]["TargetGroupArn"]
    elb.create_listener(
        LoadBalancerArn=arn,
        Protocol="HTTP",
        Port=80,
        DefaultActions=[{"Type": "forward", "TargetGroupArn": targets}],
        Tags=tags("alb"),
    )
    assert elb.describe_load_balancers(LoadBalancerArns=[arn])["LoadBalancers"][0]["VpcId"] == vpc
    assert len(listed(emulator, "alb")) == 3
    with pytest.raises(ClientError, match="DependencyViolation"):
        ec2.delete_security_group(GroupId=group)
    with pytest.raises(ClientError, match="ResourceInUse"):
        elb.delete_target_group(TargetGroupArn=targets)
    elb.delete_load_balancer(LoadBalancerArn=arn)
    elb.delete_target_group(TargetGroupArn=targets)
    assert listed(emulator, "alb") == set()
    ec2.delete_security_group(GroupId=group)


def test_a_classic_load_balancer(own_emulator):
    subnet = own_emulator.subnets()[0]
    elb = own_emulator.client("elb")
    listener = {"Protocol": "TCP", "LoadBalancerPort": 80, "InstancePort": 30080}
    for name, environment in (("a1", "classic"), ("b1", "other")):
        elb.create_load_balancer(
            LoadBalancerName=name, Listeners=[listener], Subnets=[subnet], Tags=tags(environment)
        )
    own_emulator.kill()
    own_emulator.start()
    assert listed(own_emulator, "classic") == {"loadbalancer/a1"}
    shown = elb.describe_load_balancers()["LoadBalancerDescriptions"]
    assert {item["LoadBalancerName"] for item in shown} == {"a1", "b1"}
    described = elb.describe_tags(LoadBalancerNames=["a1"])["TagDescriptions"]
    assert described == [{"LoadBalancerName": "a1", "Tags": tags("classic")}]
    with pytest.raises(ClientError, match="DependencyViolation"):
        own_emulator.client("ec2").delete_subnet(SubnetId=subnet)
    with pytest.raises(ClientError, match="do not have DescribeInstanceHealth"):
        elb.describe_instance_health(LoadBalancerName="a1")
    elb.delete_load_balancer(LoadBalancerName="a1")
    assert listed(own_emulator, "classic") == set()
    assert listed(own_emulator, "other") == {"loadbalancer/b1"}


def test_the_same_token_makes_no_second_resource(emulator, network):
    ec2 = emulator.client("ec2")
    asked = {"AvailabilityZone": "us-east-1a", "ClientToken": "once"}
    first, second = (ec2.create_volume(Size=1, **asked)["VolumeId"] for _ in "ab")
    assert first == second
    with pytest.raises(ClientError, match="IdempotentParameterMismatch"):
        ec2.create_volume(Size=2, **asked)


def test_quotas(own_emulator):
    quotas = own_emulator.client("service-quotas")
    addresses = {"ServiceCode": "ec2", "QuotaCode": "L-0263D0A3"}
    assert quotas.get_service_quota(**addresses)["Quota"]["Value"] == 5
    listed_names = [
        item["QuotaName"] for item in quotas.list_service_quotas(ServiceCode="vpc")["Quotas"]
    ]
    assert "VPCs per Region" in listed_names
    set_account(own_emulator, {"quotas": {"ec2/L-0263D0A3": 1}})
    assert quotas.get_service_quota(**addresses)["Quota"]["Value"] == 1
    assert quotas.get_aws_default_service_quota(**addresses)["Quota"]["Value"] == 5
    ec2 = own_emulator.client("ec2")
    ec2.allocate_address(Domain="vpc")
    with pytest.raises(ClientError, match="AddressLimitExceeded"):
        ec2.allocate_address(Domain="vpc")
    with pytest.raises(ClientError, match="NoSuchResourceException"):
        quotas.get_service_quota(ServiceCode="ec2", QuotaCode="L-00000000")


def test_quotas_are_behind_iam(emulator):
    statement = {"Effect": "Allow", "Action": "servicequotas:GetServiceQuota", "Resource": "*"}
    key = emulator.user("quota-reader", {"Version": "2012-10-17", "Statement": [statement]})
    quotas = emulator.client("service-quotas", **key)
    assert quotas.get_service_quota(ServiceCode="vpc", QuotaCode="L-F678F1CE")["Quota"]["Value"]
    with pytest.raises(ClientError, match=r"AccessDenied.*servicequotas:ListServiceQuotas"):
        quotas.list_service_quotas(ServiceCode="vpc")


def test_instance_types(own_emulator):
    ec2 = own_emulator.client("ec2")
    wanted = [{"Name": "instance-type", "Values": ["m7i.large", "z1.huge"]}]

    def offered():
        found = ec2.describe_instance_type_offerings(Filters=wanted)["InstanceTypeOfferings"]
        return [item["InstanceType"] for item in found]

    assert offered() == ["m7i.large"]
    size = ec2.describe_instance_types(InstanceTypes=["m7i.2xlarge"])["InstanceTypes"][0]
    assert size["VCpuInfo"]["DefaultVCpus"] == 8
    assert size["MemoryInfo"]["SizeInMiB"] == 32 * 1024
    set_account(own_emulator, {"missingInstanceTypes": ["m7i.large"]})
    assert offered() == []
    with pytest.raises(ClientError, match="InvalidInstanceType"):
        ec2.describe_instance_types(InstanceTypes=["m7i.large"])
    with pytest.raises(ClientError, match="Unsupported"):
        ec2.run_instances(
            ImageId="ami-0c2023a1b2c3d4e5f", MinCount=1, MaxCount=1, InstanceType="m7i.large"
        )


def set_account(emulator, content):
    (emulator.settings.state / "account.json").write_text(json.dumps(content))
