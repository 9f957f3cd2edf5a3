"""Names, drift, secrets: the pure half of an object's life."""

import pytest

from sandbox.errors import UserError
from sandbox.providers.kubernetes import objects
from sandbox.providers.kubernetes.ownership import leave_to_others, owns
from sandbox.wire.values import Secret


def test_autonames_follow_the_seed() -> None:
    name = objects.autoname("logs", b"seed")
    assert name == objects.autoname("logs", b"seed") != objects.autoname("logs", b"other")
    assert len(name) == len("logs-") + 8
    assert objects.autoname("logs", b"") != objects.autoname("logs", b"")


def test_ids_carry_the_namespace() -> None:
    assert objects.resource_id({"metadata": {"name": "a", "namespace": "n"}}) == "n/a"
    assert objects.split_id("n/a") == ("n", "a")
    assert objects.split_id("a") == ("", "a")


def test_the_field_manager_is_kept_chosen_or_derived() -> None:
    derived = objects.field_manager("urn:1", {}, {})
    assert derived.startswith("pulumi-kubernetes-")
    assert (
        derived == objects.field_manager("urn:1", {}, {}) != objects.field_manager("urn:2", {}, {})
    )
    assert objects.field_manager("urn:1", {}, {"__fieldManager": "old"}) == "old"
    chosen = {"metadata": {"annotations": {objects.FIELD_MANAGER: "mine"}}}
    assert objects.field_manager("urn:1", chosen, {"__fieldManager": "old"}) == "mine"


def test_schema_keywords_get_their_dashes_back() -> None:
    sent = objects.manifest({"spec": {"x_kubernetes_preserve_unknown_fields": True}, "__own": 1})
    assert sent == {"spec": {"x-kubernetes-preserve-unknown-fields": True}}
    live = {"kind": "X", "apiVersion": "v1", "metadata": {"managedFields": []}, **sent}
    kept = objects.outputs({}, live, "me")
    assert kept["spec"] == {"x_kubernetes_preserve_unknown_fields": True}
    assert kept["metadata"] == {}


def test_a_secrets_contents_are_secret() -> None:
    live = {"kind": "Secret", "apiVersion": "v1", "metadata": {}, "data": {"a": "MQ=="}}
    inputs = {"kind": "Secret", "stringData": {"a": "1"}}
    kept = objects.outputs(inputs, live, "me")
    assert kept["data"] == Secret({"a": "MQ=="})
    assert kept["__inputs"] == {"kind": "Secret", "stringData": Secret({"a": "1"})}


def test_only_what_the_cluster_changed_has_drifted() -> None:
    inputs = {"spec": {"cpu": "1000m", "replicas": 2, "gone": "x"}, "data": {"a": "1"}}
    before = {"spec": {"cpu": "1", "replicas": 2, "gone": "x"}, "data": {"a": "1"}}
    now = {"spec": {"cpu": "1", "replicas": 5}, "data": {"a": "1"}}
    expected = {"spec": {"cpu": "1000m", "replicas": 5}, "data": {"a": "1"}}
    assert objects.drifted(inputs, before, now) == expected


def test_timeouts() -> None:
    annotated = {"metadata": {"annotations": {objects.TIMEOUT_SECONDS: "7"}}}
    assert objects.timeout_of(annotated, 0, 600) == 7
    assert objects.timeout_of(annotated, 3, 600) == 3
    assert objects.timeout_of({}, 0, 600) == 600
    with pytest.raises(UserError, match="not a number"):
        objects.timeout_of({"metadata": {"annotations": {objects.TIMEOUT_SECONDS: "x"}}}, 0, 600)


def entry(manager: str, fields: dict[str, object]) -> dict[str, object]:
    return {"manager": manager, "fieldsV1": fields}


LIVE = {
    "metadata": {
        "managedFields": [
            entry("me", {"f:spec": {"f:paused": {}}}),
            entry("scaler", {"f:spec": {"f:replicas": {}}}),
        ]
    },
    "spec": {"replicas": 9, "paused": True},
}


def test_ignored_fields_of_others_are_left_out_and_own_ones_stay() -> None:
    body = {"spec": {"replicas": 1, "paused": False}}
    left = leave_to_others(body, LIVE, "me", ["spec.replicas", "spec.paused", "spec.nothing"])
    assert left == {"spec": {"paused": True}}
    assert body == {"spec": {"replicas": 1, "paused": False}}


def test_ownership() -> None:
    assert owns(LIVE, "me")
    assert not owns(LIVE, "you")
    assert not owns({}, "me")


def test_bare_objects() -> None:
    bare = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "a"}}
    assert objects.is_bare(bare)
    assert not objects.is_bare({**bare, "metadata": {"name": "a", "labels": {}}})
