"""Which backup is meant, and Airflow's pods away and back around a restore."""

import io
import itertools
import json
import tarfile
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from cli.base.environments import Environment
from cli.base.errors import UserError
from cli.cloud.kubernetes import Kubernetes, Object, reference
from cli.operations import backups
from cli.operations.live import COMPONENT_LABEL, Live
from infra.contract.outputs import Outputs

_number = itertools.count()
OUTPUTS = {"logBucket": "logs", "backupPrefix": "backups", "environment": "dev"}
KEYS = [f"backups/2027-01-{day:02}T02-17-00Z.tar.gz" for day in (1, 3, 2)]


class Bucket:
    """S3 as far as it is asked here."""

    def __init__(self, content: bytes = b"") -> None:
        self._content = content

    def get_paginator(self, _: str) -> "Bucket":
        return self

    def paginate(self, Bucket: str, Prefix: str) -> list[dict[str, Any]]:
        made = datetime(2027, 1, 1, tzinfo=UTC)
        found = [key for key in [*KEYS, "backups/notes.txt"] if key.startswith(Prefix)]
        return [{"Contents": [{"Key": key, "Size": 7, "LastModified": made} for key in found]}]

    def get_object(self, Bucket: str, Key: str) -> dict[str, Any]:
        return {"Body": io.BytesIO(self._content)}


def _live(outputs: dict[str, Any], bucket: Bucket | None = None) -> Live:
    client = bucket or Bucket()
    return cast(
        Live,
        SimpleNamespace(
            environment=Environment("dev"),
            outputs=Outputs(outputs),
            client=lambda _: client,
            session=SimpleNamespace(same=" --env dev"),
        ),
    )


def test_the_newest_comes_first() -> None:
    names = [backup.name for backup in backups.existing(_live(OUTPUTS))]
    assert names == ["2027-01-03T02-17-00Z", "2027-01-02T02-17-00Z", "2027-01-01T02-17-00Z"]


@pytest.mark.parametrize(("which", "day"), [("latest", 3), ("2027-01-02T02-17-00Z", 2)])
def test_a_backup_is_chosen_by_name_or_as_the_latest(which: str, day: int) -> None:
    assert (
        backups.choose(_live(OUTPUTS), which).uri
        == f"s3://logs/backups/2027-01-{day:02}T02-17-00Z.tar.gz"
    )


def test_a_name_that_is_none_is_refused_with_those_there_are() -> None:
    with pytest.raises(UserError, match='"dev" has no backup "yesterday"') as refused:
        backups.choose(_live(OUTPUTS), "yesterday")
    assert "2027-01-03T02-17-00Z" in refused.value.detail


def test_a_branch_has_none_and_its_base_is_named() -> None:
    with pytest.raises(UserError, match="has no backups") as refused:
        backups.existing(_live({**OUTPUTS, "backupPrefix": "", "base": "prod"}))
    assert refused.value.command == "./aerodrome backup --env prod"


def test_an_environment_without_backups_names_the_setting() -> None:
    with pytest.raises(UserError, match="makes no backups") as refused:
        backups.existing(_live({**OUTPUTS, "backupPrefix": ""}))
    assert "backupDays" in refused.value.detail


def _archive(**members: Any) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w|gz") as archive:
        for name, content in members.items():
            data = json.dumps(content).encode()
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return out.getvalue()


def test_a_backup_says_where_it_is_from() -> None:
    content = _archive(manifest={"environment": "prod", "revisions": {}})
    live = _live(OUTPUTS, Bucket(content))
    assert backups.about(live, backups.choose(live, "latest"))["environment"] == "prod"


@pytest.mark.parametrize(
    "content",
    [b"", b"text", _archive(), _archive(other=[1])],
    ids=["empty", "text", "archive", "other archive"],
)
def test_another_object_is_refused(content: bytes) -> None:
    live = _live(OUTPUTS, Bucket(content))
    with pytest.raises(UserError, match=r"is no backup of Airflow's database"):
        backups.about(live, backups.choose(live, "latest"))


@pytest.fixture
def cluster(api_server: str, tmp_path: Path) -> Kubernetes:
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(api_server)
    namespace = f"backups-{next(_number)}"
    cluster = Kubernetes(kubeconfig, namespace)
    cluster.apply(reference("v1", "Namespace", namespace), "tests")
    _workload(cluster, "Deployment", "scheduler", 2)
    _workload(cluster, "Deployment", "api-server", 1)
    _workload(cluster, "StatefulSet", "database", 1)
    return cluster


def _workload(cluster: Kubernetes, kind: str, component: str, replicas: int) -> None:
    labels = {"app.kubernetes.io/name": "airflow", COMPONENT_LABEL: component}
    item = reference("apps/v1", kind, f"airflow-{component}", cluster.namespace)
    item["metadata"]["labels"] = labels
    pod: Object = {"containers": [{"name": "one", "image": "registry.example/one:1"}]}
    item["spec"] = {
        "replicas": replicas,
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": pod},
    }
    if kind == "StatefulSet":
        item["spec"]["serviceName"] = "airflow"
    cluster.apply(item, "tests")
    ready = {"replicas": replicas, "readyReplicas": replicas, "observedGeneration": 1}
    cluster.patch(item, {"status": ready}, "status")


def _replicas(cluster: Kubernetes) -> dict[str, int]:
    found = cluster.objects("deployments,statefulsets")
    return {item["metadata"]["name"]: item["spec"]["replicas"] for item in found}


BEFORE = {"airflow-scheduler": 2, "airflow-api-server": 1, "airflow-database": 1}
STOPPED = {"airflow-scheduler": 0, "airflow-api-server": 0, "airflow-database": 1}


def test_everything_but_the_database_is_away_meanwhile(cluster: Kubernetes) -> None:
    with backups._stopped(cluster, lambda _: None):
        assert _replicas(cluster) == STOPPED
    assert _replicas(cluster) == BEFORE


def test_airflow_comes_back_after_a_failure(cluster: Kubernetes) -> None:
    with pytest.raises(RuntimeError), backups._stopped(cluster, lambda _: None):
        raise RuntimeError
    assert _replicas(cluster) == BEFORE


def test_after_an_interruption_the_next_restore_knows_the_replicas(cluster: Kubernetes) -> None:
    stopped = backups._stopped(cluster, lambda _: None)
    stopped.__enter__()
    # As if the process had been killed here.
    with backups._stopped(cluster, lambda _: None):
        assert _replicas(cluster) == STOPPED
    assert _replicas(cluster) == BEFORE
    for item in cluster.objects("deployments"):
        assert backups._REPLICAS not in (item["metadata"].get("annotations") or {})


def test_an_airflow_that_waits_for_another_schema_is_not_waited_for(cluster: Kubernetes) -> None:
    """With --no-migrate: its pods hold themselves back until another image comes."""
    for item in cluster.objects("deployments"):
        cluster.patch(item, {"status": {"readyReplicas": 0}}, "status")
    with backups._stopped(cluster, lambda _: None, wait=False):
        assert _replicas(cluster) == STOPPED
    assert _replicas(cluster) == BEFORE


def test_the_pods_of_running_tasks_are_deleted(cluster: Kubernetes) -> None:
    pod = reference("v1", "Pod", "task", cluster.namespace)
    pod["metadata"]["labels"] = {COMPONENT_LABEL: "worker"}
    pod["spec"] = {"containers": [{"name": "base", "image": "registry.example/one:1"}]}
    cluster.apply(pod, "tests")
    with backups._stopped(cluster, lambda _: None):
        assert not cluster.objects("pods")
