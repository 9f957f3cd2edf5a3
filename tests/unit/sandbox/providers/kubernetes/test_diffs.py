"""What is changed in place and what is made anew."""

from copy import deepcopy
from typing import Any

import pytest

from sandbox.providers.contract import DiffResult
from sandbox.providers.kubernetes.diffs import diff
from sandbox.wire.values import UNKNOWN


def make(kind: str, api_version: str = "v1", **rest: Any) -> dict[str, Any]:
    metadata = {"name": "it", "namespace": "apps"}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **rest}


def changed(inputs: dict[str, Any], *path: str, to: Any) -> dict[str, Any]:
    copy = deepcopy(inputs)
    node = copy
    for key in path[:-1]:
        node = node.setdefault(key, {})
    node[path[-1]] = to
    return copy


def decide(old: dict[str, Any], new: dict[str, Any], **mutable: bool) -> DiffResult:
    flags = {"config_map_mutable": False, "secret_mutable": False} | mutable
    return diff(old, new, **flags)


DEPLOYMENT = make(
    "Deployment", "apps/v1", spec={"replicas": 1, "selector": {"matchLabels": {"a": "b"}}}
)
CONFIG_MAP = make("ConfigMap", data={"a": "1"})
SECRET = make("Secret", stringData={"a": "1"}, type="Opaque")
JOB = make("Job", "batch/v1", spec={"template": {"spec": {"x": 1}}, "backoffLimit": 2})
POD = make("Pod", spec={"containers": [{"image": "a"}], "tolerations": []})
BINDING = make("RoleBinding", "rbac.authorization.k8s.io/v1", roleRef={"name": "a"}, subjects=[])

CASES = [
    (DEPLOYMENT, ("spec", "replicas"), 2, ["spec"], False),
    (DEPLOYMENT, ("spec", "selector", "matchLabels", "a"), "c", ["spec"], True),
    (DEPLOYMENT, ("metadata", "labels"), {"x": "y"}, ["metadata"], False),
    (DEPLOYMENT, ("metadata", "name"), "other", ["metadata"], True),
    (DEPLOYMENT, ("metadata", "namespace"), "other", ["metadata"], True),
    (CONFIG_MAP, ("data", "a"), "2", ["data"], True),
    (CONFIG_MAP, ("metadata", "labels"), {"x": "y"}, ["metadata"], False),
    (SECRET, ("stringData", "a"), "2", ["data"], True),
    (SECRET, ("type",), "other", ["type"], True),
    (JOB, ("spec", "template", "spec", "x"), 2, ["spec"], True),
    (JOB, ("spec", "backoffLimit"), 3, ["spec"], False),
    (POD, ("spec", "containers"), [{"image": "b"}], ["spec"], True),
    (POD, ("spec", "tolerations"), [{}], ["spec"], False),
    (BINDING, ("roleRef", "name"), "b", ["roleRef"], True),
    (BINDING, ("subjects",), [{}], ["subjects"], False),
    (DEPLOYMENT, ("spec", "replicas"), UNKNOWN, ["spec"], False),
    (DEPLOYMENT, ("metadata", "namespace"), UNKNOWN, ["metadata"], True),
]


@pytest.mark.parametrize(("old", "path", "value", "changes", "replaced"), CASES)
def test_changes(
    old: dict[str, Any], path: tuple[str, ...], value: Any, changes: list[str], replaced: bool
) -> None:
    result = decide(old, changed(old, *path, to=value))
    assert result.changes == changes
    assert bool(result.replaces) == replaced


def test_nothing_changed() -> None:
    assert decide(SECRET, deepcopy(SECRET)) == DiffResult(changes=[], replaces=[])


def test_the_same_secret_written_in_another_way_is_the_same() -> None:
    assert not decide(SECRET, make("Secret", data={"a": "MQ=="}, type="Opaque")).changes


def test_mutable_data_is_changed_in_place() -> None:
    assert not decide(
        CONFIG_MAP, changed(CONFIG_MAP, "data", to={}), config_map_mutable=True
    ).replaces
    assert not decide(SECRET, changed(SECRET, "stringData", to={}), secret_mutable=True).replaces


def test_immutable_data_is_never_changed_in_place() -> None:
    old = {**CONFIG_MAP, "immutable": True}
    assert decide(old, changed(old, "data", to={}), config_map_mutable=True).replaces == ["data"]


def test_a_named_object_goes_before_its_replacement_comes() -> None:
    assert decide(CONFIG_MAP, changed(CONFIG_MAP, "data", to={})).delete_before_replace


def test_an_autonamed_object_goes_after_its_replacement_came() -> None:
    old = changed(CONFIG_MAP, "metadata", "annotations", to={"pulumi.com/autonamed": "true"})
    assert not decide(old, changed(old, "data", to={})).delete_before_replace


def test_another_name_needs_no_place() -> None:
    assert not decide(
        CONFIG_MAP, changed(CONFIG_MAP, "metadata", "name", to="b")
    ).delete_before_replace
