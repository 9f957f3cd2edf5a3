"""Who may do what in a shared environment: its pods, with its own folder of the base's log bucket."""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi

from infra import airflow_role, task_roles
from infra.stack import Stack


@dataclass(frozen=True)
class BranchAccessArgs:
    """The folder's name is the stack's to know, the bucket is the base's."""

    stack: Stack
    log_bucket_arn: pulumi.Output[str]
    boundary: pulumi.Output[str]


class BranchAccess(pulumi.ComponentResource):
    """Airflow's role, and those of its tasks. People and programs come in by the base's users."""

    airflow_role_arn: pulumi.Output[str]
    task_role_arns: Mapping[str, pulumi.Output[str]]
    """By the tasks' service account; none where tasks have Airflow's role."""

    def __init__(
        self, name: str, args: BranchAccessArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("aerodrome:index:BranchAccess", name, {}, opts)
        self.airflow_role_arn = airflow_role.make(
            args.stack, args.log_bucket_arn, parent=self, boundary=args.boundary
        )
        self.task_role_arns = task_roles.make(
            args.stack, args.log_bucket_arn, parent=self, boundary=args.boundary
        )
        self.register_outputs({"airflowRoleArn": self.airflow_role_arn})
