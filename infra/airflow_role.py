"""The role of Airflow's pods: it reaches its folders of the bucket, logs and XComs, and nothing else in AWS."""

import pulumi
import pulumi_aws as aws

from infra import policies
from infra.stack import Stack


def make(
    stack: Stack,
    bucket_arn: pulumi.Input[str],
    parent: pulumi.Resource,
    boundary: pulumi.Input[str] | None = None,
) -> pulumi.Output[str]:
    """The role's ARN, once it may do what it must. It never goes beyond `boundary`, if there is one."""
    names, child = stack.names, pulumi.ResourceOptions(parent=parent)
    role = aws.iam.Role(
        names.role,
        path=names.iam_path,
        assume_role_policy=policies.assumed_by_pods(),
        permissions_boundary=boundary,
        opts=child,
    )
    allowed = aws.iam.RolePolicy(
        names.role,
        role=role.name,
        policy=pulumi.Output.from_input(bucket_arn).apply(
            lambda arn: policies.run_airflow(arn, names.log_prefix, names.xcom_prefix)
        ),
        opts=child,
    )
    # Not before the permissions are there: a pod that starts earlier would lose its logs.
    return pulumi.Output.all(role.arn, allowed.id).apply(lambda both: str(both[0]))
