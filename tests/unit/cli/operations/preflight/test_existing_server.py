"""What an existing RDS instance must be for an environment, each lack by its name; and what is asked of AWS for that."""

import json
from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from cli.base.environments import Environment
from cli.base.errors import CloudError
from cli.operations.bootstrap.requested_settings import RequestedSettings
from cli.operations.preflight import existing_network, existing_server
from cli.operations.preflight.existing_server import (
    NEEDED,
    ServerFound,
    ServerRequest,
    check_secret,
    check_settings,
    judge,
    look,
    remark,
)
from cli.operations.preflight.refusal import Refusal

VPC, OTHER = "vpc-0123456789abcdef0", "vpc-0123456789abcdef1"
A, B = "subnet-0000000a", "subnet-0000000b"
ARN = "arn:aws:secretsmanager:eu-north-1:111111111111:secret:rds!db-0a1b-AbCdEf"
ASKED = ServerRequest("team-postgres", ARN, VPC, (A, B), "eu-north-1")
INSTANCE: dict[str, Any] = {
    "DBInstanceIdentifier": "team-postgres",
    "DBInstanceClass": "db.t4g.medium",
    "DBInstanceStatus": "available",
    "Engine": "postgres",
    "EngineVersion": "17.4",
    "StorageEncrypted": True,
    "PubliclyAccessible": False,
    "DBSubnetGroup": {"VpcId": VPC},
    "Endpoint": {"Address": "team-postgres.example.com", "Port": 5432},
    "VpcSecurityGroups": [{"VpcSecurityGroupId": "sg-1", "Status": "active"}],
    "DBParameterGroups": [{"DBParameterGroupName": "default.postgres17"}],
    "TagList": [{"Key": "CostCenter", "Value": "1234"}],
}


def rule(*networks: str, port: int = 5432, protocol: str = "tcp", **more: Any) -> dict[str, Any]:
    ports = {} if protocol == "-1" else {"FromPort": port, "ToPort": port}
    ranges = [{"CidrIp": one} for one in networks]
    return {"IpProtocol": protocol, "IpRanges": ranges, **ports, **more}


def group(*rules: dict[str, Any]) -> tuple[dict[str, Any], ...]:
    return ({"GroupId": "sg-1", "IpPermissions": list(rules)},)


FOUND = ServerFound(
    "1" * 12,
    INSTANCE,
    {A: {"CidrBlock": "10.50.0.0/23"}, B: {"CidrBlock": "10.50.2.0/23"}},
    group(rule("10.50.0.0/16")),
    400,
)


def refusal(**changed: Any) -> Refusal:
    found = judge(ASKED, replace(FOUND, instance={**INSTANCE, **changed}))
    assert found is not None
    return found


def test_one_that_has_all_is_taken() -> None:
    assert judge(ASKED, FOUND) is None
    assert remark(FOUND) == ""
    for status in ("backing-up", "modifying", "storage-optimization"):
        assert (
            judge(ASKED, replace(FOUND, instance={**INSTANCE, "DBInstanceStatus": status})) is None
        )


def test_one_that_is_not_there_is_named() -> None:
    found = judge(ASKED, ServerFound("1" * 12, None))
    assert found is not None
    assert found.summary == "There is no RDS instance team-postgres in eu-north-1"
    assert (
        found.command(Environment("dev"))
        == "./aerodrome config set databaseInstance VALUE --env dev"
    )


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"Engine": "mysql"}, "is mysql"),
        ({"Engine": "aurora-postgresql"}, "is aurora-postgresql"),
        ({"EngineVersion": "15.8"}, "is PostgreSQL 15.8"),
        ({"DBInstanceStatus": "stopped"}, "is stopped"),
        ({"DBInstanceStatus": "creating"}, "is creating"),
        ({"StorageEncrypted": False}, "is not encrypted"),
        ({"PubliclyAccessible": True}, "is publicly accessible"),
        ({"DBSubnetGroup": {"VpcId": OTHER}}, f"is not in {VPC}"),
        ({"Endpoint": {"Port": 6432}}, "listens on 6432"),
        (
            {"TagList": [{"Key": "aerodrome:environment", "Value": "other"}]},
            'team-postgres belongs to the environment "other"',
        ),
    ],
)
def test_what_it_lacks_is_named(changed: dict[str, Any], said: str) -> None:
    assert said in refusal(**changed).summary


