"""aws:ec2/flowLog:FlowLog, of a VPC to S3."""

from types import MappingProxyType

from sandbox.errors import CloudError
from sandbox.providers import contract
from sandbox.providers.aws.ec2.base import Ec2Resource
from sandbox.providers.aws.resource import Known
from sandbox.wire.values import UNKNOWN, Properties


class FlowLog(Ec2Resource):
    """CreateFlowLogs, DescribeFlowLogs, DeleteFlowLogs."""

    TYPE = "aws:ec2/flowLog:FlowLog"
    REPLACE_ON = frozenset(
        {"logDestination", "logDestinationType", "maxAggregationInterval", "trafficType", "vpcId"}
    )
    DEFAULTS = MappingProxyType(
        {"logDestinationType": "cloud-watch-logs", "maxAggregationInterval": 600}
    )
    COMPUTED = ("arn",)
    FIELDS = MappingProxyType(
        {
            "logDestination": "LogDestination",
            "logDestinationType": "LogDestinationType",
            "trafficType": "TrafficType",
            "vpcId": "ResourceId",
        }
    )
    DESCRIBE, ITEMS, ID, KIND = "describe_flow_logs", "FlowLogs", "FlowLogId", "vpc-flow-log"

    def validate(self, inputs: Properties) -> list[contract.CheckFailure]:
        if inputs["logDestinationType"] in ("s3", UNKNOWN):
            return []
        reason = "The sandbox's flow logs go to S3 only"
        return [contract.CheckFailure("logDestinationType", reason)]

    def create(self, inputs: Properties) -> str:
        answer = self.client.create_flow_logs(
            ResourceIds=[inputs["vpcId"]],
            ResourceType="VPC",
            TrafficType=inputs["trafficType"],
            LogDestinationType=inputs["logDestinationType"],
            LogDestination=inputs["logDestination"],
            MaxAggregationInterval=int(inputs["maxAggregationInterval"]),
            TagSpecifications=self.tagged(inputs),
        )
        # EC2 refuses in an answer that is no error.
        for refused in answer.get("Unsuccessful") or ():
            raise CloudError("EC2 makes no flow log", str(refused["Error"]["Message"]))
        return str(answer["FlowLogIds"][0])

    def delete(self, known: Known) -> None:
        self.client.delete_flow_logs(FlowLogIds=[known.id])
