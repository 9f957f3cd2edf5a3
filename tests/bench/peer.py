"""Another chart of Airflow, installed beside the kit's: same cluster, same image, its own defaults.

What has no meaning without the rest of such a chart (its PostgreSQL from another registry, StatsD) is off. A values file
of the caller's comes last.
"""

import json
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.bench.airflow import Node
from tests.ports import free_port

NAMESPACE = "peer"
LOGIN = ("admin", "admin")
"""What the official chart makes."""

_PASSWORD = "peer"
_INSTALL_SECONDS = 600


@dataclass(frozen=True)
class Chart:
    """A folder with a chart, and perhaps a file with values."""

    folder: Path
    values: Path | None

    def values_for(self, image: str) -> dict[str, Any]:
        """To run that image, `repository@digest` or `repository:tag`."""
        repository, at, digest = image.partition("@")
        tag = None
        if not at:
            repository, _, tag = image.rpartition(":")
        return {
            "images": {"airflow": {"repository": repository, "tag": tag, "digest": digest or None}},
            "executor": "KubernetesExecutor",
            "data": {"metadataSecretName": "peer-metadata"},
            "postgresql": {"enabled": False},
            "statsd": {"enabled": False},
            "scheduler": _probes("SchedulerJob"),
            "dagProcessor": _probes("DagProcessorJob"),
            "triggerer": {"persistence": {"enabled": False}, **_probes("TriggererJob")},
            # As hooks they would wait for an installation that waits for them.
            "createUserJob": {"useHelmHooks": False, "applyCustomEnv": False},
            "migrateDatabaseJob": {"useHelmHooks": False, "applyCustomEnv": False},
        }


def _probes(job: str) -> dict[str, Any]:
    """The official chart's, but for the path of the official image's entrypoint."""
    check = f"CONNECTION_CHECK_MAX_COUNT=0 exec airflow jobs check --job-type {job} --local"
    probe = {"command": ["sh", "-c", check]}
    return {"livenessProbe": probe, "startupProbe": probe}


def _database(image: str) -> list[dict[str, Any]]:
    """A PostgreSQL from the kit's image, and the address for the chart."""
    labels = {"app": "peer-database"}
    url = f"postgresql://peer:{_PASSWORD}@peer-database:5432/peer"
    container = {
        "name": "postgresql",
        "image": image,
        "env": [
            {"name": "POSTGRES_USER", "value": "peer"},
            {"name": "POSTGRES_DB", "value": "peer"},
            {"name": "POSTGRES_PASSWORD_FILE", "value": "/run/secrets/database/password"},
        ],
        "readinessProbe": {
            "exec": {"command": ["pg_isready", "-q"]},
            "periodSeconds": 1,
        },
        "volumeMounts": [
            {"name": "data", "mountPath": "/var/lib/postgresql/data"},
            {"name": "sockets", "mountPath": "/run/postgresql"},
            {"name": "password", "mountPath": "/run/secrets/database"},
        ],
    }
    pod = {
        "securityContext": {"fsGroup": 50001},
        "containers": [container],
        "volumes": [
            {"name": "data", "emptyDir": {}},
            {"name": "sockets", "emptyDir": {}},
            {"name": "password", "secret": {"secretName": "peer-database"}},
        ],
    }
    return [
        _object("v1", "Namespace", NAMESPACE),
        _object("v1", "Secret", "peer-metadata", stringData={"connection": url}),
        _object("v1", "Secret", "peer-database", stringData={"password": _PASSWORD}),
        _object(
            "v1", "Service", "peer-database", spec={"selector": labels, "ports": [{"port": 5432}]}
        ),
        _object(
            "apps/v1",
            "Deployment",
            "peer-database",
            spec={
                "selector": {"matchLabels": labels},
                "template": {"metadata": {"labels": labels}, "spec": pod},
            },
        ),
    ]


def _object(version: str, kind: str, name: str, **content: Any) -> dict[str, Any]:
    space = {} if kind == "Namespace" else {"namespace": NAMESPACE}
    return {
        "apiVersion": version,
        "kind": kind,
        "metadata": {"name": name, **space},
        **content,
    }


def install(chart: Chart, node: Node, folder: Path) -> None:
    """Its database first, then the chart; returns when all of it is ready."""
    spec = node.kubectl("-n", "airflow", "get", "pods", "-o", "json")["items"]
    images = {
        container["name"]: container["image"]
        for pod in spec
        for container in pod["spec"]["containers"]
    }
    manifest = folder / "database.json"
    manifest.write_text(
        json.dumps({"apiVersion": "v1", "kind": "List", "items": _database(images["postgresql"])})
    )
    _call(node.environment, "kubectl", "apply", "-f", str(manifest))
    rollout = ("rollout", "status", "deployment/peer-database", "--timeout=120s")
    _call(node.environment, "kubectl", "-n", NAMESPACE, *rollout)
    computed = folder / "values.json"
    computed.write_text(json.dumps(chart.values_for(images["scheduler"])))
    files = [str(path) for path in (computed, chart.values) if path]
    _call(
        node.environment,
        "helm",
        "install",
        "peer",
        str(chart.folder),
        "--namespace",
        NAMESPACE,
        *(option for file in files for option in ("--values", file)),
    )
    # Not `helm --wait`: it would wait for the Jobs, which remove themselves, for ever.
    for condition, kind in (("complete", "job"), ("available", "deployment")):
        wait = ("wait", "--all", f"--for=condition={condition}", f"--timeout={_INSTALL_SECONDS}s")
        _call(node.environment, "kubectl", "-n", NAMESPACE, *wait, kind)


@contextmanager
def address(node: Node) -> Iterator[str]:
    """Its API, forwarded to a port of this machine."""
    port = free_port()
    forward = subprocess.Popen(
        ["kubectl", "-n", NAMESPACE, "port-forward", "service/peer-api-server", f"{port}:8080"],
        env=dict(node.environment),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        forward.terminate()
        with suppress(subprocess.TimeoutExpired):
            forward.wait(10)


def _call(environment: Mapping[str, str], *argv: str) -> None:
    done = subprocess.run(argv, env=dict(environment), capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(argv)} ended with {done.returncode}\n{done.stderr[-3000:]}")
