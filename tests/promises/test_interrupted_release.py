"""`kill -9` in the middle of Helm's work: a release that Helm would not touch any more is made whole."""

import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from cli.base.errors import KitError
from cli.cloud.kubernetes import Kubernetes, reference
from cli.stack.driver import Stack
from cli.stack.found import looker
from tests.promises.aws_cloud import AwsStack, Emulator
from tests.promises.processes import kill_descendants

pytestmark = pytest.mark.slow

PATIENCE = 240

CONFIG_MAP = """
apiVersion: v1
kind: ConfigMap
metadata: {name: settings, finalizers: {{ toJson .Values.finalizers }}}
data: {color: {{ .Values.color }}}
"""
# Helm waits for its address, which nobody here gives it but the test.
SERVICE = """
apiVersion: v1
kind: Service
metadata: {name: front}
spec: {type: LoadBalancer, ports: [{port: {{ .Values.port }}}]}
"""
PROGRAM = """
import pulumi_kubernetes as k8s
provider = k8s.Provider("cluster", kubeconfig=open("KUBECONFIG").read())
k8s.helm.v3.Release(
    "demo", name="demo", namespace="default", chart="CHART", timeout=60, cleanup_on_fail=True,
    values={"color": "COLOR", "port": PORT, "finalizers": FINALIZERS}, opts=O(provider=provider))
"""


