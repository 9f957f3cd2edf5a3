"""Every kind of AWS resource is found again by what was asked for, without its id."""

import json
from typing import Any

import pytest

from cli.cloud.catalogue import BY_TYPE
from cli.cloud.catalogue.kind import repeat
from cli.stack.found import looker
from cli.stack.pending import Made, Pending
from tests.promises.aws_cloud import AwsStack, Emulator
from tests.unit.sandbox.providers.aws.conftest import endpoint, registry
from tests.unit.sandbox.providers.conformance.test_pulumi import PROGRAM

__all__ = ["endpoint", "registry"]

TAGS = """
def tagged(args):
    known = getattr(aws, args.type_.split(":")[1].split("/")[0])
    takes = hasattr(getattr(known, args.type_.rpartition(":")[2], None), "tags")
    if takes:
        more = {"Name": f"{args.type_.rpartition(':')[2]}-{args.name}", "aerodrome:environment": "dev"}
        args.props["tags"] = {**(args.props.get("tags") or {}), **more}
        return pulumi.ResourceTransformResult(props=args.props, opts=args.opts)
pulumi.runtime.register_resource_transform(
    lambda args: tagged(args) if args.type_.startswith("aws:") else None)
"""

TAKEN_AWAY = ("aws:iam/accessKey:AccessKey", "aws:ec2/securityGroupRule:SecurityGroupRule")
"""What is found is deleted, to be made again."""

FORMS = {
    "aws:ec2/routeTableAssociation:RouteTableAssociation": "{subnetId}/{routeTableId}",
    "aws:ec2/route:Route": "{routeTableId}_{destinationCidrBlock}",
    "aws:eks/podIdentityAssociation:PodIdentityAssociation": "{clusterName},{associationId}",
    "aws:rds/instance:Instance": "{identifier}",
}
"""Of types whose id in the state is not the one by which Pulumi's provider imports them."""


@pytest.fixture(scope="module")
def stack(
    tmp_path_factory: pytest.TempPathFactory,
    endpoint: tuple[str, dict[str, str]],
) -> AwsStack:
    made = AwsStack(tmp_path_factory.mktemp("found"), Emulator(*endpoint))
    made.program(TAGS + PROGRAM)
    made.up()
    return made


def pending(entry: dict[str, Any]) -> Pending:
    return Pending("creating", entry["urn"], entry["type"], entry["inputs"], entry)


def of_aws(stack: AwsStack) -> list[dict[str, Any]]:
    return [each for each in stack.deployment()["resources"] if each["type"].startswith("aws:")]


def test_what_is_there_is_found_by_what_was_asked_for(stack: AwsStack) -> None:
    look = looker(stack.emulator.client, lambda namespace: pytest.fail("no cluster is needed"))
    repeated = set()
    for entry in of_aws(stack):
        if entry["type"] in TAKEN_AWAY:
            continue
        found = look(pending(entry), frozenset())
        if isinstance(found, Made):
            form = FORMS.get(entry["type"], "{id}")
            assert found.id == form.format(**{"id": entry["id"], **entry["outputs"]}), entry["urn"]
        else:
            assert found is not None, f"{entry['type']} has no row"
            repeated.add(entry["type"])
    assert all(BY_TYPE[each].recover is repeat for each in repeated), repeated


def test_what_is_there_is_not_made_a_second_time(stack: AwsStack) -> None:
    """All that nothing depends on, as if the run had been killed before it knew of any of it."""
    resources = stack.deployment()["resources"]
    needed = {urn for each in resources for urn in each.get("dependencies") or ()}
    document = json.loads(stack.checkpoint.read_text())
    latest = document["checkpoint"]["latest"]
    leaves = [each for each in of_aws(stack) if each["urn"] not in needed]
    assert len(leaves) > 20
    latest["resources"] = [each for each in resources if each not in leaves]
    latest["pending_operations"] = [
        {
            "type": "creating",
            "resource": {key: each[key] for key in each if key not in ("id", "outputs")},
        }
        for each in leaves
    ]
    stack.checkpoint.write_text(json.dumps(document))
    before = things(stack.emulator)
    stack.up()
    assert things(stack.emulator) == before
    assert stack.up().changed == 0
    stack.destroy()
    assert set(things(stack.emulator).values()) == {0}


def things(emulator: Emulator) -> dict[str, int]:
    """How many there are of what could be there twice."""
    ec2, iam, eks = (emulator.client(service) for service in ("ec2", "iam", "eks"))
    ours = [{"Name": "tag:aerodrome:environment", "Values": ["dev"]}]
    users = [user["UserName"] for user in iam.list_users()["Users"] if user["UserName"] != "test"]
    clusters = eks.list_clusters()["clusters"]
    return {
        "gateways": len(ec2.describe_internet_gateways(Filters=ours)["InternetGateways"]),
        "tables": len(ec2.describe_route_tables(Filters=ours)["RouteTables"]),
        "addresses": len(ec2.describe_addresses(Filters=ours)["Addresses"]),
        "rules": sum(
            len(group["IpPermissions"]) + len(group["IpPermissionsEgress"])
            for group in ec2.describe_security_groups(Filters=ours)["SecurityGroups"]
        ),
        "keys": sum(
            len(iam.list_access_keys(UserName=user)["AccessKeyMetadata"])
            for user in users
            if user.startswith("ann")
        ),
        "pods": sum(
            len(eks.list_pod_identity_associations(clusterName=each)["associations"])
            for each in clusters
        ),
    }
