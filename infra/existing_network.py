"""A VPC that somebody else has made, with its subnets: what the program must know of it, asked before anything is made.

By its ids alone, and nothing is written into it: no tag, no route, no attribute. What the environment makes in it
are things of its own. A tag on another's subnet would be lost with his next run, and one that we take off at the end could have been his.
"""

from dataclasses import dataclass

import pulumi_aws as aws

from infra.contract.endpoints import GATEWAY
from infra.contract.settings import Settings
from infra.contract.tenancy import Tenancy


@dataclass(frozen=True)
class ExistingNetwork:
    """As AWS describes it."""

    vpc_id: str
    vpc_arn: str
    cidrs: tuple[str, ...]
    """All of its addresses."""
    private_cidrs: tuple[str, ...]
    """Those from which pods come: of the private subnets."""
    private_subnet_ids: tuple[str, ...]
    public_subnet_ids: tuple[str, ...]
    endpoint_subnet_ids: tuple[str, ...]
    """The first private subnet of each zone: an endpoint takes no second one."""
    route_table_ids: tuple[str, ...]
    """Of the subnets; asked for only where an endpoint needs them."""


def find_existing(settings: Settings) -> ExistingNetwork | None:
    """The one that the settings name; None if they name none. A shared environment has its base's."""
    if not settings.vpc_id or settings.tenancy == Tenancy.shared:
        return None
    vpc = aws.ec2.get_vpc(id=settings.vpc_id)
    # With the VPC's id: AWS then finds no subnet of another one.
    private = [
        aws.ec2.get_subnet(id=subnet, vpc_id=vpc.id) for subnet in settings.private_subnet_ids
    ]
    of_zones: dict[str, str] = {}
    for subnet in private:
        of_zones.setdefault(subnet.availability_zone, subnet.id)
    return ExistingNetwork(
        vpc.id,
        vpc.arn,
        addresses(vpc),
        tuple(one.cidr_block for one in private),
        settings.private_subnet_ids,
        settings.public_subnet_ids,
        tuple(of_zones.values()),
        _route_tables(settings, vpc) if GATEWAY in settings.vpc_endpoints else (),
    )


def addresses(vpc: aws.ec2.AwaitableGetVpcResult) -> tuple[str, ...]:
    """All that the VPC has now."""
    found = vpc.cidr_block_associations
    return tuple(one.cidr_block for one in found if one.state == "associated")


def _route_tables(settings: Settings, vpc: aws.ec2.AwaitableGetVpcResult) -> tuple[str, ...]:
    """A subnet without a table of its own has the VPC's main one."""
    found: dict[str, None] = {}
    for subnet in (*settings.private_subnet_ids, *settings.public_subnet_ids):
        own = aws.ec2.get_route_tables(
            vpc_id=vpc.id, filters=[{"name": "association.subnet-id", "values": [subnet]}]
        )
        found |= dict.fromkeys(own.ids or [vpc.main_route_table_id])
    return tuple(found)
