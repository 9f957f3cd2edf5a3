"""A cloud with two environments in it: the one that goes, and its neighbour that must stay.

The AWS APIs are the emulator's, over HTTP.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from cli.cloud.catalogue import find
from cli.cloud.clearing import clear
from cli.cloud.patience import Patience
from cli.cloud.resource import Resource, Search
from infra.contract.naming import Names, tags
from tests.unit.sandbox.aws.conftest import Emulator, new_emulator, registry

__all__ = ["registry"]

QUICK = Patience(limit=20.0, stuck=1.0, pause=0.1)


@dataclass
class Cloud:
    """The emulator, and the names of two environments that nobody else uses."""

    emulator: Emulator
    ours: str
    theirs: str
    lines: list[str] = field(default_factory=list)

    def client(self, service: str) -> Any:
        return self.emulator.client(service)

    def tags(self, environment: str, **more: str) -> list[dict[str, str]]:
        """As EC2 and IAM take them."""
        wanted = tags(environment, "main", "never") | more
        return [{"Key": key, "Value": value} for key, value in wanted.items()]

    def cluster_tag(self, environment: str) -> dict[str, str]:
        return {f"kubernetes.io/cluster/{Names(environment).cluster}": "owned"}

    def network(self, environment: str) -> tuple[str, list[str]]:
        """A tagged VPC with two subnets."""
        ec2 = self.client("ec2")
        specification = [
            {"ResourceType": kind, "Tags": self.tags(environment)} for kind in ("vpc", "subnet")
        ]
        vpc = ec2.create_vpc(CidrBlock="10.8.0.0/16", TagSpecifications=specification[:1])["Vpc"]
        subnets = [
            ec2.create_subnet(
                VpcId=vpc["VpcId"],
                CidrBlock=f"10.8.{number}.0/24",
                AvailabilityZone=f"us-east-1{zone}",
                TagSpecifications=specification[1:],
            )["Subnet"]["SubnetId"]
            for number, zone in enumerate("ab")
        ]
        return vpc["VpcId"], subnets

    def found(self, environment: str | None) -> list[Resource]:
        return find(Search(self.client, environment))

    def labels(self, environment: str | None) -> list[str]:
        return [resource.label for resource in self.found(environment)]

    def clear(self, environment: str) -> list[str]:
        """Takes all of it away; what is left, with the reason."""
        left = clear(self.client, environment, self.lines.append, patience=QUICK)
        return [f"{item.resource.label}: {item.reason}" for item in left]


@pytest.fixture(scope="session")
def emulator(tmp_path_factory: pytest.TempPathFactory, registry: str) -> Iterator[Emulator]:
    running = new_emulator(tmp_path_factory.mktemp("aws"), registry)
    yield running
    running.process.terminate()
    running.process.wait()
    running.kubernetes.server.shutdown()


_numbers = iter(range(10_000))


@pytest.fixture
def cloud(emulator: Emulator) -> Cloud:
    number = next(_numbers)
    return Cloud(emulator, f"sandbox-gone{number}", f"sandbox-stays{number}")


Plant = Callable[[Cloud, str], None]
