"""Runs the program against Pulumi's mocks, and keeps what it registered: what `up` would make, with no cloud.

    python -m infra.registrations < stacks.json

reads a list of stacks, each `{"stack": "organization/aerodrome/NAME", "config": {KEY: VALUE}}`, and writes a
list of what each registers, types with inputs. A stack may stand on those before it. Secrets and what
AWS would answer are made up. What pulumi-eks's components make beyond the program is not in it.
"""

import asyncio
import base64
import contextlib
import contextvars
import gc
import json
import os
import runpy
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pulumi
from google.protobuf import empty_pb2, json_format, struct_pb2
from pulumi.runtime import mocks as pulumi_mocks
from pulumi.runtime.proto import resource_pb2
from pulumi.runtime.settings import SETTINGS, set_root_resource
from pulumi.runtime.stack import run_in_stack

from infra.contract import logs

ROOT = Path(__file__).resolve().parent.parent

SECRETS = {
    "fernetKey": "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
    "jwtSecret": "jwt-0123456789abcdef0123456789abcdef",
    "apiSecretKey": "api-0123456789abcdef",
    "databasePassword": "database/p@ss:word",
    "adminPassword": "admin-password",
    "celeryPassword": "celery/p@ss:word",
    "checksumKey": "checksum-0123456789abcdef0123456789abcdef",
    "metricsAdminPassword": "metrics/admin/p@ss",
    "metricsWriterPassword": "metrics/writer/p@ss",
    "metricsReaderPassword": "metrics/reader/p@ss",
    "metricsDatabasePassword": "metrics/database/p@ss",
    "grafanaAdminPassword": "grafana/admin/p@ss",
    "logsWriterPassword": "logs/writer/p@ss",
    "logsReaderPassword": "logs/reader/p@ss",
}

DIGEST = "sha256:" + "0123456789abcdef" * 4
BRANCH_DIGEST = "sha256:" + "fedcba9876543210" * 4

_SIGNATURE = "4dabf18193072939515e22adb298388d"
_SECRET = "1b47061264138c4ac30d75fd1eb44270"

_CLUSTER_URN = "urn:pulumi:test::aerodrome::eks:index:Cluster$aws:eks/cluster:Cluster::cluster"

# A resource reference, as Pulumi writes it: what the remote component made.
EKS_CLUSTER = {
    _SIGNATURE: "5cf8f73096256a8f31e491e813e4eb8e",
    "urn": _CLUSTER_URN,
    "id": "cluster",
}


@dataclass(frozen=True)
class Registration:
    """One resource as the program wanted it, the stack's transforms applied."""

    type: str
    name: str
    inputs: Mapping[str, Any]
    secret_inputs: frozenset[str]
    dependencies: frozenset[str]
    ignore_changes: tuple[str, ...]
    parent: str
    urn: str


FIXED: Mapping[str, Mapping[str, Any]] = {
    "aws:index/getAvailabilityZones:getAvailabilityZones": {
        "names": ["eu-north-1c", "eu-north-1a", "eu-north-1b"]
    },
    "aws:index/getRegion:getRegion": {"region": "eu-north-1"},
    "aws:index/getPartition:getPartition": {"partition": "aws"},
    "aws:ec2/getAmi:getAmi": {"id": "ami-1"},
}
"""Answers to whatever is asked."""


