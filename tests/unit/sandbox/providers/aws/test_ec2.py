"""Networks and instances on the real emulator."""

import pytest

from sandbox.errors import CloudError
from sandbox.wire.values import ResourceReference


@pytest.fixture
def vpc(engine):
    made = engine.create(
        "aws:ec2/vpc:Vpc", "net", cidrBlock="10.20.0.0/16", enableDnsHostnames=True
    )
    yield made
    if made in engine.made:
        engine.delete(made)


@pytest.fixture
def subnet(engine, vpc):
    made = engine.create(
        "aws:ec2/subnet:Subnet",
        "a",
        vpcId=vpc.id,
        cidrBlock="10.20.1.0/24",
        availabilityZone="us-east-1a",
        tags={"Name": "a"},
    )
    yield made
    engine.delete(made)


def test_a_vpc(engine, vpc):
    assert vpc["arn"] == f"arn:aws:ec2:us-east-1:000000000000:vpc/{vpc.id}"
    engine.imported(vpc)
    engine.update(vpc, enableDnsHostnames=False)
    engine.update(vpc, tags={"Name": "net", "aerodrome:environment": "test"})
    engine.update(vpc, tags={"aerodrome:environment": "test"})
    assert engine.replaces(vpc, cidrBlock="10.21.0.0/16") == ["cidrBlock"]


def test_a_subnet(engine, subnet):
    engine.imported(subnet)
    engine.update(subnet, mapPublicIpOnLaunch=True)
    assert engine.replaces(subnet, availabilityZone="us-east-1b") == ["availabilityZone"]


def test_drift_is_seen_and_put_right(engine, subnet):
    ec2 = engine.provider._aws.client("ec2")
    ec2.create_tags(Resources=[subnet.id], Tags=[{"Key": "extra", "Value": "1"}])
    ec2.modify_subnet_attribute(SubnetId=subnet.id, MapPublicIpOnLaunch={"Value": True})
    found = engine.read(subnet)
    wanted = subnet.inputs
    subnet.inputs, subnet.outputs = found.inputs, found.outputs
    assert set(engine.diff(subnet, wanted).changes) == {"mapPublicIpOnLaunch", "tags"}
    engine.update(subnet, tags=wanted["tags"], mapPublicIpOnLaunch=False)


def test_gateways_and_routes(engine, vpc, subnet):
    gateway = engine.create("aws:ec2/internetGateway:InternetGateway", "out", vpcId=vpc.id)
    engine.imported(gateway)
    address = engine.create("aws:ec2/eip:Eip", "nat", domain="vpc")
    assert address["allocationId"] == address.id
    engine.imported(address)
    nat = engine.create(
        "aws:ec2/natGateway:NatGateway", "nat", allocationId=address.id, subnetId=subnet.id
    )
    assert nat["publicIp"] == address["publicIp"]
    engine.imported(nat)
    table = engine.create("aws:ec2/routeTable:RouteTable", "private", vpcId=vpc.id)
    route = engine.create(
        "aws:ec2/route:Route",
        "out",
        routeTableId=table.id,
        destinationCidrBlock="0.0.0.0/0",
        natGatewayId=nat.id,
    )
    assert route.id == f"{table.id}_0.0.0.0/0"
    engine.imported(route)
    engine.update(route, natGatewayId=None, gatewayId=gateway.id)
    engine.delete(route)
    engine.assert_settled(table)
    association = engine.create(
        "aws:ec2/routeTableAssociation:RouteTableAssociation",
        "a",
        routeTableId=table.id,
        subnetId=subnet.id,
    )
    engine.imported(association, f"{subnet.id}/{table.id}")
    other = engine.create("aws:ec2/routeTable:RouteTable", "other", vpcId=vpc.id)
    engine.update(association, routeTableId=other.id)
    for one in (association, other, table, nat, address, gateway):
        engine.delete(one)


