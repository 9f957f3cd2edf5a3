"""VPC endpoints: AWS's refusals, and what the emulator keeps of one."""

import pytest
from botocore.exceptions import ClientError

S3 = "com.amazonaws.us-east-1.s3"
STS = "com.amazonaws.us-east-1.sts"


@pytest.fixture(scope="module")
def ec2(emulator):
    return emulator.client("ec2")


@pytest.fixture
def vpc(ec2):
    made = ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    ec2.modify_vpc_attribute(VpcId=made, EnableDnsHostnames={"Value": True})
    return made


def subnet(ec2, vpc, number):
    made = ec2.create_subnet(
        VpcId=vpc, CidrBlock=f"10.9.{number}.0/24", AvailabilityZone="us-east-1a"
    )
    return made["Subnet"]["SubnetId"]


def refused(ec2, **asked):
    with pytest.raises(ClientError) as error:
        ec2.create_vpc_endpoint(**asked)
    return error.value.response["Error"]["Code"]


def test_what_is_not_there_is_refused(ec2, vpc):
    assert refused(ec2, VpcId="vpc-1", ServiceName=S3) == "InvalidVpcId.NotFound"
    wrong = S3.replace("us-east-1", "eu-west-1")
    assert refused(ec2, VpcId=vpc, ServiceName=wrong) == "InvalidServiceName"
    assert refused(ec2, VpcId=vpc, ServiceName=STS) == "InvalidServiceName"
    code = refused(ec2, VpcId=vpc, ServiceName=S3, RouteTableIds=["rtb-1"])
    assert code == "InvalidRouteTableId.NotFound"
    interface = {"VpcId": vpc, "ServiceName": STS, "VpcEndpointType": "Interface"}
    assert refused(ec2, **interface, SubnetIds=["subnet-1"]) == "InvalidSubnetId.NotFound"
    assert refused(ec2, **interface, SecurityGroupIds=["sg-1"]) == "InvalidSecurityGroupId.NotFound"
    zone = [subnet(ec2, vpc, 1), subnet(ec2, vpc, 2)]
    assert refused(ec2, **interface, SubnetIds=zone) == "DuplicateSubnetsInSameZone"
    with pytest.raises(ClientError, match=r"InvalidVpcEndpointId\.NotFound"):
        ec2.describe_vpc_endpoints(VpcEndpointIds=["vpce-1"])


def test_a_table_has_one_way_to_a_service(ec2, vpc):
    table = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
    asked = {"VpcId": vpc, "ServiceName": S3, "RouteTableIds": [table]}
    ec2.create_vpc_endpoint(**asked)
    assert refused(ec2, **asked) == "RouteAlreadyExists"


def test_private_names_are_had_once_and_where_the_network_has_names(ec2, vpc):
    asked = {"VpcId": vpc, "ServiceName": STS, "VpcEndpointType": "Interface"}
    ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsHostnames={"Value": False})
    assert refused(ec2, **asked, PrivateDnsEnabled=True) == "InvalidParameter"
    ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsHostnames={"Value": True})
    made = ec2.create_vpc_endpoint(**asked, PrivateDnsEnabled=True)["VpcEndpoint"]
    assert made["PrivateDnsEnabled"] is True
    assert refused(ec2, **asked, PrivateDnsEnabled=True) == "InvalidParameter"


def test_an_endpoint_keeps_its_groups(ec2, vpc):
    groups = [
        ec2.create_security_group(GroupName=name, Description="d", VpcId=vpc)["GroupId"]
        for name in ("one", "other")
    ]
    asked = {"VpcId": vpc, "ServiceName": STS, "VpcEndpointType": "Interface"}
    key = ec2.create_vpc_endpoint(**asked, SecurityGroupIds=groups[:1])["VpcEndpoint"][
        "VpcEndpointId"
    ]
    with pytest.raises(ClientError, match="DependencyViolation"):
        ec2.delete_security_group(GroupId=groups[0])
    ec2.modify_vpc_endpoint(
        VpcEndpointId=key, AddSecurityGroupIds=groups[1:], RemoveSecurityGroupIds=groups[:1]
    )
    (shown,) = ec2.describe_vpc_endpoints(VpcEndpointIds=[key])["VpcEndpoints"]
    assert [group["GroupId"] for group in shown["Groups"]] == groups[1:]
    ec2.delete_security_group(GroupId=groups[0])
    ec2.delete_vpc_endpoints(VpcEndpointIds=[key])
    ec2.delete_security_group(GroupId=groups[1])
