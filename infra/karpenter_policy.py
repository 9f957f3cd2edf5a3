"""What Karpenter may do in AWS. Pure functions, as in `policies.py`.

Two tags, which EC2 puts on what is made in the call that makes it, tell its things from all others: the
cluster's, and its node class's. The workers have the first alone, so it can take none of them away. Not the
pool's: with an empty one Karpenter tries, before it makes a node, whether it may.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from infra import policies
from infra.policies import Statement, allow

POOL = "tasks"
"""The name of the node pool, and of its node class."""

CLASS_TAG = "karpenter.k8s.aws/ec2nodeclass"

_DESCRIBED = (
    "Images",
    "InstanceStatus",
    "InstanceTypeOfferings",
    "InstanceTypes",
    "Instances",
    "LaunchTemplates",
    "SecurityGroups",
    "SpotPriceHistory",
    "Subnets",
)


@dataclass(frozen=True)
class Territory:
    """What belongs to the one cluster whose nodes Karpenter makes."""

    partition: str
    region: str
    cluster: str
    cluster_arn: str
    queue_arn: str
    role_arn: str
    """Of the nodes."""
    subnet_ids: Sequence[str]
    security_group_id: str

    @property
    def former_profiles(self) -> str:
        account = self.cluster_arn.split(":")[4]
        return f"arn:{self.partition}:iam::{account}:instance-profile/{self.cluster}_*"

    @property
    def tags(self) -> Mapping[str, str]:
        """On everything that it makes."""
        return {f"kubernetes.io/cluster/{self.cluster}": "owned", CLASS_TAG: POOL}

    def ec2(self, *resources: str, owner: str = "*") -> list[str]:
        """ARNs. Of another account, too, unless `owner` is said: images are Amazon's."""
        place = f"arn:{self.partition}:ec2:{self.region}:{owner}"
        return [f"{place}:{resource}" for resource in resources]

    @property
    def own(self) -> Statement:
        return {f"aws:ResourceTag/{key}": value for key, value in self.tags.items()}

    @property
    def asked(self) -> Statement:
        return {f"aws:RequestTag/{key}": value for key, value in self.tags.items()}


def make_nodes(territory: Territory) -> str:
    """Makes nodes in the cluster's subnets and security group with the nodes' role, and takes them away."""
    return policies.document(
        *_launch(territory),
        allow(
            "TakeAway",
            ["ec2:DeleteLaunchTemplate", "ec2:TerminateInstances"],
            territory.ec2("instance/*", "launch-template/*"),
            {"StringEquals": territory.own},
        ),
        # EC2's descriptions have no resource to name.
        allow(
            "LookAround",
            [f"ec2:Describe{what}" for what in _DESCRIBED],
            ["*"],
            {"StringEquals": {"aws:RequestedRegion": territory.region}},
        ),
        # Nor have prices; they are those that everybody sees.
        allow("ReadPrices", ["pricing:GetProducts"], ["*"]),
        allow(
            "FindImage",
            ["ssm:GetParameter"],
            [
                f"arn:{territory.partition}:ssm:{territory.region}::parameter/aws/service/eks/optimized-ami/*"
            ],
        ),
        allow("FindCluster", ["eks:DescribeCluster"], [territory.cluster_arn]),
        # Profiles are the program's. But Karpenter looks for those that an earlier version would have made, or
        # it lets no node class go; the list has no resource to name.
        allow("ListProfiles", ["iam:ListInstanceProfiles"], ["*"]),
        allow("FindProfile", ["iam:GetInstanceProfile"], [territory.former_profiles]),
        allow(
            "GiveRole",
            ["iam:PassRole"],
            [territory.role_arn],
            {"StringEquals": {"iam:PassedToService": "ec2.amazonaws.com"}},
        ),
        allow(
            "HearOfInterruptions",
            ["sqs:DeleteMessage", "sqs:GetQueueUrl", "sqs:ReceiveMessage"],
            [territory.queue_arn],
        ),
    )


def _launch(territory: Territory) -> list[Statement]:
    made = territory.ec2(
        "fleet/*",
        "instance/*",
        "launch-template/*",
        "network-interface/*",
        "spot-instances-request/*",
        "volume/*",
    )
    subnets = [f"subnet/{subnet}" for subnet in territory.subnet_ids]
    launches = ["ec2:CreateFleet", "ec2:RunInstances"]
    return [
        allow(
            "LaunchFrom",
            launches,
            territory.ec2(
                "image/*",
                "snapshot/*",
                f"security-group/{territory.security_group_id}",
                *subnets,
            ),
        ),
        allow(
            "LaunchByTemplate",
            launches,
            territory.ec2("launch-template/*"),
            {"StringEquals": territory.own},
        ),
        allow(
            "Launch",
            [*launches, "ec2:CreateLaunchTemplate"],
            made,
            {"StringEquals": territory.asked},
        ),
        allow(
            "TagWhatIsMade",
            ["ec2:CreateTags"],
            made,
            {
                "StringEquals": {
                    **territory.asked,
                    "ec2:CreateAction": ["CreateFleet", "CreateLaunchTemplate", "RunInstances"],
                }
            },
        ),
        # Once a node has joined, its instance gets its name.
        allow(
            "NameNodes",
            ["ec2:CreateTags"],
            territory.ec2("instance/*"),
            {
                "StringEquals": territory.own,
                "ForAllValues:StringEquals": {
                    "aws:TagKeys": ["Name", "eks:eks-cluster-name", "karpenter.sh/nodeclaim"]
                },
            },
        ),
    ]
