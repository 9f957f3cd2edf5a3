"""Reading logs of tasks from Elasticsearch: as whom, and what Airflow's chart is told (setting `taskLogs`).

Each environment reads as a user of its own, who is let into no other's lines. Where logs are written does not depend on it.
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes

from infra.base import Base
from infra.contract import logs, metrics
from infra.contract.outputs import Outputs
from infra.stack import Stack


@dataclass(frozen=True)
class TaskLogs:
    """What Airflow needs for it."""

    values: Mapping[str, Any]
    """Of charts/airflow."""

    secret: Mapping[str, pulumi.Input[str]]
    """The content of the Secret."""


def own_task_logs(stack: Stack) -> TaskLogs | None:
    """Those of an environment with monitoring of its own; nothing with taskLogs s3."""
    if stack.settings.task_logs == logs.S3:
        return None
    return _task_logs(stack, stack.secrets.logs_reader_password)


def task_logs_of_base(stack: Stack, base: Base, provider: kubernetes.Provider) -> TaskLogs | None:
    """Those of a shared environment, in its base's Elasticsearch, by a password that it reads in the cluster (ADR 10)."""
    if stack.settings.task_logs == logs.S3:
        return None

    def place(url: str | None) -> str:
        if not url:
            raise pulumi.RunError(
                f"taskLogs is {stack.settings.task_logs!r}, and base environment {base.name} has no logs in Elasticsearch: "
                f"./aerodrome config set monitoring logs --env {base.name} and ./aerodrome up --env {base.name}, "
                f"or ./aerodrome config set taskLogs {logs.S3}"
            )
        return f"{metrics.NAMESPACE}/{logs.SECRET}"

    secret = kubernetes.core.v1.Secret.get(
        stack.names.of("logs-readers"),
        base.output(Outputs.logs_url).apply(place),
        opts=pulumi.ResourceOptions(provider=provider),
    )
    password = secret.data.apply(lambda data: base64.b64decode(data[logs.READER]).decode())
    return _task_logs(stack, pulumi.Output.secret(password))


def _task_logs(stack: Stack, reader_password: pulumi.Input[str]) -> TaskLogs:
    environment = stack.settings.environment

    def login(password: str) -> str:
        words = f"{logs.reader_of(environment)}:{logs.reader_password(environment, password)}"
        return base64.b64encode(words.encode()).decode()

    server = {
        "url": logs.ELASTICSEARCH_URL,
        "indices": logs.indices_of(environment),
        "frontend": logs.link_to_try(stack.settings.kibana_url),
        "authority": {"namespace": logs.SHIPPER_NAMESPACE, "configMap": logs.AUTHORITY},
    }
    return TaskLogs(
        {"taskLogs": {"source": logs.ELASTICSEARCH, "elasticsearch": server}},
        {"basic-auth": pulumi.Output.from_input(reader_password).apply(login)},
    )
