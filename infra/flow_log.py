"""VPC Flow Logs: who talked to whom in the network, in the log bucket.

To S3 and not to CloudWatch Logs: it costs half, needs no role, and the bucket forgets it like the rest.
"""

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from infra.log_bucket import LogBucket
from infra.network import Network
from infra.stack import Stack


@dataclass(frozen=True)
class FlowLogArgs:
    """The network that is watched, and where its records go."""

    stack: Stack
    network: Network
    bucket: LogBucket


class FlowLog(pulumi.ComponentResource):
    """Records of all traffic, accepted and rejected."""

    def __init__(
        self, name: str, args: FlowLogArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("aerodrome:index:FlowLog", name, {}, opts)
        logical = args.stack.names.of("flow-log")
        aws.ec2.FlowLog(
            logical,
            vpc_id=args.network.vpc_id,
            traffic_type="ALL",
            log_destination_type="s3",
            log_destination=args.bucket.arn,
            tags={"Name": logical},
            # With the bucket's policy: AWS would add its own statements to one that lets nobody deliver.
            opts=pulumi.ResourceOptions(parent=self, depends_on=[args.bucket]),
        )
        self.register_outputs({})
