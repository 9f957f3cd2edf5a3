"""IAM policy documents. Pure functions; every `*` in them has its reason beside it."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

Statement = Mapping[str, Any]


def document(*statements: Statement) -> str:
    """A policy document as IAM wants it, always in the same order."""
    return json.dumps({"Version": "2012-10-17", "Statement": statements}, sort_keys=True)


def allow(
    sid: str,
    actions: Sequence[str],
    resources: Sequence[str],
    condition: Mapping[str, Any] | None = None,
) -> Statement:
    """One statement that allows something."""
    statement: dict[str, Any] = {
        "Sid": sid,
        "Effect": "Allow",
        "Action": list(actions),
        "Resource": list(resources),
    }
    return statement | ({"Condition": condition} if condition else {})


def assumed_by_service(service: str) -> str:
    """Lets an AWS service work with the role."""
    return document(_trust(service, ["sts:AssumeRole"]))


def assumed_by_pods() -> str:
    """Lets EKS Pod Identity hand the role to pods. Which pods is said by the association: it names
    cluster, namespace and service account. TagSession carries those names into the session."""
    return document(_trust("pods.eks.amazonaws.com", ["sts:AssumeRole", "sts:TagSession"]))


def write_logs(bucket_arn: str, prefix: str) -> str:
    """Add logs below the prefix; neither read nor delete any."""
    return document(allow("WriteLogs", ["s3:PutObject"], [f"{bucket_arn}/{prefix}/*"]))


def read_and_write_logs(bucket_arn: str, prefix: str) -> str:
    """What Airflow does with its remote logs: write, read, and look which there are."""
    return document(
        allow("Logs", ["s3:GetObject", "s3:PutObject"], [f"{bucket_arn}/{prefix}/*"]),
        _list_logs(bucket_arn, prefix),
    )


def branch_boundary(bucket_arn: str, prefix: str, statements: Sequence[Statement]) -> str:
    """What no role of a branch may go beyond: the branches' logs, and what its base's tasks may do by
    statement. A boundary cannot refer to other policies, so what those of AWS or of others allow is not in it."""
    logs = json.loads(read_and_write_logs(bucket_arn, prefix))["Statement"]
    return document(*logs, *statements)


def operate(cluster_arn: str, bucket_arn: str, prefix: str, log_group_arn: str) -> str:
    """Look at everything of the environment, change nothing in AWS. What an operator may do inside
    Kubernetes is said by the cluster's access entry."""
    return document(
        allow("FindCluster", ["eks:DescribeCluster"], [cluster_arn]),
        # Lists have no resource to name: AWS knows them only for all clusters.
        allow("ListClusters", ["eks:ListClusters"], ["*"]),
        allow("ReadTaskLogs", ["s3:GetObject"], [f"{bucket_arn}/{prefix}/*"]),
        _list_logs(bucket_arn, prefix),
        allow(
            "ReadControlPlaneLogs",
            ["logs:DescribeLogStreams", "logs:FilterLogEvents", "logs:GetLogEvents"],
            [log_group_arn, f"{log_group_arn}:*"],
        ),
    )


def manage_with_rancher(cluster_arn: str) -> str:
    """What Rancher needs to import and watch the environment's cluster. Not its full EKS policy: this
    Rancher does not create clusters."""
    return document(
        allow(
            "WatchCluster",
            [
                "eks:DescribeCluster",
                "eks:ListNodegroups",
                "eks:ListTagsForResource",
            ],
            [cluster_arn],
        ),
        # Lists and catalogues have no resource to name; Rancher reads them to fill its forms.
        allow(
            "FillForms",
            [
                "ec2:DescribeInstanceTypes",
                "ec2:DescribeRegions",
                "ec2:DescribeSecurityGroups",
                "ec2:DescribeSubnets",
                "ec2:DescribeVpcs",
                "eks:ListClusters",
            ],
            ["*"],
        ),
    )


def _list_logs(bucket_arn: str, prefix: str) -> Statement:
    return allow(
        "ListLogs",
        ["s3:ListBucket"],
        [bucket_arn],
        {"StringLike": {"s3:prefix": [prefix, f"{prefix}/*"]}},
    )


def _trust(service: str, actions: Sequence[str]) -> Statement:
    return {"Effect": "Allow", "Principal": {"Service": service}, "Action": list(actions)}