def test_a_flow_log(engine, vpc):
    wanted = {"vpcId": vpc.id, "trafficType": "ALL", "logDestination": "arn:aws:s3:::logs"}
    made = engine.create(
        "aws:ec2/flowLog:FlowLog", "net", **wanted, logDestinationType="s3", tags={"Name": "net"}
    )
    assert made["arn"] == f"arn:aws:ec2:us-east-1:000000000000:vpc-flow-log/{made.id}"
    engine.imported(made)
    engine.update(made, tags={"Name": "other"})
    assert engine.replaces(made, trafficType="REJECT") == ["trafficType"]
    engine.delete(made)


def test_endpoints(engine, vpc, subnet):
    tables = [engine.create("aws:ec2/routeTable:RouteTable", name, vpcId=vpc.id) for name in "ab"]
    groups = [
        engine.create("aws:ec2/securityGroup:SecurityGroup", name, vpcId=vpc.id) for name in "ab"
    ]
    s3 = engine.create(
        "aws:ec2/vpcEndpoint:VpcEndpoint",
        "s3",
        vpcId=vpc.id,
        serviceName="com.amazonaws.us-east-1.s3",
        routeTableIds=[tables[0].id],
    )
    assert s3["arn"] == f"arn:aws:ec2:us-east-1:000000000000:vpc-endpoint/{s3.id}"
    engine.imported(s3)
    engine.update(s3, routeTableIds=[table.id for table in tables])
    engine.update(s3, routeTableIds=[tables[1].id], tags={"Name": "s3"})
    dynamo = "com.amazonaws.us-east-1.dynamodb"
    assert engine.replaces(s3, serviceName=dynamo) == ["serviceName"]
    logs = engine.create(
        "aws:ec2/vpcEndpoint:VpcEndpoint",
        "logs",
        vpcId=vpc.id,
        serviceName="com.amazonaws.us-east-1.logs",
        vpcEndpointType="Interface",
        subnetIds=[subnet.id],
        securityGroupIds=[groups[0].id],
        privateDnsEnabled=True,
    )
    engine.imported(logs)
    engine.update(logs, securityGroupIds=[groups[1].id], privateDnsEnabled=False)
    for one in (logs, s3, *groups, *tables):
        engine.delete(one)


def test_a_group_with_inline_rules(engine, vpc):
    web = {"protocol": "tcp", "fromPort": 443, "toPort": 443}
    made = engine.create(
        "aws:ec2/securityGroup:SecurityGroup",
        "web",
        vpcId=vpc.id,
        ingress=[web | {"cidrBlocks": ["10.0.0.0/8", "192.168.0.0/16"]}],
        egress=[{"protocol": "-1", "fromPort": 0, "toPort": 0, "cidrBlocks": ["0.0.0.0/0"]}],
        tags={"Name": "web"},
    )
    engine.imported(made)
    reordered = [web | {"cidrBlocks": ["192.168.0.0/16", "10.0.0.0/8"], "self": False}]
    news = engine.check(made.type, made.name, made.inputs | {"ingress": reordered})
    assert engine.diff(made, news).changes == []
    engine.update(made, ingress=[web | {"cidrBlocks": ["10.0.0.0/8"], "self": True}])
    engine.update(made, egress=[])
    assert engine.replaces(made, description="other") == ["description"]
    engine.delete(made)


def test_a_group_starts_without_the_rule_that_lets_everything_out(engine, vpc):
    made = engine.create(
        "aws:ec2/securityGroup:SecurityGroup",
        "shut",
        vpcId=vpc.id,
        revokeRulesOnDelete=True,
        tags={"Name": "x"},
    )
    assert made["egress"] == []
    rule = engine.create(
        "aws:ec2/securityGroupRule:SecurityGroupRule",
        "out",
        type="egress",
        protocol="-1",
        fromPort=0,
        toPort=0,
        cidrBlocks=["0.0.0.0/0"],
        securityGroupId=made.id,
    )
    engine.imported(rule)
    own = engine.create(
        "aws:ec2/securityGroupRule:SecurityGroupRule",
        "own",
        type="ingress",
        protocol="tcp",
        fromPort=1025,
        toPort=65535,
        self=True,
        securityGroupId=made.id,
    )
    engine.imported(own)
    assert engine.replaces(own, toPort=65000) == ["toPort"]
    other = engine.create("aws:ec2/securityGroup:SecurityGroup", "peer", vpcId=vpc.id)
    peer = engine.create(
        "aws:ec2/securityGroupRule:SecurityGroupRule",
        "peer",
        type="ingress",
        protocol="tcp",
        fromPort=443,
        toPort=443,
        description="From the nodes",
        sourceSecurityGroupId=other.id,
        securityGroupId=made.id,
    )
    engine.imported(peer)
    for one in (peer, own, rule, made, other):
        engine.delete(one)


