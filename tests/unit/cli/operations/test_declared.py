"""What is declared, looked after at each `up`: a Job when something is declared and none has just run."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from cli.cloud.kubernetes import Kubernetes, Object, reference
from cli.operations import declared, migration_job
from cli.operations.live import COMPONENT_LABEL, Live
from tests.charts.rendering import render
from tests.unit.cli.fakes import FakeKubernetes

POOLS = {"pools": {"heavy": {"slots": 4}}, "variables": {}, "missingSecrets": "fail"}
MIGRATION = next(one for one in render().objects if one["kind"] == "Job")


class Cluster(FakeKubernetes):
    """A cluster with a ConfigMap, and perhaps a migration Job. What is run in it has an answer."""

    declared: dict[str, Any] | None = None
    uid = "one"

    def find(self, kind: str, name: str) -> dict[str, Any] | None:
        self._called("find", kind, name)
        if kind != "configmap" or self.declared is None:
            return None
        return {"data": {"declared.json": json.dumps(self.declared)}}

    def objects(self, kind: str, **_: Any) -> list[dict[str, Any]]:
        metadata = {"uid": self.uid, "creationTimestamp": "2027-03-01T12:00:00Z"}
        return [{**MIGRATION, "metadata": {**MIGRATION["metadata"], **metadata}}]

    def logs(self, selector: str, *, lines: int) -> list[str]:
        self._called("logs", selector)
        return [
            "pool heavy: made",
            'declared: {"created": ["pool heavy"], "drift": []}',
            "unchanged",
        ]


def live(cluster: Any, told: list[str] | None = None) -> Live:
    report = (told if told is not None else []).append
    session = SimpleNamespace(console=SimpleNamespace(report=report))
    return cast(Live, SimpleNamespace(kubernetes=cluster, session=session))


@pytest.mark.parametrize("content", [None, {}, {**POOLS, "pools": {}}])
def test_where_nothing_is_declared_nothing_runs(content: dict[str, Any] | None) -> None:
    cluster = Cluster()
    cluster.declared = content
    assert declared.keep(live(cluster), "one") == {}
    assert [call[0] for call in cluster.calls] == ["find"]


def test_where_the_migration_job_has_just_run_it_is_asked_what_it_did() -> None:
    cluster = Cluster()
    cluster.declared = POOLS
    told: list[str] = []
    assert declared.keep(live(cluster, told), "of before") == {"created": ["pool heavy"]}
    assert told == ["pool heavy: made"]
    name = MIGRATION["metadata"]["name"]
    assert [call for call in cluster.calls if call[0] == "logs"] == [
        ("logs", f"batch.kubernetes.io/job-name={name}")
    ]


def test_what_is_declared_is_known_by_kind() -> None:
    cluster = Cluster()
    cluster.declared = POOLS
    assert declared.of(cast(Any, cluster)) == {"pools": POOLS["pools"]}


def test_the_job_is_the_migration_jobs_pod_with_another_script() -> None:
    spec = migration_job.spec(MIGRATION, "sync_declared", "declared")
    (container,) = spec["template"]["spec"]["containers"]
    assert container["args"] == ["python", "/opt/airflow/scripts/sync_declared.py"]
    names = [item["name"] for item in container["env"]]
    assert {"DECLARED_FILE", "AIRFLOW__CORE__FERNET_KEY"} <= set(names)
    assert spec["template"]["metadata"]["labels"][COMPONENT_LABEL] == "declared"
    # The pattern stays as it was.
    assert MIGRATION["spec"]["template"]["metadata"]["labels"][COMPONENT_LABEL] == "migration"


def test_an_api_server_takes_the_job(api_server: str, tmp_path: Path) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(api_server)
    cluster = Kubernetes(kubeconfig, "declared")
    cluster.apply(reference("v1", "Namespace", "declared"), "tests")
    job: Object = reference("batch/v1", "Job", "airflow-declared-now", "declared")
    job["spec"] = {"backoffLimit": 0, **migration_job.spec(MIGRATION, "sync_declared", "declared")}
    cluster.apply(job, "tests")
    assert cluster.find("job", "airflow-declared-now")