@pytest.mark.parametrize(
    "rules",
    [
        [rule("10.50.0.0/23", "10.50.2.0/23")],
        [rule("10.50.0.0/23"), rule("10.50.2.0/24", "10.50.3.0/24")],
        [rule("0.0.0.0/0", protocol="-1")],
        [
            {
                "IpProtocol": "tcp",
                "FromPort": 0,
                "ToPort": 65535,
                "IpRanges": [{"CidrIp": "10.0.0.0/8"}],
            }
        ],
    ],
)
def test_who_is_let_in_is_seen(rules: list[dict[str, Any]]) -> None:
    assert judge(ASKED, replace(FOUND, groups=group(*rules))) is None


@pytest.mark.parametrize(
    ("rules", "closed"),
    [
        ([], "10.50.0.0/23 and 10.50.2.0/23"),
        ([rule("10.50.0.0/23")], "10.50.2.0/23"),
        ([rule("10.50.0.0/16", port=3306)], "10.50.0.0/23 and 10.50.2.0/23"),
        ([rule("10.50.0.0/16", protocol="udp")], "10.50.0.0/23 and 10.50.2.0/23"),
        # Some addresses of it are not enough.
        ([rule("10.50.0.0/24", "10.50.2.0/23")], "10.50.0.0/23"),
        # A group that is let in is of other things: the nodes' one is not made yet.
        ([rule(UserIdGroupPairs=[{"GroupId": "sg-9"}])], "10.50.0.0/23 and 10.50.2.0/23"),
    ],
)
def test_a_rule_that_is_missing_is_named_with_the_command(
    rules: list[dict[str, Any]], closed: str
) -> None:
    found = judge(ASKED, replace(FOUND, groups=group(*rules)))
    assert found is not None
    assert found.summary == f"The RDS instance team-postgres lets nobody in from {closed}"
    ranges = ",".join(f"{{CidrIp={one}}}" for one in closed.split(" and "))
    assert found.command(Environment("dev")) == (
        "aws ec2 authorize-security-group-ingress --region eu-north-1 --group-id sg-1 --ip-permissions "
        f"'IpProtocol=tcp,FromPort=5432,ToPort=5432,IpRanges=[{ranges}]'"
    )


def test_a_prefix_list_is_told_and_not_refused() -> None:
    listed = replace(FOUND, groups=group(rule(PrefixListIds=[{"PrefixListId": "pl-1"}])))
    assert judge(ASKED, listed) is None
    assert "whether pl-1" in remark(listed)


def test_too_few_connections_are_named_where_they_are_known() -> None:
    few = judge(ASKED, replace(FOUND, most_connections=NEEDED - 1))
    assert few is not None
    assert "takes 24 connections" in few.summary
    for enough in (0, NEEDED):
        assert judge(ASKED, replace(FOUND, most_connections=enough)) is None


class Cloud:
    """AWS, with what it has and what it says no to."""

    def __init__(self, parameter: str = "", *, denied: str = "", content: str | None = "") -> None:
        self.parameter, self.denied, self.content = parameter, denied, content
        self.instance: dict[str, Any] | None = INSTANCE

    def client(self, service: str) -> "Cloud":
        assert service in ("sts", "rds", "ec2", "secretsmanager")
        return self

    def refuse(self, name: str, code: str = "AccessDenied") -> None:
        if name == self.denied:
            raise ClientError({"Error": {"Code": code, "Message": "no"}}, name)

    def get_caller_identity(self) -> dict[str, str]:
        return {"Account": "1" * 12}

    def describe_db_instances(self, DBInstanceIdentifier: str) -> dict[str, Any]:
        assert DBInstanceIdentifier == "team-postgres"
        if self.instance is None:
            raise ClientError({"Error": {"Code": "DBInstanceNotFound"}}, "DescribeDBInstances")
        return {"DBInstances": [self.instance]}

    def describe_security_groups(self, GroupIds: list[str]) -> dict[str, Any]:
        assert GroupIds == ["sg-1"]
        return {"SecurityGroups": list(FOUND.groups)}

    def get_secret_value(self, SecretId: str) -> dict[str, Any]:
        assert SecretId == ARN
        self.refuse("secret")
        if self.content is None:
            raise ClientError({"Error": {"Code": "ResourceNotFoundException"}}, "GetSecretValue")
        return {"SecretString": self.content}

    def can_paginate(self, _: str) -> bool:
        return True

    def get_paginator(self, operation: str) -> "Pages":
        return Pages(self, operation)


