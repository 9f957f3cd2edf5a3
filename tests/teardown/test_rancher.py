"""Rancher: its record of the cluster, its credential, its namespaces and its webhooks.

A real API server; Rancher's own API is a small server that knows what the real one answers.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from cli.base.environments import Environment
from cli.base.phases import Phases
from cli.cloud.kubernetes import Kubernetes, reference
from cli.operations.rancher.identity import MARK
from cli.operations.teardown.rancher import deregister
from cli.operations.teardown.report import Report
from cli.operations.teardown.target import target_of
from infra.contract.naming import LABEL_ENVIRONMENT, Names
from sandbox.tools import tool
from tests.played_rancher import AGENT_IMAGE, TOKEN, PlayedRancher, manifest, playing
from tests.teardown import kit
from tests.teardown.conftest import Cloud


@pytest.fixture
def rancher() -> Iterator[PlayedRancher]:
    with playing() as running:
        yield running


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
    rancher: PlayedRancher, cloud: Cloud, cluster: kit.Cluster, session: kit.Sandboxed
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


def test_roles_in_rancher_go_before_the_cluster_does(
    rancher: PlayedRancher, cloud: Cloud, session: kit.Sandboxed
) -> None:
    rancher.add("c-1", Names(cloud.ours).cluster, "cattle-global-data:cc-1")
    body = {"name": "ours", "clusterId": "c-1", "labels": {LABEL_ENVIRONMENT: cloud.ours}}
    project = rancher._post_projects("", {}, body)[1]["id"]
    binding = {
        "projectId": project,
        "roleTemplateId": "read-only",
        "userPrincipalId": "local://u-1",
        "labels": {LABEL_ENVIRONMENT: cloud.ours},
    }
    rancher._post_projectroletemplatebindings("", {}, binding)
    # One deletion that is refused does not keep the cluster there.
    rancher.refuses = [("DELETE /v3/projects", 403)]
    report = _deregister(session, cloud.ours, rancher.variables)
    assert "Rancher answers 403" in report.steps[0].notes[0]
    kinds = [one.split("/")[2] for one in rancher.asked if one.startswith("DELETE")]
    assert kinds[:3] == ["projectroletemplatebindings", "projects", "clusters"]
    assert not (rancher.bindings or rancher.projects or rancher.clusters)


def test_a_credential_that_another_cluster_uses_stays(
    rancher: PlayedRancher, cloud: Cloud, session: kit.Sandboxed
) -> None:
    for identifier, name in (("c-1", cloud.ours), ("c-2", cloud.theirs)):
        rancher.add(identifier, Names(name).cluster, "cattle-global-data:cc-all")
    _deregister(session, cloud.ours, rancher.variables)
    assert list(rancher.clusters) == ["c-2"]
    assert rancher.credentials == {"cattle-global-data:cc-all"}


@pytest.mark.parametrize("broken", [500, 503])
def test_a_rancher_that_does_not_answer_keeps_nothing(
    broken: int, rancher: PlayedRancher, cloud: Cloud, session: kit.Sandboxed
) -> None:
    rancher.broken = broken
    report = _deregister(session, cloud.ours, rancher.variables)
    assert f"Rancher answers {broken} to GET /clusters" in report.steps[0].notes[0]


def test_a_wrong_token_is_told_and_not_shown(
    rancher: PlayedRancher, cloud: Cloud, session: kit.Sandboxed
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


def test_the_environments_own_rancher_is_asked_at_its_address(
    rancher: PlayedRancher, cloud: Cloud, session: kit.Sandboxed
) -> None:
    session.backend(Environment(cloud.ours)).write(outputs={"rancherAddress": rancher.url})
    rancher.add("c-1", Names(cloud.ours).cluster, "cattle-global-data:cc-1")
    _deregister(session, cloud.ours, {"RANCHER_TOKEN": TOKEN})
    assert not rancher.clusters


def test_the_environments_own_rancher_is_asked_with_the_token_that_it_has_handed_over(
    rancher: PlayedRancher, cloud: Cloud, session: kit.Sandboxed
) -> None:
    secret = cloud.client("secretsmanager").create_secret(
        Name=f"aerodrome-{cloud.ours}-rancher-token", SecretString=json.dumps({"token": TOKEN})
    )["ARN"]
    outputs = {"rancherAddress": rancher.url, "rancherTokenSecret": secret}
    session.backend(Environment(cloud.ours)).write(outputs=outputs)
    rancher.add("c-1", Names(cloud.ours).cluster, "cattle-global-data:cc-1")
    # It goes to its own server alone.
    _deregister(session, cloud.ours, {"RANCHER_URL": "http://127.0.0.1:1"})
    assert list(rancher.clusters) == ["c-1"]
    _deregister(session, cloud.ours, {})
    assert not rancher.clusters


def test_a_token_that_cannot_be_read_ends_no_teardown(
    rancher: PlayedRancher, cloud: Cloud, session: kit.Sandboxed
) -> None:
    secret = cloud.client("secretsmanager").create_secret(
        Name=f"aerodrome-{cloud.ours}-broken-token", SecretString="hidden-value"
    )["ARN"]
    outputs = {"rancherAddress": rancher.url, "rancherTokenSecret": secret}
    session.backend(Environment(cloud.ours)).write(outputs=outputs)
    report = _deregister(session, cloud.ours, {})
    assert "has something else in it" in report.steps[0].notes[0]
    assert "hidden-value" not in report.steps[0].notes[0]


def test_the_cluster_of_another_machine_stays(
    rancher: PlayedRancher, cloud: Cloud, session: kit.Sandboxed
) -> None:
    """Every machine's sandbox has the same name; the mark says whose it is."""
    rancher.add("c-1", Names(cloud.ours).cluster, "cattle-global-data:cc-1")
    rancher.clusters["c-1"]["annotations"] = {MARK: "uid-of-another-cluster"}
    _deregister(session, cloud.ours, rancher.variables)
    assert list(rancher.clusters) == ["c-1"]


