"""Tokens: made like the AWS CLI's, or printed by a credential plugin."""

import base64
import json
import stat
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from sandbox.errors import CloudError
from sandbox.providers.kubernetes.credentials import Credentials, eks_token
from sandbox.providers.kubernetes.kubeconfig import Connection, ExecPlugin

SERVER = "https://127.0.0.1:1"


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIATEST")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hush")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:4566")
    monkeypatch.delenv("AWS_SESSION_TOKEN", raising=False)


def decoded(token: str) -> str:
    text = token.removeprefix("k8s-aws-v1.")
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()


def test_an_eks_token_is_a_presigned_request_that_names_the_cluster() -> None:
    token = eks_token("demo", "us-east-1")
    assert token.startswith("k8s-aws-v1.")
    url = urlsplit(decoded(token))
    query = parse_qs(url.query)
    assert url.netloc == "sts.us-east-1.amazonaws.com"
    assert query["Action"] == ["GetCallerIdentity"]
    assert query["X-Amz-SignedHeaders"] == ["host;x-k8s-aws-id"]
    assert query["X-Amz-Credential"][0].startswith("AKIATEST/")
    assert query["X-Amz-Expires"] == ["60"]
    assert "hush" not in decoded(token)


def test_aws_eks_get_token_is_not_run() -> None:
    plugin = ExecPlugin(
        "aws", ("--region", "us-east-1", "eks", "get-token", "--cluster-name", "demo")
    )
    token = Credentials(Connection(SERVER, exec_plugin=plugin)).token()
    assert "us-east-1" in decoded(token)


def plugin(folder: Path, script: str) -> ExecPlugin:
    path = folder / "plugin"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return ExecPlugin(str(path), env={"GIVEN": "by-env"})


def test_other_plugins_are_run_and_their_token_is_kept(tmp_path: Path) -> None:
    answer = json.dumps({"kind": "ExecCredential", "status": {"token": "T"}})
    found = plugin(tmp_path, f"echo run >> {tmp_path}/runs\necho '{answer}'")
    credentials = Credentials(Connection(SERVER, exec_plugin=found))
    assert [credentials.token(), credentials.token()] == ["T", "T"]
    assert (tmp_path / "runs").read_text() == "run\n"
    assert credentials.renew("T")
    assert credentials.token() == "T"
    assert (tmp_path / "runs").read_text() == "run\nrun\n"


def test_a_plugin_gets_its_environment_and_the_protocol(tmp_path: Path) -> None:
    script = f'printf "%s %s" "$GIVEN" "$KUBERNETES_EXEC_INFO" > {tmp_path}/seen; echo "{{}}"'
    with pytest.raises(CloudError, match="gave no token"):
        Credentials(Connection(SERVER, exec_plugin=plugin(tmp_path, script))).token()
    seen = (tmp_path / "seen").read_text()
    assert seen.startswith("by-env {")
    assert '"kind": "ExecCredential"' in seen


def test_a_failing_plugin_is_quoted(tmp_path: Path) -> None:
    found = plugin(tmp_path, "echo no luck >&2; exit 3")
    with pytest.raises(CloudError, match="no luck"):
        Credentials(Connection(SERVER, exec_plugin=found)).token()


def test_a_fixed_token_is_not_renewed() -> None:
    credentials = Credentials(Connection(SERVER, token="fixed"))
    assert credentials.token() == "fixed"
    assert not credentials.renew("fixed")