class Aws(pulumi_mocks.Mocks):
    """Answers the program's questions with made-up values."""

    def __init__(self) -> None:
        self.transforms: list[Any] = []
        self.invoke_transforms: list[Any] = []
        self.images: list[Mapping[str, str]] = []
        """What every image repository holds: `imageTag` and `imageDigest`."""
        self.node_groups: list[Mapping[str, Any]] = []
        """What EKS has of them, in the words of the provider's function."""

    def call(self, args: pulumi_mocks.MockCallArgs) -> dict[str, Any]:  # type: ignore[override]
        if args.token in FIXED:
            return dict(FIXED[args.token])
        match args.token:
            case "aws:ec2/getVpc:getVpc":
                return made_up_vpc(args.args["id"])
            case "aws:ec2/getSubnet:getSubnet":
                return {**args.args, **made_up_subnet(args.args["id"])}
            case "aws:ec2/getRouteTables:getRouteTables":
                return {"ids": ["rtb-existing"]}
            case "aws:rds/getInstance:getInstance":
                name = args.args["dbInstanceIdentifier"]
                return {**args.args, "address": f"{name}.rds.example.com", "port": 5432}
            case "aws:ecr/getAuthorizationToken:getAuthorizationToken":
                return {"userName": "AWS", "password": "registry-token"}
            case "aws:ecr/getImages:getImages":
                return {"imageIds": [*self.images]}
        return self._call_eks(args)

    def _call_eks(self, args: pulumi_mocks.MockCallArgs) -> dict[str, Any]:
        match args.token:
            case "aws:eks/getCluster:getCluster":
                return made_up_cluster(args.args["name"])
            case "aws:eks/getClusters:getClusters":
                return {"names": [one["clusterName"] for one in self.node_groups]}
            case "aws:eks/getNodeGroups:getNodeGroups":
                return {"names": [one["nodeGroupName"] for one in self.node_groups]}
            case "aws:eks/getNodeGroup:getNodeGroup":
                (group,) = (one for one in self.node_groups if args.args.items() <= one.items())
                return dict(group)
        raise AssertionError(f"the program calls {args.token}: teach the mocks")

    def new_resource(self, args: pulumi_mocks.MockResourceArgs) -> tuple[str, dict[str, Any]]:
        raise AssertionError("the monitor below answers registrations itself")

    def register_transform(self, transform: Any) -> None:
        self.transforms.append(transform)

    def register_invoke_transform(self, transform: Any) -> None:
        self.invoke_transforms.append(transform)


class Monitor(pulumi_mocks.MockMonitor):
    """Keeps registrations as they came: with secrets, dependencies and the stack's transforms applied.

    Pulumi's own mock monitor decodes inputs with the SDK, which then looks up every resource reference on
    another thread's event loop and never returns.
    """

    def __init__(self, aws: Aws, stacks: Mapping[str, "Program"]) -> None:
        super().__init__(aws)
        self.aws = aws
        self.stacks = stacks
        self.registrations: list[Registration] = []
        self.outputs: Mapping[str, Any] = {}
        """The stack's, as they came."""
        state: dict[str, Any] = {
            "name": "cluster",
            "arn": "arn:aws:eks:eu-north-1:123456789012:cluster/cluster",
            "vpcConfig": {"clusterSecurityGroupId": "sg-cluster"},
        }
        self.resources[_CLUSTER_URN] = self.ResourceRegistration(_CLUSTER_URN, "cluster", state)

    def RegisterResource(self, request: Any) -> Any:
        urn = self.make_urn(request.parent, request.type, request.name)
        if request.type == "pulumi:pulumi:Stack":
            return resource_pb2.RegisterResourceResponse(urn=urn)
        raw = json_format.MessageToDict(request.object)
        inputs, ignored = self._transformed(request, reveal(raw))
        identity = f"{request.name}-id" if request.custom else ""
        provider_urn = request.provider.rpartition("::")[0]
        self.registrations.append(
            Registration(
                type=request.type,
                name=request.name,
                inputs=inputs,
                secret_inputs=_secret_keys(raw),
                dependencies=frozenset(
                    {*request.dependencies, *([provider_urn] if provider_urn else [])}
                ),
                ignore_changes=ignored,
                parent=request.parent,
                urn=urn,
            )
        )
        outputs = {**inputs, **made_up_outputs(request.type, request.name)}
        self.resources[urn] = self.ResourceRegistration(urn, identity, outputs)
        answer = struct_pb2.Struct()
        json_format.ParseDict(outputs, answer)
        return resource_pb2.RegisterResourceResponse(urn=urn, id=identity, object=answer)

    def RegisterResourceOutputs(self, request: Any) -> Any:
        if request.urn.split("::")[2] == "pulumi:pulumi:Stack":
            self.outputs = json_format.MessageToDict(request.outputs)
        return empty_pb2.Empty()

    def ReadResource(self, request: Any) -> Any:
        """A StackReference: the outputs of another stack's run. Or the Secret with the passwords of a base's logs."""
        if request.type == "kubernetes:core/v1:Secret":
            return self._read_secret(request)
        assert request.type == "pulumi:pulumi:StackReference", request.type
        stack = self.stacks.get(request.name, _NEVER_RUN)
        answer = struct_pb2.Struct()
        properties = {
            "name": request.name,
            "outputs": {
                key: {_SIGNATURE: _SECRET, "value": value} if key in stack.secret_outputs else value
                for key, value in stack.outputs.items()
            },
            "secretOutputNames": sorted(stack.secret_outputs),
        }
        json_format.ParseDict(properties, answer)
        urn = self.make_urn(request.parent, request.type, request.name)
        return resource_pb2.ReadResourceResponse(urn=urn, properties=answer)

    def _read_secret(self, request: Any) -> Any:
        words = {
            logs.WRITER: SECRETS["logsWriterPassword"],
            logs.READER: SECRETS["logsReaderPassword"],
        }
        data = {key: base64.b64encode(word.encode()).decode() for key, word in words.items()}
        answer = struct_pb2.Struct()
        json_format.ParseDict({"data": data}, answer)
        urn = self.make_urn(request.parent, request.type, request.name)
        return resource_pb2.ReadResourceResponse(urn=urn, properties=answer)

    def _transformed(
        self, request: Any, inputs: dict[str, Any]
    ) -> tuple[dict[str, Any], tuple[str, ...]]:
        options = pulumi.ResourceOptions(ignore_changes=list(request.ignoreChanges))
        for transform in self.aws.transforms:
            result = transform(
                pulumi.ResourceTransformArgs(
                    custom=request.custom,
                    type_=request.type,
                    name=request.name,
                    props=inputs,
                    opts=options,
                )
            )
            if result:
                inputs, options = dict(result.props), result.opts
        return inputs, tuple(options.ignore_changes or ())


