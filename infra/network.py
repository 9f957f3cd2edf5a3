"""The network: a VPC over two zones, with public and private subnets, or one that is there already.

Everything that works lives in the private subnets and reaches the internet through one NAT gateway;
only load balancers, the NAT gateway and the Rancher server are in the public ones. One NAT instead of
one for each zone, unless it is asked for: it costs more than everything else in a small environment, and a
zone that is lost with it takes down task starts, not data.

Services with a VPC endpoint are reached past it. Of a VPC that the settings name nothing is made, and nothing is changed.
"""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from infra.existing_network import ExistingNetwork
from infra.stack import Stack
from infra.vpc_endpoints import Surroundings, make_endpoints


@dataclass(frozen=True)
class NetworkArgs:
    """The stack says the addresses, the place the zones."""

    stack: Stack


@dataclass(frozen=True)
class SubnetPlan:
    """Which addresses go where."""

    public: tuple[str, ...]
    private: tuple[str, ...]


def plan_subnets(cidr: str) -> SubnetPlan:
    """Half of the network for the private subnets, where every pod takes an address, an eighth for the
    public ones; the rest stays free for what comes later."""
    network = ipaddress.IPv4Network(cidr)
    quarters = list(network.subnets(prefixlen_diff=2))
    sixteenths = list(quarters[2].subnets(prefixlen_diff=2))
    return SubnetPlan(
        public=tuple(str(subnet) for subnet in sixteenths[:2]),
        private=tuple(str(subnet) for subnet in quarters[:2]),
    )


