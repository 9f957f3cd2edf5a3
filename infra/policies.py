"""IAM policy documents. Pure functions; every `*` in them has its reason beside it."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from infra.contract import api_endpoints
from infra.contract.secrets_backends import PARAMETER_STORE, SECRETS_MANAGER
from infra.contract.task_accounts import TaskAccount

Statement = Mapping[str, Any]

LOG_FOLDER: Final = "dag_id="
"""How the folder of a DAG's logs begins (Airflow's `log_filename_template`); that of its XComs begins with its id."""

_SECRETS: Final[Mapping[str, tuple[str, str, str]]] = {
    SECRETS_MANAGER: ("secretsmanager", "GetSecretValue", "secret:"),
    # A parameter's name begins with `/`, which its ARN has once.
    PARAMETER_STORE: ("ssm", "GetParameter", "parameter/"),
}
"""The service, the action that reads one secret, and how its ARN goes on before the name."""


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


def deny(sid: str, actions: Sequence[str], resources: Sequence[str]) -> Statement:
    """One statement that refuses what another allows."""
    return {**allow(sid, actions, resources), "Effect": "Deny"}


def assumed_by_service(service: str) -> str:
    """Lets an AWS service work with the role."""
    return document(_trust(service, ["sts:AssumeRole"]))


def assumed_by_pods() -> str:
    """Lets EKS Pod Identity hand the role to pods. Which pods is set by the association: it names
    cluster, namespace and service account. TagSession carries those names into the session."""
    return document(_trust("pods.eks.amazonaws.com", ["sts:AssumeRole", "sts:TagSession"]))


def write_logs(bucket_arn: str, prefix: str) -> str:
    """Add logs below the prefix; neither read nor delete any."""
    return document(allow("WriteLogs", ["s3:PutObject"], [f"{bucket_arn}/{prefix}/*"]))


def write_backups(bucket_arn: str, prefix: str) -> str:
    """Add backups below the prefix; neither read nor delete any. An upload in parts that failed is aborted."""
    actions = ["s3:PutObject", "s3:AbortMultipartUpload"]
    return document(allow("WriteBackups", actions, [f"{bucket_arn}/{prefix}/*"]))


def archive_rows(bucket_arn: str, prefix: str) -> str:
    """Add objects below the prefix, and see that they are there; neither read nor delete any."""
    actions = ["s3:PutObject", "s3:AbortMultipartUpload"]
    return document(
        allow("WriteArchive", actions, [f"{bucket_arn}/{prefix}/*"]),
        _list_folders(bucket_arn, prefix),
    )


def run_airflow(bucket_arn: str, logs: str, xcoms: str, dags: str) -> str:
    """What Airflow does with its folders in the bucket: write logs, read them, and look which there are;
    the same with large XComs, which go when their task is cleared or their run deleted. DAG files are read only:
    a task must not be able to change what another runs."""
    return document(
        allow("Logs", ["s3:GetObject", "s3:PutObject"], [f"{bucket_arn}/{logs}/*"]),
        allow(
            "XComs",
            ["s3:DeleteObject", "s3:GetObject", "s3:PutObject"],
            [f"{bucket_arn}/{xcoms}/*"],
        ),
        allow("Dags", ["s3:GetObject"], [f"{bucket_arn}/{dags}/*"]),
        # s3fs asks for it before it writes: where it is refused, it tries to make the bucket.
        allow("FindBucket", ["s3:GetBucketLocation"], [bucket_arn]),
        # Without it S3 refuses to say that an object is not there.
        _list_folders(bucket_arn, logs, xcoms, dags),
    )


def run_tasks(bucket_arn: str, logs: str, xcoms: str, dags: str, account: TaskAccount) -> str:
    """What tasks of some DAGs do with the folders that `run_airflow` speaks of: the same with their own, by the beginnings of
    their DAGs' ids. What is refused wins over what is allowed, so a longer beginning of another's stays his."""

    def below(of_logs: Sequence[str], of_xcoms: Sequence[str]) -> list[str]:
        return [
            *(f"{bucket_arn}/{logs}/{LOG_FOLDER}{one}*" for one in of_logs),
            *(f"{bucket_arn}/{xcoms}/{one}*" for one in of_xcoms),
        ]

    read, write = "s3:GetObject", ["s3:DeleteObject", "s3:PutObject"]
    folders = [f"{logs}/{LOG_FOLDER}{one}*" for one in account.own]
    folders += [f"{xcoms}/{one}*" for one in (*account.own, *account.read)]
    statements = [
        allow("Logs", [read, "s3:PutObject"], below(account.own, ())),
        allow("XComs", [*write, read], below((), account.own)),
        allow("Dags", [read], [f"{bucket_arn}/{dags}/*"]),
        allow("FindBucket", ["s3:GetBucketLocation"], [bucket_arn]),
        allow(
            "ListFolders",
            ["s3:ListBucket"],
            [bucket_arn],
            {"StringLike": {"s3:prefix": [*folders, dags, f"{dags}/*"]}},
        ),
    ]
    if account.read:
        statements.append(allow("ReadXComs", [read], below((), account.read)))
    if account.foreign:
        statements.append(deny("OthersChange", write, below(account.foreign, account.foreign)))
    if account.foreign or account.unread:
        statements.append(deny("OthersRead", [read], below(account.foreign, account.unread)))
    return document(*statements)


def read_secrets(
    backend: str, folder: str, region: str, account: str, partition: str, key: str = ""
) -> list[Statement]:
    """Read the secrets below a folder of Secrets Manager or the Parameter Store, by name: no list, no other folder, nothing
    written. `key` is the KMS key that they are encrypted with, usable through that service alone."""
    service, action, kind = _SECRETS[backend]
    secrets = f"arn:{partition}:{service}:{region}:{account}:{kind}{folder}/*"
    statements = [allow("ReadSecrets", [f"{service}:{action}"], [secrets])]
    if key:
        through = {"StringEquals": {"kms:ViaService": f"{service}.{region}.amazonaws.com"}}
        statements.append(allow("DecryptSecrets", ["kms:Decrypt"], [key], through))
    return statements


def branch_boundary(
    bucket_arn: str, logs: str, xcoms: str, dags: str, statements: Sequence[Statement]
) -> str:
    """What no role of a branch may go beyond: the branches' logs, XComs and DAG files, and `statements`: what its base's tasks
    may do by statement, and the branches' secrets. A boundary cannot refer to other policies, so what those of AWS or of others allow is not in it."""
    own = json.loads(run_airflow(bucket_arn, logs, xcoms, dags))["Statement"]
    return document(*own, *statements)