class ClusterStack(AwsStack):
    """A stack of the real Pulumi CLI with the real kubernetes provider, whose cluster has no controllers."""

    def __init__(self, folder: Path, kubeconfig: str) -> None:
        super().__init__(
            folder,
            Emulator("http://127.0.0.1:9", {"access_key_id": "x", "secret_access_key": "x"}),
        )
        self.kubeconfig = folder / "kubeconfig"
        self.kubeconfig.write_text(kubeconfig)
        self.kubernetes = Kubernetes(self.kubeconfig)
        self.chart = folder / "demo"
        (self.chart / "templates").mkdir(parents=True)
        (self.chart / "Chart.yaml").write_text("{apiVersion: v2, name: demo, version: 1.0.0}")
        (self.chart / "templates" / "settings.yaml").write_text(CONFIG_MAP)
        (self.chart / "templates" / "front.yaml").write_text(SERVICE)

    def driver(self, **more: str) -> Stack:
        return Stack(self.place(**more), looker(self.emulator.client, lambda _: self.kubernetes))

    def write(self, color: str, port: int = 80, finalizers: str = "[]") -> None:
        text = PROGRAM.replace("KUBECONFIG", str(self.kubeconfig)).replace("CHART", str(self.chart))
        for word, value in (("COLOR", color), ("PORT", str(port)), ("FINALIZERS", finalizers)):
            text = text.replace(word, value)
        self.program(text)

    def statuses(self) -> list[str]:
        """Of the release's revisions, the oldest first."""
        found = self.kubernetes.objects("secrets", selector="owner=helm")
        found.sort(key=lambda secret: int(secret["metadata"]["labels"]["version"]))
        return [str(secret["metadata"]["labels"]["status"]) for secret in found]

    def world(self) -> dict[str, Any]:
        found = self.kubernetes.find("configmap", "settings")
        return {
            "color": found["data"]["color"] if found else None,
            "front": self.kubernetes.find("service", "front") is not None,
        }

    def address(self) -> None:
        """Gives the service what Helm waits for."""
        status = {"status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}}}
        self.kubernetes.patch(FRONT, status, "status")

    def clear(self) -> None:
        for item in self.kubernetes.objects("configmaps,services,secrets"):
            self.kubernetes.delete(item)

    def started(self, verb: str) -> "subprocess.Popen[bytes]":
        return self.start(verb, "--yes", "--skip-preview")


FRONT = reference("v1", "Service", "front")
NOTHING = {"color": None, "front": False}


def wait(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.1)


def kill(process: "subprocess.Popen[bytes]") -> None:
    """The CLI alone: its plugin goes on, and waits for the address."""
    process.kill()
    process.wait()


@contextmanager
def when_the_service_is_there(stack: ClusterStack, work: Callable[[], object]) -> Iterator[None]:
    """Something happens while the block waits for Helm."""

    def wait_and_work() -> None:
        wait(lambda: bool(stack.world()["front"]))
        work()

    thread = threading.Thread(target=wait_and_work)
    thread.start()
    yield
    thread.join()


@pytest.fixture
def stack(tmp_path: Path, api_server: str) -> Iterator[ClusterStack]:
    made = ClusterStack(tmp_path, api_server)
    yield made
    made.clear()


def killed_installing(stack: ClusterStack) -> None:
    stack.write("red")
    stack.driver().create()
    process = stack.started("up")
    wait(lambda: stack.world()["front"])
    kill(process)
    assert stack.statuses() == ["pending-install"]
    assert stack.deployment()["pending_operations"]


def test_an_installation_that_was_killed_is_finished_by_the_next_up(stack: ClusterStack) -> None:
    killed_installing(stack)
    stack.address()
    stack.up()
    assert stack.statuses()[-1] == "deployed"
    assert stack.world() == {"color": "red", "front": True}
    assert stack.up().changed == 0
    stack.destroy()
    assert (stack.world(), stack.statuses()) == (NOTHING, [])


def test_an_installation_that_was_killed_is_taken_away_by_destroy(stack: ClusterStack) -> None:
    killed_installing(stack)
    stack.destroy()
    assert (stack.world(), stack.statuses()) == (NOTHING, [])


def installed(stack: ClusterStack) -> None:
    stack.write("red")
    stack.driver().create()
    process = stack.started("up")
    wait(lambda: stack.world()["front"])
    stack.address()
    assert process.wait(PATIENCE) == 0
    assert stack.statuses() == ["deployed"]


def test_an_upgrade_that_was_killed_is_finished_by_the_next_up(stack: ClusterStack) -> None:
    installed(stack)
    status = {"status": {"loadBalancer": {"ingress": None}}}
    stack.kubernetes.patch(FRONT, status, "status")
    stack.write("blue", 81)
    process = stack.started("up")
    wait(lambda: stack.world()["color"] == "blue")
    kill(process)
    assert stack.statuses()[-1] == "pending-upgrade"
    stack.address()
    stack.up()
    assert stack.statuses()[-1] == "deployed"
    assert stack.world() == {"color": "blue", "front": True}
    assert stack.up().changed == 0
    stack.destroy()
    assert (stack.world(), stack.statuses()) == (NOTHING, [])


def killed_uninstalling(stack: ClusterStack) -> None:
    installed(stack)
    held = {"metadata": {"finalizers": ["tests/held"]}}
    settings = reference("v1", "ConfigMap", "settings")
    stack.kubernetes.patch(settings, held)
    process = stack.started("destroy")
    wait(lambda: not stack.world()["front"])
    kill(process)
    assert stack.statuses() == ["uninstalling"]
    stack.kubernetes.patch(settings, {"metadata": {"finalizers": None}})


def test_an_uninstallation_that_was_killed_is_finished_by_the_next(stack: ClusterStack) -> None:
    killed_uninstalling(stack)
    stack.destroy()
    assert (stack.world(), stack.statuses()) == (NOTHING, [])
    assert not stack.deployment().get("resources")


def test_what_was_half_uninstalled_is_there_again_after_up(stack: ClusterStack) -> None:
    killed_uninstalling(stack)
    stack.write("red")
    # The service is made anew, and Helm waits for it.
    with when_the_service_is_there(stack, stack.address):
        stack.up()
    assert stack.statuses()[-1] == "deployed"
    assert stack.world() == {"color": "red", "front": True}
    assert stack.up().changed == 0


def test_an_installation_whose_plugin_was_killed_is_finished_by_the_next_up(
    stack: ClusterStack,
) -> None:
    stack.write("red")
    stack.driver().create()
    with (
        when_the_service_is_there(stack, lambda: kill_descendants("pulumi-resource-kubernetes")),
        pytest.raises(KitError),
    ):
        stack.up()
    stack.address()
    stack.up()
    assert stack.statuses()[-1] == "deployed"
    assert stack.world() == {"color": "red", "front": True}
    assert stack.up().changed == 0
