"""Monitoring of an environment as its users reach it: through a forwarded port, by the password of its Secret."""

import base64
import json
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cli.base.elasticsearch import Elasticsearch
from cli.base.influxdb import InfluxDB
from cli.cloud.kubernetes.kubectl import Kubectl
from infra.contract import logs, metrics
from sandbox.tools import tool

MOST_LINES = 10_000


@dataclass(frozen=True)
class Monitoring:
    """What a sandbox has. Each question opens a port of its own: pods may be killed between two of them."""

    kubeconfig: Path

    def _object(self, namespace: str, kind: str, name: str) -> Any:
        done = subprocess.run(
            [
                *(tool("kubectl"), f"--kubeconfig={self.kubeconfig}", "-n", namespace),
                *("get", kind, name, "-o", "json"),
            ],
            capture_output=True,
            text=True,
            check=True,
        )
        return json.loads(done.stdout)

    def secret(self, name: str, key: str) -> str:
        found = self._object(metrics.NAMESPACE, "secret", name)
        return base64.b64decode(found["data"][key]).decode()

    def _forwarded(self, service: str, port: int) -> Any:
        kubectl = Kubectl(self.kubeconfig, metrics.NAMESPACE, tool("kubectl"))
        return kubectl.forwarded(f"service/{service}", port)

    @contextmanager
    def elasticsearch(
        self, user: str = logs.READER, password: str | None = None
    ) -> Iterator[Elasticsearch]:
        word = self.secret(logs.SECRET, logs.READER) if password is None else password
        found = self._object(logs.SHIPPER_NAMESPACE, "configmap", logs.AUTHORITY)
        authority = found["data"]["ca.crt"]
        with (
            self._forwarded(logs.ELASTICSEARCH_SERVICE, logs.ELASTICSEARCH_PORT) as port,
            Elasticsearch(f"https://127.0.0.1:{port}", authority, user, word) as server,
        ):
            yield server

    def documents(self, wanted: Mapping[str, Any], indices: str = "airflow.*") -> list[Any]:
        """Those whose fields have these values, in the order in which they were written."""
        body = {
            "size": MOST_LINES,
            "query": {
                "bool": {"filter": [{"term": {key: value}} for key, value in wanted.items()]}
            },
            "sort": [{"@timestamp": "asc"}, {"sequence": "asc"}],
        }
        with self.elasticsearch() as server:
            return server.search(indices, body)

    @contextmanager
    def influxdb(self) -> Iterator[InfluxDB]:
        """As its reader."""
        password = self.secret(metrics.SECRET, metrics.READER)
        with (
            self._forwarded(metrics.INFLUXDB_SERVICE, metrics.INFLUXDB_PORT) as port,
            InfluxDB(
                f"http://127.0.0.1:{port}", metrics.DATABASE, metrics.READER, password
            ) as influxdb,
        ):
            yield influxdb

    def ask(self, query: str) -> list[dict[str, Any]]:
        """The rows of the answer: as the evaluation of an alert's rule asks (tests/unit/grafana/evaluation.py)."""
        with self.influxdb() as influxdb:
            return influxdb.rows(query)

    def finished(self, dag: str, environment: str) -> dict[tuple[str, str], int]:
        """Tries of a DAG's tasks that ended, by task and state."""
        rows = self.ask(
            'SELECT sum("value") AS total FROM "airflow_ti_finish" '
            f"WHERE \"dag_id\" = '{dag}' AND \"environment\" = '{environment}' "
            'GROUP BY "task_id", "state"'
        )
        return {(row["task_id"], row["state"]): int(row["total"]) for row in rows}
