"""`kill -9` of the Pulumi CLI at any call to AWS: the next run ends well, and nothing is there twice."""

import os
import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cli.base.errors import KitError, UserError
from tests.promises.aws_cloud import AwsStack, Emulator, Proxy, running_emulator
from tests.promises.processes import kill_descendants

PROGRAM = """
tags = {"aerodrome:environment": "dev"}
made = []
def after():
    return O(depends_on=[*made])
def then(resource):
    made[:] = [resource]
    return resource
vpc = then(aws.ec2.Vpc("net", cidr_block="10.60.0.0/16", tags={**tags, "Name": "net"}))
gateway = then(aws.ec2.InternetGateway("net", vpc_id=vpc.id, tags={**tags, "Name": "net"}, opts=after()))
table = then(aws.ec2.RouteTable("net", vpc_id=vpc.id, tags={**tags, "Name": "net"}, opts=after()))
then(aws.ec2.Route(
    "out", route_table_id=table.id, destination_cidr_block="0.0.0.0/0", gateway_id=gateway.id, opts=after()))
subnet = then(aws.ec2.Subnet(
    "a", vpc_id=vpc.id, cidr_block="10.60.1.0/24", tags={**tags, "Name": "a"}, opts=after()))
then(aws.ec2.RouteTableAssociation("a", route_table_id=table.id, subnet_id=subnet.id, opts=after()))
group = then(aws.ec2.SecurityGroup("web", vpc_id=vpc.id, tags={**tags, "Name": "web"}, opts=after()))
then(aws.ec2.SecurityGroupRule(
    "https", type="ingress", security_group_id=group.id, protocol="tcp", from_port=443, to_port=443,
    cidr_blocks=["10.0.0.0/8"], opts=after()))
bucket = then(aws.s3.Bucket("logs", tags=tags, opts=after()))
then(aws.s3.BucketVersioning(
    "logs", bucket=bucket.id, versioning_configuration={"status": "Enabled"}, opts=after()))
user = then(aws.iam.User("writer", name="interrupted-writer", tags=tags, opts=after()))
key = aws.iam.AccessKey("writer", user=user.name, opts=after())
pulumi.export("secret", key.secret)
"""
"""One after the other, so that a run may be ended at each, and the next goes on behind it."""

CREATIONS = [
    "CreateVpc",
    "CreateInternetGateway",
    "CreateRouteTable",
    "CreateRoute",
    "CreateSubnet",
    "AssociateRouteTable",
    "CreateSecurityGroup",
    "AuthorizeSecurityGroupIngress",
    "PUT /logs-.*",
    "CreateUser",
    "CreateAccessKey",
]
DELETIONS = ["DeleteAccessKey", "DeleteUser", "DELETE /logs-.*", "DeleteSubnet", "DeleteVpc"]


@pytest.fixture
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    """One for each test: what is left of one is not what another finds."""
    with running_emulator(tmp_path_factory.mktemp("interrupted") / "aws") as running:
        yield running


def world(client: Callable[[str], Any]) -> dict[str, int]:
    """How many there are of each kind."""
    ec2, iam = client("ec2"), client("iam")
    vpcs = ec2.describe_vpcs(Filters=[{"Name": "tag:Name", "Values": ["net"]}])["Vpcs"]
    ours = [{"Name": "vpc-id", "Values": [vpc["VpcId"] for vpc in vpcs]}]
    users = [user["UserName"] for user in iam.list_users()["Users"]]
    groups = ec2.describe_security_groups(Filters=ours)["SecurityGroups"] if vpcs else []
    tables = ec2.describe_route_tables(Filters=ours)["RouteTables"] if vpcs else []
    mains = [t for t in tables if not any(a.get("Main") for a in t["Associations"])]
    gateways = ec2.describe_internet_gateways()["InternetGateways"]
    return {
        "vpcs": len(vpcs),
        "gateways": len([g for g in gateways if g.get("Tags")]),
        "tables": len(mains),
        "subnets": len(ec2.describe_subnets(Filters=ours)["Subnets"]) if vpcs else 0,
        "groups": len([group for group in groups if group["GroupName"] != "default"]),
        "buckets": len(client("s3").list_buckets()["Buckets"]),
        "users": users.count("interrupted-writer"),
        "keys": sum(
            len(iam.list_access_keys(UserName=user)["AccessKeyMetadata"])
            for user in users
            if user == "interrupted-writer"
        ),
    }


