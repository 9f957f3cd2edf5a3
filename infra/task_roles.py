"""The roles of tasks, where `access.yaml` gives an owner's tasks a role of their own: one for each such owner, and one for all others.

Without them tasks have Airflow's role, which has all logs and XComs (`infra/airflow_role.py`).
"""

from collections.abc import Mapping

import pulumi
import pulumi_aws as aws

from infra import policies
from infra.airflow_role import give
from infra.contract import task_policies
from infra.contract.task_accounts import TaskAccount
from infra.stack import Stack


def make(
    stack: Stack,
    bucket_arn: pulumi.Input[str],
    parent: pulumi.Resource,
    boundary: pulumi.Input[str] | None = None,
) -> dict[str, pulumi.Output[str]]:
    """Their ARNs by service account, once they may do what they must. None goes beyond `boundary`, if there is one."""
    accounts = stack.access.accounts() if stack.access else []
    return {one.name: _role(stack, one, bucket_arn, parent, boundary) for one in accounts}


def associate(
    stack: Stack,
    cluster_name: pulumi.Input[str],
    roles: Mapping[str, pulumi.Input[str]],
    parent: pulumi.Resource,
) -> list[aws.eks.PodIdentityAssociation]:
    """What ties the roles to the service accounts."""
    names = stack.names
    return [
        aws.eks.PodIdentityAssociation(
            names.of(account),
            cluster_name=cluster_name,
            namespace=names.namespace,
            service_account=account,
            role_arn=arn,
            opts=pulumi.ResourceOptions(parent=parent),
        )
        for account, arn in roles.items()
    ]


def _role(
    stack: Stack,
    account: TaskAccount,
    bucket_arn: pulumi.Input[str],
    parent: pulumi.Resource,
    boundary: pulumi.Input[str] | None,
) -> pulumi.Output[str]:
    names, child = stack.names, pulumi.ResourceOptions(parent=parent)
    logical = names.of("tasks", *filter(None, [account.part]))
    role = aws.iam.Role(
        logical,
        path=names.iam_path,
        assume_role_policy=policies.assumed_by_pods(),
        permissions_boundary=boundary,
        opts=child,
    )
    allowed = aws.iam.RolePolicy(
        f"{logical}-folders",
        role=role.name,
        policy=pulumi.Output.from_input(bucket_arn).apply(
            lambda arn: policies.run_tasks(
                arn, names.log_prefix, names.xcom_prefix, names.dags_prefix, account
            )
        ),
        opts=child,
    )
    of_all = task_policies.parse(stack.settings.task_policies)
    # Those of the setting are for all tasks; both may name the same one.
    own = task_policies.TaskPolicies(
        tuple(one for one in account.policies.arns if one not in of_all.arns),
        account.policies.statements,
    )
    given = [
        *give(f"{logical}-all", of_all, role, child),
        *give(f"{logical}-own", own, role, child),
    ]
    # Not before the permissions are there: a pod that starts earlier would lose its logs.
    return pulumi.Output.all(role.arn, allowed.id, *given).apply(lambda all_: str(all_[0]))
