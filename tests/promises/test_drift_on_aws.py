"""What somebody changed in AWS by other means is seen and repaired by `up --refresh`."""

import json
from collections.abc import Iterator
from typing import Any, ClassVar

import pytest

from tests.promises.aws_cloud import AwsStack, running_emulator

PROGRAM = """
vpc = aws.ec2.Vpc("net", cidr_block="10.50.0.0/16", tags={"team": "data"})
group = aws.ec2.SecurityGroup(
    "web", vpc_id=vpc.id,
    ingress=[{"protocol": "tcp", "from_port": 443, "to_port": 443, "cidr_blocks": ["10.0.0.0/8"]}],
)
rule = aws.ec2.SecurityGroupRule(
    "ssh", type="ingress",
    security_group_id=aws.ec2.SecurityGroup("admin", vpc_id=vpc.id).id,
    protocol="tcp", from_port=22, to_port=22, cidr_blocks=["10.1.0.0/16"],
)
bucket = aws.s3.Bucket("logs", bucket="drift-logs")
aws.s3.BucketVersioning(
    "logs", bucket=bucket.id, versioning_configuration={"status": "Enabled"},
)
trust = {"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}]}
role = aws.iam.Role("nodes", name="drift-nodes", assume_role_policy=json.dumps(trust))
aws.iam.RolePolicyAttachment(
    "nodes", role=role.name, policy_arn="arn:aws:iam::aws:policy/ReadOnlyAccess")
aws.cloudwatch.LogGroup("app", name="/drift/app", retention_in_days=14)
aws.iam.User("reader", name="drift-reader")
"""


def outputs(stack: AwsStack, kind: str, name: str) -> Any:
    found = stack.resources()[f"{kind}::{name}"]
    return {"id": found["id"], **found["outputs"]}


class Tags:
    """A tag that was changed, and one that was added."""

    resource = "Vpc::net"
    seen = "update"

    def drift(self, stack, cloud):
        vpc = outputs(stack, "Vpc", "net")["id"]
        tags = [{"Key": "team", "Value": "other"}, {"Key": "extra", "Value": "1"}]
        cloud("ec2").create_tags(Resources=[vpc], Tags=tags)

    def look(self, stack, cloud):
        vpc = outputs(stack, "Vpc", "net")["id"]
        found = cloud("ec2").describe_vpcs(VpcIds=[vpc])["Vpcs"][0]["Tags"]
        return {tag["Key"]: tag["Value"] for tag in found if not tag["Key"].startswith("aerodrome")}

    wanted: ClassVar = {"team": "data"}


class InlineRule:
    """A rule taken out of a security group."""

    resource = "SecurityGroup::web"
    seen = "update"

    def drift(self, stack, cloud):
        group = outputs(stack, "SecurityGroup", "web")["id"]
        found = cloud("ec2").describe_security_groups(GroupIds=[group])["SecurityGroups"][0]
        cloud("ec2").revoke_security_group_ingress(
            GroupId=group, IpPermissions=found["IpPermissions"]
        )

    def look(self, stack, cloud):
        group = outputs(stack, "SecurityGroup", "web")["id"]
        found = cloud("ec2").describe_security_groups(GroupIds=[group])["SecurityGroups"][0]
        return [rule["FromPort"] for rule in found["IpPermissions"]]

    wanted: ClassVar = [443]


class OwnRule:
    """A rule that is a resource of its own, deleted."""

    resource = "SecurityGroupRule::ssh"
    seen = "delete"

    def drift(self, stack, cloud):
        group = outputs(stack, "SecurityGroup", "admin")["id"]
        found = cloud("ec2").describe_security_groups(GroupIds=[group])["SecurityGroups"][0]
        cloud("ec2").revoke_security_group_ingress(
            GroupId=group, IpPermissions=found["IpPermissions"]
        )

    def look(self, stack, cloud):
        group = outputs(stack, "SecurityGroup", "admin")["id"]
        found = cloud("ec2").describe_security_groups(GroupIds=[group])["SecurityGroups"][0]
        return [rule["FromPort"] for rule in found["IpPermissions"]]

    wanted: ClassVar = [22]


