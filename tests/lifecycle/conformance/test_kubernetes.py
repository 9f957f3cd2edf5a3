"""pulumi-resource-kubernetes, spoken to as the real engine speaks, on a real kube-apiserver."""

from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from sandbox.wire.marshal import to_struct
from sandbox.wire.protos import provider_pb2
from sandbox.wire.values import UNKNOWN, Properties, Secret, reveal
from tests.lifecycle.conformance.real_engine import NOBODY, RealEngine, urn

NAMESPACE, CONFIG_MAP = "kubernetes:core/v1:Namespace", "kubernetes:core/v1:ConfigMap"
SECRET = "kubernetes:core/v1:Secret"
VERSION = "4.34.2"
# No controller is there to finish a deletion in the foreground.
AT_ONCE = {"pulumi.com/deletionPropagationPolicy": "background"}


def metadata(**more: object) -> Properties:
    return {"namespace": "default", "annotations": AT_ONCE, **more}


@pytest.fixture
def engine(api_server: str, tmp_path: Path) -> Iterator[RealEngine]:
    with RealEngine("kubernetes", tmp_path, {"KUBECONFIG": ""}) as engine:
        engine.greet()
        inputs = engine.configure("cluster", kubeconfig=api_server, version=VERSION)
        assert inputs["kubeconfig"] == api_server
        yield engine


def test_arguments_travel_as_text(api_server: str, tmp_path: Path) -> None:
    with RealEngine("kubernetes", tmp_path, {"KUBECONFIG": ""}) as engine:
        engine.greet()
        arguments = {"kubeconfig": api_server, "enableConfigMapMutable": "true"}
        olds = engine.configure("cluster", secret=["kubeconfig"], **arguments)
        news: Properties = {"metadata": metadata(name="mutable"), "data": {}}
        made = engine.create(CONFIG_MAP, "mutable", news)
        answer = engine.diff(made, {**news, "data": {"a": "1"}})
        assert list(answer.replaces) == []
        engine.delete(made)
        assert engine.close() == 0
    with RealEngine("kubernetes", tmp_path, {"KUBECONFIG": ""}) as engine:
        engine.greet()
        assert engine.configure("cluster", olds, **arguments) == olds


def test_from_creation_to_deletion(engine: RealEngine) -> None:
    news: Properties = {"metadata": metadata(), "data": {"a": "1"}, "immutable": None}
    made = engine.create(CONFIG_MAP, "settings", news)
    namespace, _, name = made.id.partition("/")
    assert (namespace, name[:9]) == ("default", "settings-")
    assert made.outputs["metadata"]["annotations"]["pulumi.com/autonamed"] == "true"
    assert made.outputs["__initialApiVersion"] == "v1"

    assert engine.diff(made, news).changes == provider_pb2.DiffResponse.DIFF_NONE
    labelled = {**news, "metadata": metadata(labels={"x": "y"})}
    engine.update(made, labelled)
    assert made.outputs["metadata"]["labels"] == {"x": "y"}

    answer = engine.diff(made, {**labelled, "data": {"a": "2"}})
    assert list(answer.replaces) == ["data"]
    assert not answer.deleteBeforeReplace, "an autonamed one is made before the old one goes"

    found = engine.read(made)
    assert found is not None
    assert reveal(found.outputs["data"]) == {"a": "1"}
    imported = engine.get(CONFIG_MAP, "settings", made.id)
    assert imported is not None
    assert imported.id == made.id

    engine.delete(made)
    assert engine.read(made) is None


def test_a_named_one_is_deleted_before_it_is_replaced(engine: RealEngine) -> None:
    news: Properties = {"metadata": metadata(name="fixed"), "data": {"a": "1"}}
    made = engine.create(CONFIG_MAP, "fixed", news)
    assert engine.diff(made, {**news, "data": {"a": "2"}}).deleteBeforeReplace
    engine.delete(made)


def test_secrets_stay_secret(engine: RealEngine) -> None:
    news: Properties = {
        "metadata": metadata(name="keys"),
        "stringData": Secret({"key": "hush"}),
    }
    checked = engine.check(SECRET, "keys", news)
    assert "hush" not in str(_without_secrets(checked))
    made = engine.create(SECRET, "keys", news)
    assert isinstance(made.outputs["data"], Secret)
    assert "hush" not in str(_without_secrets(made.outputs))
    assert "aHVzaA==" not in str(_without_secrets(made.outputs))
    found = engine.read(made)
    assert found is not None
    assert "aHVzaA==" not in str(_without_secrets(found.outputs))
    engine.delete(made)


def test_a_provider_whose_cluster_is_not_yet_known(tmp_path: Path) -> None:
    """CheckConfig sees the unknown; the engine then never calls Configure."""
    with RealEngine("kubernetes", tmp_path, {"KUBECONFIG": ""}) as engine:
        engine.greet()
        type_ = "pulumi:providers:kubernetes"
        answer = engine.stub.CheckConfig(
            provider_pb2.CheckRequest(
                urn=urn(type_, "c"),
                name="c",
                type=type_,
                news=to_struct({"kubeconfig": UNKNOWN, "version": VERSION}),
            )
        )
        assert not answer.failures
        assert answer.inputs == to_struct({"kubeconfig": UNKNOWN, "version": VERSION})


def test_failures_are_told_with_the_resource_and_never_end_the_plugin(engine: RealEngine) -> None:
    news: Properties = {"metadata": metadata(name="Not A Name")}
    with pytest.raises(grpc.RpcError) as failed:
        engine.create(CONFIG_MAP, "wrong", news)
    assert failed.value.code() is not grpc.StatusCode.INTERNAL
    assert "Not A Name" in failed.value.details()
    assert engine.process.poll() is None
    assert NOBODY not in failed.value.details()


def _without_secrets(value: object) -> object:
    match value:
        case dict():
            return {key: _without_secrets(inner) for key, inner in value.items()}
        case list():
            return [_without_secrets(inner) for inner in value]
        case Secret():
            return "[secret]"
    return value
