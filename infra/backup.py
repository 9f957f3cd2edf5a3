"""Nightly backups of Airflow's database: a role for their pod, which adds objects to one folder and can do no more.

The chart runs them (`charts/airflow`, value `backup`). Tasks have another service account, so none of them
reaches a backup, which holds everything that the database does.
"""

from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws

from infra import folder_role, policies
from infra.cluster import KubernetesCluster
from infra.log_bucket import LogBucket
from infra.stack import Stack

SERVICE_ACCOUNT = "airflow-backup"


@dataclass(frozen=True)
class BackupArgs:
    """Where the backups are made, and where they go."""

    stack: Stack
    cluster: KubernetesCluster
    bucket: LogBucket


class Backup(pulumi.ComponentResource):
    """The right to add backups, for the pods of one service account."""

    association: aws.eks.PodIdentityAssociation

    def __init__(
        self, name: str, args: BackupArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("aerodrome:index:Backup", name, {}, opts)
        self._args = args
        names = args.stack.names
        self.association = folder_role.make(
            "backup",
            names,
            args.cluster,
            args.bucket,
            SERVICE_ACCOUNT,
            lambda arn: policies.write_backups(arn, names.backup_prefix),
            parent=self,
        )
        self.register_outputs({})

    @property
    def values(self) -> dict[str, Any]:
        """The chart's value `backup`."""
        return {
            "backup": {
                "enabled": True,
                "bucket": self._args.bucket.bucket,
                "prefix": self._args.stack.names.backup_prefix,
                "serviceAccount": SERVICE_ACCOUNT,
            }
        }