def operate(cluster_arn: str, bucket_arn: str, prefix: str, log_group_arn: str) -> str:
    """Look at everything of the environment, change nothing in AWS. What an operator may do inside
    Kubernetes is granted by the cluster's access entry. No log group, where others are in the control plane's, too."""
    control_plane = allow(
        "ReadControlPlaneLogs",
        ["logs:DescribeLogStreams", "logs:FilterLogEvents", "logs:GetLogEvents"],
        [log_group_arn, f"{log_group_arn}:*"],
    )
    return document(
        allow("FindCluster", ["eks:DescribeCluster"], [cluster_arn]),
        # Lists have no resource to name: AWS knows them only for all clusters.
        allow("ListClusters", ["eks:ListClusters"], ["*"]),
        allow("ReadTaskLogs", ["s3:GetObject"], [f"{bucket_arn}/{prefix}/*"]),
        _list_folders(bucket_arn, prefix),
        *([control_plane] if log_group_arn else []),
    )


def write_secret(arn: str) -> str:
    """Give one secret a value; not even read it again."""
    return document(allow("WriteSecret", ["secretsmanager:PutSecretValue"], [arn]))


def read_secret(arn: str) -> str:
    """Read one secret that somebody else has made. Its KMS key may be any: the key's own policy says so, and it is usable
    through Secrets Manager for this secret alone."""
    partition, _, region, account = arn.split(":")[1:5]
    through = {
        "kms:ViaService": f"secretsmanager.{region}.amazonaws.com",
        "kms:EncryptionContext:SecretARN": arn,
    }
    return document(
        allow("ReadSecret", ["secretsmanager:GetSecretValue"], [arn]),
        allow(
            "DecryptSecret",
            ["kms:Decrypt"],
            [f"arn:{partition}:kms:{region}:{account}:key/*"],
            {"StringEquals": through},
        ),
    )


