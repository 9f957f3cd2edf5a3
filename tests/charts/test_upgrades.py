"""Upgrades that a real API server accepts, and whose pods they replace."""

import itertools
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cli.cloud.kubernetes import Kubernetes, reference
from sandbox.tools import tool
from tests.charts.rendering import CHART, EVERYTHING, REQUIRED, merge, render
from tests.charts.rollouts import read_anew, replaced
from tests.charts.test_oidc import OIDC
from tests.charts.test_pgbouncer import POOLED
from tests.charts.test_schema import DEFAULTS, SCHEMA, leaves, nodes
from tests.charts.test_task_logs import SEARCHED

_number = itertools.count()


@pytest.fixture
def namespace(api_server: str) -> Iterator[Kubernetes]:
    kubernetes = Kubernetes(api_server, f"upgrade-{next(_number)}")
    kubernetes.apply(reference("v1", "Namespace", kubernetes.namespace), "tests")
    yield kubernetes


def upgrade(kubernetes: Kubernetes, folder: Path, **storage: str) -> None:
    file = folder / "kubeconfig"
    file.write_text(str(kubernetes.kubeconfig))
    values = merge(REQUIRED, {"postgres": {"storage": storage}})
    subprocess.run(
        [
            *(tool("helm"), "upgrade", "--install", "airflow", CHART, "--values", "-"),
            *(f"--namespace={kubernetes.namespace}", f"--kubeconfig={file}"),
        ],
        input=json.dumps(values),
        text=True,
        check=True,
        capture_output=True,
    )


def template(kubernetes: Kubernetes) -> Any:
    found = kubernetes.find("statefulset", "airflow-database")
    assert found is not None
    (claim,) = found["spec"]["volumeClaimTemplates"]
    return claim["spec"]["resources"]["requests"]["storage"]


def test_a_larger_disk_is_no_forbidden_change(namespace: Kubernetes, tmp_path: Path) -> None:
    """The template keeps its size, the claim grows: `infra/postgres.py`."""
    upgrade(namespace, tmp_path, size="20Gi")
    upgrade(namespace, tmp_path, size="30Gi", whenDeleted="Retain")
    assert template(namespace) == "20Gi"


def test_a_first_disk_is_as_large_as_it_is_asked_for(namespace: Kubernetes, tmp_path: Path) -> None:
    upgrade(namespace, tmp_path, size="30Gi")
    assert template(namespace) == "30Gi"


NODES = dict(nodes(SCHEMA))


def at(values: dict[str, Any], path: str) -> Any:
    for key in path.split("."):
        values = values.get(key, {})
    return values


def other(path: str) -> Any:
    """Another value than the default; None where only a map's own values are."""
    node, default = NODES[path], at(DEFAULTS, path)
    if isinstance(default, dict) and at(EVERYTHING, path) in ({}, None):
        return None
    if isinstance(default, bool):
        return not default
    if isinstance(default, int | float):
        return default + 1 if default + 1 <= node.get("maximum", default + 1) else default - 1
    if "enum" in node:
        return next(value for value in node["enum"] if value != default)
    given = at(EVERYTHING, path)
    return None if given in ({}, default) else given


def placed(path: str, value: Any) -> dict[str, Any]:
    for key in reversed(path.split(".")):
        value = {key: value}
    return dict(value)


SECOND_PASSWORD = {"executor": "CeleryExecutor", "secrets": {"celeryLogins": "my-celery-logins"}}

AROUND: dict[str, dict[str, Any]] = {
    "taskLogs": SEARCHED,
    "secretsChecksums.taskLogs": SEARCHED,
    "oidc": OIDC,
    "secretsChecksums.oidc": OIDC,
    "metrics.enabled": {"metrics": {"host": "telegraf"}},
    "metrics": {"metrics": {"enabled": True, "host": "telegraf"}},
    "backup": {"backup": {"bucket": "my-bucket"}},
    "databaseClean": {"databaseClean": {"bucket": "my-bucket"}},
    "secretsChecksums.declared": {
        "secrets": {"declared": "my-declared"},
        "variables": {"rate": {"config": "rate"}},
    },
    "secretsChecksums.logins": {"secrets": {"logins": "my-logins"}},
    "secretsChecksums.databaseServer": {"secrets": {"logins": "my-logins"}},
    "secretsChecksums.access": {"secrets": {"access": "my-access"}, "access": '{"roles": {}}'},
    "variables": {"secrets": {"declared": "my-declared"}},
    "connections": {"secrets": {"declared": "my-declared"}},
    "dags": {"logs": {"bucket": "my-logs"}},
    "secretsChecksums.pgbouncer": POOLED,
    "pgbouncer.enabled": merge(POOLED, {"pgbouncer": {"enabled": False}}),
    "pgbouncer": POOLED,
    "secretsChecksums.celeryLogins": SECOND_PASSWORD,
    "secretsChecksums.redisServer": SECOND_PASSWORD,
    "secretsChecksums.celery": {"executor": "CeleryExecutor"},
    "secretsChecksums.monitor": {
        "secrets": {"monitor": "my-monitor"},
        "databaseMonitor": {"role": "my_monitor"},
    },
    "ui.host": {"ui": {"host": "airflow.example.org", "ingress": {"issuer": "some"}}},
    "secretsChecksums.git": {
        "secrets": {"git": "my-git"},
        "dags": {"source": "git", "git": {"repository": "https://git.example/dags"}},
    },
}
"""What must be on for these to have anything to change."""


@pytest.mark.parametrize("path", [path for path in leaves(DEFAULTS) if other(path) is not None])
def test_a_value_replaces_the_pods_for_which_it_changes_anything(path: str) -> None:
    """A value reaches pods in themselves, or in a ConfigMap that they read: then they bear its checksum."""
    around = next((one for start, one in AROUND.items() if path.startswith(start)), {})
    before, after = render(around), render(merge(around, placed(path, other(path))))
    assert not after.error
    if path.startswith("secretsChecksums"):
        # Of what only the one who sets it knows.
        assert replaced(before, after)
    else:
        assert replaced(before, after) == read_anew(before, after)
