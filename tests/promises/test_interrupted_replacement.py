"""`kill -9` of the Pulumi CLI while it replaces something: the next run has one of each, the new one."""

from pathlib import Path
from typing import Any

from tests.promises.aws_cloud import AwsStack, Emulator, Proxy
from tests.promises.test_interrupted import killed

OPERATIONS = ("CreateSubnet", "DeleteSubnet", "CreateRole", "DeleteRole")

PROGRAM = """
tags = {"aerodrome:environment": "dev"}
vpc = aws.ec2.Vpc("net", cidr_block="10.60.0.0/16", tags={**tags, "Name": "net"})
subnet = aws.ec2.Subnet("a", vpc_id=vpc.id, cidr_block="10.60.NUMBER.0/24", tags={**tags, "Name": "a"})
group = aws.ec2.SecurityGroup("web", vpc_id=vpc.id, tags={**tags, "Name": "web", "Subnet": subnet.id})
trust = json.dumps({"Version": "2012-10-17", "Statement": []})
# Its name is taken as long as the old one is there.
role = aws.iam.Role(
    "r", name="replaced", path="/NUMBER/", assume_role_policy=trust, tags=tags,
    opts=O(delete_before_replace=True))
"""


def world(emulator: Emulator) -> dict[str, Any]:
    ec2, iam = emulator.client("ec2"), emulator.client("iam")
    ours = [{"Name": "tag:aerodrome:environment", "Values": ["dev"]}]
    return {
        "subnets": [each["CidrBlock"] for each in ec2.describe_subnets(Filters=ours)["Subnets"]],
        "groups": len(ec2.describe_security_groups(Filters=ours)["SecurityGroups"]),
        "roles": [each["Path"] for each in iam.list_roles()["Roles"]],
    }


def test_a_replacement_that_was_killed_is_finished_by_the_next(
    tmp_path: Path, emulator: Emulator, proxy: Proxy
) -> None:
    """Four replacements of the same things, each killed at another operation."""
    stack = AwsStack(tmp_path, emulator, proxy.url)
    stack.program(PROGRAM.replace("NUMBER", "1"))
    stack.up()
    for number, operation in enumerate(OPERATIONS, 2):
        stack.program(PROGRAM.replace("NUMBER", str(number)))
        killed(stack, proxy, operation, "up")
        stack.up()
        new = {"subnets": [f"10.60.{number}.0/24"], "groups": 1, "roles": [f"/{number}/"]}
        assert world(emulator) == new, operation
    assert stack.up().changed == 0
    stack.destroy()
    assert world(emulator) == {"subnets": [], "groups": 0, "roles": []}
