"""Objects on a real kube-apiserver: made, seen, changed, taken over, refused, deleted."""

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from sandbox.errors import CloudError, PartiallyCreated, UserError
from sandbox.providers.kubernetes.client import Client
from sandbox.providers.kubernetes.kinds import Kind
from sandbox.providers.kubernetes.transport import Request
from sandbox.wire.values import UNKNOWN, Secret
from tests.unit.sandbox.providers.kubernetes.conftest import Engine, Made, config, engine_for

CONFIG_MAP = "kubernetes:core/v1:ConfigMap"
DEPLOYMENT = "kubernetes:apps/v1:Deployment"
NAMESPACE = "kubernetes:core/v1:Namespace"
SECRET = "kubernetes:core/v1:Secret"
TOY = "kubernetes:example.com/v1:Toy"

# No controller is there to finish a deletion in the foreground.
IN_BACKGROUND = {"pulumi.com/deletionPropagationPolicy": "background"}


def config_map(namespace: str, name: str = "", **data: str) -> dict[str, Any]:
    metadata: dict[str, Any] = {"namespace": namespace, "annotations": dict(IN_BACKGROUND)}
    if name:
        metadata["name"] = name
    return {"metadata": metadata, "data": data}


def deployment(namespace: str, name: str = "web", **annotations: str) -> dict[str, Any]:
    labels = {"app": name}
    container = {"name": "c", "image": "x"}
    return {
        "metadata": {
            "namespace": namespace,
            "name": name,
            "annotations": IN_BACKGROUND | annotations,
        },
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        },
    }


def patch(
    client: Client, made: Made, plural: str, body: dict[str, Any], status: bool = False
) -> None:
    namespace, _, name = made.id.partition("/")
    prefix = "/apis/apps/v1" if plural == "deployments" else "/api/v1"
    path = f"{prefix}/namespaces/{namespace}/{plural}/{name}" + ("/status" if status else "")
    query = {"fieldManager": "somebody-else"}
    request = Request("PATCH", path, query, body, "application/merge-patch+json")
    client.transport.json(request)


def test_an_unnamed_object_gets_a_name_and_keeps_it(engine: Engine, namespace: str) -> None:
    made = engine.create(CONFIG_MAP, "settings", config_map(namespace, a="1"))
    name = made.outputs["metadata"]["name"]
    assert made.id == f"{namespace}/{name}"
    assert name.startswith("settings-") and len(name) == len("settings-") + 8
    again = engine.check(CONFIG_MAP, "settings", config_map(namespace, a="1"), made.inputs)
    assert again == made.inputs
    assert not engine.diff(made, again).changes


def test_outputs_are_pulumis(engine: Engine, namespace: str) -> None:
    made = engine.create(CONFIG_MAP, "settings", config_map(namespace, "named", a="1"))
    assert made.outputs["__inputs"] == made.inputs
    assert made.outputs["__initialApiVersion"] == "v1"
    assert made.outputs["__fieldManager"].startswith("pulumi-kubernetes-")
    assert made.outputs["metadata"]["uid"]


def test_an_update_changes_and_removes_fields(
    engine: Engine, client: Client, namespace: str
) -> None:
    made = engine.create(CONFIG_MAP, "settings", config_map(namespace, "named", a="1", b="2"))
    outputs = engine.update(made, {**made.inputs, "data": {"a": "3"}})
    assert outputs["data"] == {"a": "3"}
    live = client.get(Kind("v1", "ConfigMap"), namespace, "named")
    assert live is not None and live["data"] == {"a": "3"}


def test_a_preview_makes_nothing(engine: Engine, client: Client, namespace: str) -> None:
    outputs = engine.preview(CONFIG_MAP, "settings", config_map(namespace, "named", a="1"))
    assert outputs["metadata"]["name"] == "named"
    assert outputs["metadata"]["uid"] is UNKNOWN
    assert client.get(Kind("v1", "ConfigMap"), namespace, "named") is None


def test_a_preview_knows_what_the_cluster_fills_in(engine: Engine, namespace: str) -> None:
    outputs = engine.preview(DEPLOYMENT, "web", deployment(namespace))
    assert outputs["spec"]["progressDeadlineSeconds"] == 600


def test_a_preview_with_unknowns_gives_the_inputs(engine: Engine, namespace: str) -> None:
    news = config_map(namespace, "named")
    news["data"] = UNKNOWN
    assert engine.preview(CONFIG_MAP, "settings", news)["data"] is UNKNOWN


def test_a_preview_in_a_namespace_to_come_gives_the_inputs(engine: Engine) -> None:
    outputs = engine.preview(CONFIG_MAP, "settings", config_map("not-yet", "named", a="1"))
    assert outputs["data"] == {"a": "1"}


def test_a_preview_before_there_is_a_cluster_gives_the_inputs() -> None:
    engine = engine_for(UNKNOWN)  # type: ignore[arg-type]
    outputs = engine.preview(CONFIG_MAP, "settings", config_map("", "named", a="1"))
    assert outputs["metadata"]["namespace"] == "default"


