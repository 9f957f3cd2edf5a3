"""What is filled into the pods that tasks start, on stand-ins for Kubernetes's models."""

import importlib.util
import sys
from collections.abc import Iterator
from configparser import ConfigParser
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from tests.unit.images.loading import IMAGES

FOLDER = IMAGES / "airflow" / "policy"
IMAGE = "registry.example/airflow@sha256:1"


class Model(SimpleNamespace):
    """A model of Kubernetes's client: what was not given is None."""

    def __getattr__(self, name: str) -> None:
        return None


def container(name: str, image: str = "own", **more: Any) -> Model:
    return Model(name=name, image=image, **more)


def pod(*containers: Model, namespace: str | None = "team", **spec: Any) -> Model:
    return Model(
        metadata=Model(namespace=namespace), spec=Model(containers=list(containers), **spec)
    )


@pytest.fixture
def policy(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    modules = {
        "airflow": ModuleType("airflow"),
        "airflow.configuration": ModuleType("airflow.configuration"),
        "airflow.policies": ModuleType("airflow.policies"),
        "kubernetes": ModuleType("kubernetes"),
        "kubernetes.client": ModuleType("kubernetes.client"),
    }
    settings = SimpleNamespace(get=lambda *_, **__: "", set=lambda *_: None)
    vars(modules["airflow.configuration"])["conf"] = settings
    vars(modules["airflow.policies"])["hookimpl"] = lambda function: function
    names = ("V1SecurityContext", "V1Capabilities", "V1PodSecurityContext", "V1SeccompProfile")
    vars(modules["kubernetes.client"])["models"] = SimpleNamespace(**dict.fromkeys(names, Model))
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setenv("AERODROME_NAMESPACE", "team")
    monkeypatch.setenv("AERODROME_IMAGE", IMAGE)
    monkeypatch.delenv("AERODROME_RESTRICTED_PODS", raising=False)
    place = importlib.util.spec_from_file_location("policy", FOLDER / "aerodrome_policy.py")
    assert place is not None
    assert place.loader is not None
    loaded = importlib.util.module_from_spec(place)
    place.loader.exec_module(loaded)
    yield loaded


@pytest.fixture
def restricted(policy: ModuleType, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.setenv("AERODROME_RESTRICTED_PODS", "true")
    return policy


def sidecar(image: str = "alpine:3.24.2") -> Model:
    return container("airflow-xcom-sidecar", image)


def test_the_sidecar_comes_from_a_registry_that_is_there(policy: ModuleType) -> None:
    one = pod(container("base"), sidecar())
    policy.pod_mutation_hook(one)
    assert [each.image for each in one.spec.containers] == ["own", IMAGE]
    assert one.spec.security_context is None, "nothing else is changed where nothing is demanded"


def test_a_sidecar_that_somebody_chose_stays(policy: ModuleType) -> None:
    one = pod(sidecar("mirror.example/alpine:3"))
    policy.pod_mutation_hook(one)
    assert one.spec.containers[0].image == "mirror.example/alpine:3"


def test_pods_of_other_namespaces_and_clusters_stay_as_they_are(restricted: ModuleType) -> None:
    one = pod(sidecar(), namespace="elsewhere")
    restricted.pod_mutation_hook(one)
    assert one.spec.containers[0].image == "alpine:3.24.2"
    assert one.spec.security_context is None


def test_a_restricted_namespace_takes_the_pod(restricted: ModuleType) -> None:
    one = pod(container("base"), sidecar(), init_containers=[container("first")])
    restricted.pod_mutation_hook(one)
    for each in [*one.spec.init_containers, *one.spec.containers]:
        assert each.security_context.allow_privilege_escalation is False
        assert each.security_context.capabilities.drop == ["ALL"]
    assert one.spec.security_context.run_as_non_root is True
    assert one.spec.security_context.seccomp_profile.type == "RuntimeDefault"


def test_what_the_dag_says_stays(restricted: ModuleType) -> None:
    own = Model(allow_privilege_escalation=True, capabilities=Model(add=["NET_ADMIN"]))
    whole = Model(run_as_non_root=False, run_as_user=1, seccomp_profile=Model(type="Unconfined"))
    one = pod(container("base", security_context=own), security_context=whole)
    restricted.pod_mutation_hook(one)
    assert one.spec.containers[0].security_context.capabilities.add == ["NET_ADMIN"]
    assert own.allow_privilege_escalation is True
    assert whole.run_as_non_root is False
    assert whole.seccomp_profile.type == "Unconfined"


def test_airflow_finds_it_by_an_entry_point() -> None:
    # A team's own airflow_local_settings.py must keep its name.
    points = ConfigParser()
    points.read(FOLDER / "aerodrome_policy-1.dist-info" / "entry_points.txt")
    module = points["airflow.policy"]["aerodrome"]
    assert (FOLDER / f"{module}.py").is_file()