def _secret_keys(properties: Mapping[str, Any]) -> frozenset[str]:
    return frozenset(key for key, value in properties.items() if _SECRET in str(value))


def reveal(value: Any) -> Any:
    """Plain values, without the wrapper that marks secrets on the wire."""
    match value:
        case {"value": inner} if value.get(_SIGNATURE) == _SECRET:
            return reveal(inner)
        case dict():
            return {key: reveal(inner) for key, inner in value.items()}
        case list():
            return [reveal(inner) for inner in value]
    return value


def made_up_cluster(name: str) -> dict[str, Any]:
    """One that is there already."""
    return {
        "name": name,
        "arn": f"arn:aws:eks:eu-north-1:123456789012:cluster/{name}",
        "endpoint": f"https://{name}.eks.example.com",
        "certificateAuthorities": [{"data": "LS0tLS1CRUdJTg=="}],
        "vpcConfig": {
            "vpcId": "vpc-0123456789abcdef0",
            "subnetIds": ["subnet-00000002", "subnet-00000001"],
            "clusterSecurityGroupId": "sg-of-another",
        },
    }


def made_up_vpc(vpc: str) -> dict[str, Any]:
    """One that is there already, with a second network that it was given later."""
    networks = [
        ("10.70.0.0/16", "associated"),
        ("100.64.0.0/16", "associated"),
        ("10.71.0.0/16", "disassociated"),
    ]
    return {
        "id": vpc,
        "arn": f"arn:aws:ec2:eu-north-1:123456789012:vpc/{vpc}",
        "mainRouteTableId": "rtb-main",
        "cidrBlockAssociations": [
            {"associationId": f"association-{block}", "cidrBlock": block, "state": state}
            for block, state in networks
        ],
    }


def made_up_subnet(subnet: str) -> dict[str, Any]:
    """Addresses and zone of one, by the last digit of its id."""
    number = int(subnet[-1], 16)
    zone = "eu-north-1" + "abc"[number % 3]
    return {"cidrBlock": f"10.70.{number}.0/24", "availabilityZone": zone}


