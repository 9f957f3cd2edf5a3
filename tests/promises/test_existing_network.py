"""An environment in a VPC that is somebody else's: all that needs a network is in it, it is refused by name where it
lacks something, and after `down` it is what it was.

The kit's own modules, by the real Pulumi CLI, in the sandbox's plugins, against the emulator.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from cli.app import app
from cli.base.environments import Environment
from cli.base.paths import ROOT
from cli.cloud.catalogue import find
from cli.cloud.resource import Search
from cli.operations.preflight import checks
from tests.program.recording import SECRETS
from tests.promises.aws_cloud import REGION, AwsStack, Emulator, Proxy
from tests.promises.test_refused_settings import Session

PROGRAM = f"""
import sys

sys.path.insert(0, {str(ROOT)!r})

import pulumi_eks as eks

from infra.contract.secret_settings import Secrets
from infra.contract.settings import SETTINGS, Settings
from infra.database import Database, DatabaseArgs
from infra.existing_network import find_existing
from infra.flow_log import FlowLog, FlowLogArgs
from infra.log_bucket import LogBucket, LogBucketArgs
from infra.network import Network, NetworkArgs
from infra.rancher import Rancher, RancherArgs
from infra.stack import Place, Stack, adapt_everything
from infra.workers import make_workers

secrets = Secrets(**{{SETTINGS[key].field: value for key, value in {SECRETS!r}.items()}})
settings = Settings(environment="dev", **CHANGED)
place = Place("us-east-1", "aws", ["us-east-1a", "us-east-1b"], find_existing(settings))
stack = Stack(settings, secrets, place)
adapt_everything(stack)
network = Network("network", NetworkArgs(stack))
FlowLog("flow-log", FlowLogArgs(stack, network, LogBucket("logs", LogBucketArgs(stack, network))))
cluster = eks.Cluster(
    stack.names.cluster,
    name=stack.names.cluster,
    version="1.36",
    vpc_id=network.vpc_id,
    private_subnet_ids=network.private_subnet_ids,
    public_subnet_ids=network.public_subnet_ids,
    authentication_mode=eks.AuthenticationMode.API,
    skip_default_node_group=True,
)
make_workers(stack, cluster, network, pulumi.ComponentResource("test:index:Parent", "parent"))
Rancher("rancher", RancherArgs(stack, network))
Database("database", DatabaseArgs(stack, network))
"""


class Given:
    """A VPC as a platform team has it, made by hand: a NAT gateway for all, the private subnets with the main table."""

    def __init__(self, ec2: Any) -> None:
        self.ec2 = ec2
        named = [{"Key": "Name", "Value": "platform"}, {"Key": "CostCenter", "Value": "1234"}]

        def tags(kind: str) -> list[Any]:
            return [{"ResourceType": kind, "Tags": named}]

        self.vpc = ec2.create_vpc(CidrBlock="10.50.0.0/16", TagSpecifications=tags("vpc"))["Vpc"][
            "VpcId"
        ]
        ec2.modify_vpc_attribute(VpcId=self.vpc, EnableDnsHostnames={"Value": True})
        self.private = [self.subnet(f"10.50.{2 * one}.0/23", one, tags) for one in (0, 1)]
        self.public = [self.subnet(f"10.50.{200 + one}.0/24", one, tags) for one in (0, 1)]
        internet = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
        ec2.attach_internet_gateway(InternetGatewayId=internet, VpcId=self.vpc)
        address = ec2.allocate_address(Domain="vpc")["AllocationId"]
        nat = ec2.create_nat_gateway(SubnetId=self.public[0], AllocationId=address)["NatGateway"]
        (main,) = self.tables()
        self.out(main["RouteTableId"], NatGatewayId=nat["NatGatewayId"])
        made = ec2.create_route_table(VpcId=self.vpc, TagSpecifications=tags("route-table"))
        own = made["RouteTable"]["RouteTableId"]
        self.out(own, GatewayId=internet)
        for subnet in self.public:
            ec2.associate_route_table(RouteTableId=own, SubnetId=subnet)

    def subnet(self, block: str, zone: int, tags: Any) -> str:
        made = self.ec2.create_subnet(
            VpcId=self.vpc,
            CidrBlock=block,
            AvailabilityZone=f"us-east-1{'ab'[zone]}",
            TagSpecifications=tags("subnet"),
        )
        return str(made["Subnet"]["SubnetId"])

    def out(self, table: str, **target: str) -> None:
        self.ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", **target)

    def tables(self) -> Any:
        named = [{"Name": "vpc-id", "Values": [self.vpc]}]
        return self.ec2.describe_route_tables(Filters=named)["RouteTables"]

    def endpoints(self) -> Any:
        named = [{"Name": "vpc-id", "Values": [self.vpc]}]
        return self.ec2.describe_vpc_endpoints(Filters=named)["VpcEndpoints"]

    def described(self) -> dict[str, Any]:
        """All that AWS says of it, and of what is in it."""
        ec2, named = self.ec2, [{"Name": "vpc-id", "Values": [self.vpc]}]
        attached = [{"Name": "attachment.vpc-id", "Values": [self.vpc]}]
        return {
            "vpc": ec2.describe_vpcs(VpcIds=[self.vpc])["Vpcs"],
            **{
                each: ec2.describe_vpc_attribute(VpcId=self.vpc, Attribute=each)[
                    f"{each[:1].upper()}{each[1:]}"
                ]
                for each in ("enableDnsSupport", "enableDnsHostnames")
            },
            "subnets": ec2.describe_subnets(Filters=named)["Subnets"],
            "tables": self.tables(),
            "internet": ec2.describe_internet_gateways(Filters=attached)["InternetGateways"],
            "nat": ec2.describe_nat_gateways(Filters=named)["NatGateways"],
            "groups": ec2.describe_security_groups(Filters=named)["SecurityGroups"],
            "endpoints": self.endpoints(),
        }

    @property
    def settings(self) -> dict[str, Any]:
        return {
            "vpc_id": self.vpc,
            "private_subnet_ids": tuple(self.private),
            "public_subnet_ids": tuple(self.public),
            "vpc_endpoints": (),
        }


@pytest.fixture(scope="module")
def given(emulator: Emulator) -> Given:
    return Given(emulator.client("ec2"))


def deploy(stack: AwsStack, changed: Mapping[str, Any]) -> None:
    stack.program(PROGRAM.replace("CHANGED", repr(dict(changed))))
    stack.up()


@pytest.fixture
def session(
    stack: AwsStack, proxy: Proxy, given: Given, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Session:
    monkeypatch.setenv("AERODROME_STATE", str(tmp_path / "state"))
    made = Session(tmp_path)
    made.stack, made.url = stack, proxy.url
    stack.program(PROGRAM.replace("CHANGED", repr(given.settings)))
    configure(stack, vpcId=given.vpc, privateSubnetIds=given.private, publicSubnetIds=given.public)
    return made


def configure(stack: AwsStack, **settings: Any) -> None:
    texts = {
        f"aerodrome:{key}": value if isinstance(value, str) else json.dumps(value)
        for key, value in settings.items()
    }
    stack.driver().set_plain(texts)


def preview(session: Session) -> Result:
    return CliRunner().invoke(app, ["preview", "--env", "dev"], obj=session)


def refused(session: Session, proxy: Proxy, said: str) -> str:
    """What is said, with the next command."""
    result = preview(session)
    assert result.exit_code == 2, result.output
    assert said in result.stderr
    assert "Nothing was changed." in result.stderr
    assert "Traceback" not in result.output
    asked = ("Describe", "GetCallerIdentity", "GetSecretValue", "GET ")
    assert [call for call in proxy.calls if not call.startswith(asked)] == []
    return str(result.stderr)


def test_an_environment_comes_and_goes_in_it_and_leaves_it_as_it_was(
    session: Session,
    stack: AwsStack,
    proxy: Proxy,
    emulator: Emulator,
    given: Given,
    capsys: pytest.CaptureFixture[str],
) -> None:
    ec2, before = given.ec2, given.described()
    checks.check(
        session, Environment("dev"), session.backend(Environment("dev")), REGION, refresh=False
    )
    assert "not checked" not in capsys.readouterr().err
    deploy(stack, {**given.settings, "vpc_endpoints": ("s3", "sts")})
    # What somebody asks for comes into the tables.
    found = {one["ServiceName"].rpartition(".")[2]: one for one in given.endpoints()}
    assert set(found["s3"]["RouteTableIds"]) == {one["RouteTableId"] for one in given.tables()}
    assert set(found["sts"]["SubnetIds"]) == set(given.private)

    networks = ("vpc", "subnet", "routeTable", "route", "natGateway", "internetGateway")
    types = {one["type"] for one in stack.resources().values()}
    assert not {one for one in types for kind in networks if one.startswith(f"aws:ec2/{kind}:")}
    cluster = emulator.client("eks").describe_cluster(name="aerodrome-dev")["cluster"]
    assert set(cluster["resourcesVpcConfig"]["subnetIds"]) == {*given.private, *given.public}
    (group,) = emulator.client("eks").list_nodegroups(clusterName="aerodrome-dev")["nodegroups"]
    shown = emulator.client("eks").describe_nodegroup(
        clusterName="aerodrome-dev", nodegroupName=group
    )["nodegroup"]
    assert shown["subnets"] == given.private
    (database,) = emulator.client("rds").describe_db_subnet_groups()["DBSubnetGroups"]
    assert {one["SubnetIdentifier"] for one in database["Subnets"]} == set(given.private)
    (server,) = ec2.describe_instances()["Reservations"][0]["Instances"]
    assert server["SubnetId"] == given.public[0]
    (log,) = ec2.describe_flow_logs()["FlowLogs"]
    assert log["ResourceId"] == given.vpc

    # By tag the environment's things are found, and nothing of the network's.
    ours = {one.id for one in find(Search(emulator.client, "dev"))}
    assert ours
    assert not ours & {given.vpc, *given.private, *given.public}

    # No way leads from it to another network while it stands.
    configure(stack, vpcId="vpc-0123456789abcdef0", kubernetesVersion="1.36")
    said = refused(session, proxy, f'"dev" is deployed in {given.vpc}, and the configuration says')
    assert f"./aerodrome config set vpcId {given.vpc} --env dev" in said

    # The endpoints' entries in the route tables, too.
    stack.destroy()
    assert find(Search(emulator.client, "dev")) == []
    assert given.described() == before


def test_what_it_lacks_is_named_before_anything_is_made(
    session: Session, stack: AwsStack, proxy: Proxy, given: Given
) -> None:
    ec2 = given.ec2
    ec2.modify_vpc_attribute(VpcId=given.vpc, EnableDnsHostnames={"Value": False})
    said = refused(session, proxy, f"The VPC {given.vpc} has enableDnsHostnames off")
    assert f"aws ec2 modify-vpc-attribute --region us-east-1 --vpc-id {given.vpc}" in said
    ec2.modify_vpc_attribute(VpcId=given.vpc, EnableDnsHostnames={"Value": True})

    configure(stack, privateSubnetIds=given.public, publicSubnetIds=given.private)
    refused(session, proxy, "to an internet gateway")
    configure(stack, privateSubnetIds=given.private, publicSubnetIds=["subnet-0123456789abcdef0"])
    refused(session, proxy, "There is no subnet subnet-0123456789abcdef0 in us-east-1")
    configure(stack, publicSubnetIds=given.public)

    configure(stack, nodeDesired="50", nodeMax="50")
    refused(session, proxy, "The private subnets have 502 free addresses, and 1032 are needed")
    configure(stack, nodeDesired="2", nodeMax="4")

    configure(stack, uiServiceType="LoadBalancer")
    refused(session, proxy, "lack the tag kubernetes.io/role/elb")
    configure(stack, uiServiceType="ClusterIP", vpcCidr="10.20.0.0/16")
    refused(session, proxy, "vpcCidr is 10.20.0.0/16")
    assert not stack.checkpoint.exists() or "aws:" not in json.dumps(stack.deployment())
