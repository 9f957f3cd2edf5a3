"""The Kubernetes API inside of the VPC only: from the beginning, opened and closed on a living cluster, and gone without a trace.

The kit's own module of the cluster, by the real Pulumi CLI, in the sandbox's plugins, against the emulator.
"""

from collections.abc import Iterator
from typing import Any

import pytest

from cli.base.paths import ROOT
from cli.cloud.catalogue import find
from cli.cloud.resource import Search
from tests.program.recording import SECRETS
from tests.promises.aws_cloud import AwsStack, Emulator

pytestmark = pytest.mark.slow

CLUSTER = "aerodrome-dev"
PROGRAM = f"""
import sys

sys.path.insert(0, {str(ROOT)!r})

from infra.cluster import Cluster, ClusterArgs
from infra.contract.secret_settings import Secrets
from infra.contract.settings import SETTINGS, Settings
from infra.network import Network, NetworkArgs
from infra.stack import Place, Stack, adapt_everything


class Bare(Cluster):
    # No API server answers here.
    def _storage_class(self):
        return None


secrets = Secrets(**{{SETTINGS[key].field: value for key, value in {SECRETS!r}.items()}})
place = Place("us-east-1", "aws", ["us-east-1a", "us-east-1b"])
stack = Stack(Settings(environment="dev", **CHANGED), secrets, place)
adapt_everything(stack)
Bare("cluster", ClusterArgs(stack, Network("network", NetworkArgs(stack))))
"""
OURS = ["192.0.2.0/24"]


@pytest.fixture
def stack(tmp_path: Any, emulator: Emulator) -> Iterator[AwsStack]:
    made = AwsStack(tmp_path, emulator)
    yield made
    made.destroy()


def deploy(stack: AwsStack, access: str, **more: Any) -> int:
    settings = {"endpoint_access": access, "vpc_endpoints": (), **more}
    stack.program(PROGRAM.replace("CHANGED", repr(settings)))
    return stack.up().changed


def cluster(emulator: Emulator) -> Any:
    return emulator.client("eks").describe_cluster(name=CLUSTER)["cluster"]


def ways(emulator: Emulator) -> tuple[bool, bool, bool]:
    """Whether the API is reached from inside, from outside, and by sessions with the workers."""
    iam = emulator.client("iam")
    (node,) = (one["RoleName"] for one in iam.list_roles()["Roles"] if "-node-" in one["RoleName"])
    network = cluster(emulator)["resourcesVpcConfig"]
    return (
        network["endpointPrivateAccess"],
        network["endpointPublicAccess"],
        bool(iam.list_role_policies(RoleName=node)["PolicyNames"]),
    )


def test_the_public_way_is_closed_and_opened_on_a_living_cluster(
    stack: AwsStack, emulator: Emulator
) -> None:
    deploy(stack, "private")
    assert ways(emulator) == (True, False, True)
    born = cluster(emulator)["createdAt"]
    assert deploy(stack, "private") == 0
    deploy(stack, "public", public_access_cidrs=tuple(OURS))
    assert ways(emulator) == (True, True, False)
    assert cluster(emulator)["resourcesVpcConfig"]["publicAccessCidrs"] == OURS
    deploy(stack, "both", public_access_cidrs=tuple(OURS))
    assert ways(emulator) == (True, True, True)
    deploy(stack, "private", public_access_cidrs=tuple(OURS))
    assert ways(emulator) == (True, False, True)
    assert deploy(stack, "private", public_access_cidrs=tuple(OURS)) == 0
    # Nothing of it makes another cluster.
    assert cluster(emulator)["createdAt"] == born
    stack.destroy()
    assert find(Search(emulator.client, "dev")) == []
