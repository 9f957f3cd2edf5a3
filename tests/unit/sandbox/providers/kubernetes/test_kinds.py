"""Type tokens and what they stand for."""

import pytest

from sandbox.errors import Unsupported
from sandbox.providers.kubernetes.client import Client
from sandbox.providers.kubernetes.kinds import _TABLE, Kind, built_in, kind_of
from sandbox.providers.kubernetes.transport import Request


@pytest.mark.parametrize(
    ("token", "api_version", "name"),
    [
        ("kubernetes:core/v1:Namespace", "v1", "Namespace"),
        ("kubernetes:apps/v1:Deployment", "apps/v1", "Deployment"),
        ("kubernetes:rbac.authorization.k8s.io/v1:Role", "rbac.authorization.k8s.io/v1", "Role"),
        ("kubernetes:example.com/v1:Toy", "example.com/v1", "Toy"),
    ],
)
def test_tokens_name_kinds(token: str, api_version: str, name: str) -> None:
    assert kind_of(token) == Kind(api_version, name)


@pytest.mark.parametrize(
    "token",
    [
        "kubernetes:helm.sh/v4:Chart",
        "kubernetes:helm.sh/v3:Chart",
        "kubernetes:yaml/v2:ConfigGroup",
        "kubernetes:kustomize/v2:Directory",
        "kubernetes:core/v1:NamespacePatch",
        "kubernetes:core/v1:NamespaceList",
        "kubernetes:core/v1:Nonsense",
    ],
)
def test_what_is_not_done_is_refused_by_name(token: str) -> None:
    with pytest.raises(Unsupported, match=f"does not know the resource type {token}"):
        kind_of(token)


def test_the_table_is_what_the_cluster_serves(client: Client) -> None:
    for kind, served in _TABLE.items():
        answer = client.transport.json(Request("GET", kind.prefix))
        found = {entry["kind"]: entry for entry in answer["resources"] if "/" not in entry["name"]}
        entry = found[kind.kind]
        assert (entry["name"], entry["namespaced"]) == (served.plural, served.namespaced), kind


def test_paths() -> None:
    assert Kind("v1", "Pod").prefix == "/api/v1"
    assert Kind("apps/v1", "Deployment").prefix == "/apis/apps/v1"
    assert built_in(Kind("example.com/v1", "Toy")) is None
