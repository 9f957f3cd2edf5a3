"""What somebody has changed in the cluster since a release was installed: found, and made good, by a real API."""

import itertools
import subprocess
from pathlib import Path

import pytest

from cli.cloud.kubernetes import Kubernetes, reference
from cli.operations import drift
from cli.stack.backends import Found
from cli.stack.pending import RELEASE
from sandbox import tools

TEMPLATE = """
apiVersion: v1
kind: ConfigMap
metadata: {name: without-a-namespace}
data: {color: {{ .Values.color }}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: elsewhere, namespace: {{ .Values.other }}}
data: {color: {{ .Values.color }}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: {{ .Release.Namespace }}}
rules: [{apiGroups: [""], resources: [pods], verbs: [get]}]
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: accounts.with.dots, namespace: {{ .Release.Namespace }}}
"""
_number = itertools.count()


class Installed:
    """A release in a namespace of its own, with one object in another."""

    def __init__(self, folder: Path, kubeconfig: str) -> None:
        self.kubeconfig = folder / "kubeconfig"
        self.kubeconfig.write_text(kubeconfig)
        # As `up` has it: its own namespace is not that of each release.
        self.kubernetes = Kubernetes(self.kubeconfig)
        number = next(_number)
        self.namespace, self.other = f"drift-{number}", f"drift-{number}-other"
        for name in (self.namespace, self.other):
            self.kubernetes.apply(reference("v1", "Namespace", name), "tests")
        self.chart = folder / "demo"
        (self.chart / "templates").mkdir(parents=True)
        (self.chart / "Chart.yaml").write_text("{apiVersion: v2, name: demo, version: 1.0.0}")
        (self.chart / "templates" / "all.yaml").write_text(TEMPLATE)
        self.helm("upgrade", "--install", "demo", str(self.chart), *self.values("blue"))

    def values(self, color: str) -> tuple[str, ...]:
        return ("--set", f"color={color},other={self.other}")

    def helm(self, *words: str) -> None:
        where = (f"--kubeconfig={self.kubeconfig}", f"--namespace={self.namespace}")
        subprocess.run([tools.tool("helm"), *words, *where], check=True, capture_output=True)

    @property
    def resources(self) -> list[Found]:
        return [
            Found(RELEASE, "demo", "urn:demo", f"{self.namespace}/demo"),
            Found("kubernetes:core/v1:Namespace", "there", "urn:there", self.namespace),
        ]

    def look(self) -> drift.Drift:
        return drift.look(self.kubernetes, self.resources)

    def delete(self, api_version: str, kind: str, name: str, namespace: str = "") -> None:
        assert self.kubernetes.delete(reference(api_version, kind, name, namespace))

    def color(self, name: str, namespace: str) -> str | None:
        found = self.kubernetes.find("configmap", name, namespace=namespace)
        return found and found["data"]["color"]


@pytest.fixture
def installed(tmp_path: Path, api_server: str) -> Installed:
    return Installed(tmp_path, api_server)


def test_what_nobody_touched_is_as_deployed(installed: Installed) -> None:
    assert installed.look().labels == []


def test_what_is_missing_is_made_again_where_it_was(installed: Installed) -> None:
    installed.delete("v1", "ConfigMap", "without-a-namespace", installed.namespace)
    installed.delete("v1", "ConfigMap", "elsewhere", installed.other)
    installed.delete("rbac.authorization.k8s.io/v1", "ClusterRole", installed.namespace)
    installed.delete("v1", "ServiceAccount", "accounts.with.dots", installed.namespace)
    found = installed.look()
    assert sorted(found.labels) == [
        f"ClusterRole {installed.namespace}",
        "ConfigMap elsewhere",
        "ConfigMap without-a-namespace",
        "ServiceAccount accounts.with.dots",
    ]
    drift.repair(installed.kubernetes, found)
    assert installed.look().labels == []
    assert installed.color("without-a-namespace", installed.namespace) == "blue"
    assert installed.color("without-a-namespace", "default") is None
    assert installed.color("elsewhere", installed.other) == "blue"


def test_helm_goes_on_with_what_was_repaired(installed: Installed) -> None:
    installed.delete("v1", "ConfigMap", "without-a-namespace", installed.namespace)
    drift.repair(installed.kubernetes, installed.look())
    installed.helm("upgrade", "demo", str(installed.chart), *installed.values("red"))
    assert installed.color("without-a-namespace", installed.namespace) == "red"
    installed.helm("uninstall", "demo")
    assert installed.color("without-a-namespace", installed.namespace) is None


def test_what_was_edited_is_seen(installed: Installed) -> None:
    change = {"data": {"color": "green"}}
    names = {"without-a-namespace": installed.namespace, "elsewhere": installed.other}
    for name, namespace in names.items():
        installed.kubernetes.patch(reference("v1", "ConfigMap", name, namespace), change)
    found = installed.look()
    assert sorted(found.labels) == ["ConfigMap elsewhere", "ConfigMap without-a-namespace"]
    drift.repair(installed.kubernetes, found)
    for name, namespace in names.items():
        assert installed.color(name, namespace) == "blue"


def test_only_pulumi_makes_a_release_again(installed: Installed) -> None:
    installed.helm("uninstall", "demo")
    found = installed.look()
    assert found.labels == ["Helm release demo"]
    drift.repair(installed.kubernetes, found)
    assert installed.look().labels == ["Helm release demo"]


def test_only_pulumi_makes_the_programs_own_objects_again(installed: Installed) -> None:
    for kind, name in (("core/v1:Secret", "keys"), ("storage.k8s.io/v1:StorageClass", "fast")):
        where = f"{installed.namespace}/{name}" if "Secret" in kind else name
        one = [Found(f"kubernetes:{kind}", name, "urn:x", where)]
        found = drift.look(installed.kubernetes, one)
        assert found.labels == [f"{kind.partition(':')[2]} {name}"]
    installed.kubernetes.apply(reference("v1", "Secret", "keys", installed.namespace), "tests")
    mine = [Found("kubernetes:core/v1:Secret", "keys", "urn:x", f"{installed.namespace}/keys")]
    assert drift.look(installed.kubernetes, mine).labels == []
