"""A database of its own for a shared environment, in the PostgreSQL of its base.

A chart makes it and drops it, charts/branch-database: only a Helm hook runs something when the stack goes
in every engine, with the program or without (ADR 0006). Its Jobs run in the base's namespace, from the
base's image: the password that makes databases is never where a branch's pods could read it.
"""

from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as kubernetes

from infra.base import Base
from infra.content import PROJECT_ROOT, content_hash
from infra.contract import secret_contents
from infra.contract.outputs import Outputs
from infra.stack import Stack

TIMEOUT_SECONDS = 300
"""Room for a node that has to fetch the base's image first."""


@dataclass(frozen=True)
class BranchDatabaseArgs:
    """Whose database it is, and in whose server."""

    stack: Stack
    base: Base
    provider: kubernetes.Provider


class BranchDatabase(pulumi.ComponentResource):
    """The database, its user, and their end."""

    release: kubernetes.helm.v3.Release
    """Once it is there, so is the database; when it goes, the database is dropped."""

    def __init__(
        self, name: str, args: BranchDatabaseArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("aerodrome:index:BranchDatabase", name, {}, opts)
        names, base = args.stack.names, args.base
        child = pulumi.ResourceOptions(parent=self, provider=args.provider)
        namespace = base.output(Outputs.namespace)
        secrets = args.stack.secrets
        logins, celery = secret_contents.logins(secrets), secret_contents.celery_logins(secrets)
        content = {
            "password": logins.first,
            "second-password": logins.second,
            "results-password": celery.first,
            "results-second-password": celery.second,
        }
        secret = kubernetes.core.v1.Secret(
            names.of("branch-database"),
            metadata={
                "name": names.database_release,
                "namespace": namespace,
                "labels": args.stack.labels,
            },
            string_data=pulumi.Output.secret(content),
            opts=child,
        )
        self.release = kubernetes.helm.v3.Release(
            names.of("branch-database"),
            name=names.database_release,
            namespace=namespace,
            chart="../charts/branch-database",
            # As in airflow.py: a change of the chart's files is a change of the release.
            description=(
                "charts/branch-database "
                f"{content_hash(PROJECT_ROOT / 'charts' / 'branch-database')}"
            ),
            values={
                "labels": args.stack.labels,
                "image": base.output(Outputs.image_ref),
                "adminSecret": base.output(Outputs.database_admin_secret_name),
                "database": names.database,
                "secondUser": names.second_user,
                "results": {
                    "create": args.stack.executor.needs_redis,
                    "database": names.results_database,
                    "secondUser": names.second_results_user,
                },
                "passwordSecret": secret.metadata.name,
                "secretsChecksum": args.stack.checksum(content),
            },
            wait_for_jobs=True,
            timeout=TIMEOUT_SECONDS,
            atomic=False,
            cleanup_on_fail=True,
            opts=child,
        )
        self.register_outputs({})