def made_up_outputs(type_: str, name: str) -> dict[str, Any]:
    """What AWS would have answered."""
    match type_:
        case "eks:index:Cluster":
            return {"kubeconfigJson": "{}", "eksCluster": EKS_CLUSTER, "core": {}}
        case "docker-build:index:Image":
            digest = BRANCH_DIGEST if name.startswith("aerodrome-test-x-") else DIGEST
            return {"digest": digest, "ref": f"ref@{digest}"}
        case "aws:ec2/eip:Eip":
            return {"publicIp": "192.0.2.7", "allocationId": f"{name}-allocation"}
        case "aws:ecr/repository:Repository":
            url = f"123.dkr.ecr.eu-north-1.amazonaws.com/{name}"
            return {"repositoryUrl": url, "registryId": "123", "name": name}
        case "aws:s3/bucket:Bucket":
            return {"arn": f"arn:aws:s3:::{name}", "bucket": name}
        case "aws:rds/instance:Instance":
            return {"address": f"{name}.rds.example.com"}
        case "aws:iam/accessKey:AccessKey":
            return {"secret": "made-up-key"}
        case _ if type_.startswith("aws:"):
            service = type_.split(":")[1].partition("/")[0]
            return {"arn": f"arn:aws:{service}:::{name}", "name": name}
    return {}


@dataclass(frozen=True)
class Program:
    """What one run registered."""

    resources: list[Registration]
    outputs: Mapping[str, Any]
    secret_outputs: frozenset[str]
    transforms: list[Any] = field(default_factory=list)
    invoke_transforms: list[Any] = field(default_factory=list)


_NEVER_RUN = Program([], {}, frozenset())


def run_program(
    config: Mapping[str, str],
    secrets: Mapping[str, str] = SECRETS,
    stacks: Mapping[str, Program] = {},
    images: Sequence[Mapping[str, str]] = (),
    node_groups: Sequence[Mapping[str, Any]] = (),
) -> Program:
    """Runs `infra/` as Pulumi's language host does, with this configuration, beside these stacks.

    The stack itself is `organization/aerodrome/test`; `images` are in every repository.
    """
    full = {_full(key): value for key, value in {**config, **secrets}.items()}
    variables = {
        "PULUMI_CONFIG": json.dumps(full),
        "PULUMI_CONFIG_SECRET_KEYS": json.dumps([_full(key) for key in secrets]),
    }
    with _surroundings(variables):
        # Pulumi keeps a run's settings in context variables: they end with the context.
        return contextvars.copy_context().run(_run, stacks, images, node_groups)


def _full(key: str) -> str:
    """With its namespace, the program's by default."""
    return key if ":" in key else f"aerodrome:{key}"


@contextlib.contextmanager
def _surroundings(variables: Mapping[str, str]) -> Iterator[None]:
    """The working directory and the variables are the program's only while it runs."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        with contextlib.chdir(ROOT / "infra"):
            yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


def _run(
    stacks: Mapping[str, Program],
    images: Sequence[Mapping[str, str]],
    node_groups: Sequence[Mapping[str, Any]],
) -> Program:
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    aws = Aws()
    aws.images = [*images]
    aws.node_groups = [*node_groups]
    monitor = Monitor(aws, stacks)
    pulumi_mocks.set_mocks(
        aws, project="aerodrome", stack="test", monitor=monitor, organization="organization"
    )
    # The mocks bring a stack of their own, which takes no outputs.
    set_root_resource(cast(Any, None))
    # What a program that failed left waiting would be waited for again, forever: its loop is gone.
    SETTINGS.rpc_manager.clear()
    SETTINGS.outputs.clear()

    def program() -> None:
        runpy.run_path(str(ROOT / "infra"), run_name="__main__")

    try:
        loop.run_until_complete(run_in_stack(program))
    finally:
        asyncio.set_event_loop(None)
        loop.close()
        # The program turns it off for its one run; here tasks of all runs would be kept, and looked through by the next.
        gc.enable()
    return Program(
        monitor.registrations,
        reveal(monitor.outputs),
        _secret_keys(monitor.outputs),
        aws.transforms,
        aws.invoke_transforms,
    )


def main() -> None:
    ran: dict[str, Program] = {}
    for asked in json.load(sys.stdin):
        try:
            ran[asked["stack"]] = run_program(asked["config"], stacks=ran)
        except pulumi.RunError as error:
            sys.exit(str(error))
    shown = [
        [{"type": x.type, "name": x.name, "inputs": x.inputs} for x in each.resources]
        for each in ran.values()
    ]
    sys.stdout.write(json.dumps(shown))


if __name__ == "__main__":
    main()
