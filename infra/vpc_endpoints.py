"""VPC endpoints: AWS services that the network reaches past its NAT gateways.

That of S3 is an entry in route tables, and free. The others are addresses in the private subnets, which AWS
bills by the hour in each zone; the services' public names lead to them in all of the network.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws

from infra.contract.endpoints import GATEWAY, INTERFACES
from infra.stack import Stack


@dataclass(frozen=True)
class Surroundings:
    """What endpoints are put into."""

    stack: Stack
    parent: pulumi.Resource
    vpc_id: pulumi.Output[str]
    route_table_ids: Sequence[pulumi.Input[str]]
    subnet_ids: Sequence[pulumi.Input[str]]
    """One in each zone."""
    callers: Sequence[str]
    """The addresses that may call them."""


def make_endpoints(around: Surroundings) -> None:
    """Those that the stack's settings name."""
    wanted = around.stack.settings.vpc_endpoints
    if GATEWAY in wanted:
        _endpoint(
            around,
            GATEWAY,
            vpc_endpoint_type="Gateway",
            route_table_ids=list(around.route_table_ids),
        )
    interfaces = [name for service in wanted for name in INTERFACES.get(service, ())]
    if not interfaces:
        return
    group = _group(around)
    for service in interfaces:
        _endpoint(
            around,
            service,
            vpc_endpoint_type="Interface",
            subnet_ids=list(around.subnet_ids),
            security_group_ids=[group.id],
            private_dns_enabled=True,
        )


def _endpoint(around: Surroundings, service: str, **more: Any) -> None:
    names = around.stack.names
    part = f"endpoint-{service.replace('.', '-')}"
    aws.ec2.VpcEndpoint(
        names.of(part),
        vpc_id=around.vpc_id,
        service_name=f"com.amazonaws.{around.stack.place.region}.{service}",
        tags={"Name": names.of(part)},
        opts=pulumi.ResourceOptions(parent=around.parent),
        **more,
    )


def _group(around: Surroundings) -> aws.ec2.SecurityGroup:
    """Who may call the endpoints: by their names they are called from all of the network, the public subnets too."""
    name = around.stack.names.of("endpoints")
    return aws.ec2.SecurityGroup(
        name,
        vpc_id=around.vpc_id,
        description="VPC endpoints: HTTPS from the network",
        ingress=[
            {
                "protocol": "tcp",
                "from_port": 443,
                "to_port": 443,
                "cidr_blocks": list(around.callers),
                "description": "HTTPS",
            }
        ],
        tags={"Name": name},
        opts=pulumi.ResourceOptions(parent=around.parent),
    )
