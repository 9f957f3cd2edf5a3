"""What is in the way of a version, asked of a real kube-apiserver."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cli.cloud.kubernetes import Kubernetes
from cli.operations.upgrade.findings import deprecated_apis, held, removed_apis
from tests.api_server import running

RECORDED = """\
# HELP apiserver_requested_deprecated_apis [STABLE] Gauge of deprecated APIs that have been requested, broken out by API group, version, resource, subresource, and removed_release.
# TYPE apiserver_requested_deprecated_apis gauge
apiserver_requested_deprecated_apis{group="",removed_release="",resource="componentstatuses",subresource="",version="v1"} 1
apiserver_requested_deprecated_apis{group="policy",removed_release="1.25",resource="podsecuritypolicies",subresource="",version="v1beta1"} 1
apiserver_requested_deprecated_apis{group="autoscaling",removed_release="1.26",resource="horizontalpodautoscalers",subresource="status",version="v2beta2"} 1
apiserver_requested_deprecated_apis{group="batch",removed_release="1.25",resource="cronjobs",subresource="",version="v1beta1"} 0
# TYPE apiserver_requested_deprecated_apis_other gauge
apiserver_requested_deprecated_apis_other{group="other",removed_release="1.25"} 1
"""
"""As API servers of 1.24 write it: the first is deprecated for good, the fourth was reset."""

BETA = "networking.k8s.io/v1beta1"
"""Deprecated, and served where it is turned on."""


@pytest.fixture(scope="module")
def kubernetes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kubernetes]:
    folder = tmp_path_factory.mktemp("deprecated")
    with running(folder, f"--runtime-config={BETA}=true") as kubeconfig:
        path: Path = folder / "kubeconfig"
        path.write_text(kubeconfig)
        yield Kubernetes(path)


@pytest.mark.parametrize(
    ("target", "named"),
    [
        ("1.24", []),
        ("1.25", ["podsecuritypolicies of policy/v1beta1"]),
        (
            "1.26",
            [
                "horizontalpodautoscalers of autoscaling/v2beta2",
                "podsecuritypolicies of policy/v1beta1",
            ],
        ),
    ],
)
def test_an_api_is_named_from_the_version_on_that_removes_it(target: str, named: list[str]) -> None:
    found = list(removed_apis(RECORDED, target, "/aws/eks/c/cluster"))
    assert [each.text.partition(" was")[0] for each in found] == named
    assert all(each.blocks and "/aws/eks/c/cluster" in each.command for each in found)


def test_what_a_real_api_server_was_asked_for_is_found_in_its_metrics(
    kubernetes: Kubernetes,
) -> None:
    before = deprecated_apis(kubernetes.text("/metrics"))
    assert not [api for api in before if api.resource == "ipaddresses"]
    kubernetes.text(f"/apis/{BETA}/ipaddresses")
    kubernetes.text("/api/v1/componentstatuses")
    after = deprecated_apis(kubernetes.text("/metrics"))
    (beta,) = [api for api in after if api.resource == "ipaddresses"]
    assert str(beta) == f"ipaddresses of {BETA}"
    assert beta.removed
    assert beta.gone_in(beta.removed)
    assert not beta.gone_in("1.25")
    (lasting,) = [api for api in after if api.resource == "componentstatuses"]
    assert not lasting.gone_in("1.99")


def _pod(name: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "default", "labels": {"app": name}},
        "spec": {"nodeName": "n-1", "containers": [{"name": "c", "image": "i"}]},
    }


def test_who_cannot_be_evicted_is_asked_of_the_api_server_and_nobody_is(
    kubernetes: Kubernetes,
) -> None:
    for name in ("held", "free", "gone"):
        kubernetes.apply(_pod(name), "tests")
        ready = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
        kubernetes.patch(_pod(name), {"status": ready}, "status")
    budget = {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": "one", "namespace": "default"},
        "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "held"}}},
    }
    kubernetes.apply(budget, "tests")
    status = {"observedGeneration": 1, "expectedPods": 1, "currentHealthy": 1, "desiredHealthy": 1}
    kubernetes.patch(budget, {"status": status | {"disruptionsAllowed": 0}}, "status")
    pods = kubernetes.objects("pods")
    assert len(pods) == 3
    kubernetes.delete(_pod("gone"), grace=0)
    (found,) = held(kubernetes, pods)
    assert found.text.startswith(
        "Pod default/held cannot be evicted: The disruption budget one needs 1 healthy pods and has 1 currently. EKS"
    )
    assert found.command == "kubectl -n default describe poddisruptionbudgets"
    assert [pod["metadata"]["name"] for pod in kubernetes.objects("pods")] == ["free", "held"]
