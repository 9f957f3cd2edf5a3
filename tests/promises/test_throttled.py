"""`up` and `down` in an account whose APIs are throttled: AWS refuses one call in ten, in each service's own words, and an
environment comes and goes all the same, with nothing made twice and nothing left.

The kit's own modules, by the real Pulumi CLI, in the sandbox's plugins, against the emulator behind a proxy.
"""

import itertools
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from cli.cloud import clients
from cli.cloud.catalogue import find
from cli.cloud.resource import Search
from tests.promises.aws_cloud import REGION, AwsStack, Emulator, Fault, Proxy
from tests.promises.test_existing_network import PROGRAM

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

EVERY = 10
WORDS = (("RequestLimitExceeded", 503), ("ThrottlingException", 429), ("Throttling", 400))
"""EC2's, those of EKS and others, and those of IAM and RDS. S3 says SlowDown."""


KINDS = {
    ("ec2", "vpc"): "ec2/vpc:Vpc",
    ("ec2", "subnet"): "ec2/subnet:Subnet",
    ("ec2", "natgateway"): "ec2/natGateway:NatGateway",
    ("ec2", "elastic-ip"): "ec2/eip:Eip",
    ("rds", "db"): "rds/instance:Instance",
}
"""As the inventory and Pulumi call what would be there twice, had a creation been repeated."""


@dataclass
class Throttled(Proxy):
    """Refuses every tenth call, whichever it is."""

    refused: Counter[str] = field(default_factory=Counter)
    number: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def take(self, operation: str) -> Fault | None:
        number = next(self.number)
        if number % EVERY:
            return None
        self.refused[operation] += 1
        if " /" in operation and not operation.partition(" /")[2].startswith("clusters"):
            return Fault(operation, "SlowDown", 503)
        return Fault(operation, *WORDS[number // EVERY % len(WORDS)])


@pytest.fixture
def throttled(emulator: Emulator) -> Iterator[Throttled]:
    made = Throttled(emulator.url)
    yield made
    made.close()


def test_an_environment_comes_and_goes(
    tmp_path: Path, emulator: Emulator, throttled: Throttled
) -> None:
    stack = AwsStack(tmp_path, emulator, throttled.url)
    stack.program(PROGRAM.replace("CHANGED", repr({"vpc_endpoints": ("s3", "sts")})))
    stack.up()
    assert throttled.refused.total() >= 15, throttled.refused
    # Reads and writes alike.
    assert {name[:6] for name in throttled.refused} >= {"Create", "Descri"}

    def client(service: str) -> object:
        return clients.session(
            region_name=REGION,
            aws_access_key_id=emulator.key["access_key_id"],
            aws_secret_access_key=emulator.key["secret_access_key"],
        ).client(service, endpoint_url=throttled.url)

    before = throttled.refused.total()
    found = find(Search(client, "dev"))
    assert throttled.refused.total() > before
    assert {one.arn for one in found} == {one.arn for one in find(Search(emulator.client, "dev"))}
    # What AWS let through at the second try is there once.
    there = Counter((one.service, one.kind) for one in found)
    made = Counter(item["type"] for item in stack.resources().values())
    for kind, type_ in KINDS.items():
        assert there[kind] == made[f"aws:{type_}"] > 0, kind
    assert stack.preview().changed == 0

    stack.destroy()
    assert find(Search(emulator.client, "dev")) == []
