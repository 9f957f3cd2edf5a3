"""A role for the pods of one service account that may do something in one folder of the bucket, and nothing else."""

from collections.abc import Callable

import pulumi
import pulumi_aws as aws

from infra import policies
from infra.cluster import KubernetesCluster
from infra.contract.naming import Names
from infra.log_bucket import LogBucket


def make(
    purpose: str,
    names: Names,
    cluster: KubernetesCluster,
    bucket: LogBucket,
    service_account: str,
    policy: Callable[[str], str],
    parent: pulumi.Resource,
) -> aws.eks.PodIdentityAssociation:
    """What ties the role to its pods; `policy` makes its document from the bucket's ARN."""
    logical, child = names.of(purpose), pulumi.ResourceOptions(parent=parent)
    role = aws.iam.Role(
        logical,
        path=names.iam_path,
        assume_role_policy=policies.assumed_by_pods(),
        opts=child,
    )
    aws.iam.RolePolicy(logical, role=role.name, policy=bucket.arn.apply(policy), opts=child)
    return aws.eks.PodIdentityAssociation(
        logical,
        cluster_name=cluster.name,
        namespace=names.namespace,
        service_account=service_account,
        role_arn=role.arn,
        opts=child,
    )
