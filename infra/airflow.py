"""Airflow itself: a namespace, its Secrets, the right to write logs, and the chart."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pulumi
import pulumi_aws as aws
import pulumi_kubernetes as kubernetes

from infra.address import Address, sqlalchemy_url
from infra.celery import celery_logins_secret, celery_secret, queue_checksum
from infra.content import PROJECT_ROOT, content_hash
from infra.contract import secrets_backends
from infra.contract.secret_contents import (
    SECRET_NAMES,
    airflow_secrets,
    async_url,
    database_user,
)
from infra.contract.user_access import PASSWORDS_ENTRY
from infra.dag_source import dags_values, git_secret
from infra.database_logins import logins_secret, server_checksum
from infra.database_monitor import monitor_secret
from infra.declared import config_keys
from infra.image import Image
from infra.oidc import oidc_secret, oidc_values
from infra.pgbouncer import pgbouncer_checksums, pgbouncer_secret, pooled
from infra.proxies import proxy_values
from infra.stack import Stack
from infra.task_logs import TaskLogs
from infra.task_roles import associate
from infra.values import over

RELEASE = "airflow"
SERVICE_ACCOUNT = "airflow"
UI_SERVICE = "airflow-api-server"
UI_PORT = 8080

Contents = Mapping[str, Mapping[str, pulumi.Input[str]]]

RELEASE_TIMEOUT_SECONDS = 900
"""Room for new nodes, the first image pull and the database's migration."""


@dataclass(frozen=True)
class AirflowArgs:
    """What Airflow stands on, be it its own or its base's."""

    stack: Stack
    provider: kubernetes.Provider
    cluster_name: pulumi.Input[str]
    log_bucket: pulumi.Input[str]
    role_arn: pulumi.Input[str]
    image: Image
    database: Address
    namespace_labels: Mapping[str, str] = field(default_factory=dict)
    """What Kubernetes shall hold the namespace to, beyond whose it is."""
    after: Sequence[pulumi.Resource] = ()
    """What must be there before the pods, and must not go before them."""
    values: Mapping[str, Any] = field(default_factory=dict)
    """The chart's values that belong to what Airflow stands on."""
    ui: Mapping[str, Any] = field(default_factory=dict)
    """The chart's values of people's way to it by HTTPS."""
    task_role_arns: Mapping[str, pulumi.Input[str]] = field(default_factory=dict)
    """In AWS, by service account, where tasks are not who Airflow is."""
    task_logs: TaskLogs | None = None
    """Where else than in S3 the UI reads logs of tasks."""


