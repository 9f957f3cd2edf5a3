"""Lines of logs in Elasticsearch: what `aerodrome logs --search` finds."""

import base64
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from cli.base.elasticsearch import Elasticsearch
from cli.base.errors import UserError
from cli.cloud.kubernetes import Kubernetes
from cli.operations import monitoring_access
from cli.operations.live import Live
from infra.contract import logs, metrics

_SINCE = re.compile(r"[1-9]\d{0,5}[mhd]")


@dataclass(frozen=True)
class LogQuery:
    """What is looked for; each is there only where it is given."""

    text: str
    dag: str | None = None
    task: str | None = None
    run: str | None = None
    container: str | None = None
    since: str | None = None
    lines: int = 200

    def __post_init__(self) -> None:
        if self.since and not _SINCE.fullmatch(self.since):
            raise UserError(
                f'"{self.since}" is no time to look back',
                "A number of minutes, hours or days: 30m, 12h, 7d.",
                "./aerodrome logs --search TEXT --since 12h",
            )

    def body(self) -> dict[str, Any]:
        """For Elasticsearch: the last lines come first."""
        exact = {
            "dag_id": self.dag,
            "task_id": self.task,
            "run_id": self.run,
            "container": self.container,
        }
        filters: list[dict[str, Any]] = [
            {"term": {field: value}} for field, value in exact.items() if value is not None
        ]
        if self.since:
            filters.append({"range": {"@timestamp": {"gte": f"now-{self.since}"}}})
        words = {
            "simple_query_string": {
                "query": self.text,
                "fields": ["message", "traceback"],
                "default_operator": "and",
            }
        }
        return {
            "size": self.lines,
            "query": {"bool": {"filter": filters, "must": [words]}},
            "sort": [{"@timestamp": "desc"}, {"sequence": "desc"}],
        }


@contextmanager
def elasticsearch_of(found: Live) -> Iterator[Elasticsearch]:
    """The one with an environment's lines, its own or its base's, while the block lasts. UserError if there is none."""
    cluster = found.cloud.kubernetes(metrics.NAMESPACE, found.outputs)
    secret = cluster.find("secret", logs.SECRET)
    outside = secret is not None and logs.OUTSIDE_URL in secret["data"]
    certificate = _certificate(cluster) if secret else ""
    if secret is None or not (certificate or outside):
        name = monitoring_access.owner_of(found)
        raise UserError(
            f'The logs of "{found.environment.name}" cannot be searched',
            f'The setting monitoring of "{name}" has no logs, or it was set after the last `up`.',
            f"./aerodrome config set monitoring logs --env {name}",
        )
    told = {key: base64.b64decode(text).decode() for key, text in secret["data"].items()}
    password = told[logs.READER]
    if outside:
        url, user = told[logs.OUTSIDE_URL], told[logs.OUTSIDE_READER]
        with Elasticsearch(url, certificate, user, password) as server:
            yield server
        return
    target = f"service/{logs.ELASTICSEARCH_SERVICE}"
    with (
        cluster.kubectl.forwarded(target, logs.ELASTICSEARCH_PORT) as port,
        Elasticsearch(f"https://127.0.0.1:{port}", certificate, logs.READER, password) as server,
    ):
        yield server


def _certificate(cluster: Kubernetes) -> str:
    found = cluster.find("configmap", logs.AUTHORITY, namespace=logs.SHIPPER_NAMESPACE) or {}
    return str((found.get("data") or {}).get("ca.crt", ""))


def lines(server: Elasticsearch, environment: str, query: LogQuery) -> list[dict[str, Any]]:
    """The newest that fit, the newest last."""
    return server.search(logs.indices_of(environment), query.body())[::-1]


def shown(line: dict[str, Any]) -> str:
    """One document as a line of text: when, from where, what."""
    task = "/".join(str(line[key]) for key in ("dag_id", "run_id", "task_id") if key in line)
    where = task or f"{line['pod']}/{line['container']}"
    text = f"{line['@timestamp'][:23]}Z {where} {line.get('level', '')} {line.get('message', '')}"
    return f"{text}\n{line['traceback']}".rstrip() if "traceback" in line else text
