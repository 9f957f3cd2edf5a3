"""A database and its subnets on the real emulator."""

import pytest

from sandbox.providers import contract

TYPE = "aws:rds/instance:Instance"


@pytest.fixture
def network(engine):
    vpc = engine.create("aws:ec2/vpc:Vpc", "rds", cidrBlock="10.40.0.0/16")
    subnets = [
        engine.create(
            "aws:ec2/subnet:Subnet",
            f"rds-{zone}",
            vpcId=vpc.id,
            cidrBlock=f"10.40.{number}.0/24",
            availabilityZone=f"us-east-1{zone}",
        )
        for number, zone in enumerate("abc")
    ]
    group = engine.create("aws:ec2/securityGroup:SecurityGroup", "rds", vpcId=vpc.id)
    yield {"subnets": [subnet.id for subnet in subnets], "group": group.id}
    for one in (group, *subnets, vpc):
        engine.delete(one)


def test_a_database(engine, network):
    subnets = engine.create(
        "aws:rds/subnetGroup:SubnetGroup", "Private", subnetIds=network["subnets"][:2]
    )
    assert subnets.id.startswith("private-")
    engine.imported(subnets)
    engine.update(subnets, subnetIds=network["subnets"])
    engine.update(subnets, tags={"aerodrome:environment": "test", "a": "b"})
    made = engine.create(
        TYPE,
        "airflow",
        engine="postgres",
        engineVersion="15",
        instanceClass="db.t4g.small",
        allocatedStorage=20,
        dbName="airflow",
        username="airflow",
        password="correct-horse",
        dbSubnetGroupName=subnets.id,
        vpcSecurityGroupIds=[network["group"]],
        storageEncrypted=True,
        multiAz=False,
        skipFinalSnapshot=True,
        applyImmediately=True,
        tags={"a": "b"},
    )
    assert made["endpoint"] == f"{made['address']}:{made['port']}"
    assert made["engineVersionActual"].startswith("15")
    assert made.id == made["resourceId"] != made["identifier"]
    engine.update(made, allocatedStorage=40)
    engine.update(made, password="battery-staple")
    engine.update(made, tags={"aerodrome:environment": "test"})
    assert engine.replaces(made, storageEncrypted=False) == ["storageEncrypted"]
    engine.delete(made)
    engine.delete(subnets)


def test_a_database_that_could_not_be_deleted(engine):
    news = {"engine": "postgres", "instanceClass": "db.t4g.small"}
    result = engine.provider.check(contract.CheckRequest("urn", TYPE, "x", {}, news))
    assert [failure.property for failure in result.failures] == ["finalSnapshotIdentifier"]
