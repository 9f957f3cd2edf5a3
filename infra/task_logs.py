"""Reading logs of tasks from Elasticsearch: as whom, and what Airflow's chart is told (setting `taskLogs`).

Each environment reads as a user of its own, who is let into no other's lines. Where logs are written does not depend on it.
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import pulumi
import pulumi_kubernetes as kubernetes

from infra.base import Base
from infra.contract import logs, metrics
from infra.contract.outputs import Outputs
from infra.stack import Stack

_AUTHORITY: Final = {"namespace": logs.SHIPPER_NAMESPACE, "configMap": logs.AUTHORITY}
"""Where what proves Elasticsearch is."""


@dataclass(frozen=True)
class TaskLogs:
    """What Airflow needs for it."""

    values: Mapping[str, Any]
    """Of charts/airflow."""

    secret: Mapping[str, pulumi.Input[str]]
    """The content of the Secret."""


def own_task_logs(stack: Stack) -> TaskLogs | None:
    """Those of an environment with monitoring of its own; nothing with taskLogs s3."""
    settings, password = stack.settings, stack.secrets.logs_reader_password
    if settings.task_logs == logs.S3:
        return None
    if not settings.elasticsearch_url:
        return _of_the_kits(stack, password)
    authority = _AUTHORITY if settings.elasticsearch_authority else {}
    login = _login(settings.elasticsearch_reader, password)
    return _task_logs(stack, settings.elasticsearch_url, authority, login)


def task_logs_of_base(stack: Stack, base: Base, provider: kubernetes.Provider) -> TaskLogs | None:
    """Those of a shared environment, in its base's Elasticsearch, by a password that it reads in the cluster (ADR 10)."""
    if stack.settings.task_logs == logs.S3:
        return None

    def place(url: str | None) -> str:
        if not url:
            raise pulumi.RunError(
                f"taskLogs is {stack.settings.task_logs!r}, and base environment {base.name} has no logs in an Elasticsearch of the kit's: "
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
    return _of_the_kits(stack, pulumi.Output.secret(password))


def _of_the_kits(stack: Stack, reader_password: pulumi.Input[str]) -> TaskLogs:
    """In the Elasticsearch that has a reader for each environment."""
    environment = stack.settings.environment

    def login(password: str) -> str:
        derived = logs.reader_password(environment, password)
        return _login(logs.reader_of(environment), derived)

    login_of_it = pulumi.Output.from_input(reader_password).apply(login)
    return _task_logs(stack, logs.ELASTICSEARCH_URL, _AUTHORITY, login_of_it)


def _login(user: str, password: str) -> str:
    """As HTTP's basic authentication has it."""
    return base64.b64encode(f"{user}:{password}".encode()).decode()


def _task_logs(
    stack: Stack, url: str, authority: Mapping[str, str], login: pulumi.Input[str]
) -> TaskLogs:
    server = {
        "url": url,
        "indices": logs.indices_of(stack.settings.environment),
        "frontend": logs.link_to_try(stack.settings.kibana_url),
        "authority": authority,
    }
    return TaskLogs(
        {"taskLogs": {"source": logs.ELASTICSEARCH, "elasticsearch": server}},
        {"basic-auth": login},
    )
