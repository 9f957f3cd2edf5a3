"""The first `up` of a private cluster: its workers are there before Systems Manager knows them, and Pulumi asks Kubernetes then.

The real Pulumi CLI with pulumi-kubernetes, which asks an API server once in a run, through the kit's own proxy and sessions; a
real kube-apiserver behind a played plugin. The worker that leads to it comes when it was asked for some times.
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from cli.base.errors import KitError
from cli.base.paths import ROOT
from cli.cloud.kubernetes import Kubernetes
from cli.cloud.tunnel import sessions
from cli.cloud.tunnel.sessions import WorkerSessions
from sandbox import tools
from tests.promises.aws_cloud import AwsStack, Emulator
from tests.unit.cli.cloud.test_tunnel import HOST, Setting, setting

__all__ = ["setting"]

pytestmark = pytest.mark.slow

NAME = "first-worker"

PROGRAM = f"""
import sys

sys.path.insert(0, {str(ROOT)!r})

import pulumi_kubernetes as kubernetes

from infra import api_way


class Workers(pulumi.ComponentResource):
    def __init__(self):
        super().__init__("tests:index:Workers", "workers")
        self.register_outputs({{}})


workers = Workers()
kubeconfig = api_way.awaited("aerodrome-prod", pulumi.Output.from_input(KUBECONFIG), workers)
provider = kubernetes.Provider("cluster", kubeconfig=kubeconfig, opts=O(depends_on=[workers]))
kubernetes.core.v1.ConfigMap("map", metadata={{"name": {NAME!r}}}, data={{"a": "b"}}, opts=O(provider=provider))
"""


class PrivateStack(AwsStack):
    """Runs of Pulumi as the command line has them for a private API: with its proxy."""

    def __init__(self, folder: Path, setting: Setting) -> None:
        nobody = {"access_key_id": "none", "secret_access_key": "none"}
        super().__init__(folder, Emulator("http://127.0.0.1:9", nobody))
        self._setting = setting

    def variables(self, **more: str) -> dict[str, str]:
        return self._setting.way.variables(super().variables(**more))


@pytest.fixture
def stack(
    tmp_path: Path, setting: Setting, monkeypatch: pytest.MonkeyPatch
) -> Iterator[PrivateStack]:
    # A connection that does not say how long it waits gives up before the worker is there.
    monkeypatch.setattr(sessions, "WorkerSessions", partial(WorkerSessions, patience=0.0))
    monkeypatch.setattr(sessions, "_PAUSE", 0.05)
    made = PrivateStack(tmp_path / "stack", setting)
    made.program(PROGRAM.replace("KUBECONFIG", repr(setting.kubeconfig)))
    yield made
    # By the CLI it would go in the foreground, which takes a controller that is not here.
    client(setting).kubectl.pipe(b"", "delete", "configmap", NAME, "--ignore-not-found")


def client(setting: Setting) -> Kubernetes:
    """Of the API server itself, on this machine."""
    direct = setting.kubeconfig.replace(f"https://{HOST}", f"https://127.0.0.1:{setting.real.port}")
    return Kubernetes(direct, "default", tools.tool("kubectl"))


def test_the_first_up_waits_until_a_worker_leads_to_the_api(
    stack: PrivateStack, setting: Setting
) -> None:
    setting.aws.online, setting.aws.joins_after = [], 20
    assert stack.up().changed
    found = client(setting).find("configmap", NAME)
    assert found is not None
    assert found["data"] == {"a": "b"}
    assert setting.reports == [
        "waiting for a worker of aerodrome-prod in AWS Systems Manager",
        "connected to aerodrome-prod through i-2",
    ]
    # Whom a worker leads there already waits for nothing, and nothing is another input for it.
    assert stack.up().changed == 0


def test_workers_that_never_register_end_it_with_the_reason(
    stack: PrivateStack, setting: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    setting.aws.online = []
    program = stack.project / "__main__.py"
    shorter = "from infra.contract import api_endpoints\napi_endpoints.REGISTERS_SECONDS = 1\n"
    program.write_text(f"{program.read_text().replace('workers = ', shorter + 'workers = ')}")
    with pytest.raises(KitError) as failed:
        stack.up()
    summary, detail = failed.value.summary, failed.value.detail
    assert summary == "The Kubernetes API is not reached; nothing in the cluster was changed"
    assert "No worker of aerodrome-prod is online in AWS Systems Manager" in detail
    assert "i-1, i-2 run" in detail
    assert "aws ssm describe-instance-information" in detail
    assert "Traceback" not in detail
    assert failed.value.command == "./aerodrome up --env dev"
    assert client(setting).find("configmap", NAME) is None
    # The same command goes on when they have come.
    setting.aws.online = ["i-1"]
    assert stack.up().changed
    assert client(setting).find("configmap", NAME) is not None


def test_a_preview_waits_for_nobody(stack: PrivateStack, setting: Setting) -> None:
    setting.aws.online = []
    previewed = None
    try:
        previewed = stack.preview()
    except KitError as error:
        # What pulumi-kubernetes says of an API that it does not reach.
        assert "unreachable" in error.detail
    assert setting.aws.started == []
    assert previewed is None or previewed.changed
