"""What an environment is to its account: what may be said of it, and what is refused with its name."""

import json

import pytest

from infra.contract import existing_server
from tests.unit.infra.contract.test_contacts import problems

WATCHED = {"budgetUsd": "400", "alertEmails": '["ops@example.org"]'}


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ('["s3", "sqs"]', "must be a list of s3, ecr, sts, logs, ssm, not 'sqs'"),
        ('["s3", "s3"]', "must name each service once"),
        ('["ecr"]', "must have s3 beside ecr"),
        ("s3", "must be a JSON list of strings"),
    ],
)
def test_endpoints_are_of_services_that_have_one(value: str, words: str) -> None:
    (text,) = problems(vpcEndpoints=value)
    assert text.startswith("aerodrome:vpcEndpoints")
    assert words in text


@pytest.mark.parametrize(
    "value", ["[]", '["s3"]', '["s3", "ecr", "sts", "logs", "ssm"]', '["sts"]']
)
def test_any_of_them_may_be_had(value: str) -> None:
    assert problems(vpcEndpoints=value) == []


def test_the_api_is_reached_from_everywhere_or_from_inside_with_a_worker() -> None:
    assert problems(endpointAccess="public", nodeMin="0") == []
    assert problems(endpointAccess="both", nodeMin="0") == []
    assert problems(endpointAccess="private") == []
    (text,) = problems(endpointAccess="vpn")
    assert text == "aerodrome:endpointAccess is 'vpn': must be one of public, both, private"
    (text,) = problems(endpointAccess="private", nodeMin="0")
    assert text.startswith("aerodrome:nodeMin is 0, and endpointAccess is private")
    # A branch has its base's cluster.
    shared = {"tenancy": "shared", "base": "main"}
    assert problems(**shared, endpointAccess="private", nodeMin="0") == []


def test_a_budget_tells_somebody() -> None:
    assert problems(**WATCHED) == []
    (text,) = problems(budgetUsd="400")
    assert text.startswith("aerodrome:alertEmails is not set, and budgetUsd needs it")
    eleven = ", ".join(f'"{number}@example.org"' for number in range(11))
    (text,) = problems(budgetUsd="400", alertEmails=f"[{eleven}]")
    assert "has 11 addresses: budgetUsd takes 10 at most" in text
    for wrong in ("-1", "12.5", "a lot"):
        (text,) = problems(budgetUsd=wrong)
        assert text.startswith("aerodrome:budgetUsd")


def test_what_a_branch_costs_is_its_bases() -> None:
    (text,) = problems(**WATCHED, tenancy="shared", base="main")
    assert "./aerodrome config set budgetUsd 400 --env main" in text


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("[]", "must be a JSON object of strings"),
        ('{"a": 1}', "must be a JSON object of strings"),
        ("{", "must be a JSON object of strings"),
        ('{"aerodrome:environment": "x"}', "must leave out 'aerodrome:environment'"),
        ('{"aws:x": "x"}', "must leave out 'aws:x'"),
        ('{"Name": "x"}', "must leave out 'Name'"),
        ('{"kubernetes.io/cluster/x": "owned"}', "must leave out"),
        ('{"Team": "a", "team": "b"}', "must not have 'team' twice"),
        ('{"Team": "a;b"}', "not 'Team': 'a;b'"),
        ('{"": "a"}', "must have keys of 1 to 128"),
    ],
)
def test_tags_that_aws_or_the_kit_would_not_take(value: str, words: str) -> None:
    (text,) = problems(tags=value)
    assert text.startswith("aerodrome:tags")
    assert words in text


def test_as_many_tags_as_there_is_room_for() -> None:
    tags = {f"tag {number}": "v" for number in range(36)}
    (text,) = problems(tags=json.dumps(tags))
    assert "must have 35 tags at most, not 36" in text
    tags.popitem()
    assert problems(tags=json.dumps(tags)) == []


