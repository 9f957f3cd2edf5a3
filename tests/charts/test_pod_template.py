"""A real API server judges the pod of tasks before a release changes anything."""

import base64
import json
import ssl
import urllib.error
import urllib.request
from typing import Any

import pytest

from tests.api_server import TOKEN
from tests.charts.rendering import EVERYTHING, Object, render


def ask(kubeconfig: str, template: Object) -> str:
    """What the API server has against a PodTemplate; nothing is made."""
    cluster = json.loads(kubeconfig)["clusters"][0]["cluster"]
    authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
    request = urllib.request.Request(
        f"{cluster['server']}/api/v1/namespaces/default/podtemplates?dryRun=All&fieldValidation=Strict",
        data=json.dumps(template).encode(),
        headers={"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, context=ssl.create_default_context(cadata=authority)):
            return ""
    except urllib.error.HTTPError as error:
        return str(json.loads(error.read())["message"])


@pytest.mark.parametrize(
    ("workers", "named"),
    [
        ({}, ""),
        (EVERYTHING["workers"], ""),
        (
            {"resources": {"requests": {"memory": "3Gi"}, "limits": {"memory": "1Gi"}}},
            "template.spec.containers[0].resources.requests: Invalid value",
        ),
        ({"nodeSelector": {"pool": "a b"}}, "template.spec.nodeSelector"),
        (
            {"tolerations": [{"operator": "Equal", "value": "x"}]},
            "template.spec.tolerations[0].operator: Invalid value",
        ),
    ],
    ids=["defaults", "everything", "resources", "selector", "tolerations"],
)
def test_a_wrong_field_is_named(api_server: str, workers: dict[str, Any], named: str) -> None:
    check = render({"workers": workers}).find("PodTemplate", "airflow-worker")
    told = ask(api_server, check)
    assert (named in told) if named else told == ""


def test_an_autoscaler_takes_no_node_from_under_a_task() -> None:
    def annotations(**workers: Any) -> dict[str, str]:
        found: dict[str, str] = render({"workers": workers}).worker()["metadata"]["annotations"]
        return found

    evict = "cluster-autoscaler.kubernetes.io/safe-to-evict"
    kept = {"karpenter.sh/do-not-disrupt": "true", evict: "false"}
    assert annotations() == kept
    assert annotations(podAnnotations={"team": "a"}) == {**kept, "team": "a"}
    assert annotations(podAnnotations={evict: "true"}) == {**kept, evict: "true"}


def test_nodes_for_tasks_alone_are_chosen_and_tolerated_beside_what_users_say() -> None:
    def place(**workers: Any) -> tuple[Any, Any]:
        spec = render({"workers": workers}).worker()["spec"]
        return spec.get("nodeSelector"), spec.get("tolerations")

    own = {"key": "kit/tasks", "operator": "Equal", "value": "true", "effect": "NoSchedule"}
    theirs = {"key": "gpu", "operator": "Exists"}
    assert place() == (None, None)
    assert place(ownNodes="kit/tasks") == ({"kit/tasks": "true"}, [own])
    found = place(ownNodes="kit/tasks", nodeSelector={"a": "b"}, tolerations=[theirs])
    assert found == ({"a": "b", "kit/tasks": "true"}, [theirs, own])


def test_a_celery_worker_stays_on_airflows_own_nodes() -> None:
    values = {"executor": "CeleryExecutor", "workers": {"ownNodes": "kit/tasks"}}
    spec = render(values).find("Deployment", "airflow-celery-worker")["spec"]["template"]["spec"]
    assert "nodeSelector" not in spec
    assert "tolerations" not in spec
