"""Which version of Kubernetes may follow which, and what is offered instead."""

import pytest

from cli.operations.preflight.kubernetes_version import VersionRequest, judge
from cli.operations.preflight.refusal import Refusal

OFFERED = ["1.37", "1.36", "1.35", "1.34", "1.33"]


def judged(asked: str, running: str = "", *, rancher: bool = True) -> Refusal | None:
    return judge(
        VersionRequest("dev", "aerodrome-dev", "eu-north-1", asked, rancher), running, OFFERED
    )


@pytest.mark.parametrize(
    ("asked", "running"),
    [("1.36", ""), ("1.33", ""), ("1.36", "1.36"), ("1.36", "1.35"), ("1.31", "1.31")],
    ids=["first", "first, old", "same", "next", "same, no longer offered"],
)
def test_what_eks_takes(asked: str, running: str) -> None:
    assert judged(asked, running) is None


@pytest.mark.parametrize(
    ("asked", "running", "said", "instead"),
    [
        ("1.40", "", "EKS does not offer Kubernetes 1.40 in eu-north-1", "1.36"),
        ("1.40", "1.34", "EKS does not offer Kubernetes 1.40 in eu-north-1", "1.35"),
        ("1.34", "1.36", '"dev" runs Kubernetes 1.36, and kubernetesVersion is 1.34', "1.36"),
        ("1.36", "1.34", '"dev" runs Kubernetes 1.34, and kubernetesVersion is 1.36', "1.35"),
        ("1.36", "1.31", '"dev" runs Kubernetes 1.31, and kubernetesVersion is 1.36', "1.32"),
    ],
)
def test_what_it_does_not_take_is_named_with_what_it_would(
    asked: str, running: str, said: str, instead: str
) -> None:
    refusal = judged(asked, running)
    assert refusal is not None
    assert (refusal.summary, refusal.value) == (said, instead)
    assert running in refusal.detail or running in refusal.summary


def test_without_rancher_the_newest_is_offered() -> None:
    refusal = judged("1.40", rancher=False)
    assert refusal is not None
    assert refusal.value == "1.37"
    assert "1.37, 1.36" in refusal.detail
