"""The catalogue has a row for every type that the program registers, and every row is whole."""

import pytest

from cli.cloud.catalogue import BY_TYPE, KINDS
from cli.cloud.catalogue.kind import Charge, Kind
from cli.operations.cost.pricing import is_component
from tests.program.conftest import BASE, BRANCH, BRANCH_SECRETS
from tests.program.recording import SECRETS, run_program

# What pulumi-eks's components register; they run outside the program.
OF_EKS = (
    "aws:eks/addon:Addon",
    "aws:eks/cluster:Cluster",
    "aws:eks/nodeGroup:NodeGroup",
    "aws:ec2/securityGroup:SecurityGroup",
    "aws:ec2/securityGroupRule:SecurityGroupRule",
    "aws:iam/openIdConnectProvider:OpenIdConnectProvider",
    "aws:iam/role:Role",
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment",
)

ROLE = "arn:aws:iam::123456789012:role/aerodrome-pipeline/aerodrome-test-deploy"
EVERYTHING = {
    "environment": "test",
    "database": "rds",
    "protect": "true",
    "flowLogs": "true",
    "budgetUsd": "400",
    "alertEmails": '["ops@example.org"]',
    "natPerZone": "true",
    "vpcEndpoints": '["s3", "ecr", "sts", "logs"]',
    "taskNodes": "true",
    "deployRole": ROLE,
    "previewRole": ROLE,
    "uiServiceType": "LoadBalancer",
}
"""All that a dedicated environment can have."""


@pytest.fixture(scope="module")
def types() -> set[str]:
    """Every type that the program registers: whatever is configured, on both tenancies."""
    base = run_program({"environment": "test"}, SECRETS)
    programs = (
        base,
        run_program(EVERYTHING, SECRETS),
        run_program(BRANCH, BRANCH_SECRETS, {BASE: base}),
    )
    found = {resource.type for program in programs for resource in program.resources}
    return {kind for kind in found if not is_component(kind)} | set(OF_EKS)


def test_every_type_of_the_program_has_a_row(types: set[str]) -> None:
    assert len(types) > 40
    assert not types - BY_TYPE.keys()


def test_an_interrupted_creation_of_every_type_can_be_looked_for(types: set[str]) -> None:
    in_cluster = {kind for kind in types if kind.startswith("kubernetes:")}
    assert all(BY_TYPE[kind].recover for kind in types - in_cluster)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.type or kind.label)
def test_a_row_is_whole(kind: Kind) -> None:
    """What can be listed can be shown and deleted; what cannot goes with something else."""
    assert kind.type or kind.service
    assert bool(kind.list) == bool(kind.delete) == bool(kind.show)
    assert not kind.list or kind.service
    if kind.list:
        assert kind.command("a/b:c").startswith(
            (
                "budgets",
                "ec2",
                "ecr",
                "eks",
                "elb",
                "elbv2",
                "events",
                "iam",
                "kms",
                "logs",
                "rds",
                "s3",
                "secretsmanager",
                "sqs",
            )
        )
        assert "{" not in kind.command("a/b:c")
    assert kind.ready is None or kind.recover
    assert all(isinstance(charge, Charge) for charge in kind.price({}))


def test_no_two_rows_are_of_one_kind() -> None:
    types = [kind.type for kind in KINDS if kind.type]
    listed = [kind.label for kind in KINDS if kind.list]
    assert len(types) == len(set(types))
    assert len(listed) == len(set(listed))


@pytest.mark.parametrize(
    ("first", "then"),
    [
        ("elasticloadbalancing load-balancer", "elasticloadbalancing target-group"),
        ("eks pod-identity-association", "eks cluster"),
        ("eks cluster", "logs log-group"),
        ("rds db", "rds subnet-group"),
        ("rds subnet-group", "ec2 subnet"),
        ("ec2 instance", "ec2 volume"),
        ("ec2 volume", "ec2 snapshot"),
        ("ec2 natgateway", "ec2 elastic-ip"),
        ("ec2 network-interface", "ec2 security-group"),
        ("ec2 internet-gateway", "ec2 vpc"),
        ("ec2 subnet", "ec2 route-table"),
        ("ec2 route-table", "ec2 vpc"),
        ("iam instance-profile", "iam role"),
        ("iam role", "iam policy"),
        ("events rule", "sqs"),
        ("ecr image", "ecr repository"),
        ("s3 objects", "s3"),
    ],
)
def test_what_stands_on_something_goes_before_it(first: str, then: str) -> None:
    order = [kind.label for kind in KINDS]
    assert order.index(first) < order.index(then)
