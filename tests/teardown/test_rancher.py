"""Rancher: its record of the cluster, its credential, its namespaces and its webhooks.

A real API server; Rancher's own API is a small server that knows what the real one answers.
"""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from cli.base.environments import Environment
from cli.base.phases import Phases
from cli.cloud.kubernetes import Kubernetes, reference
from cli.operations.teardown.rancher import deregister
from cli.operations.teardown.report import Report
from cli.operations.teardown.target import target_of
from infra.contract.naming import Names
from sandbox.tools import tool
from tests.teardown import kit
from tests.teardown.conftest import Cloud

TOKEN = "token-abcde:not-a-secret"


class FakeRancher:
    """Rancher's API v3: clusters and cloud credentials."""

    def __init__(self) -> None:
        self.clusters: dict[str, dict[str, Any]] = {}
        self.credentials: set[str] = set()
        self.broken = 0
        """The status with which everything is answered, if it is not 0."""

        rancher = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if self.refused():
                    return
                self.say(200, {"data": list(rancher.clusters.values())})

            def do_DELETE(self) -> None:
                if self.refused():
                    return
                kind, _, name = self.path.removeprefix("/v3/").partition("/")
                known = rancher.clusters if kind == "clusters" else rancher.credentials
                if name not in known:
                    self.say(404, {})
                    return
                if kind == "clusters":
                    del rancher.clusters[name]
                else:
                    rancher.credentials.remove(name)
                self.say(200, {})

            def refused(self) -> bool:
                if self.headers.get("Authorization") != f"Bearer {TOKEN}":
                    self.say(401, {"message": "must authenticate"})
                    return True
                if rancher.broken:
                    self.say(rancher.broken, {})
                return bool(rancher.broken)

            def say(self, status: int, body: dict[str, Any]) -> None:
                self.send_response(status)
                self.end_headers()
                self.wfile.write(json.dumps(body).encode())

            def log_message(self, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def add(self, identifier: str, cluster: str, credential: str) -> None:
        self.credentials.add(credential)
        self.clusters[identifier] = {
            "id": identifier,
            "name": f"imported-{identifier}",
            "eksConfig": {
                "displayName": cluster,
                "imported": True,
                "region": "us-east-1",
                "amazonCredentialSecret": credential,
            },
        }

    @property
    def variables(self) -> dict[str, str]:
        url = f"http://127.0.0.1:{self.server.server_port}"
        return {"RANCHER_URL": url, "RANCHER_TOKEN": TOKEN}


@pytest.fixture
def rancher() -> Iterator[FakeRancher]:
    running = FakeRancher()
    yield running
    running.server.shutdown()


@pytest.fixture
def cluster(api_server: str) -> kit.Cluster:
    return kit.Cluster(Kubernetes(api_server, "airflow", tool("kubectl")))


@pytest.fixture
def session(
    tmp_path: Path, cloud: Cloud, api_server: str, monkeypatch: pytest.MonkeyPatch
) -> kit.Sandboxed:
    monkeypatch.setenv("AERODROME_STATE", str(tmp_path / "state"))
    return kit.Sandboxed(tmp_path, cloud.client, api_server)


def _deregister(session: kit.Sandboxed, name: str, variables: dict[str, str]) -> Report:
    target = target_of(session, Environment(name))
    report = Report(Phases(session.console, total=1))
    with report.step("rancher"):
        deregister(target, report, variables)
    return report


def _webhook(kind: str, name: str) -> dict[str, Any]:
    """One whose server does not live any more: it refuses every change of a namespace."""
    rule = {
        "apiGroups": [""],
        "apiVersions": ["v1"],
        "operations": ["UPDATE", "DELETE"],
        "resources": ["namespaces"],
    }
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": kind,
        "metadata": {"name": name},
        "webhooks": [
            {
                "name": f"{name}.example.com",
                "clientConfig": {"url": "https://127.0.0.1:9/"},
                "rules": [rule] if name.startswith("rancher") else [],
                "failurePolicy": "Fail",
                "timeoutSeconds": 1,
                "sideEffects": "None",
                "admissionReviewVersions": ["v1"],
            }
        ],
    }