def test_a_preview_of_a_cluster_that_is_away_gives_the_inputs() -> None:
    engine = engine_for(config("http://127.0.0.1:9"))
    assert engine.preview(CONFIG_MAP, "s", config_map("n", "named", a="1"))["data"] == {"a": "1"}


def test_a_misspelt_field_stops_the_preview(engine: Engine, namespace: str) -> None:
    news = deployment(namespace)
    news["spec"]["replica"] = 2
    with pytest.raises(UserError) as caught:
        engine.preview(DEPLOYMENT, "web", news)
    assert caught.value.summary == f"The cluster would refuse Deployment {namespace}/web"
    assert ".spec.replica: field not declared in schema" in caught.value.detail


def test_a_wrong_value_stops_the_preview(engine: Engine, namespace: str) -> None:
    news = deployment(namespace)
    news["spec"]["template"]["metadata"]["labels"] = {"app": "other"}
    with pytest.raises(UserError, match="selector` does not match template"):
        engine.preview(DEPLOYMENT, "web", news)


def test_what_something_else_made_is_not_taken(
    engine: Engine, client: Client, namespace: str
) -> None:
    body = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "x", "namespace": namespace},
    }
    client.apply(body | {"data": {"a": "1"}}, "somebody-else", dry_run=False)
    with pytest.raises(CloudError) as caught:
        engine.create(CONFIG_MAP, "settings", config_map(namespace, "x", a="2"))
    assert caught.value.code == "AlreadyExists"
    assert caught.value.summary == f"ConfigMap {namespace}/x exists already"


def test_unless_the_provider_is_told_to(
    make_engine: Callable[..., Engine], client: Client, namespace: str
) -> None:
    body = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "x", "namespace": namespace},
    }
    client.apply(body | {"data": {"b": "1"}}, "somebody-else", dry_run=False)
    engine = make_engine(upsertExistingObjects=True)
    made = engine.create(CONFIG_MAP, "settings", config_map(namespace, "x", a="2"))
    assert made.outputs["data"] == {"a": "2", "b": "1"}


def test_a_run_killed_before_it_could_save_finds_its_own_object(
    engine: Engine, namespace: str
) -> None:
    news = config_map(namespace, "named", a="1")
    engine.create(CONFIG_MAP, "settings", news)
    news["data"] = {"a": "2"}
    assert engine.create(CONFIG_MAP, "settings", news).outputs["data"] == {"a": "2"}


def test_and_its_own_bare_namespace(engine: Engine, namespace: str) -> None:
    name = f"{namespace}-more"
    first = engine.create(NAMESPACE, "more", {"metadata": {"name": name}})
    again = engine.create(NAMESPACE, "more", {"metadata": {"name": name}})
    assert first.outputs["metadata"]["uid"] == again.outputs["metadata"]["uid"]


def test_a_field_that_something_else_manages_is_a_conflict(
    engine: Engine, client: Client, namespace: str
) -> None:
    made = engine.create(CONFIG_MAP, "settings", config_map(namespace, "named", a="1"))
    patch(client, made, "configmaps", {"data": {"a": "theirs"}})
    changed = {**made.inputs, "data": {"a": "2"}}
    with pytest.raises(CloudError) as caught:
        engine.update(made, changed)
    assert caught.value.code == "Conflict"
    assert "somebody-else" in caught.value.detail and ".data.a" in caught.value.detail
    changed["metadata"]["annotations"]["pulumi.com/patchForce"] = "true"
    assert engine.update(made, changed)["data"] == {"a": "2"}


def test_ignored_fields_are_left_to_others(engine: Engine, client: Client, namespace: str) -> None:
    news = deployment(namespace, **{"pulumi.com/skipAwait": "true"})
    made = engine.create(DEPLOYMENT, "web", news)
    patch(client, made, "deployments", {"spec": {"replicas": 5}})
    changed = {**made.inputs, "spec": {**made.inputs["spec"], "paused": True}}
    outputs = engine.update(made, changed, ignore=("spec.replicas",))
    assert (outputs["spec"]["replicas"], outputs["spec"]["paused"]) == (5, True)


def test_a_secrets_contents_come_back_secret(engine: Engine, namespace: str) -> None:
    metadata = {"namespace": namespace, "name": "keys"}
    made = engine.create(SECRET, "keys", {"metadata": metadata, "stringData": {"a": "1"}})
    assert made.outputs["data"] == {"a": "MQ=="}
    found = engine.read(made)
    assert found is not None
    assert found.inputs["stringData"] == Secret({"a": "1"})
    assert found.outputs["data"] == Secret({"a": "MQ=="})