class Versioning:
    """A bucket's versioning, suspended."""

    resource = "BucketVersioning::logs"
    seen = "update"

    def drift(self, stack, cloud):
        cloud("s3").put_bucket_versioning(
            Bucket="drift-logs", VersioningConfiguration={"Status": "Suspended"}
        )

    def look(self, stack, cloud):
        return cloud("s3").get_bucket_versioning(Bucket="drift-logs")["Status"]

    wanted = "Enabled"


class Attachment:
    """A policy detached from its role."""

    resource = "RolePolicyAttachment::nodes"
    seen = "delete"

    def drift(self, stack, cloud):
        cloud("iam").detach_role_policy(
            RoleName="drift-nodes", PolicyArn="arn:aws:iam::aws:policy/ReadOnlyAccess"
        )

    def look(self, stack, cloud):
        found = cloud("iam").list_attached_role_policies(RoleName="drift-nodes")
        return [policy["PolicyName"] for policy in found["AttachedPolicies"]]

    wanted: ClassVar = ["ReadOnlyAccess"]


class Trust:
    """Whom a role trusts."""

    resource = "Role::nodes"
    seen = "update"

    def drift(self, stack, cloud):
        statement = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
        document = {"Version": "2012-10-17", "Statement": [statement]}
        cloud("iam").update_assume_role_policy(
            RoleName="drift-nodes", PolicyDocument=json.dumps(document)
        )

    def look(self, stack, cloud):
        document = cloud("iam").get_role(RoleName="drift-nodes")["Role"]
        return document["AssumeRolePolicyDocument"]["Statement"][0]["Principal"]

    wanted: ClassVar = {"Service": "ec2.amazonaws.com"}


class Retention:
    """How long a log group keeps its events."""

    resource = "LogGroup::app"
    seen = "update"

    def drift(self, stack, cloud):
        cloud("logs").delete_retention_policy(logGroupName="/drift/app")

    def look(self, stack, cloud):
        found = cloud("logs").describe_log_groups(logGroupNamePrefix="/drift/app")["logGroups"]
        return found[0].get("retentionInDays")

    wanted = 14


class Gone:
    """A resource deleted."""

    resource = "User::reader"
    seen = "delete"

    def drift(self, stack, cloud):
        cloud("iam").delete_user(UserName="drift-reader")

    def look(self, stack, cloud):
        return [user["UserName"] for user in cloud("iam").list_users()["Users"]]

    wanted: ClassVar = ["drift-reader"]


CASES = [Tags, InlineRule, OwnRule, Versioning, Attachment, Trust, Retention, Gone]


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """All drifts at once: what the cloud said before, between and after."""
    folder = tmp_path_factory.mktemp("drift")
    with running_emulator(folder / "aws") as emulator:
        stack, cloud = AwsStack(folder, emulator), emulator.client

        def look() -> dict[Any, Any]:
            return {case: case().look(stack, cloud) for case in CASES}

        stack.program(PROGRAM)
        stack.up()
        found = {"before": look(), "unchanged": stack.up().changed}
        # A look at what nobody has changed finds nothing.
        found["refreshed"] = stack.up(refresh=True).changed
        for case in CASES:
            case().drift(stack, cloud)
        found["drifted"] = look()
        found["planned"] = stack.preview(refresh=True).changed
        found["between"] = look()
        stack.shown.truncate(0)
        stack.up(refresh=True)
        found["shown"] = stack.shown.getvalue()
        found["after"] = look()
        found["again"] = stack.up().changed
        yield found
        stack.destroy()


@pytest.mark.parametrize("case", CASES)
def test_drift_is_seen_and_repaired(story: dict[str, Any], case: Any) -> None:
    assert story["before"][case] == case.wanted
    assert story["drifted"][case] != case.wanted
    assert story["between"][case] == story["drifted"][case]
    assert story["after"][case] == case.wanted
    kind, name = case.resource.split("::")
    assert f":{kind} {name}" in story["shown"]


def test_nothing_else_is_touched(story: dict[str, Any]) -> None:
    assert story["unchanged"] == story["refreshed"] == story["again"] == 0
    assert story["planned"] == len(CASES)