class Pages:
    def __init__(self, cloud: Cloud, operation: str) -> None:
        self.cloud, self.operation = cloud, operation

    def paginate(self, **_: Any) -> list[dict[str, Any]]:
        if self.operation == "describe_subnets":
            return [{"Subnets": [{"SubnetId": key, **one} for key, one in FOUND.subnets.items()]}]
        assert self.operation == "describe_db_parameters"
        self.cloud.refuse("parameters")
        value = {"ParameterValue": self.cloud.parameter} if self.cloud.parameter else {}
        return [{"Parameters": [{"ParameterName": "max_connections", **value}]}]


@pytest.mark.parametrize(
    ("parameter", "denied", "most"),
    [
        ("30", "", 30),
        ("LEAST({DBInstanceClassMemory/9531392},5000)", "", 450),
        ("", "", 450),
        ("GREATEST(1,2)", "", 0),
        ("30", "parameters", 0),
    ],
)
def test_aws_is_asked_once_and_says_all(parameter: str, denied: str, most: int) -> None:
    cloud: Any = Cloud(parameter, denied=denied)
    found = look(cloud.client, ASKED)
    assert found.account == "1" * 12
    assert (found.instance, found.most_connections) == (INSTANCE, most)
    assert [str(one) for one in found.networks] == ["10.50.0.0/23", "10.50.2.0/23"]
    assert found.groups == list(FOUND.groups)
    cloud.instance = None
    assert look(cloud.client, ASKED).instance is None


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "there is no such secret"),
        ("", "it has no JSON object"),
        ("pa55word", "it has no JSON object"),
        ('["pa55word"]', "it has no JSON object"),
        ('{"username": "postgres"}', "it has no `password`"),
        ('{"username": 7, "password": "pa55word"}', "it has no `username`"),
    ],
)
def test_a_secret_without_a_login_is_named_and_not_shown(content: str | None, words: str) -> None:
    found = check_secret(Cloud(content=content).client, ASKED)
    assert found is not None
    assert words in found.detail
    assert "pa55word" not in str(found)


def test_a_secret_is_the_accounts_own_and_may_be_for_the_job_alone() -> None:
    content = json.dumps({"username": "postgres", "password": "x"})
    assert check_secret(Cloud(content=content).client, ASKED) is None
    theirs = replace(ASKED, secret=ARN.replace("1" * 12, "2" * 12))
    found = check_secret(Cloud().client, theirs)
    assert found is not None
    assert "is of 222222222222" in found.detail
    with pytest.raises(CloudError):
        check_secret(Cloud(denied="secret").client, ASKED)


def requested(**settings: str) -> RequestedSettings:
    given = {
        "vpcId": VPC,
        "privateSubnetIds": f'["{A}", "{B}"]',
        "database": "rds",
        "databaseInstance": "team-postgres",
        "databaseAdminSecret": ARN,
        **settings,
    }
    return RequestedSettings({f"aerodrome:{key}": value for key, value in given.items()}, {})


def test_the_settings_say_what_is_asked_for() -> None:
    assert existing_server.request(requested(), "eu-north-1") == ASKED
    assert existing_server.request(requested(tenancy="shared", base="main"), "eu-north-1") is None
    assert existing_server.request(RequestedSettings({}, {}), "eu-north-1") is None
    # RDS takes no address of the subnets then.
    network = existing_network.request(requested(), "eu-north-1")
    assert network is not None
    assert network.rds is False


@pytest.mark.parametrize(
    ("more", "said", "command"),
    [
        (
            {"databaseStorageGb": "30"},
            "databaseStorageGb is 30",
            "./aerodrome config rm databaseStorageGb --env dev",
        ),
        (
            {"database": "in-cluster"},
            "database is in-cluster",
            "./aerodrome config set database rds --env dev",
        ),
        (
            {"databaseAdminSecret": ARN.replace("north", "west")},
            f"databaseAdminSecret is {ARN.replace('north', 'west')}",
            "./aerodrome config set databaseAdminSecret VALUE --env dev",
        ),
    ],
)
def test_settings_that_make_no_sense_together_are_refused_before_aws_is_asked(
    more: dict[str, str], said: str, command: str
) -> None:
    found = check_settings(requested(**more), "eu-north-1")
    assert found is not None
    assert found.summary == said
    assert found.command(Environment("dev")) == command
    assert check_settings(requested(), "eu-north-1") is None
    assert check_settings(requested(tenancy="shared", base="main", **more), "eu-north-1") is None
