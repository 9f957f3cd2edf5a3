"""What counts as left over."""

from typing import Any

import pytest

from cli.inventory import inventory
from tests.unit.cli.fakes import FakeCloud

OURS = {"Tags": [{"Key": "aerodrome:environment", "Value": "sandbox"}]}
OTHERS = {"Tags": [{"Key": "aerodrome:environment", "Value": "sandbox-two"}]}
ACCOUNT = "000000000000"


def _arns(answers: dict[str, list[dict[str, Any]]]) -> list[str]:
    return [item.arn for item in inventory(FakeCloud(answers), "sandbox")]


def _tagged(*arns: str) -> dict[str, Any]:
    return {"ResourceTagMappingList": [{"ResourceARN": arn} for arn in arns]}


def test_an_empty_cloud() -> None:
    assert _arns({}) == []


def test_every_page_of_the_tagging_api_counts() -> None:
    pages = [_tagged("arn:aws:s3:::one"), _tagged("arn:aws:s3:::two")]
    assert _arns({"get_resources": pages}) == ["arn:aws:s3:::one", "arn:aws:s3:::two"]


@pytest.mark.parametrize(("state", "left"), [("PendingDeletion", 0), ("Enabled", 1)])
def test_a_key_that_is_scheduled_for_deletion_is_gone(state: str, left: int) -> None:
    answers = {
        "get_resources": [_tagged(f"arn:aws:kms:us-east-1:{ACCOUNT}:key/k")],
        "describe_key": [{"KeyMetadata": {"KeyState": state}}],
    }
    assert len(_arns(answers)) == left


def test_ended_instances_and_gateways_are_gone() -> None:
    def instance(name: str, state: str) -> dict[str, Any]:
        return {"InstanceId": name, "State": {"Name": state}, **OURS}

    answers = {
        "describe_instances": [
            {
                "Reservations": [
                    {"Instances": [instance("i-1", "terminated"), instance("i-2", "stopped")]}
                ]
            }
        ],
        "describe_nat_gateways": [
            {"NatGateways": [{"NatGatewayId": "nat-1", "State": "deleted", **OURS}]}
        ],
    }
    assert _arns(answers) == ["arn:aws:ec2:::instance/i-2"]


def test_other_environments_do_not_count() -> None:
    answers: dict[str, list[dict[str, Any]]] = {
        "describe_vpcs": [{"Vpcs": [{"VpcId": "vpc-1", **OTHERS}, {"VpcId": "vpc-2"}]}],
        "describe_db_instances": [
            {
                "DBInstances": [
                    {"DBInstanceIdentifier": "d", "DBInstanceArn": "a", "TagList": OTHERS["Tags"]}
                ]
            }
        ],
    }
    assert _arns(answers) == []


def test_what_the_tagging_api_does_not_know_is_asked_for() -> None:
    tag = {"aerodrome:environment": "sandbox"}
    answers: dict[str, list[dict[str, Any]]] = {
        "list_clusters": [{"clusters": ["c"]}],
        "describe_cluster": [{"cluster": {"arn": "arn:aws:eks:::cluster/c", "tags": tag}}],
        "describe_log_groups": [
            {"logGroups": [{"logGroupName": "/g", "arn": "arn:aws:logs:::log-group:/g:*"}]}
        ],
        "list_tags_for_resource": [{"tags": tag}],
        "list_roles": [
            {
                "Roles": [
                    {"RoleName": "r", "Arn": "arn:aws:iam:::role/r", "Path": "/"},
                    {"RoleName": "s", "Arn": "arn:s", "Path": "/aws-service-role/x/"},
                ]
            }
        ],
        "list_role_tags": [OURS],
        "describe_db_instances": [
            {
                "DBInstances": [
                    {
                        "DBInstanceIdentifier": "d",
                        "DBInstanceArn": "arn:aws:rds:::db:d",
                        "TagList": OURS["Tags"],
                    }
                ]
            }
        ],
    }
    found = {item.kind: item.show for item in inventory(FakeCloud(answers), "sandbox")}
    assert found == {
        "eks cluster": "aws eks describe-cluster --name c",
        "logs log-group": "aws logs describe-log-groups --log-group-name-prefix /g",
        "iam role": "aws iam get-role --role-name r",
        "rds db": "aws rds describe-db-instances --db-instance-identifier d",
    }


@pytest.mark.parametrize(
    ("arn", "kind", "show"),
    [
        ("arn:aws:s3:::b", "s3", "aws s3api list-object-versions --bucket b"),
        (
            f"arn:aws:ecr:us-east-1:{ACCOUNT}:repository/a/b",
            "ecr repository",
            "aws ecr describe-images --repository-name a/b",
        ),
        (
            f"arn:aws:sns:us-east-1:{ACCOUNT}:topic",
            "sns",
            "aws resourcegroupstaggingapi get-resources "
            f"--resource-arn-list arn:aws:sns:us-east-1:{ACCOUNT}:topic",
        ),
    ],
)
def test_each_leftover_has_the_command_that_shows_it(arn: str, kind: str, show: str) -> None:
    (found,) = inventory(FakeCloud({"get_resources": [_tagged(arn)]}), "sandbox")
    assert (found.kind, found.show) == (kind, show)