def test_an_instance_and_its_address(engine, vpc, subnet):
    role = engine.create(
        "aws:iam/role:Role",
        "vm",
        assumeRolePolicy='{"Version":"2012-10-17","Statement":[{"Effect":"Allow",'
        '"Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}',
    )
    profile = engine.create("aws:iam/instanceProfile:InstanceProfile", "vm", role=role.id)
    group = engine.create("aws:ec2/securityGroup:SecurityGroup", "vm", vpcId=vpc.id)
    ami = engine.invoke("aws:ec2/getAmi:getAmi", mostRecent=True, owners=["amazon"])
    made = engine.create(
        "aws:ec2/instance:Instance",
        "vm",
        ami=ami["id"],
        instanceType="t3.medium",
        subnetId=subnet.id,
        vpcSecurityGroupIds=[group.id],
        iamInstanceProfile=ResourceReference(profile.urn, profile.id),
        userData="#cloud-config\n{}\n",
        userDataReplaceOnChange=True,
        metadataOptions={"httpTokens": "required", "httpPutResponseHopLimit": 1},
        rootBlockDevice={"encrypted": True, "volumeSize": 20, "volumeType": "gp3"},
        tags={"Name": "vm"},
    )
    assert made["metadataOptions"]["httpTokens"] == "required"
    assert made["rootBlockDevice"]["encrypted"] is True
    assert engine.replaces(made, userData="#cloud-config\n{a: 1}\n") == ["userData"]
    changed = {"rootBlockDevice": {"encrypted": False, "volumeSize": 20, "volumeType": "gp3"}}
    assert engine.replaces(made, **changed) == ["rootBlockDevice"]
    engine.update(made, rootBlockDevice={"encrypted": True, "volumeSize": 30, "volumeType": "gp3"})
    address = engine.create("aws:ec2/eip:Eip", "vm")
    held = engine.create(
        "aws:ec2/eipAssociation:EipAssociation",
        "vm",
        allocationId=address.id,
        instanceId=made.id,
    )
    engine.imported(held)
    assert engine.read(made).outputs["publicIp"] == address["publicIp"]
    for one in (held, address, made, group, profile, role):
        engine.delete(one)


def test_a_network_that_is_there_can_be_looked_up(engine, vpc, subnet):
    found = engine.invoke("aws:ec2/getVpc:getVpc", id=vpc.id)
    assert found["arn"] == vpc["arn"]
    assert (found["enableDnsHostnames"], found["enableDnsSupport"]) == (True, True)
    assert [(one["cidrBlock"], one["state"]) for one in found["cidrBlockAssociations"]] == [
        ("10.20.0.0/16", "associated")
    ]
    shown = engine.invoke("aws:ec2/getSubnet:getSubnet", id=subnet.id, vpcId=vpc.id)
    assert (shown["cidrBlock"], shown["availabilityZone"]) == ("10.20.1.0/24", "us-east-1a")
    assert shown["tags"]["Name"] == "a"
    by_subnet = {"name": "association.subnet-id", "values": [subnet.id]}
    tables = engine.invoke("aws:ec2/getRouteTables:getRouteTables", vpcId=vpc.id)
    assert tables["ids"] == [found["mainRouteTableId"]]
    own = engine.invoke("aws:ec2/getRouteTables:getRouteTables", vpcId=vpc.id, filters=[by_subnet])
    assert own["ids"] == []
    with pytest.raises(CloudError):
        engine.invoke("aws:ec2/getSubnet:getSubnet", id=subnet.id, vpcId="vpc-00000001")