def test_with_a_dead_rancher_rights_and_finalizers_go_too(
    cloud: Cloud, cluster: kit.Cluster, session: kit.Sandboxed
) -> None:
    space = "cattle-system"
    cluster.namespace(space)
    for document in yaml.safe_load_all(manifest("https://rancher.example.com", AGENT_IMAGE)):
        cluster.apply(document)
    cluster.namespace("of-a-team")
    team = reference("v1", "Namespace", "of-a-team")
    held = ["controller.cattle.io/namespace-auth", "example.com/theirs"]
    cluster.kubernetes.patch(team, {"metadata": {"finalizers": held}})
    secret = reference("v1", "Secret", "cattle-credentials-0123456", space)
    cluster.kubernetes.patch(secret, {"metadata": {"finalizers": ["wrangler.cattle.io/some"]}})
    dead = {"RANCHER_URL": "http://127.0.0.1:9", "RANCHER_TOKEN": TOKEN}
    with kit.Controllers(cluster, [_emptied]):
        report = _deregister(session, cloud.ours, dead)
    assert "its records of the cluster stay" in report.steps[0].notes[0]
    assert not [name for name in cluster.names("namespaces") if name.startswith("cattle-")]
    for kind in ("clusterroles", "clusterrolebindings"):
        assert not [name for name in cluster.names(kind) if "cattle" in name]
    left = cluster.kubernetes.find("namespace", "of-a-team")
    assert left is not None
    assert left["metadata"]["finalizers"] == ["example.com/theirs"]
    cluster.kubernetes.patch(team, {"metadata": {"finalizers": []}})
    cluster.kubernetes.delete(team)


def _emptied(controllers: kit.Controllers) -> None:
    """The namespace controller, which waits for what is in a namespace and has finalizers."""
    kubernetes = controllers.kubernetes
    for item in kubernetes.objects("namespaces"):
        if not item["metadata"].get("deletionTimestamp"):
            continue
        inside = kubernetes.objects(
            "secrets,serviceaccounts,services,deployments", namespace=item["metadata"]["name"]
        )
        for each in inside:
            kubernetes.delete(each)
        if not inside and not item["metadata"].get("finalizers"):
            kit.finalize(kubernetes, item)