WHOLE = dict.fromkeys(
    ["vpcs", "gateways", "tables", "subnets", "groups", "buckets", "users", "keys"], 1
)
NOTHING = dict.fromkeys(WHOLE, 0)


class Killer:
    """Kills a process when the emulator has carried out an operation, before the answer goes out."""

    def __init__(self, operation: str) -> None:
        self.fault = operation
        self.process: subprocess.Popen[bytes] | None = None

    def __call__(self, operation: str) -> None:
        if self.process is not None and re.fullmatch(self.fault, operation):
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()


def killed(stack: AwsStack, proxy: Proxy, operation: str, verb: str) -> None:
    """Runs the CLI until it is killed at `operation`."""
    killer = Killer(operation)
    proxy.after = killer
    killer.process = stack.start(verb, "--yes", "--skip-preview")
    assert killer.process.wait(120) == -signal.SIGKILL, f"{operation} was not called"
    proxy.after = lambda operation: None


def goes_on_and_is_killed(run: Callable[[], Any], proxy: Proxy, operation: str) -> None:
    """A run of the kit, which settles what was left, and whose Pulumi CLI is killed at `operation`."""
    fell: list[str] = []

    def kill(called: str) -> None:
        if not fell and re.fullmatch(operation, called):
            fell.append(called)
            assert kill_descendants("--event-log")

    proxy.after = kill
    with pytest.raises(KitError):
        run()
    proxy.after = lambda operation: None
    assert fell, f"{operation} was not called"


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_an_up_that_was_killed_at_any_creation_is_finished_by_the_next(
    tmp_path: Path, emulator: Emulator, proxy: Proxy
) -> None:
    stack = AwsStack(tmp_path, emulator, proxy.url)
    stack.program(PROGRAM)
    stack.driver().create()
    first, *others = CREATIONS
    killed(stack, proxy, first, "up")
    assert stack.deployment()["pending_operations"]
    for operation in others:
        goes_on_and_is_killed(stack.up, proxy, operation)
        assert stack.deployment()["pending_operations"], operation
    stack.up()
    assert not stack.deployment().get("pending_operations")
    assert world(emulator.client) == WHOLE
    assert stack.shown.getvalue().count("unlocked") == len(CREATIONS)
    assert stack.up().changed == 0
    first, *others = DELETIONS
    killed(stack, proxy, first, "destroy")
    for operation in others:
        goes_on_and_is_killed(stack.destroy, proxy, operation)
    stack.destroy()
    assert world(emulator.client) == NOTHING
    assert not stack.deployment().get("resources")


@pytest.mark.parametrize("operation", ["CreateVpc", "CreateUser"])
def test_a_killed_up_is_taken_away_by_destroy(
    tmp_path: Path, emulator: Emulator, proxy: Proxy, operation: str
) -> None:
    stack = AwsStack(tmp_path, emulator, proxy.url)
    stack.program(PROGRAM)
    stack.driver().create()
    killed(stack, proxy, operation, "up")
    stack.destroy()
    assert world(emulator.client) == NOTHING


def test_a_preview_says_what_is_not_settled_and_changes_nothing(
    tmp_path: Path, emulator: Emulator, proxy: Proxy
) -> None:
    stack = AwsStack(tmp_path, emulator, proxy.url)
    stack.program(PROGRAM)
    stack.driver().create()
    killed(stack, proxy, "CreateSubnet", "up")
    before = stack.deployment()["pending_operations"]
    stack.preview()
    assert "not settled; `up` settles them first" in stack.shown.getvalue()
    assert stack.deployment()["pending_operations"] == before
    stack.destroy()
    assert world(emulator.client) == NOTHING


def test_the_lock_of_a_living_cli_is_respected(tmp_path: Path, emulator: Emulator) -> None:
    stack = AwsStack(tmp_path, emulator)
    stack.program(
        f"import time, pathlib; pathlib.Path({str(tmp_path / 'ran')!r}).touch(); time.sleep(60)"
    )
    stack.driver().create()
    process = stack.start("up", "--yes", "--skip-preview")
    try:
        while not (tmp_path / "ran").exists():
            assert process.poll() is None
        with pytest.raises(UserError, match="Another run of Pulumi is running") as refused:
            stack.up()
        assert f"pid {process.pid}" in refused.value.detail
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    stack.program("")
    stack.up()
    stack.destroy()