def test_read_sees_drift_and_nothing_else(engine: Engine, client: Client, namespace: str) -> None:
    made = engine.create(CONFIG_MAP, "settings", config_map(namespace, "named", a="1", b="2"))
    unchanged = engine.read(made)
    assert unchanged is not None and unchanged.inputs == made.inputs
    patch(client, made, "configmaps", {"data": {"a": "theirs", "more": "x"}})
    found = engine.read(made)
    assert found is not None
    assert found.inputs["data"] == {"a": "theirs", "b": "2"}


def test_read_of_what_is_gone(engine: Engine, client: Client, namespace: str) -> None:
    made = engine.create(CONFIG_MAP, "settings", config_map(namespace, "named", a="1"))
    client.delete(Kind("v1", "ConfigMap"), namespace, "named", "Background")
    assert engine.read(made) is None


def test_import_reads_the_inputs_from_the_cluster(engine: Engine, namespace: str) -> None:
    made = engine.create(CONFIG_MAP, "settings", config_map(namespace, "named", a="1"))
    found = engine.read(Made(made.urn, made.type, made.id, {}, {}))
    assert found is not None
    assert found.inputs == made.inputs


def test_delete_twice_is_fine(engine: Engine, client: Client, namespace: str) -> None:
    made = engine.create(CONFIG_MAP, "settings", config_map(namespace, "named", a="1"))
    engine.delete(made)
    assert client.get(Kind("v1", "ConfigMap"), namespace, "named") is None
    engine.delete(made)


def test_a_deletion_that_does_not_end_names_the_finalizers(
    engine: Engine, client: Client, namespace: str
) -> None:
    made = engine.create(CONFIG_MAP, "settings", config_map(namespace, "named", a="1"))
    patch(client, made, "configmaps", {"metadata": {"finalizers": ["example.com/hold"]}})
    with pytest.raises(CloudError) as caught:
        engine.delete(made, timeout=0.3)
    assert caught.value.summary == "ConfigMap named is still being deleted after 0 seconds"
    assert "example.com/hold" in caught.value.detail
    patch(client, made, "configmaps", {"metadata": {"finalizers": None}})


def test_a_deployment_is_awaited(engine: Engine, client: Client, namespace: str) -> None:
    status = {
        "observedGeneration": 1,
        "replicas": 1,
        "updatedReplicas": 1,
        "availableReplicas": 1,
        "readyReplicas": 1,
    }
    placeholder = Made("", DEPLOYMENT, f"{namespace}/web", {}, {})

    def make_ready() -> None:
        while client.get(Kind("apps/v1", "Deployment"), namespace, "web") is None:
            time.sleep(0.1)
        patch(client, placeholder, "deployments", {"status": status}, status=True)

    thread = threading.Thread(target=make_ready)
    thread.start()
    made = engine.create(DEPLOYMENT, "web", deployment(namespace), timeout=30)
    thread.join()
    assert made.outputs["status"]["availableReplicas"] == 1


def test_one_that_does_not_get_ready_keeps_its_state(engine: Engine, namespace: str) -> None:
    with pytest.raises(PartiallyCreated) as caught:
        engine.create(DEPLOYMENT, "web", deployment(namespace), timeout=0.3)
    error = caught.value
    assert (
        error.summary == f"Deployment {namespace}/web: not ready after 0 seconds (it was created)"
    )
    assert error.resource_id == f"{namespace}/web"
    assert error.outputs["metadata"]["uid"]
    assert error.reasons


def test_custom_resources_follow_their_definition(
    engine: Engine, client: Client, namespace: str
) -> None:
    news = {
        "apiVersion": "example.com/v1",
        "kind": "Toy",
        "metadata": {"name": "bear", "namespace": namespace, "annotations": IN_BACKGROUND},
        "spec": {"soft": True},
    }
    toys: list[Made] = []
    thread = threading.Thread(target=lambda: toys.append(engine.create(TOY, "bear", news)))
    thread.start()
    schema = {"type": "object", "x_kubernetes_preserve_unknown_fields": True}
    definition = {
        "metadata": {"name": "toys.example.com"},
        "spec": {
            "group": "example.com",
            "scope": "Namespaced",
            "names": {"plural": "toys", "kind": "Toy"},
            "versions": [
                {
                    "name": "v1",
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": schema},
                }
            ],
        },
    }
    engine.create("kubernetes:apiextensions.k8s.io/v1:CustomResourceDefinition", "toys", definition)
    thread.join()
    assert toys[0].id == f"{namespace}/bear"
    engine.delete(toys[0])


def test_a_cluster_that_is_gone_can_be_forgotten(make_engine: Callable[..., Engine]) -> None:
    away = config("http://127.0.0.1:9")
    inputs = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "n"}}
    made = Made("urn", CONFIG_MAP, "n/a", inputs, {})
    with pytest.raises(CloudError, match="PULUMI_K8S_DELETE_UNREACHABLE"):
        engine_for(away).delete(made)
    forgiving = engine_for(away, deleteUnreachable=True)
    forgiving.delete(made)
    assert forgiving.read(made) is None
