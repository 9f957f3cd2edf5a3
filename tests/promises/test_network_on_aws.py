"""The network's ways out: made, changed while it is in use, and gone without a trace.

The kit's own module of the network, by the real Pulumi CLI, in the sandbox's plugins, against the emulator.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from cli.base.paths import ROOT
from cli.cloud.catalogue import find
from cli.cloud.resource import Search
from tests.program.recording import SECRETS
from tests.promises.aws_cloud import AwsStack, Emulator

PROGRAM = f"""
import sys

sys.path.insert(0, {str(ROOT)!r})

from infra.budget import Budget, BudgetArgs
from infra.contract.secret_settings import Secrets
from infra.contract.settings import SETTINGS, Settings
from infra.network import Network, NetworkArgs
from infra.stack import Place, Stack, adapt_everything

secrets = Secrets(**{{SETTINGS[key].field: value for key, value in {SECRETS!r}.items()}})
place = Place("us-east-1", "aws", ["us-east-1a", "us-east-1b"])
stack = Stack(Settings(environment="dev", **CHANGED), secrets, place)
adapt_everything(stack)
Network("network", NetworkArgs(stack))
if stack.settings.budget_usd:
    Budget("budget", BudgetArgs(stack))
"""
ALL = {"nat_per_zone": True, "vpc_endpoints": ("s3", "ecr", "sts", "logs")}


@pytest.fixture
def stack(tmp_path: Any, emulator: Emulator) -> Iterator[AwsStack]:
    made = AwsStack(tmp_path, emulator)
    yield made
    made.destroy()


def deploy(stack: AwsStack, changed: Mapping[str, Any]) -> int:
    stack.program(PROGRAM.replace("CHANGED", repr(dict(changed))))
    return stack.up().changed


def ways_out(emulator: Emulator) -> dict[str, str]:
    """By private subnet its NAT gateway."""
    ec2 = emulator.client("ec2")
    ours = [{"Name": "tag:aerodrome:environment", "Values": ["dev"]}]
    names = {
        one["SubnetId"]: tag["Value"]
        for one in ec2.describe_subnets(Filters=ours)["Subnets"]
        for tag in one["Tags"]
        if tag["Key"] == "Name" and "private" in tag["Value"]
    }
    return {
        names[link["SubnetId"]]: route["NatGatewayId"]
        for table in ec2.describe_route_tables(Filters=ours)["RouteTables"]
        for route in table["Routes"]
        if route.get("NatGatewayId")
        for link in table["Associations"]
        if link.get("SubnetId") in names
    }


def endpoints(emulator: Emulator) -> dict[str, Any]:
    found = emulator.client("ec2").describe_vpc_endpoints()["VpcEndpoints"]
    return {one["ServiceName"].split(".", 3)[-1]: one for one in found}


def test_ways_out_are_added_and_taken_away_beside_those_in_use(
    stack: AwsStack, emulator: Emulator
) -> None:
    deploy(stack, {})
    before = ways_out(emulator)
    assert len(before) == 2
    (only,) = set(before.values())
    assert endpoints(emulator).keys() == {"s3"}

    deploy(stack, ALL)
    after = ways_out(emulator)
    assert after.keys() == before.keys()
    assert len(set(after.values())) == 2
    # The first zone's gateway, which is in use, is still there.
    assert only in after.values()
    found = endpoints(emulator)
    assert found.keys() == {"s3", "ecr.api", "ecr.dkr", "sts", "logs"}
    assert len(found["s3"]["RouteTableIds"]) == 3
    assert found["sts"]["PrivateDnsEnabled"]
    assert len(found["sts"]["SubnetIds"]) == 2
    assert deploy(stack, ALL) == 0

    deploy(stack, {})
    assert ways_out(emulator) == before
    assert endpoints(emulator).keys() == {"s3"}

    stack.destroy()
    assert find(Search(emulator.client, "dev")) == []
    assert not emulator.client("ec2").describe_vpc_endpoints()["VpcEndpoints"]


def test_a_budget_is_made_changed_and_gone(stack: AwsStack, emulator: Emulator) -> None:
    client = emulator.client("budgets")
    account = emulator.client("sts").get_caller_identity()["Account"]

    def budgets() -> list[Any]:
        return list(client.describe_budgets(AccountId=account)["Budgets"])

    wanted = {"vpc_endpoints": (), "budget_usd": 400, "alert_emails": ("ops@example.org",)}
    deploy(stack, wanted)
    (made,) = budgets()
    assert made["BudgetLimit"] == {"Amount": "400", "Unit": "USD"}
    assert made["CostFilters"] == {"TagKeyValue": ["user:aerodrome:environment$dev"]}
    assert "budgets budget" in {
        f"{one.service} {one.kind}" for one in find(Search(emulator.client, "dev"))
    }

    both = ("ops@example.org", "team@example.org")
    deploy(stack, {**wanted, "budget_usd": 500, "alert_emails": both})
    (changed,) = budgets()
    assert changed["BudgetName"] == made["BudgetName"]
    assert changed["BudgetLimit"]["Amount"] == "500"
    named = {"AccountId": account, "BudgetName": made["BudgetName"]}
    notices = client.describe_notifications_for_budget(**named)["Notifications"]
    assert {(one["NotificationType"], one["Threshold"]) for one in notices} == {
        ("ACTUAL", 80.0),
        ("ACTUAL", 100.0),
        ("FORECASTED", 100.0),
    }
    for notice in notices:
        told = client.describe_subscribers_for_notification(**named, Notification=notice)
        assert {one["Address"] for one in told["Subscribers"]} == set(both)
    deploy(stack, {"vpc_endpoints": ()})
    assert budgets() == []


HELD = """
from infra import policies
aws.iam.Role(stack.names.of("work"), assume_role_policy=policies.assumed_by_pods())
aws.iam.User(stack.names.of("person"))
limit = aws.iam.Policy(stack.names.of("limit"), name="limit", policy=json.dumps({
    "Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}))
"""


def test_an_organisations_tags_and_boundary_come_and_go(
    stack: AwsStack, emulator: Emulator
) -> None:
    ec2, iam = emulator.client("ec2"), emulator.client("iam")
    account = emulator.client("sts").get_caller_identity()["Account"]

    def change(**settings: Any) -> None:
        wanted = {"vpc_endpoints": (), **settings}
        stack.program(PROGRAM.replace("CHANGED", repr(wanted)) + HELD)
        stack.up()

    def network() -> dict[str, str]:
        (vpc,) = ec2.describe_vpcs(
            Filters=[{"Name": "tag:aerodrome:environment", "Values": ["dev"]}]
        )["Vpcs"]
        return {"id": vpc["VpcId"], **{tag["Key"]: tag["Value"] for tag in vpc["Tags"]}}

    def limits() -> set[str]:
        role = next(one for one in iam.list_roles()["Roles"] if "-work-" in one["RoleName"])
        user = next(one for one in iam.list_users()["Users"] if "-person-" in one["UserName"])
        shown = (
            iam.get_role(RoleName=role["RoleName"])["Role"],
            iam.get_user(UserName=user["UserName"])["User"],
        )
        return {
            (one.get("PermissionsBoundary") or {}).get("PermissionsBoundaryArn", "")
            for one in shown
        }

    change()
    before = network()
    assert limits() == {""}
    limit = f"arn:aws:iam::{account}:policy/limit"
    change(tags='{"CostCenter": "1234"}', permissions_boundary=limit)
    assert network() == {**before, "CostCenter": "1234"}
    assert limits() == {limit}
    change(tags='{"CostCenter": "5678"}')
    assert network() == {**before, "CostCenter": "5678"}
    assert limits() == {""}
    stack.destroy()
    assert find(Search(emulator.client, "dev")) == []
