"""AWS that says `not now`, fails or hangs up: nothing is lost, and nothing is made twice."""

from collections.abc import Iterator
from typing import Any

import pytest

from sandbox.errors import CloudError
from sandbox.providers import contract
from sandbox.providers.aws import clients
from sandbox.providers.aws.provider import AwsProvider
from sandbox.providers.aws.retries import Patience
from tests.lifecycle.aws_cloud import AwsStack, Emulator, Fault, Proxy, running_emulator

SHORT = Patience(attempts=4, first=0.01, longest=0.05)

VPC = ("aws:ec2/vpc:Vpc", {"cidrBlock": "10.60.0.0/16"})
VOLATILE = [
    # type, inputs, the call that makes it, and how many there are of it
    (*VPC, "CreateVpc", lambda c: c("ec2").describe_vpcs()["Vpcs"]),
    (
        "aws:ec2/eip:Eip",
        {},
        "AllocateAddress",
        lambda c: c("ec2").describe_addresses()["Addresses"],
    ),
    (
        "aws:ec2/internetGateway:InternetGateway",
        {},
        "CreateInternetGateway",
        lambda c: c("ec2").describe_internet_gateways()["InternetGateways"],
    ),
    (
        "aws:ec2/instance:Instance",
        {"ami": "ami-0c2023a1b2c3d4e5f", "instanceType": "t3.micro"},
        "RunInstances",
        lambda c: c("ec2").describe_instances()["Reservations"],
    ),
    ("aws:iam/user:User", {}, "CreateUser", lambda c: c("iam").list_users()["Users"]),
    ("aws:iam/group:Group", {}, "CreateGroup", lambda c: c("iam").list_groups()["Groups"]),
    ("aws:kms/key:Key", {}, "CreateKey", lambda c: c("kms").list_keys()["Keys"]),
    (
        "aws:s3/bucket:Bucket",
        {"bucket": "throttled"},
        "PUT /throttled",
        lambda c: c("s3").list_buckets()["Buckets"],
    ),
    (
        "aws:cloudwatch/logGroup:LogGroup",
        {},
        "CreateLogGroup",
        lambda c: c("logs").describe_log_groups()["logGroups"],
    ),
]
NAMES = [row[0].rpartition(":")[2] for row in VOLATILE]
REFUSALS = [
    ("ThrottlingException", 400),
    ("RequestLimitExceeded", 503),
    ("SlowDown", 503),
    ("InternalError", 500),
    ("reset", 0),
]


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    with running_emulator(tmp_path_factory.mktemp("throttling") / "aws") as running:
        yield running


@pytest.fixture
def proxy(emulator: Emulator) -> Iterator[Proxy]:
    between = Proxy(emulator.url)
    yield between
    between.close()


@pytest.fixture
def provider(emulator: Emulator, proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> AwsProvider:
    monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", emulator.key["access_key_id"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", emulator.key["secret_access_key"])
    # The shared session has looked for credentials before, maybe without these.
    clients.warm_up.cache_clear()
    made = AwsProvider(SHORT)
    made.configure(contract.ConfigureRequest({"region": "us-east-1"}))
    return made


def inputs_of(provider: AwsProvider, kind: str, news: Any, name: str = "made") -> Any:
    request = contract.CheckRequest("urn", kind, name, {}, news, name.encode())
    return provider.check(request).inputs


def create(provider: AwsProvider, kind: str, news: Any, name: str = "made") -> Any:
    inputs = inputs_of(provider, kind, news, name)
    return provider.create(contract.CreateRequest("urn", kind, name, inputs, token=f"{kind}{name}"))


def delete(provider: AwsProvider, kind: str, made: Any, inputs: Any) -> None:
    provider.delete(contract.DeleteRequest("urn", kind, made.id, inputs, made.outputs))


