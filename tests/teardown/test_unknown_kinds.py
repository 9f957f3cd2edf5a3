"""What carries the environment's tag and has no row in the catalogue is named: nobody calls it gone."""

from collections.abc import Iterator

import pytest

from cli.cloud.clearing import clear
from cli.cloud.patience import Patience
from cli.cloud.resource import Resource
from tests.teardown.conftest import Cloud

UNKNOWN = {
    "network-acl": "EC2 is known, its network ACLs are not",
    "parameter": "nothing of SSM is",
}


@pytest.fixture(params=UNKNOWN)
def unknown(request: pytest.FixtureRequest, cloud: Cloud) -> Iterator[str]:
    """The ARN of one. The program makes none, and no controller; somebody did by hand."""
    if request.param == "parameter":
        ssm, name = cloud.client("ssm"), f"/{cloud.ours}"
        ssm.put_parameter(Name=name, Value="x", Type="String", Tags=cloud.tags(cloud.ours))
        yield f"arn:aws:ssm:us-east-1:000000000000:parameter{name}"
        ssm.delete_parameter(Name=name)
        return
    ec2 = cloud.client("ec2")
    network = ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    made = ec2.create_network_acl(VpcId=network)["NetworkAcl"]["NetworkAclId"]
    ec2.create_tags(Resources=[made], Tags=cloud.tags(cloud.ours))
    yield f"arn:aws:ec2:us-east-1:000000000000:network-acl/{made}"
    ec2.delete_network_acl(NetworkAclId=made)
    ec2.delete_vpc(VpcId=network)


def found(cloud: Cloud) -> list[Resource]:
    return [resource for resource in cloud.found(cloud.ours) if not resource.known]


def test_it_is_in_the_inventory_and_down_says_that_it_is_left(cloud: Cloud, unknown: str) -> None:
    assert [resource.arn for resource in found(cloud)] == [unknown]
    patience = Patience(limit=1.0, stuck=0.1, pause=0.05)
    (left,) = clear(cloud.client, cloud.ours, cloud.lines.append, patience=patience)
    assert unknown in left.lines()[0]
    assert "is not known to this kit" in left.reason
    assert f"--resource-arn-list {unknown}" in left.resource.show


def test_the_neighbours_inventory_does_not_have_it(cloud: Cloud, unknown: str) -> None:
    assert unknown not in [resource.arn for resource in cloud.found(cloud.theirs)]
