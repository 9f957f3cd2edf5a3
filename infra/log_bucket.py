"""The S3 bucket that holds the logs of Airflow's tasks. Nobody reads it without IAM, nobody without TLS."""

import json
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from infra.contract.naming import BRANCH_LOGS
from infra.network import Network
from infra.stack import Stack

FLOW_LOGS = "AWSLogs"
"""Where AWS puts what its services deliver: its own rule."""

NONCURRENT_DAYS = 7
"""How long an overwritten or deleted log can be brought back."""


@dataclass(frozen=True)
class LogBucketArgs:
    """The stack says how long a log lives, and whether the bucket is kept while it holds any."""

    stack: Stack
    flow_logs_of: Network | None = None
    """The network whose flow logs AWS may put into it."""


class LogBucket(pulumi.ComponentResource):
    """A versioned, encrypted, private bucket that forgets."""

    bucket: pulumi.Output[str]
    arn: pulumi.Output[str]

    def __init__(
        self, name: str, args: LogBucketArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("aerodrome:index:LogBucket", name, {}, opts)
        child = pulumi.ResourceOptions(parent=self)
        settings, logical = args.stack.settings, args.stack.names.of("logs")
        bucket = aws.s3.Bucket(logical, force_destroy=not settings.protect, opts=child)
        self.bucket = bucket.bucket
        self.arn = bucket.arn
        aws.s3.BucketVersioning(
            logical,
            bucket=bucket.id,
            versioning_configuration={"status": "Enabled"},
            opts=child,
        )
        aws.s3.BucketServerSideEncryptionConfiguration(
            logical,
            bucket=bucket.id,
            # S3's own keys: a KMS key would cost a request for every line of log that is read.
            rules=[{"apply_server_side_encryption_by_default": {"sse_algorithm": "AES256"}}],
            opts=child,
        )
        blocked = aws.s3.BucketPublicAccessBlock(
            logical,
            bucket=bucket.id,
            block_public_acls=True,
            block_public_policy=True,
            ignore_public_acls=True,
            restrict_public_buckets=True,
            opts=child,
        )
        aws.s3.BucketPolicy(
            logical,
            bucket=bucket.id,
            policy=(
                pulumi.Output.all(bucket.arn, args.flow_logs_of.vpc_arn).apply(
                    lambda arns: bucket_policy(*arns)
                )
                if args.flow_logs_of
                else bucket.arn.apply(bucket_policy)
            ),
            # S3 refuses two changes of a bucket's access at the same moment.
            opts=pulumi.ResourceOptions(parent=self, depends_on=[blocked]),
        )
        aws.s3.BucketLifecycleConfiguration(
            logical,
            bucket=bucket.id,
            rules=lifecycle_rules(args.stack),
            opts=child,
        )
        self.register_outputs({"bucket": self.bucket})


def lifecycle_rules(stack: Stack) -> list[aws.s3.BucketLifecycleConfigurationRuleArgsDict]:
    """How long each folder is kept. Rules add up and the shortest wins, so none of them is about all folders
    but the one that removes what was deleted already."""
    settings = stack.settings
    names = stack.names
    folders = (names.log_prefix, names.xcom_prefix, BRANCH_LOGS, FLOW_LOGS)
    kept = dict.fromkeys(folders, settings.task_log_days)
    if settings.backup_days:
        kept[names.backup_prefix] = settings.backup_days
    if settings.database_archive_days:
        # Also when no more rows come: those that are there were promised a time.
        kept[names.archive_prefix] = settings.database_archive_days
    expiring: list[aws.s3.BucketLifecycleConfigurationRuleArgsDict] = [
        {
            "id": f"expire-{prefix.lower()}",
            "status": "Enabled",
            "filter": {"prefix": f"{prefix}/"},
            "expiration": {"days": days},
        }
        for prefix, days in kept.items()
    ]
    deleted: aws.s3.BucketLifecycleConfigurationRuleArgsDict = {
        "id": "remove-deleted",
        "status": "Enabled",
        "filter": {"prefix": ""},
        "noncurrent_version_expiration": {"noncurrent_days": NONCURRENT_DAYS},
        "abort_incomplete_multipart_upload": {"days_after_initiation": 1},
    }
    return [*expiring, deleted]


def bucket_policy(bucket_arn: str, vpc_arn: str = "") -> str:
    """Whoever comes without TLS is refused, whatever else they may do; AWS may deliver a network's flow logs."""
    refused = {
        "Sid": "RefusePlainHttp",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [bucket_arn, f"{bucket_arn}/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    statements = [refused, *(_delivery(bucket_arn, vpc_arn) if vpc_arn else [])]
    return json.dumps({"Version": "2012-10-17", "Statement": statements}, sort_keys=True)


def _delivery(bucket_arn: str, vpc_arn: str) -> list[dict[str, object]]:
    """What AWS asks for, for its own account's logs only: nobody else's may be sent here in our name."""
    account = vpc_arn.split(":")[4]
    ours = {"StringEquals": {"aws:SourceAccount": account}}
    service = {"Effect": "Allow", "Principal": {"Service": "delivery.logs.amazonaws.com"}}
    return [
        {
            **service,
            "Sid": "AWSLogDeliveryWrite",
            "Action": "s3:PutObject",
            "Resource": f"{bucket_arn}/AWSLogs/{account}/*",
            "Condition": {
                "StringEquals": {
                    **ours["StringEquals"],
                    "s3:x-amz-acl": "bucket-owner-full-control",
                }
            },
        },
        {
            **service,
            "Sid": "AWSLogDeliveryAclCheck",
            "Action": "s3:GetBucketAcl",
            "Resource": bucket_arn,
            "Condition": ours,
        },
    ]
