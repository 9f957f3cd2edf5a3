"""The role of Airflow's pods: its folders of the bucket (logs, XComs, DAG files), its secrets, and what `taskPolicies` adds."""

import pulumi
import pulumi_aws as aws

from infra import policies
from infra.contract import secrets_backends, task_policies
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
            lambda arn: policies.run_airflow(
                arn, names.log_prefix, names.xcom_prefix, names.dags_prefix
            )
        ),
        opts=child,
    )
    # Not before the permissions are there: a pod that starts earlier would lose its logs.
    needed = [allowed.id, *_for_secrets(stack, role, child), *_for_tasks(stack, role, child)]
    return pulumi.Output.all(role.arn, *needed).apply(lambda all_: str(all_[0]))


def _for_secrets(
    stack: Stack, role: aws.iam.Role, child: pulumi.ResourceOptions
) -> list[pulumi.Output[str]]:
    """What its secrets backend needs."""
    settings = stack.settings
    if settings.secrets_backend == secrets_backends.NONE:
        return []
    folder = secrets_backends.folder(settings.environment, settings.base)
    allowed = aws.iam.RolePolicy(
        stack.names.of("secrets"),
        role=role.name,
        policy=role.arn.apply(
            lambda arn: policies.document(*secret_statements(stack, folder, arn))
        ),
        opts=child,
    )
    return [allowed.id]


def secret_statements(stack: Stack, folder: str, arn: str) -> list[policies.Statement]:
    """Reading the secrets below a folder with the backend of an environment, which is not none. `arn` is of anything in its account."""
    settings, (_, partition, _, _, account, *_) = stack.settings, arn.split(":")
    return policies.read_secrets(
        settings.secrets_backend,
        folder,
        stack.place.region,
        account,
        partition,
        settings.secrets_backend_key,
    )


def _for_tasks(
    stack: Stack, role: aws.iam.Role, child: pulumi.ResourceOptions
) -> list[pulumi.Output[str]]:
    """What the environment's tasks may do besides. Airflow's own pods may, too: a trigger works for a task."""
    wanted = task_policies.parse(stack.settings.task_policies)
    return give(stack.names.of("tasks"), wanted, role, child)


def give(
    logical: str,
    wanted: task_policies.TaskPolicies,
    role: aws.iam.Role,
    child: pulumi.ResourceOptions,
) -> list[pulumi.Output[str]]:
    """Hangs policies on a role; `logical` is how their names in the program begin."""
    made = []
    if wanted.statements:
        made.append(
            aws.iam.RolePolicy(
                logical,
                role=role.name,
                policy=policies.document(*wanted.statements),
                opts=child,
            ).id
        )
    for arn in wanted.arns:
        attached = aws.iam.RolePolicyAttachment(
            # Named by the policy: one more in the list must not exchange the others.
            f"{logical}-{arn.rpartition('/')[2]}",
            role=role.name,
            policy_arn=arn,
            opts=child,
        )
        made.append(attached.id)
    return made
