"""Releases through the real helm program, on a real kube-apiserver that runs no pods."""

import base64
import gzip
import json
import os
from pathlib import Path
from typing import Any

import pytest

from sandbox import tools
from sandbox.errors import CloudError, PartiallyCreated, Unsupported, UserError
from sandbox.providers import contract
from sandbox.providers.kubernetes.client import Client
from sandbox.providers.kubernetes.helm import storage
from sandbox.providers.kubernetes.kinds import RELEASE, Kind
from sandbox.wire.values import UNKNOWN
from tests.unit.sandbox.providers.kubernetes.conftest import Engine, Made, urn

CONFIG_MAP = Kind("v1", "ConfigMap")
TEMPLATE = """
apiVersion: v1
kind: ConfigMap
metadata: {name: {{ .Release.Name }}}
data: {greeting: {{ .Values.greeting | quote }}}
---
{{- if .Values.server }}
apiVersion: apps/v1
kind: Deployment
metadata: {name: {{ .Release.Name }}}
spec:
  selector: {matchLabels: {app: x}}
  template: {metadata: {labels: {app: x}}, spec: {containers: [{name: c, image: x}]}}
{{- end }}
{{- if .Values.broken }}{{ fail "this can not be" }}{{ end }}
"""


@pytest.fixture(autouse=True)
def helm_on_path(api_server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{tools.tool('helm').parent}:{os.environ['PATH']}")


@pytest.fixture
def chart(tmp_path: Path) -> Path:
    (tmp_path / "templates").mkdir()
    (tmp_path / "Chart.yaml").write_text("apiVersion: v2\nname: demo\nversion: 1.0.0\n")
    (tmp_path / "values.yaml").write_text("greeting: hello\nserver: false\nbroken: false\n")
    (tmp_path / "templates" / "all.yaml").write_text(TEMPLATE)
    return tmp_path


def arguments(chart: Path, namespace: str, **values: Any) -> dict[str, Any]:
    # Without controllers nothing gets ready, and nothing ends in the foreground.
    return {
        "chart": str(chart),
        "name": "demo",
        "namespace": namespace,
        "skipAwait": True,
        "values": values,
        "compat": "true",
    }


def greeting(client: Client, namespace: str) -> Any:
    live = client.get(CONFIG_MAP, namespace, "demo")
    return live["data"]["greeting"] if live else None


def test_installed_upgraded_and_uninstalled(
    engine: Engine, client: Client, chart: Path, namespace: str
) -> None:
    made = engine.create(RELEASE, "demo", arguments(chart, namespace, greeting="hi"))
    assert greeting(client, namespace) == "hi"
    assert made.id == f"{namespace}/demo"
    assert made.outputs["status"] == {
        "appVersion": "",
        "chart": "demo",
        "name": "demo",
        "namespace": namespace,
        "revision": 1,
        "status": "deployed",
        "version": "1.0.0",
    }
    assert made.outputs["resourceNames"] == {"ConfigMap/v1": ["demo"]}
    inputs = engine.check(RELEASE, "demo", arguments(chart, namespace, greeting="ho"), made.inputs)
    assert engine.diff(made, inputs) == contract.DiffResult(changes=["values"], replaces=[])
    outputs = engine.update(made, inputs)
    assert (greeting(client, namespace), outputs["status"]["revision"]) == ("ho", 2)
    engine.delete(made)
    assert greeting(client, namespace) is None
    engine.delete(made)
    assert engine.read(made) is None


def test_a_changed_chart_is_a_change(engine: Engine, chart: Path, namespace: str) -> None:
    made = engine.create(RELEASE, "demo", arguments(chart, namespace))
    same = engine.check(RELEASE, "demo", arguments(chart, namespace), made.inputs)
    assert not engine.diff(made, same).changes
    (chart / "values.yaml").write_text("greeting: other\nserver: false\nbroken: false\n")
    inputs = engine.check(RELEASE, "demo", arguments(chart, namespace), made.inputs)
    assert engine.diff(made, inputs).changes == ["checksum"]


def test_another_name_is_another_release(engine: Engine, chart: Path, namespace: str) -> None:
    made = engine.create(RELEASE, "demo", arguments(chart, namespace))
    assert engine.diff(made, {**made.inputs, "name": "other"}).replaces == ["name"]


def test_an_unnamed_release_gets_a_name(engine: Engine, chart: Path, namespace: str) -> None:
    news = arguments(chart, namespace)
    del news["name"]
    inputs = engine.check(RELEASE, "demo", news)
    assert inputs["name"].startswith("demo-")
    assert engine.check(RELEASE, "demo", news, inputs)["name"] == inputs["name"]


def test_a_preview_renders_and_installs_nothing(
    engine: Engine, client: Client, chart: Path, namespace: str
) -> None:
    outputs = engine.preview(RELEASE, "demo", arguments(chart, namespace))
    assert outputs["status"] is UNKNOWN
    assert not storage.revisions(client, namespace, "demo")
    with pytest.raises(UserError, match="this can not be"):
        engine.preview(RELEASE, "demo", arguments(chart, namespace, broken=True))


def test_a_release_that_helm_refuses_was_not_installed(
    engine: Engine, chart: Path, namespace: str
) -> None:
    with pytest.raises(CloudError) as caught:
        engine.create(RELEASE, "demo", arguments(chart, namespace, broken=True))
    assert caught.value.summary == f"The release {namespace}/demo was not installed"
    assert not isinstance(caught.value, PartiallyCreated)


def test_a_release_that_does_not_get_ready_keeps_its_state(
    engine: Engine, chart: Path, namespace: str
) -> None:
    news = arguments(chart, namespace, server=True) | {"skipAwait": False, "timeout": 1}
    with pytest.raises(PartiallyCreated) as caught:
        engine.create(RELEASE, "demo", news)
    assert caught.value.summary == f"The release {namespace}/demo is not ready"
    assert caught.value.reasons[0] == f"Deployment {namespace}/demo: not ready after 1 seconds"
    assert caught.value.outputs["status"]["status"] == "deployed"


def pretend_killed(client: Client, namespace: str, status: str) -> None:
    """Leave the latest revision as a killed helm would."""
    latest = storage.revisions(client, namespace, "demo")[-1]
    secret = client.get(storage.SECRET, namespace, latest.secret)
    assert secret is not None
    release = json.loads(gzip.decompress(base64.b64decode(base64.b64decode(latest.payload))))
    release["info"]["status"] = status
    packed = base64.b64encode(base64.b64encode(gzip.compress(json.dumps(release).encode())))
    body = {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": secret["type"],
        "metadata": {
            "name": latest.secret,
            "namespace": namespace,
            "labels": secret["metadata"]["labels"] | {"status": status},
        },
        "data": {"release": packed.decode()},
    }
    client.apply(body, "tests", dry_run=False, force=True)


@pytest.mark.parametrize("revisions", [1, 2])
def test_what_a_killed_helm_left_is_repaired(
    engine: Engine, client: Client, chart: Path, namespace: str, revisions: int
) -> None:
    made = engine.create(RELEASE, "demo", arguments(chart, namespace, greeting="one"))
    if revisions == 2:
        engine.update(
            made, engine.check(RELEASE, "demo", arguments(chart, namespace, greeting="two"))
        )
    pretend_killed(client, namespace, "pending-upgrade" if revisions == 2 else "pending-install")
    found = engine.read(made)
    assert found is not None
    broken = Made(made.urn, made.type, made.id, dict(found.inputs), dict(found.outputs))
    assert engine.diff(broken, broken.inputs).changes == ["status"]
    inputs = engine.check(RELEASE, "demo", arguments(chart, namespace, greeting="three"))
    assert engine.update(made, inputs)["status"]["status"] == "deployed"
    assert greeting(client, namespace) == "three"


def test_read_sees_what_somebody_else_installed(
    engine: Engine, chart: Path, namespace: str
) -> None:
    made = engine.create(RELEASE, "demo", arguments(chart, namespace, greeting="mine"))
    unchanged = engine.read(made)
    assert unchanged is not None and unchanged.inputs == made.inputs
    theirs = engine.check(RELEASE, "demo", arguments(chart, namespace, greeting="theirs"))
    engine.update(made, theirs)
    found = engine.read(made)
    assert found is not None
    assert found.inputs["values"] == {"greeting": "theirs"}


@pytest.mark.parametrize("argument", ["repositoryOpts", "postrender", "valueYamlFiles"])
def test_arguments_that_would_do_something_else_are_refused(
    engine: Engine, chart: Path, namespace: str, argument: str
) -> None:
    with pytest.raises(Unsupported, match=f"Release argument {argument}"):
        engine.check(RELEASE, "demo", arguments(chart, namespace) | {argument: {"x": 1}})


def test_another_version_than_the_charts_is_refused(
    engine: Engine, chart: Path, namespace: str
) -> None:
    news = arguments(chart, namespace) | {"version": "2.0.0"}
    request = contract.CheckRequest(urn(RELEASE, "demo"), RELEASE, "demo", {}, news)
    failures = engine.provider.check(request).failures
    assert [f.property for f in failures] == ["version"]
