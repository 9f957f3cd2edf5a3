"""The certificate that proves Elasticsearch, fetched from a real API server with the rights that charts/monitoring gives."""

import base64
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from kubernetes import client, config, utils

from infra.contract import logs
from tests.charts.test_monitoring import LOGS, rendered
from tests.unit.images.loading import script

fetch_authority: ModuleType = script("fetch_authority")
CERTIFICATE = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
POD = "airflow-feature"


@pytest.fixture(scope="module")
def cluster(api_server: str) -> Any:
    """With what the chart puts into the shipper's namespace."""
    made = client.ApiClient(
        config.new_client_from_config_dict(json.loads(api_server)).configuration
    )
    core = client.CoreV1Api(made)
    for name in (logs.SHIPPER_NAMESPACE, POD):
        core.create_namespace({"metadata": {"name": name}})
    core.create_namespaced_service_account(POD, {"metadata": {"name": "airflow"}})
    for one in rendered(LOGS).objects:
        there = one["metadata"].get("namespace") == logs.SHIPPER_NAMESPACE
        if there and one["kind"] in ("Role", "RoleBinding", "ConfigMap"):
            utils.create_from_dict(made, one)
    return core


@pytest.fixture(scope="module")
def account(cluster: Any, api_server: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the kubelet mounts for the api-server's service account."""
    folder = tmp_path_factory.mktemp("account")
    asked: dict[str, Any] = {"spec": {"audiences": [], "expirationSeconds": 600}}
    answer = cluster.create_namespaced_service_account_token("airflow", POD, asked)
    (folder / "token").write_text(answer.status.token)
    server = json.loads(api_server)["clusters"][0]["cluster"]
    (folder / "ca.crt").write_bytes(base64.b64decode(server["certificate-authority-data"]))
    return folder


@pytest.fixture
def url(api_server: str) -> str:
    return str(json.loads(api_server)["clusters"][0]["cluster"]["server"])


def test_without_one_the_public_authorities_count(
    url: str, account: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "public.pem").write_text("public")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "public.pem"))
    place, target = (logs.SHIPPER_NAMESPACE, logs.AUTHORITY), tmp_path / "ca.crt"
    # The ConfigMap is there and empty: Elasticsearch has not started yet.
    assert fetch_authority.fetch(url, *place, target, account, 0.0) is False
    assert target.read_text() == "public"
    # Nothing listens there.
    assert fetch_authority.fetch("https://127.0.0.1:1", *place, target, account, 0.0) is False


def test_any_environments_pod_may_read_it_and_nothing_beside_it(
    cluster: Any, url: str, account: Path, tmp_path: Path
) -> None:
    data = {"data": {"ca.crt": CERTIFICATE}}
    cluster.patch_namespaced_config_map(logs.AUTHORITY, logs.SHIPPER_NAMESPACE, data)
    target = tmp_path / "ca.crt"
    assert fetch_authority.fetch(url, logs.SHIPPER_NAMESPACE, logs.AUTHORITY, target, account, 0.0)
    assert target.read_text() == CERTIFICATE
    with pytest.raises(OSError, match="403"):
        fetch_authority.certificate(url, logs.SHIPPER_NAMESPACE, "monitoring-shipper", account)