def test_a_boundary_is_a_policy_and_a_role_has_one() -> None:
    limit = "arn:aws:iam::123456789012:policy/limit"
    assert problems(permissionsBoundary=limit) == []
    (text,) = problems(permissionsBoundary="limit")
    assert "must be the ARN of an IAM policy" in text
    (text,) = problems(
        permissionsBoundary=limit, deployRole="arn:aws:iam::123456789012:role/deploy"
    )
    assert "pulumi config rm aerodrome:deployRole" in text


IN_A_VPC = {
    "vpcId": "vpc-0123456789abcdef0",
    "privateSubnetIds": '["subnet-0000000a", "subnet-0000000b"]',
    "publicSubnetIds": '["subnet-0000000c"]',
}


def test_a_network_that_is_there_is_taken() -> None:
    assert problems(**IN_A_VPC) == []
    assert problems(**{**IN_A_VPC, "publicSubnetIds": "[]"}, rancherEnabled="false") == []


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"vpcId": "vpc-1"}, "vpcId is 'vpc-1': must be the id of a VPC, such as vpc-0123"),
        ({"vpcId": "10.0.0.0/16"}, "vpcId is '10.0.0.0/16': must be the id of a VPC"),
        ({"privateSubnetIds": '["10.0.1.0/24"]'}, "must be a list of subnets such as subnet-"),
        (
            {"privateSubnetIds": '["subnet-0000000a", "subnet-0000000a"]'},
            "must name each subnet once, not 'subnet-0000000a' twice",
        ),
        ({"privateSubnetIds": '["subnet-0000000a"]'}, "needs private subnets in two zones"),
        ({"privateSubnetIds": "[]"}, "privateSubnetIds is []: vpcId needs private subnets"),
        ({"publicSubnetIds": "[]"}, "the Rancher server needs a public subnet"),
        ({"publicSubnetIds": '["subnet-0000000a"]'}, "subnet-0000000a is in privateSubnetIds, too"),
        ({"vpcCidr": "10.20.0.0/16"}, 'vpcCidr is "10.20.0.0/16": it describes a network that'),
        ({"natPerZone": "true"}, "natPerZone is true: it describes a network that"),
    ],
)
def test_what_makes_no_sense_beside_it_is_named(changed: dict[str, str], words: str) -> None:
    (text,) = problems(**{**IN_A_VPC, **changed})
    assert words in text


def test_subnets_count_with_their_vpc_only() -> None:
    without = {key: value for key, value in IN_A_VPC.items() if key != "vpcId"}
    assert [text.split(": ")[1] for text in problems(**without)] == [
        "it counts with vpcId only, which is not set"
    ] * 2
    # A branch is in its base's network, and takes over its base's settings.
    assert problems(**without, tenancy="shared", base="main") == []


SECRET = "arn:aws:secretsmanager:eu-north-1:123456789012:secret:rds!db-0a1b-AbCdEf"
IN_AN_INSTANCE = {
    **IN_A_VPC,
    "database": "rds",
    "databaseInstance": "team-postgres",
    "databaseAdminSecret": SECRET,
}


def test_an_instance_that_is_there_is_taken() -> None:
    assert problems(**IN_AN_INSTANCE) == []
    # Those of a branch are its base's.
    alone = {"databaseInstance": "team-postgres", "tenancy": "shared", "base": "main"}
    assert problems(**alone) == []


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        (
            {"database": "in-cluster"},
            'database is "in-cluster": databaseInstance names an instance',
        ),
        ({**dict.fromkeys(IN_A_VPC, "")}, "vpcId"),
        (
            {"databaseAdminSecret": ""},
            'databaseAdminSecret is "": databaseInstance needs the secret',
        ),
        ({"databaseInstance": ""}, "it counts with databaseInstance only, which is not set"),
        ({"databaseStorageGb": "30"}, "databaseStorageGb is 30: it describes an instance that the"),
        ({"databaseInstanceClass": "db.t4g.small"}, "databaseInstanceClass is"),
        ({"databaseInstance": "Team"}, "must be the identifier of a DB instance"),
        ({"databaseInstance": "team--a"}, "must be the identifier of a DB instance"),
        ({"databaseAdminSecret": "team-secret"}, "must be the whole ARN of a secret"),
    ],
)
def test_what_makes_no_sense_beside_an_instance_is_named(
    changed: dict[str, str], words: str
) -> None:
    given = {**IN_AN_INSTANCE, **changed}
    if not given["vpcId"]:
        given = {key: value for key, value in given.items() if key not in IN_A_VPC}
        words = 'vpcId is "": databaseInstance needs it'
    (text,) = problems(**given)
    assert words in text