class Network(pulumi.ComponentResource):
    """VPC, subnets, internet gateway, NAT gateway and routes, or those that are there."""

    vpc_id: pulumi.Output[str]
    vpc_arn: pulumi.Output[str]
    public_subnet_ids: list[pulumi.Output[str]]
    private_subnet_ids: list[pulumi.Output[str]]
    private_cidrs: tuple[str, ...]

    def __init__(
        self, name: str, args: NetworkArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("aerodrome:index:Network", name, {}, opts)
        self._names = args.stack.names
        self._child = pulumi.ResourceOptions(parent=self)
        if args.stack.place.network:
            self._take(args.stack, args.stack.place.network)
        else:
            self._make(args.stack)
        self.register_outputs({"vpcId": self.vpc_id})

    def _take(self, stack: Stack, existing: ExistingNetwork) -> None:
        """What is there. Endpoints are the only things that are made in it."""
        self.vpc_id = pulumi.Output.from_input(existing.vpc_id)
        self.vpc_arn = pulumi.Output.from_input(existing.vpc_arn)
        self.public_subnet_ids = _outputs(existing.public_subnet_ids)
        self.private_subnet_ids = _outputs(existing.private_subnet_ids)
        self.private_cidrs = existing.private_cidrs
        make_endpoints(
            Surroundings(
                stack,
                self,
                self.vpc_id,
                existing.route_table_ids,
                existing.endpoint_subnet_ids,
                existing.cidrs,
            )
        )

    def _make(self, stack: Stack) -> None:
        cidr = stack.settings.vpc_cidr
        self._zones = zones = stack.place.zones
        plan = plan_subnets(cidr)
        self.private_cidrs = plan.private
        vpc = aws.ec2.Vpc(
            self._names.of("vpc"),
            cidr_block=cidr,
            # Both are needed for the private names of the Kubernetes API's endpoint.
            enable_dns_hostnames=True,
            enable_dns_support=True,
            tags=self._name_tag("vpc"),
            opts=self._child,
        )
        self.vpc_id, self.vpc_arn = vpc.id, vpc.arn
        gateway = aws.ec2.InternetGateway(
            self._names.of("internet"),
            vpc_id=vpc.id,
            tags=self._name_tag("internet"),
            opts=self._child,
        )
        # The tags tell Kubernetes' load balancer controllers which subnets are for whom.
        public = self._subnets("public", plan.public, zones, "kubernetes.io/role/elb")
        private = self._subnets("private", plan.private, zones, "kubernetes.io/role/internal-elb")
        self.public_subnet_ids = [subnet.id for subnet in public]
        self.private_subnet_ids = [subnet.id for subnet in private]
        per_zone = stack.settings.nat_per_zone
        tables = [
            self._route("public", public, gateway_id=gateway.id),
            *self._route_private(private, public, gateway, per_zone=per_zone),
        ]
        make_endpoints(
            Surroundings(
                stack,
                self,
                vpc.id,
                [table.id for table in tables],
                self.private_subnet_ids,
                [cidr],
            )
        )

    def _subnets(
        self, kind: str, cidrs: Sequence[str], zones: Sequence[str], role_tag: str
    ) -> list[aws.ec2.Subnet]:
        return [
            aws.ec2.Subnet(
                self._names.of(kind, zone),
                vpc_id=self.vpc_id,
                availability_zone=zone,
                cidr_block=cidr,
                # Nothing gets a public address by accident; what needs one gets an elastic one.
                map_public_ip_on_launch=False,
                tags=self._name_tag(kind, zone) | {role_tag: "1"},
                opts=self._child,
            )
            for cidr, zone in zip(cidrs, zones, strict=True)
        ]

    def _route_private(
        self,
        private: Sequence[aws.ec2.Subnet],
        public: Sequence[aws.ec2.Subnet],
        gateway: aws.ec2.InternetGateway,
        *,
        per_zone: bool,
    ) -> list[aws.ec2.RouteTable]:
        """The private subnets' ways out, through one NAT gateway or through one in each zone.

        The first zone's things have the same names either way: a subnet then changes its table, and the gateway that
        is in use stays.
        """
        first = self._nat("nat", public[0], gateway)
        tables = [self._table("private", nat_gateway_id=first.id)]
        for zone, subnet in zip(self._zones[1:] if per_zone else (), public[1:], strict=False):
            nat = self._nat(f"nat-{zone}", subnet, gateway)
            tables.append(self._table(f"private-{zone}", nat_gateway_id=nat.id))
        for number, subnet in enumerate(private):
            self._associate("private", number, subnet, tables[number if per_zone else 0])
        return tables

    def _nat(
        self, name: str, subnet: aws.ec2.Subnet, gateway: aws.ec2.InternetGateway
    ) -> aws.ec2.NatGateway:
        address = aws.ec2.Eip(
            self._names.of(name), domain="vpc", tags=self._name_tag(name), opts=self._child
        )
        return aws.ec2.NatGateway(
            self._names.of(name),
            allocation_id=address.allocation_id,
            subnet_id=subnet.id,
            tags=self._name_tag(name),
            # AWS: a NAT gateway needs the internet gateway, though it does not name it.
            opts=pulumi.ResourceOptions(parent=self, depends_on=[gateway]),
        )

    def _route(
        self, kind: str, subnets: Sequence[aws.ec2.Subnet], *, gateway_id: pulumi.Output[str]
    ) -> aws.ec2.RouteTable:
        """A route table for all of the subnets."""
        table = self._table(kind, gateway_id=gateway_id)
        for number, subnet in enumerate(subnets):
            self._associate(kind, number, subnet, table)
        return table

    def _table(
        self,
        name: str,
        *,
        gateway_id: pulumi.Output[str] | None = None,
        nat_gateway_id: pulumi.Output[str] | None = None,
    ) -> aws.ec2.RouteTable:
        """A route table with the way out."""
        table = aws.ec2.RouteTable(
            self._names.of(name),
            vpc_id=self.vpc_id,
            tags=self._name_tag(name),
            opts=self._child,
        )
        aws.ec2.Route(
            self._names.of(name, "internet"),
            route_table_id=table.id,
            destination_cidr_block="0.0.0.0/0",
            gateway_id=gateway_id,
            nat_gateway_id=nat_gateway_id,
            opts=self._child,
        )
        return table

    def _associate(
        self, kind: str, number: int, subnet: aws.ec2.Subnet, table: aws.ec2.RouteTable
    ) -> None:
        aws.ec2.RouteTableAssociation(
            self._names.of(kind, str(number + 1)),
            route_table_id=table.id,
            subnet_id=subnet.id,
            opts=self._child,
        )

    def _name_tag(self, *parts: str) -> dict[str, str]:
        return {"Name": self._names.of(*parts)}


def _outputs(ids: Sequence[str]) -> list[pulumi.Output[str]]:
    return [pulumi.Output.from_input(each) for each in ids]
