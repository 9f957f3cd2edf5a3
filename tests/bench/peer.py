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
_BROKER = "redis://peer-redis:6379/0"
_INSTALL_SECONDS = 600
_CELERY_PING = (
    "CONNECTION_CHECK_MAX_COUNT=0 exec python -m celery"
    " --app airflow.providers.celery.executors.celery_executor inspect ping -d celery@$(hostname)"
)


@dataclass(frozen=True)
class Chart:
    """A folder with a chart, and perhaps a file with values."""

    folder: Path
    values: Path | None

    def values_for(self, image: str, executor: str) -> dict[str, Any]:
        """To run that image, `repository@digest` or `repository:tag`."""
        repository, at, digest = image.partition("@")
        tag = None
        if not at:
            repository, _, tag = image.rpartition(":")
        return {
            "images": {
                "airflow": {"repository": repository, "tag": tag, "digest": digest or None},
                # This one has no digest of its own, and joins the two by a colon.
                "pod_template": dict(zip(("repository", "tag"), image.rsplit(":", 1), strict=True)),
            },
            "executor": executor,
            "data": {"metadataSecretName": "peer-metadata", "brokerUrl": _BROKER},
            "postgresql": {"enabled": False},
            "redis": {"enabled": False},
            "workers": {
                "persistence": {"enabled": False},
                "logGroomerSidecar": {"enabled": False},
                "livenessProbe": {"command": ["sh", "-c", _CELERY_PING]},
            },
            "statsd": {"enabled": False},
            "scheduler": _component("SchedulerJob"),
            "dagProcessor": _component("DagProcessorJob"),
            "triggerer": {"persistence": {"enabled": False}, **_component("TriggererJob")},
            # Tasks in the image of the pod template.
            "config": {
                "kubernetes_executor": {
                    "worker_container_repository": "",
                    "worker_container_tag": "",
                }
            },
            # As hooks they would wait for an installation that waits for them.
            "createUserJob": {"useHelmHooks": False, "applyCustomEnv": False},
            "migrateDatabaseJob": {"useHelmHooks": False, "applyCustomEnv": False},
        }


def _component(job: str) -> dict[str, Any]:
    """The official chart's, without what only the official image has: its entrypoint's path, `/clean-logs`."""
    check = f"CONNECTION_CHECK_MAX_COUNT=0 exec airflow jobs check --job-type {job} --local"
    probe = {"command": ["sh", "-c", check]}
    return {
        "livenessProbe": probe,
        "startupProbe": probe,
        "logGroomerSidecar": {"enabled": False},
    }


def _database(image: str) -> list[dict[str, Any]]:
    """A PostgreSQL from the kit's image, and the address for the chart."""
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
        *_served("peer-database", 5432, pod),
    ]


def _redis(image: str) -> list[dict[str, Any]]:
    """A queue from the kit's image, without its password and its volume."""
    container = {
        "name": "redis",
        "image": image,
        "command": ["redis-server", "--save", "", "--protected-mode", "no"],
    }
    return _served("peer-redis", 6379, {"containers": [container]})


def _served(name: str, port: int, pod: dict[str, Any]) -> list[dict[str, Any]]:
    """One pod behind a Service."""
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": pod}
    return [
        _object("v1", "Service", name, spec={"selector": labels, "ports": [{"port": port}]}),
        _object(
            "apps/v1",
            "Deployment",
            name,
            spec={"selector": {"matchLabels": labels}, "template": template},
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


def install(chart: Chart, node: Node, folder: Path, executor: str) -> None:
    """Its database and its queue first, then the chart; returns when all of it is ready."""
    spec = node.kubectl("-n", "airflow", "get", "pods", "-o", "json")["items"]
    images = {
        container["name"]: container["image"]
        for pod in spec
        for container in pod["spec"]["containers"]
    }
    needed = _database(images["postgresql"])
    if "redis" in images:
        needed += _redis(images["redis"])
    manifest = folder / "needed.json"
    manifest.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": needed}))
    _call(node.environment, "kubectl", "apply", "-f", str(manifest))
    rollout = ("wait", "--all", "--for=condition=available", "--timeout=120s", "deployment")
    _call(node.environment, "kubectl", "-n", NAMESPACE, *rollout)
    computed = folder / "values.json"
    computed.write_text(json.dumps(chart.values_for(images["scheduler"], executor)))
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
