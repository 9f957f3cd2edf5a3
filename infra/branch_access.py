"""Who may do what in a shared environment: its pods, with its own folder of the base's log bucket."""

from dataclasses import dataclass

import pulumi

from infra import airflow_role
from infra.stack import Stack


@dataclass(frozen=True)
class BranchAccessArgs:
    """The folder's name is the stack's to know, the bucket is the base's."""

    stack: Stack
    log_bucket_arn: pulumi.Output[str]
    boundary: pulumi.Output[str]


class BranchAccess(pulumi.ComponentResource):
    """Airflow's role. People and programs come in by the base's users."""

    airflow_role_arn: pulumi.Output[str]

    def __init__(
        self, name: str, args: BranchAccessArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("aerodrome:index:BranchAccess", name, {}, opts)
        self.airflow_role_arn = airflow_role.make(
            args.stack, args.log_bucket_arn, parent=self, boundary=args.boundary
        )
        self.register_outputs({"airflowRoleArn": self.airflow_role_arn})
