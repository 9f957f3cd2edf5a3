"""EC2 refuses what AWS refuses, and shows what was asked for."""

import pytest
from botocore.exceptions import ClientError

IMAGE = "ami-0c2023a1b2c3d4e5f"


@pytest.fixture(scope="module")
def ec2(emulator):
    return emulator.client("ec2")


@pytest.fixture
def network(emulator, ec2):
    """A small network, all in use."""
    subnets = emulator.subnets()
    vpc = ec2.describe_subnets(SubnetIds=subnets)["Subnets"][0]["VpcId"]
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    address = ec2.allocate_address(Domain="vpc")["AllocationId"]
    nat = ec2.create_nat_gateway(SubnetId=subnets[0], AllocationId=address)["NatGateway"]
    table = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
    link = ec2.associate_route_table(RouteTableId=table, SubnetId=subnets[1])["AssociationId"]
    group = ec2.create_security_group(GroupName="g", Description="d", VpcId=vpc)["GroupId"]
    instance = ec2.run_instances(
        ImageId=IMAGE,
        MinCount=1,
        MaxCount=1,
        SubnetId=subnets[1],
        SecurityGroupIds=[group],
        MetadataOptions={"HttpTokens": "required", "HttpPutResponseHopLimit": 1},
        BlockDeviceMappings=[
            {"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 30, "Encrypted": True}}
        ],
    )["Instances"][0]["InstanceId"]
    return {
        "vpc": vpc,
        "subnets": subnets,
        "gateway": gateway,
        "address": address,
        "nat": nat["NatGatewayId"],
        "table": table,
        "link": link,
        "group": group,
        "instance": instance,
    }


def test_a_network_comes_down_only_in_the_right_order(ec2, network):
    vpc, gateway = network["vpc"], network["gateway"]
    deletions = {
        "instance": lambda: ec2.terminate_instances(InstanceIds=[network["instance"]]),
        "nat": lambda: ec2.delete_nat_gateway(NatGatewayId=network["nat"]),
        "address": lambda: ec2.release_address(AllocationId=network["address"]),
        "attachment": lambda: ec2.detach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc),
        "gateway": lambda: ec2.delete_internet_gateway(InternetGatewayId=gateway),
        "link": lambda: ec2.disassociate_route_table(AssociationId=network["link"]),
        "table": lambda: ec2.delete_route_table(RouteTableId=network["table"]),
        "group": lambda: ec2.delete_security_group(GroupId=network["group"]),
        "subnet 0": lambda: ec2.delete_subnet(SubnetId=network["subnets"][0]),
        "subnet 1": lambda: ec2.delete_subnet(SubnetId=network["subnets"][1]),
        "vpc": lambda: ec2.delete_vpc(VpcId=vpc),
    }
    refused = []
    for name in ("vpc", "subnet 0", "subnet 1", "group", "table", "gateway", "attachment"):
        with pytest.raises(ClientError) as failure:
            deletions[name]()
        refused.append(failure.value.response["Error"]["Code"])
    assert set(refused) == {"DependencyViolation"}
    with pytest.raises(ClientError) as failure:
        deletions["address"]()
    assert failure.value.response["Error"]["Code"] == "InvalidIPAddress.InUse"
    for delete in deletions.values():
        delete()
    assert vpc not in {found["VpcId"] for found in ec2.describe_vpcs()["Vpcs"]}


def test_a_subnet_of_a_database_or_a_load_balancer_is_in_use(emulator, ec2):
    subnets = emulator.subnets()
    rds, elb = emulator.client("rds"), emulator.client("elbv2")
    rds.create_db_subnet_group(
        DBSubnetGroupName="in-use", DBSubnetGroupDescription="d", SubnetIds=subnets[:1]
    )
    rds.create_db_instance(
        DBInstanceIdentifier="in-use",
        DBInstanceClass="db.t4g.micro",
        Engine="postgres",
        MasterUsername="airflow",
        MasterUserPassword="not-a-secret",
        AllocatedStorage=20,
        DBSubnetGroupName="in-use",
    )
    elb.create_load_balancer(Name="in-use", Subnets=subnets[1:])
    for subnet in subnets:
        with pytest.raises(ClientError, match="has dependencies"):
            ec2.delete_subnet(SubnetId=subnet)


def test_groups_that_name_each_other_are_in_use(ec2, network):
    other = ec2.create_security_group(GroupName="o", Description="d", VpcId=network["vpc"])
    ec2.authorize_security_group_ingress(
        GroupId=network["group"],
        IpPermissions=[
            {
                "IpProtocol": "tcp",
                "FromPort": 1,
                "ToPort": 2,
                "UserIdGroupPairs": [{"GroupId": other["GroupId"]}],
            }
        ],
    )
    with pytest.raises(ClientError, match="dependent object"):
        ec2.delete_security_group(GroupId=other["GroupId"])


def test_an_instance_is_as_its_launch_asked(ec2, network):
    shown = ec2.describe_instances(InstanceIds=[network["instance"]])
    instance = shown["Reservations"][0]["Instances"][0]
    assert instance["MetadataOptions"]["HttpTokens"] == "required"
    assert instance["Placement"]["AvailabilityZone"] == "us-east-1b"
    volume = instance["BlockDeviceMappings"][0]["Ebs"]["VolumeId"]
    found = ec2.describe_volumes(VolumeIds=[volume])["Volumes"][0]
    assert (found["Encrypted"], found["Size"]) == (True, 30)
    ec2.terminate_instances(InstanceIds=[network["instance"]])
    with pytest.raises(ClientError):
        ec2.describe_volumes(VolumeIds=[volume])


def test_a_nat_gateway_shows_its_address(ec2, network):
    found = ec2.describe_nat_gateways(NatGatewayIds=[network["nat"]])["NatGateways"][0]
    assert found["NatGatewayAddresses"][0]["AllocationId"] == network["address"]
    assert found["NatGatewayAddresses"][0]["PublicIp"]


def test_an_instances_public_address_is_its_elastic_one(ec2, network):
    address = ec2.allocate_address(Domain="vpc")
    ec2.associate_address(AllocationId=address["AllocationId"], InstanceId=network["instance"])
    shown = ec2.describe_instances(InstanceIds=[network["instance"]])
    instance = shown["Reservations"][0]["Instances"][0]
    assert instance["PublicIpAddress"] == address["PublicIp"]


def test_a_launch_into_no_subnet_is_refused(ec2):
    with pytest.raises(ClientError, match="does not exist"):
        ec2.run_instances(
            ImageId=IMAGE, MinCount=1, MaxCount=1, SubnetId="subnet-0123456789abcdef0"
        )


@pytest.mark.parametrize(
    "name",
    [
        "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64",
        "/aws/service/ami-amazon-linux-latest/al2023-ami-minimal-kernel-6.12-arm64",
        "/aws/service/eks/optimized-ami/1.36/amazon-linux-2023/x86_64/standard/recommended/image_id",
    ],
)
def test_public_parameters_name_an_image(emulator, ec2, name):
    image = emulator.client("ssm").get_parameter(Name=name)["Parameter"]["Value"]
    assert ec2.describe_images(ImageIds=[image])["Images"]
