"""Airflow itself: a namespace, its Secrets, the right to write logs, and the chart."""

import dataclasses
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

import pulumi
import pulumi_aws as aws
import pulumi_kubernetes as kubernetes

from infra.cluster import STORAGE_CLASS, Cluster
from infra.content import PROJECT_ROOT, content_hash
from infra.database import NAME, PORT, USER, Database
from infra.image import Image
from infra.log_bucket import TASK_LOGS_PREFIX, LogBucket
from infra.naming import AIRFLOW
from infra.settings import Secrets
from infra.stack import Stack

RELEASE = "airflow"
SERVICE_ACCOUNT = "airflow"
UI_SERVICE = "airflow-api-server"
UI_PORT = 8080

IN_CLUSTER_DATABASE_HOST = "airflow-database"
"""The Service that charts/airflow makes for its PostgreSQL."""

SECRET_NAMES = {
    "fernet": "airflow-fernet",
    "jwt": "airflow-jwt",
    "api": "airflow-api",
    "database": "airflow-database",
    "admin": "airflow-admin",
}
"""The chart gets these names and never a secret: what makes none can lose none."""

RELEASE_TIMEOUT_SECONDS = 900
"""Room for new nodes, the first image pull and the database's migration."""


@dataclass(frozen=True)
class AirflowArgs:
    """What Airflow stands on. Without a `database` PostgreSQL runs in the cluster."""

    stack: Stack
    cluster: Cluster
    bucket: LogBucket
    role_arn: pulumi.Output[str]
    images: Mapping[str, Image]
    database: Database | None


class Airflow(pulumi.ComponentResource):
    """Everything of Airflow that lies in the cluster."""

    admin_secret_name = SECRET_NAMES["admin"]

    def __init__(
        self, name: str, args: AirflowArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("aerodrome:index:Airflow", name, {}, opts)
        self._args = args
        self._names = args.stack.names
        self._in_cluster = pulumi.ResourceOptions(parent=self, provider=args.cluster.provider)
        self._namespace = kubernetes.core.v1.Namespace(
            self._names.of("namespace"), metadata={"name": AIRFLOW}, opts=self._in_cluster
        )
        secrets = self._secrets()
        # A pod that starts before the association gets no credentials; it would have to be restarted.
        association = aws.eks.PodIdentityAssociation(
            self._names.of("airflow"),
            cluster_name=args.cluster.name,
            namespace=AIRFLOW,
            service_account=SERVICE_ACCOUNT,
            role_arn=args.role_arn,
            opts=pulumi.ResourceOptions(parent=self),
        )
        kubernetes.helm.v3.Release(
            self._names.of(RELEASE),
            name=RELEASE,
            namespace=self._namespace.metadata.name,
            chart="../charts/airflow",
            # Pulumi sees a chart by its version (pulumi-kubernetes #2672); this makes every change of its
            # files an upgrade.
            description=f"charts/airflow {content_hash(PROJECT_ROOT / 'charts' / 'airflow')}",
            values=self._values(),
            timeout=RELEASE_TIMEOUT_SECONDS,
            # The next run must find a release that it can work with, not a half-made one.
            atomic=False,
            cleanup_on_fail=True,
            opts=pulumi.ResourceOptions(
                parent=self,
                provider=args.cluster.provider,
                depends_on=[*secrets, association, args.cluster.storage_class],
            ),
        )
        self.register_outputs({})

    def _secrets(self) -> list[kubernetes.core.v1.Secret]:
        settings, secrets = self._args.stack.settings, self._args.stack.secrets
        contents: dict[str, dict[str, pulumi.Input[str]]] = {
            "fernet": {"fernet-key": secrets.fernet_key},
            "jwt": {"jwt-secret": secrets.jwt_secret},
            "api": {"api-secret-key": secrets.api_secret_key},
            "database": {
                "connection": self._connection(),
                "username": USER,
                "password": secrets.database_password,
                "database": NAME,
            },
            "admin": {
                "username": settings.admin_user,
                "password": secrets.admin_password,
                "email": settings.admin_email,
            },
        }
        return [
            kubernetes.core.v1.Secret(
                self._names.of(SECRET_NAMES[key]),
                metadata={
                    "name": SECRET_NAMES[key],
                    "namespace": self._namespace.metadata.name,
                },
                string_data=pulumi.Output.secret(content),
                opts=self._in_cluster,
            )
            for key, content in contents.items()
        ]

    def _connection(self) -> pulumi.Output[str]:
        """The database's address as SQLAlchemy wants it; a password may hold any character."""
        database = self._args.database
        password = quote(self._args.stack.secrets.database_password, safe="")
        return pulumi.Output.concat(
            f"postgresql+psycopg2://{USER}:{password}@",
            database.host if database else IN_CLUSTER_DATABASE_HOST,
            # RDS offers TLS; in the cluster the traffic does not leave the network of the pods.
            f":{PORT}/{NAME}{'?sslmode=require' if database else ''}",
        )

    def _values(self) -> dict[str, pulumi.Input[object]]:
        """The chart's values: its values.schema.json is the contract."""
        args, settings = self._args, self._args.stack.settings
        image = args.images["airflow"]
        return {
            "environment": settings.environment,
            "image": {
                "repository": image.repository_url,
                "tag": image.tag,
                "digest": image.digest,
            },
            "executor": settings.executor,
            "serviceAccount": {"name": SERVICE_ACCOUNT},
            "secrets": SECRET_NAMES,
            "secretsChecksum": _checksum(args.stack.secrets),
            "logs": {
                "bucket": args.bucket.bucket,
                "prefix": TASK_LOGS_PREFIX,
                "region": args.stack.place.region,
            },
            "postgres": self._in_cluster_database(),
            "ui": {
                "serviceType": settings.ui_service_type,
                "port": UI_PORT,
                "nodePort": settings.ui_node_port,
            },
        }

    def _in_cluster_database(self) -> dict[str, pulumi.Input[object]]:
        if self._args.database:
            return {"enabled": False}
        image, settings = self._args.images["postgres"], self._args.stack.settings
        return {
            "enabled": True,
            "image": {"repository": image.repository_url, "digest": image.digest},
            "storage": {
                "size": f"{settings.database_storage_gb}Gi",
                "storageClass": STORAGE_CLASS,
                "whenDeleted": "Retain" if settings.protect else "Delete",
            },
        }


def _checksum(secrets: Secrets) -> str:
    """Changes when a secret does, so that the chart restarts the pods that read it.

    Not secret itself: nobody can guess their way back, because one of the inputs is a random key.
    """
    parts = "\0".join(dataclasses.astuple(secrets)).encode()
    return hashlib.sha256(parts).hexdigest()