@pytest.mark.parametrize(("code", "status"), REFUSALS)
def test_creates_reads_and_deletes_are_tried_again(provider, proxy, emulator, code, status):
    kind, news = VPC
    operations = ("CreateVpc", "DescribeVpcs", "DeleteVpc")
    proxy.faults = [Fault(operation, code, status, times=2) for operation in operations]
    made = create(provider, kind, news, code)
    inputs = inputs_of(provider, kind, news, code)
    delete(provider, kind, made, inputs)
    assert [fault.times for fault in proxy.faults] == [0, 0, 0]
    found = emulator.client("ec2").describe_vpcs()["Vpcs"]
    assert made.id not in {vpc["VpcId"] for vpc in found}


@pytest.mark.parametrize(("kind", "news", "operation", "listed"), VOLATILE, ids=NAMES)
@pytest.mark.parametrize(("code", "status"), [("InternalError", 500), ("reset", 0)])
def test_a_creation_whose_answer_was_lost_is_found_again(
    provider, proxy, emulator, code, status, kind, news, operation, listed
):
    before = len(listed(emulator.client))
    proxy.faults = [Fault(operation, code, status, after=True)]
    name = f"lost-{code.lower()}"
    made = create(provider, kind, news, name)
    assert proxy.faults[0].times == 0
    assert len(listed(emulator.client)) == before + 1
    delete(provider, kind, made, inputs_of(provider, kind, news, name))


def test_lasting_throttling_ends_in_an_error_with_the_operation(provider, proxy):
    proxy.faults = [Fault("CreateVpc", "RequestLimitExceeded", 503, times=99)]
    with pytest.raises(CloudError, match="AWS refused CreateVpc: injected") as caught:
        create(provider, *VPC)
    assert "Code: RequestLimitExceeded, after 4 attempts" in str(caught.value)
    assert proxy.count("CreateVpc") == SHORT.attempts


def test_lasting_failure_says_how_often_it_was_tried(provider, proxy):
    proxy.faults = [Fault("CreateVpc", "InternalError", 500, times=99)]
    with pytest.raises(CloudError, match="AWS refused CreateVpc"):
        create(provider, *VPC)
    assert proxy.count("CreateVpc") == SHORT.attempts


def test_a_line_that_breaks_names_the_operation(provider, proxy):
    proxy.faults = [Fault("CreateVpc", "reset", times=99)]
    with pytest.raises(CloudError, match="does not answer") as caught:
        create(provider, *VPC)
    assert "CreateVpc" in str(caught.value)


def test_what_aws_refuses_is_not_tried_again(provider, proxy):
    proxy.faults = [Fault("CreateVpc", "VpcLimitExceeded", 400, times=99)]
    with pytest.raises(CloudError, match="CreateVpc"):
        create(provider, *VPC)
    assert proxy.count("CreateVpc") == 1


def test_pauses_grow_to_a_bound():
    patience = Patience(attempts=10, first=0.1, longest=5.0)
    for attempt in range(1, 10):
        full = min(5.0, 0.1 * 2 ** (attempt - 1))
        assert full / 2 <= patience.pause(attempt) <= full


def test_a_deployment_goes_through_a_storm(emulator, proxy, tmp_path):
    stack = AwsStack(tmp_path, emulator, proxy.url)
    proxy.faults = [
        Fault("Create.*|Allocate.*", "ThrottlingException", 400, times=2),
        Fault("CreateSubnet", "InternalError", 500, after=True),
        Fault("CreateRole", "reset", after=True),
        Fault("Describe.*|Get.*", "SlowDown", 503, times=3),
    ]
    stack.up(
        """
vpc = aws.ec2.Vpc("net", cidr_block="10.61.0.0/16")
aws.ec2.Subnet("a", vpc_id=vpc.id, cidr_block="10.61.1.0/24")
trust = {"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}]}
aws.iam.Role("nodes", name="storm", assume_role_policy=json.dumps(trust))
"""
    )
    assert [fault.times for fault in proxy.faults] == [0, 0, 0, 0]
    subnets = emulator.client("ec2").describe_subnets()["Subnets"]
    assert [one["CidrBlock"] for one in subnets].count("10.61.1.0/24") == 1
    proxy.faults = [Fault("Delete.*", "RequestLimitExceeded", 503, times=3)]
    stack.destroy()
    assert stack.resources() == []
