"""Check: names and namespaces, and what is refused."""

from typing import Any

from sandbox.providers.contract import CheckFailure, CheckRequest, CheckResult
from sandbox.providers.kubernetes.checks import check
from sandbox.wire.values import UNKNOWN, Secret

CONFIG_MAP = "kubernetes:core/v1:ConfigMap"


def checked(news: dict[str, Any], token: str = CONFIG_MAP, **request: Any) -> CheckResult:
    made = CheckRequest("urn", token, "it", request.get("olds", {}), news, b"seed")
    return check(made, "apps", lambda kind: kind.kind != "Namespace")


def test_kind_namespace_and_name_are_filled_in() -> None:
    inputs = checked({"data": {}}).inputs
    assert (inputs["apiVersion"], inputs["kind"]) == ("v1", "ConfigMap")
    assert inputs["metadata"]["namespace"] == "apps"
    assert inputs["metadata"]["name"].startswith("it-")
    assert inputs["metadata"]["annotations"] == {"pulumi.com/autonamed": "true"}


def test_a_given_name_stays() -> None:
    inputs = checked({"metadata": {"name": "mine", "namespace": "other"}}).inputs
    assert inputs["metadata"] == {"name": "mine", "namespace": "other"}


def test_what_lies_in_no_namespace_gets_none() -> None:
    inputs = checked({"metadata": {"name": "mine"}}, "kubernetes:core/v1:Namespace").inputs
    assert inputs["metadata"] == {"name": "mine"}


def test_unknowns_stay_unknown() -> None:
    assert checked({"metadata": UNKNOWN}).inputs["metadata"] is UNKNOWN
    assert checked({"metadata": {"name": UNKNOWN}}).inputs["metadata"]["name"] is UNKNOWN


def test_a_replacement_gets_a_new_name() -> None:
    first = checked({}).inputs
    later = CheckRequest("urn", CONFIG_MAP, "it", {}, {}, b"another seed")
    assert check(later, "apps", lambda kind: True).inputs["metadata"] != first["metadata"]


def test_a_given_name_is_not_taken_for_an_autoname() -> None:
    olds = checked({"metadata": {"name": "mine"}}).inputs
    assert checked({}, olds=olds).inputs["metadata"]["name"].startswith("it-")


def test_what_the_cluster_writes_is_left_out() -> None:
    inputs = checked({"metadata": {"name": "mine", "uid": "1", "managedFields": []}}).inputs
    assert inputs["metadata"] == {"name": "mine", "namespace": "apps"}


def test_secrets_are_secret() -> None:
    inputs = checked({"stringData": {"a": "1"}}, "kubernetes:core/v1:Secret").inputs
    assert inputs["stringData"] == Secret({"a": "1"})


def test_generate_name_and_unknown_annotations_are_refused() -> None:
    assert checked({"metadata": {"generateName": "x-"}}).failures == [
        CheckFailure(
            "metadata.generateName",
            "`.metadata.generateName` is not supported with server-side apply",
        )
    ]
    annotations = {"pulumi.com/waitFor": "x"}
    failures = checked({"metadata": {"annotations": annotations}}).failures
    assert [f.reason for f in failures] == [
        "the sandbox does not know the annotation pulumi.com/waitFor"
    ]