def manage_with_rancher(cluster_arn: str) -> str:
    """What Rancher needs to import and watch the environment's cluster: every call that its eks-operator and its
    forms make for a cluster that is imported. Not its full EKS policy: this Rancher neither creates nor changes
    clusters."""
    # Node groups and add-ons have ARNs of their own, with the name of their cluster and an id that EKS makes up.
    below = [
        cluster_arn.replace(":cluster/", f":{kind}/") + "/*" for kind in ("nodegroup", "addon")
    ]
    return document(
        allow(
            "WatchCluster",
            [
                "eks:DescribeCluster",
                "eks:DescribeUpdate",
                "eks:ListNodegroups",
                "eks:ListUpdates",
            ],
            [cluster_arn],
        ),
        allow("WatchNodesAndAddons", ["eks:DescribeAddon", "eks:DescribeNodegroup"], below),
        # Lists and catalogues have no resource to name; Rancher reads them to fill its forms, and looks at every
        # import for a launch template that it has made itself.
        allow(
            "FillForms",
            [
                "ec2:DescribeInstanceTypes",
                "ec2:DescribeLaunchTemplates",
                "ec2:DescribeRegions",
                "ec2:DescribeSecurityGroups",
                "ec2:DescribeSubnets",
                "ec2:DescribeVpcs",
                "eks:ListClusters",
            ],
            ["*"],
        ),
    )


def take_sessions() -> str:
    """What the agent of a node needs for sessions of Systems Manager. AWS knows these calls only for all resources: what
    the agent may say of which instance is in the instance's own credentials."""
    return document(
        allow(
            "TakeSessions",
            [
                "ssm:UpdateInstanceInformation",
                "ssmmessages:CreateControlChannel",
                "ssmmessages:CreateDataChannel",
                "ssmmessages:OpenControlChannel",
                "ssmmessages:OpenDataChannel",
            ],
            ["*"],
        )
    )


def open_tunnel(cluster_arn: str, cluster: str) -> str:
    """Reach a cluster's API through its workers: ports of the caller's machine by this document alone, no shell, and only
    the caller's own sessions. It says nothing of what he may do in the cluster."""
    partition, _, region, account = cluster_arn.split(":")[1:5]
    # Named after who opened it: a user by name, a role by its id and the name of its session.
    sessions = [
        f"arn:{partition}:ssm:{region}:{account}:session/${{{who}}}-*"
        for who in ("aws:username", "aws:userid")
    ]
    return document(
        allow(
            "OpenTunnel",
            ["ssm:StartSession"],
            [f"arn:{partition}:ec2:{region}:{account}:instance/*"],
            {
                "StringEquals": {f"aws:ResourceTag/{api_endpoints.NODE_TAG}": cluster},
                # Without it the instance alone would be asked about, and the document would be any.
                "BoolIfExists": {"ssm:SessionDocumentAccessCheck": "true"},
            },
        ),
        allow(
            "ByThisDocument",
            ["ssm:StartSession"],
            [f"arn:{partition}:ssm:{region}::document/{api_endpoints.DOCUMENT}"],
        ),
        allow(
            "KeepOwnSessions",
            ["ssm:ResumeSession", "ssm:TerminateSession", "ssmmessages:OpenDataChannel"],
            sessions,
        ),
        allow("FindCluster", ["eks:DescribeCluster"], [cluster_arn]),
        # Lists have no resource to name.
        allow("FindNodes", ["ec2:DescribeInstances", "ssm:DescribeInstanceInformation"], ["*"]),
    )


def take_events(queue_arn: str, rules_arn: str) -> str:
    """A queue's own policy: these rules of EventBridge put messages in, and nobody in the clear."""
    return document(
        {
            "Sid": "TakeEvents",
            "Effect": "Allow",
            "Principal": {"Service": "events.amazonaws.com"},
            "Action": ["sqs:SendMessage"],
            "Resource": [queue_arn],
            "Condition": {"ArnLike": {"aws:SourceArn": rules_arn}},
        },
        {
            "Sid": "RefusePlainHttp",
            "Effect": "Deny",
            "Principal": "*",
            "Action": ["sqs:*"],
            "Resource": [queue_arn],
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        },
    )


def pattern(source: str, kind: str) -> str:
    """What a rule of EventBridge looks out for."""
    return json.dumps({"source": [source], "detail-type": [kind]}, sort_keys=True)


def _list_folders(bucket_arn: str, *prefixes: str) -> Statement:
    """Which objects there are below some prefixes, and nowhere else."""
    below = [shape for prefix in prefixes for shape in (prefix, f"{prefix}/*")]
    return allow(
        "ListFolders", ["s3:ListBucket"], [bucket_arn], {"StringLike": {"s3:prefix": below}}
    )


def _trust(service: str, actions: Sequence[str]) -> Statement:
    return {"Effect": "Allow", "Principal": {"Service": service}, "Action": list(actions)}
