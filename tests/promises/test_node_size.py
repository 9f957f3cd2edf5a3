"""The size of a node group belongs to the autoscaler: whatever else of the nodes changes, `up` keeps it.

The kit's own module of the workers, by the real Pulumi CLI, in the sandbox's plugins, against the emulator.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from cli.base.paths import ROOT
from tests.program.recording import SECRETS
from tests.promises.aws_cloud import AwsStack, Emulator

pytestmark = pytest.mark.slow

CLUSTER = "aerodrome-dev"
PROGRAM = f"""
import sys

sys.path.insert(0, {str(ROOT)!r})

import pulumi_eks as eks

from infra.contract.secret_settings import Secrets
from infra.contract.settings import SETTINGS, Settings
from infra.network import Network, NetworkArgs
from infra.stack import Place, Stack, adapt_everything
from infra.workers import make_workers

secrets = Secrets(**{{SETTINGS[key].field: value for key, value in {SECRETS!r}.items()}})
place = Place("us-east-1", "aws", ["us-east-1a", "us-east-1b"])
stack = Stack(Settings(environment="dev", **CHANGED), secrets, place)
adapt_everything(stack)
network = Network("network", NetworkArgs(stack))
cluster = eks.Cluster(
    stack.names.cluster,
    name=stack.names.cluster,
    version="1.36",
    vpc_id=network.vpc_id,
    private_subnet_ids=network.private_subnet_ids,
    authentication_mode=eks.AuthenticationMode.API,
    skip_default_node_group=True,
)
make_workers(stack, cluster, network, pulumi.ComponentResource("test:index:Parent", "parent"))
"""


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory, emulator: Emulator) -> Iterator[AwsStack]:
    stack = AwsStack(tmp_path_factory.mktemp("nodes"), emulator)
    deploy(stack, {})
    yield stack
    stack.destroy()


def deploy(stack: AwsStack, changed: Mapping[str, Any], **options: Any) -> int:
    """How many resources were changed."""
    stack.program(PROGRAM.replace("CHANGED", repr(changed)))
    return stack.up(**options).changed


def group(emulator: Emulator) -> Any:
    eks = emulator.client("eks")
    (name,) = eks.list_nodegroups(clusterName=CLUSTER)["nodegroups"]
    return eks.describe_nodegroup(clusterName=CLUSTER, nodegroupName=name)["nodegroup"]


def scale(emulator: Emulator, size: int) -> None:
    """As an autoscaler does, or a person in the console."""
    emulator.client("eks").update_nodegroup_config(
        clusterName=CLUSTER,
        nodegroupName=group(emulator)["nodegroupName"],
        scalingConfig={**group(emulator)["scalingConfig"], "desiredSize": size},
    )


def test_the_size_is_kept_whatever_setting_of_the_nodes_changes(
    standing: AwsStack, emulator: Emulator
) -> None:
    assert group(emulator)["scalingConfig"]["desiredSize"] == 2
    scale(emulator, 4)
    assert deploy(standing, {}) == 0
    former = group(emulator)["nodegroupName"]
    changed: dict[str, Any] = {}
    for settings, replaced in (
        ({"node_max": 6, "node_min": 2, "expires": "2027-01-31"}, False),
        ({"node_disk_gb": 80, "node_instance_types": ("m7i.xlarge",)}, True),
        ({"spot": True}, True),
    ):
        changed |= settings
        assert deploy(standing, changed) > 0, settings
        found = group(emulator)
        assert found["scalingConfig"]["desiredSize"] == 4, settings
        assert (found["nodegroupName"] != former) is replaced, settings
        former = found["nodegroupName"]
    assert found["scalingConfig"] == {"desiredSize": 4, "minSize": 2, "maxSize": 6}
    scale(emulator, 5)
    assert deploy(standing, changed, refresh=True) == 0
    assert group(emulator)["scalingConfig"]["desiredSize"] == 5
