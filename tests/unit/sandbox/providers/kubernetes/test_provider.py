"""The provider's own arguments."""

import json
from typing import Any

import pytest

from sandbox.errors import Unsupported, UserError
from sandbox.providers import contract
from sandbox.providers.kubernetes.provider import KubernetesProvider, settings_of
from sandbox.wire.values import UNKNOWN


def kubeconfig(server: str = "https://127.0.0.1:1", user: str = "u") -> str:
    return json.dumps(
        {
            "current-context": "m",
            "contexts": [
                {"name": "m", "context": {"cluster": "c", "user": user, "namespace": "apps"}}
            ],
            "clusters": [{"name": "c", "cluster": {"server": server}}],
            "users": [{"name": user, "user": {"token": "t"}}],
        }
    )


def check_config(**news: Any) -> contract.CheckResult:
    request = contract.CheckRequest("urn", "pulumi:providers:kubernetes", "k", {}, news)
    return KubernetesProvider().check_config(request)


def diff_config(old: dict[str, Any], new: dict[str, Any]) -> contract.DiffResult:
    request = contract.DiffRequest("urn", "pulumi:providers:kubernetes", "1", old, {}, new)
    return KubernetesProvider().diff_config(request)


def test_known_arguments_are_taken() -> None:
    news = {
        "kubeconfig": kubeconfig(),
        "context": "m",
        "namespace": "n",
        "enableServerSideApply": "true",
        "enableConfigMapMutable": True,
        "suppressDeprecationWarnings": "true",
        "alwaysRender": "false",
    }
    assert check_config(**news).inputs == news


@pytest.mark.parametrize(
    "news",
    [
        {"renderYamlToDirectory": "out"},
        {"skipUpdateUnreachable": "true"},
        {"enableServerSideApply": "false"},
        {"helmReleaseSettings": "{}"},
        {"kubekonfig": "x"},
    ],
)
def test_others_are_refused_by_name(news: dict[str, Any]) -> None:
    with pytest.raises(Unsupported, match=next(iter(news))):
        check_config(**news)


def test_a_broken_kubeconfig_is_found_before_anything_is_done() -> None:
    with pytest.raises(UserError, match="The kubeconfig is not one"):
        check_config(kubeconfig="{}")


def test_arguments_come_as_text_or_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert settings_of({"enableSecretMutable": "true"}).secret_mutable
    assert not settings_of({}).config_map_mutable
    monkeypatch.setenv("PULUMI_K8S_ENABLE_CONFIGMAP_MUTABLE", "true")
    assert settings_of({}).config_map_mutable
    assert not settings_of({"enableConfigMapMutable": "false"}).config_map_mutable


def test_another_cluster_replaces_what_was_on_the_old_one() -> None:
    old, new = {"kubeconfig": kubeconfig()}, {"kubeconfig": kubeconfig("https://127.0.0.1:2")}
    assert diff_config(old, new).replaces == ["kubeconfig"]


def test_another_user_of_the_same_cluster_replaces_nothing() -> None:
    result = diff_config({"kubeconfig": kubeconfig()}, {"kubeconfig": kubeconfig(user="ben")})
    assert (result.changes, result.replaces) == (["kubeconfig"], [])


def test_a_cluster_that_is_not_known_yet_is_another_one() -> None:
    assert diff_config({"kubeconfig": kubeconfig()}, {"kubeconfig": UNKNOWN}).replaces


def test_the_same_identifier_is_the_same_cluster() -> None:
    old = {"kubeconfig": kubeconfig(), "clusterIdentifier": "a"}
    new = {"kubeconfig": kubeconfig("https://127.0.0.1:2"), "clusterIdentifier": "a"}
    assert not diff_config(old, new).replaces
    assert diff_config(old, {**new, "clusterIdentifier": "b"}).replaces == ["clusterIdentifier"]


def test_the_kubeconfigs_namespace_is_the_default() -> None:
    provider = KubernetesProvider()
    provider.configure(contract.ConfigureRequest({"kubeconfig": kubeconfig()}))
    token = "kubernetes:core/v1:ConfigMap"
    result = provider.check(contract.CheckRequest("urn", token, "it", {}, {}))
    assert result.inputs["metadata"]["namespace"] == "apps"


def test_no_kubeconfig_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", "/nowhere")
    monkeypatch.setenv("HOME", "/nowhere")
    provider = KubernetesProvider()
    provider.configure(contract.ConfigureRequest({}))
    token = "kubernetes:core/v1:ConfigMap"
    with pytest.raises(Exception, match="There is no kubeconfig"):
        provider.create(contract.CreateRequest("urn", token, "it", {"metadata": {"name": "a"}}))