def test_its_secret_is_in_the_same_region() -> None:
    settings = {"database": "rds", "databaseInstance": "x", "vpcId": "vpc-1"}
    secret = {"databaseAdminSecret": SECRET.replace("north", "west")}
    found = existing_server.misfits({**settings, **secret}, [], "eu-north-1")
    assert found == [
        (
            "databaseAdminSecret",
            "the instance is in eu-north-1, and this secret is in eu-west-1",
        )
    ]


IN_A_CLUSTER = {"clusterName": "team", "rancherEnabled": "false"}


def test_a_cluster_that_is_there_is_taken() -> None:
    assert problems(**IN_A_CLUSTER) == []
    assert problems(**{**IN_A_CLUSTER, "clusterName": "Team_1-a"}) == []
    assert problems(**IN_A_CLUSTER, vpcEndpoints="[]", taskNodes="false") == []
    # A branch takes over its base's settings, and is in its cluster.
    branch = {"tenancy": "shared", "base": "main", "nodeMax": "9"}
    assert problems(**IN_A_CLUSTER, **branch) == []


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"vpcCidr": "10.30.0.0/16"}, 'vpcCidr is "10.30.0.0/16": it describes a network, and'),
        ({"vpcEndpoints": '["s3"]'}, 'vpcEndpoints is ["s3"]: it describes a network, and'),
        ({"natPerZone": "true"}, "natPerZone is true: it describes a network, and"),
        ({"kubernetesVersion": "1.36"}, "kubernetesVersion is "),
        ({"nodeMax": "5"}, "nodeMax is 5: it describes a cluster that the environment makes"),
        ({"publicAccessCidrs": '["192.0.2.0/24"]'}, "publicAccessCidrs is "),
        ({"logRetentionDays": "7"}, "logRetentionDays is 7"),
        ({"endpointAccess": "private"}, "endpointAccess is "),
        ({"taskNodes": "true"}, "taskNodes is true: Karpenter administers a cluster"),
        ({"deployRole": "arn:aws:iam::123456789012:role/x"}, "deployRole is "),
        ({"previewRole": "arn:aws:iam::123456789012:role/x"}, "previewRole is "),
        (
            {
                "database": "rds",
                "databaseInstance": "team-postgres",
                "databaseAdminSecret": SECRET,
            },
            'databaseInstance is "team-postgres": whether pods of a cluster that is there reach',
        ),
        ({"flowLogs": "true"}, "flowLogs is true: its network is not the environment's"),
        ({"rancherEnabled": "true"}, "rancherEnabled is true: clusterName names a cluster whose"),
        (
            {"monitoring": "logs"},
            'monitoring is "logs": the shipper of logs reads a folder of every node',
        ),
        ({"clusterName": "aerodrome-dev"}, 'a cluster that an environment called "dev" makes'),
        ({"clusterName": "a b"}, "must be the name of an EKS cluster"),
        ({"clusterName": "-a"}, "must be the name of an EKS cluster"),
    ],
)
def test_what_makes_no_sense_beside_a_cluster_is_named(changed: dict[str, str], words: str) -> None:
    (text,) = problems(**{**IN_A_CLUSTER, **changed})
    assert words in text


def test_a_vpc_is_not_named_beside_the_cluster_that_is_in_one() -> None:
    found = problems(**{**IN_A_VPC, **IN_A_CLUSTER, "publicSubnetIds": "[]"})
    assert 'vpcId is "vpc-0123456789abcdef0": it describes a network' in found[0]