class Airflow(pulumi.ComponentResource):
    """Everything of Airflow that lies in the cluster."""

    admin_secret_name = SECRET_NAMES["admin"]
    database_secret_name = SECRET_NAMES["database"]
    namespace: pulumi.Output[str]
    release: kubernetes.helm.v3.Release

    def __init__(
        self, name: str, args: AirflowArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("aerodrome:index:Airflow", name, {}, opts)
        self._args = args
        self._names = args.stack.names
        self._in_cluster = pulumi.ResourceOptions(parent=self, provider=args.provider)
        self.namespace = self._namespace()
        contents = self._contents()
        secrets = self._secrets(contents)
        # A pod that starts before the association gets no credentials; it would have to be restarted.
        association = aws.eks.PodIdentityAssociation(
            self._names.of("airflow"),
            cluster_name=args.cluster_name,
            namespace=self._names.namespace,
            service_account=SERVICE_ACCOUNT,
            role_arn=args.role_arn,
            opts=pulumi.ResourceOptions(parent=self),
        )
        of_tasks = associate(args.stack, args.cluster_name, args.task_role_arns, parent=self)
        self.release = kubernetes.helm.v3.Release(
            self._names.of(RELEASE),
            name=RELEASE,
            namespace=self.namespace,
            chart="../charts/airflow",
            # Pulumi sees a chart by its version (pulumi-kubernetes #2672); this makes every change of its
            # files an upgrade.
            description=f"charts/airflow {content_hash(PROJECT_ROOT / 'charts' / 'airflow')}",
            values=over(self._values(contents), args.stack.values),
            # So that a migration that failed is a failure of the release, and at once.
            wait_for_jobs=True,
            timeout=RELEASE_TIMEOUT_SECONDS,
            # The next run must find a release that it can work with, not a half-made one.
            atomic=False,
            cleanup_on_fail=True,
            opts=pulumi.ResourceOptions(
                parent=self,
                provider=args.provider,
                depends_on=[*secrets, association, *of_tasks, *args.after],
            ),
        )
        self.register_outputs({})

    def _namespace(self) -> pulumi.Output[str]:
        labels = {**self._args.stack.labels, **self._args.namespace_labels}
        namespace = kubernetes.core.v1.Namespace(
            self._names.of("namespace"),
            metadata={"name": self._names.namespace, "labels": labels},
            opts=self._in_cluster,
        )
        return namespace.metadata.name

    def _contents(self) -> Contents:
        """What the Secrets hold, by their keys in SECRET_NAMES."""
        stack = self._args.stack
        contents: dict[str, Mapping[str, pulumi.Input[str]]] = {
            **airflow_secrets(
                stack.settings,
                stack.secrets,
                stack.names,
                connection := self._connection(),
                connection.apply(async_url),
            )
        }
        if stack.executor.needs_redis:
            contents["celery"] = celery_secret(stack, pooled(stack, self._args.database))
            contents["celeryLogins"] = celery_logins_secret(stack)
        if users := pgbouncer_secret(stack):
            contents["pgbouncer"] = users
        if config_keys(stack.values):
            # Also where none of them is set, and what names them is left out: the chart refers to it.
            contents["declared"] = stack.declared
        if stack.passwords:
            contents["access"] = {PASSWORDS_ENTRY: json.dumps(stack.passwords, sort_keys=True)}
        if git := git_secret(stack):
            contents["git"] = git
        if client := oidc_secret(stack):
            contents["oidc"] = client
        if logins := logins_secret(stack):
            contents["logins"] = logins
        if monitor := monitor_secret(stack):
            contents["monitor"] = monitor
        if self._args.task_logs:
            contents["taskLogs"] = self._args.task_logs.secret
        return contents

    def _secrets(self, contents: Contents) -> list[kubernetes.core.v1.Secret]:
        return [
            kubernetes.core.v1.Secret(
                self._names.of(SECRET_NAMES[key]),
                metadata={"name": SECRET_NAMES[key], "namespace": self.namespace},
                string_data=pulumi.Output.secret(content),
                opts=self._in_cluster,
            )
            for key, content in contents.items()
        ]

    def _connection(self) -> pulumi.Output[str]:
        secrets = self._args.stack.secrets
        user = database_user(secrets, self._names)
        return sqlalchemy_url(
            self._args.database, self._names.database, secrets.database_password, user
        )

    def _checksums(self, contents: Contents) -> dict[str, pulumi.Output[str]]:
        """Of each Secret's content, the database's address included."""
        stack = self._args.stack
        found = {
            key: pulumi.Output.all(**content).apply(stack.checksum)
            for key, content in contents.items()
        }
        if pooled := contents.get("pgbouncer"):
            found |= pgbouncer_checksums(stack, pooled)
        return found

    def _secrets_backend(self) -> dict[str, Any]:
        settings, place = self._args.stack.settings, self._args.stack.place
        if settings.secrets_backend == secrets_backends.NONE:
            return {}
        folder = secrets_backends.folder(settings.environment, settings.base)
        return {
            "secretsBackend": {
                "service": settings.secrets_backend,
                "folder": folder,
                "region": place.region,
            }
        }

    def _values(self, contents: Contents) -> dict[str, Any]:
        """The chart's values: its values.schema.json is the contract."""
        args, settings = self._args, self._args.stack.settings
        node_port = {"nodePort": settings.ui_node_port} if settings.ui_node_port else {}
        return {
            "environment": settings.environment,
            "image": {
                "repository": args.image.repository_url,
                "tag": args.image.tag,
                "digest": args.image.digest,
            },
            "executor": settings.executor,
            "serviceAccount": {"name": SERVICE_ACCOUNT},
            "secrets": {key: SECRET_NAMES[key] for key in contents},
            "secretsChecksums": {
                **self._checksums(contents),
                **server_checksum(args.stack),
                **queue_checksum(args.stack),
            },
            "logs": {
                "bucket": args.log_bucket,
                "prefix": self._names.log_prefix,
                "region": args.stack.place.region,
            },
            "xcom": {"prefix": self._names.xcom_prefix},
            **self._secrets_backend(),
            **dags_values(args.stack),
            **({"access": access.text()} if (access := args.stack.access) else {}),
            **oidc_values(args.stack),
            **proxy_values(args.stack),
            "postgres": {"enabled": False},
            "networkPolicies": {"enabled": True},
            "ui": {
                "serviceType": settings.ui_service_type,
                "port": UI_PORT,
                **node_port,
                **args.ui,
            },
            **args.values,
            **(args.task_logs.values if args.task_logs else {}),
        }