def test_a_cluster_is_taken_out_of_rancher_and_rancher_out_of_the_cluster(
    rancher: FakeRancher, cloud: Cloud, cluster: kit.Cluster, session: kit.Sandboxed
) -> None:
    rancher.add("c-1", Names(cloud.ours).cluster, "cattle-global-data:cc-1")
    rancher.add("c-2", Names(cloud.theirs).cluster, "cattle-global-data:cc-2")
    cluster.namespace("cattle-system")
    cluster.namespace("cattle-fleet-system")
    cluster.kubernetes.patch(
        reference("v1", "Namespace", "cattle-fleet-system"),
        {"metadata": {"finalizers": ["controller.cattle.io/namespace-auth"]}},
    )
    cluster.apply(
        _webhook("ValidatingWebhookConfiguration", "rancher.cattle.io"),
        _webhook("MutatingWebhookConfiguration", "rancher.cattle.io"),
        _webhook("ValidatingWebhookConfiguration", "of-somebody-else"),
    )
    with kit.Controllers(cluster, [kit.namespaces]):
        report = _deregister(session, cloud.ours, rancher.variables)
    assert list(rancher.clusters) == ["c-2"]
    assert rancher.credentials == {"cattle-global-data:cc-2"}
    assert not report.steps[0].notes
    assert sorted(report.steps[0].deleted) == sorted(
        [
            f"Rancher's record of {Names(cloud.ours).cluster}",
            "Rancher's cloud credential cattle-global-data:cc-1",
            "validatingwebhookconfiguration rancher.cattle.io",
            "mutatingwebhookconfiguration rancher.cattle.io",
            "namespace cattle-system",
            "namespace cattle-fleet-system",
        ]
    )
    assert cluster.names("validatingwebhookconfiguration") == ["of-somebody-else"]
    assert not [name for name in cluster.names("namespaces") if name.startswith("cattle-")]
    api_version = "admissionregistration.k8s.io/v1"
    cluster.delete(api_version, "ValidatingWebhookConfiguration", "of-somebody-else")


def test_a_credential_that_another_cluster_uses_stays(
    rancher: FakeRancher, cloud: Cloud, session: kit.Sandboxed
) -> None:
    for identifier, name in (("c-1", cloud.ours), ("c-2", cloud.theirs)):
        rancher.add(identifier, Names(name).cluster, "cattle-global-data:cc-all")
    _deregister(session, cloud.ours, rancher.variables)
    assert list(rancher.clusters) == ["c-2"]
    assert rancher.credentials == {"cattle-global-data:cc-all"}


@pytest.mark.parametrize("broken", [500, 503])
def test_a_rancher_that_does_not_answer_keeps_nothing(
    broken: int, rancher: FakeRancher, cloud: Cloud, session: kit.Sandboxed
) -> None:
    rancher.broken = broken
    report = _deregister(session, cloud.ours, rancher.variables)
    assert f"Rancher answers {broken} to GET /clusters" in report.steps[0].notes[0]


def test_a_wrong_token_is_told_and_not_shown(
    rancher: FakeRancher, cloud: Cloud, session: kit.Sandboxed
) -> None:
    variables = rancher.variables | {"RANCHER_TOKEN": "token-wrong:hidden-value"}
    report = _deregister(session, cloud.ours, variables)
    assert "Rancher answers 401" in report.steps[0].notes[0]
    assert "hidden-value" not in str(report)


def test_without_a_rancher_nothing_is_said(cloud: Cloud, session: kit.Sandboxed) -> None:
    report = _deregister(session, cloud.ours, {})
    assert report.steps[0].data() == {"name": "rancher", "deleted": [], "notes": []}


def test_without_a_token_the_cluster_is_cleaned_all_the_same(
    cloud: Cloud, cluster: kit.Cluster, session: kit.Sandboxed
) -> None:
    cluster.namespace("cattle-system")
    with kit.Controllers(cluster, [kit.namespaces]):
        report = _deregister(session, cloud.ours, {})
    assert "RANCHER_TOKEN is not set" in report.steps[0].notes[0]
    assert report.steps[0].deleted == ["namespace cattle-system"]
