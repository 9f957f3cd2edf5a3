"""An upgrade of Kubernetes that was killed when EKS had changed the control plane goes on with the same command, and takes
node group and add-ons along.

The verb, with the real Pulumi CLI and the sandbox's plugins, against the emulator; the cluster itself is a fake.
"""

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from typer.testing import CliRunner

from cli.app import app
from cli.base.environments import Environment
from cli.cloud.patience import Patience
from tests.promises.aws_cloud import AwsStack, Emulator, Proxy
from tests.promises.test_node_size import CLUSTER, PROGRAM
from tests.unit.cli.fakes import FakeAirflow, FakeKubernetes, FakeS3, FakeSession

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

KEY = "aerodrome:kubernetesVersion"
BEFORE, NEXT = "1.34", "1.35"
PARTS = """
eks.Addon("coredns", cluster=cluster, addon_name="coredns")
for key, value in {"region": "us-east-1", "adminUser": "admin", "uiService": "airflow-api-server", "uiPort": 8080,
                   "logBucket": "logs", "logPrefix": "task-logs", "kubeconfig": "{}", "environment": "dev",
                   "tenancy": "dedicated"}.items():
    pulumi.export(key, value)
"""


class Cluster(FakeKubernetes):
    """A cluster that one can look into as a whole; its nodes are as new as EKS' node group."""

    emulator: Emulator

    def text(self, path: str) -> str:
        return ""

    def objects(self, kind: str, **more: Any) -> list[dict[str, Any]]:
        if kind != "nodes":
            return [] if kind in ("namespaces", "poddisruptionbudgets") else super().objects(kind)
        info = {"kubeletVersion": f"v{versions(self.emulator)['workers']}.1"}
        return [{"metadata": {"name": "n", "labels": {}}, "status": {"nodeInfo": info}}]


class Session(FakeSession):
    """The stack and the AWS of this test."""

    stack: AwsStack
    fake_airflow: FakeAirflow

    def backend(self, environment: Environment, cloud: Any = None) -> Any:
        return self.stack.driver()

    def client(self, region: str | None = None) -> Any:
        key = self.stack.emulator.key

        def make(service: str) -> Any:
            if service == "s3":
                return FakeS3()
            return boto3.client(  # type: ignore[call-overload]
                service,
                endpoint_url=self.stack.emulator.url,
                region_name=region,
                aws_access_key_id=key["access_key_id"],
                aws_secret_access_key=key["secret_access_key"],
            )

        return make


def versions(emulator: Emulator) -> dict[str, str]:
    """Of the control plane, the node group and an add-on whose version is Kubernetes'."""
    eks = emulator.client("eks")
    (group,) = eks.list_nodegroups(clusterName=CLUSTER)["nodegroups"]
    proxy = eks.describe_addon(clusterName=CLUSTER, addonName="kube-proxy")["addon"]
    return {
        "control plane": eks.describe_cluster(name=CLUSTER)["cluster"]["version"],
        "workers": eks.describe_nodegroup(clusterName=CLUSTER, nodegroupName=group)["nodegroup"][
            "version"
        ],
        "kube-proxy": proxy["addonVersion"].removeprefix("v").rpartition(".0")[0],
    }


@pytest.fixture
def standing(tmp_path: Path, emulator: Emulator) -> Iterator[AwsStack]:
    stack = AwsStack(tmp_path, emulator)
    version = f'version=pulumi.Config("aerodrome").get("kubernetesVersion") or "{BEFORE}"'
    stack.program(PROGRAM.replace("CHANGED", "{}").replace('version="1.36"', version) + PARTS)
    stack.up()
    stack.driver().set_plain(
        {
            KEY: BEFORE,
            "aerodrome:environment": "dev",
            "aerodrome:rancherEnabled": "false",
            "aws:region": "us-east-1",
        }
    )
    # Nobody logs in with it: Airflow is a fake here.
    stack.driver().set_config("aerodrome:adminPassword", "of the test", secret=True)
    yield stack
    stack.destroy()


def test_a_killed_upgrade_goes_on(
    standing: AwsStack,
    emulator: Emulator,
    proxy: Proxy,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AERODROME_STATE", str(tmp_path / "state-of-the-kit"))
    session = Session(tmp_path)
    session.stack = standing
    session.fake_kubernetes = cluster = Cluster()
    cluster.emulator = emulator
    quick = Patience(limit=5.0, pause=0.1)
    session.limits = type(session.limits)(eks=quick, joined=quick)

    def upgrade(*words: str) -> Any:
        chosen = ("--kubernetes", NEXT, "--env", "dev", "--json")
        result = CliRunner().invoke(app, ["upgrade", *chosen, *words], obj=session)
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    before = dict.fromkeys(("control plane", "workers", "kube-proxy"), BEFORE)
    assert (upgrade("--check")["state"], versions(emulator)) == ("new", before)

    # Killed when EKS has been asked for the control plane, and nobody has written that down.
    standing.driver().set_plain({KEY: NEXT})
    standing.url = proxy.url
    running = standing.start("up", "--yes", "--skip-preview")

    def kill(operation: str) -> None:
        if operation == f"POST /clusters/{CLUSTER}/updates":
            os.killpg(running.pid, signal.SIGKILL)

    proxy.after = kill
    running.wait(timeout=240)
    standing.url = emulator.url
    assert versions(emulator) == {**before, "control plane": NEXT}

    done = upgrade("--yes")
    assert (done["state"], done["changed"]) == ("unfinished", True)
    assert versions(emulator) == dict.fromkeys(before, NEXT)
    assert upgrade("--yes")["state"] == "done"
