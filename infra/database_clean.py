"""Old rows of Airflow's database: a role for the pod that moves them, which adds objects to one folder and lists them.

The chart runs it (`charts/airflow`, value `databaseClean`). Tasks have another service account, so none of them
reaches the archive.
"""

from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws

from infra import folder_role, policies
from infra.cluster import KubernetesCluster
from infra.log_bucket import LogBucket
from infra.stack import Stack

SERVICE_ACCOUNT = "airflow-database-clean"


@dataclass(frozen=True)
class DatabaseCleanArgs:
    """Where the database is cleaned, and where the old rows go."""

    stack: Stack
    cluster: KubernetesCluster
    bucket: LogBucket


class DatabaseClean(pulumi.ComponentResource):
    """The right to add old rows to the archive, for the pods of one service account."""

    association: aws.eks.PodIdentityAssociation

    def __init__(
        self, name: str, args: DatabaseCleanArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("aerodrome:index:DatabaseClean", name, {}, opts)
        self._args = args
        names = args.stack.names
        self.association = folder_role.make(
            "clean",
            names,
            args.cluster,
            args.bucket,
            SERVICE_ACCOUNT,
            lambda arn: policies.archive_rows(arn, names.archive_prefix),
            parent=self,
        )
        self.register_outputs({})

    @property
    def values(self) -> dict[str, Any]:
        """The chart's value `databaseClean`."""
        stack = self._args.stack
        return {
            "databaseClean": {
                "enabled": True,
                "keepDays": stack.settings.database_keep_days,
                "bucket": self._args.bucket.bucket,
                "prefix": stack.names.archive_prefix,
                "serviceAccount": SERVICE_ACCOUNT,
            }
        }
