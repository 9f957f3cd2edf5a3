"""Kubeconfigs as programs give them."""

import base64
import json
from pathlib import Path

import pytest

from sandbox.errors import UserError
from sandbox.providers.kubernetes import kubeconfig

CA = base64.b64encode(b"the CA").decode()

DOCUMENT = {
    "apiVersion": "v1",
    "kind": "Config",
    "current-context": "main",
    "contexts": [
        {"name": "main", "context": {"cluster": "c", "user": "ann", "namespace": "apps"}},
        {"name": "other", "context": {"cluster": "d", "user": "ben"}},
    ],
    "clusters": [
        {
            "name": "c",
            "cluster": {"server": "https://127.0.0.1:1", "certificate-authority-data": CA},
        },
        {"name": "d", "cluster": {"server": "https://127.0.0.1:2"}},
    ],
    "users": [
        {
            "name": "ann",
            "user": {
                "exec": {
                    "apiVersion": "client.authentication.k8s.io/v1beta1",
                    "command": "aws",
                    "args": ["eks", "get-token", "--cluster-name", "demo"],
                    "env": [{"name": "X", "value": "y"}],
                }
            },
        },
        {"name": "ben", "user": {"token": "hush"}},
    ],
}


def test_json_is_read() -> None:
    found = kubeconfig.load(json.dumps(DOCUMENT))
    assert (found.server, found.namespace, found.ca) == ("https://127.0.0.1:1", "apps", b"the CA")
    assert found.exec_plugin is not None
    assert found.exec_plugin.args == ("eks", "get-token", "--cluster-name", "demo")
    assert found.exec_plugin.env == {"X": "y"}


def test_another_context_can_be_chosen() -> None:
    found = kubeconfig.load(json.dumps(DOCUMENT), context="other")
    assert (found.server, found.token) == ("https://127.0.0.1:2", "hush")


def test_a_path_to_yaml_with_files_beside_it_is_read(tmp_path: Path) -> None:
    (tmp_path / "ca.crt").write_bytes(b"beside")
    (tmp_path / "config").write_text(
        "current-context: m\n"
        "contexts: [{name: m, context: {cluster: c, user: u}}]\n"
        "clusters: [{name: c, cluster: {server: 'https://localhost:1', certificate-authority: ca.crt}}]\n"
        "users: [{name: u, user: {}}]\n"
    )
    assert kubeconfig.load(str(tmp_path / "config")).ca == b"beside"


def test_secrets_do_not_show() -> None:
    assert "hush" not in repr(kubeconfig.load(json.dumps(DOCUMENT), context="other"))


def test_an_unknown_context_is_named_with_those_there_are() -> None:
    with pytest.raises(UserError) as caught:
        kubeconfig.load(json.dumps(DOCUMENT), context="nope")
    assert str(caught.value) == "The kubeconfig has no context 'nope'\nIt has: main, other."


@pytest.mark.parametrize("text", ["{}", "a: b\nc: d"])
def test_what_is_no_kubeconfig_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="The kubeconfig is not one"):
        kubeconfig.load(text)


def test_broken_yaml_is_not_quoted() -> None:
    with pytest.raises(UserError) as caught:
        kubeconfig.load("token: hush\n\t- broken: [")
    assert "hush" not in str(caught.value)


def test_a_missing_file_is_named() -> None:
    with pytest.raises(UserError, match="The kubeconfig nowhere can not be read"):
        kubeconfig.load("nowhere")


def test_what_the_sandbox_does_not_use_is_refused_by_name() -> None:
    users = [{"name": "ann", "user": {"auth-provider": {"name": "gcp"}}}]
    with pytest.raises(UserError, match="auth-provider"):
        kubeconfig.load(json.dumps({**DOCUMENT, "users": users}))
