"""The only place where names and tags are made. Pure functions of the settings.

Everything that has a name of its own in the account carries the environment in it, so that two
environments never meet. Pulumi adds a random suffix to most names; those that must be known
beforehand (the cluster and what refers to it by name) are used as they are.
"""

import re
from dataclasses import dataclass

PREFIX = "aerodrome"

AIRFLOW_NAMESPACE = "airflow"
"""Airflow's namespace in the cluster. No environment in it: the cluster is the environment's own."""

ENVIRONMENT_MAX_LENGTH = 28
"""IAM role names end at 64 characters: 'aerodrome-' + 28 + the longest role's own part (18) + Pulumi's
suffix (8)."""

TAG_ENVIRONMENT = f"{PREFIX}:environment"
TAG_BRANCH = f"{PREFIX}:branch"
TAG_EXPIRES = f"{PREFIX}:expires"

# What AWS accepts in every service's tag values; EC2 allows more, IAM and EKS do not.
_NOT_IN_TAG_VALUES = re.compile(r"[^A-Za-z0-9 +\-=._:/@]")
_TAG_VALUE_MAX_LENGTH = 256

TAGGABLE_TYPES = frozenset(
    {
        "aws:cloudwatch/logGroup:LogGroup",
        "aws:ec2/eip:Eip",
        "aws:ec2/instance:Instance",
        "aws:ec2/internetGateway:InternetGateway",
        "aws:ec2/natGateway:NatGateway",
        "aws:ec2/routeTable:RouteTable",
        "aws:ec2/securityGroup:SecurityGroup",
        "aws:ec2/subnet:Subnet",
        "aws:ec2/vpc:Vpc",
        "aws:ecr/repository:Repository",
        "aws:eks/accessEntry:AccessEntry",
        "aws:eks/addon:Addon",
        "aws:eks/cluster:Cluster",
        "aws:eks/nodeGroup:NodeGroup",
        "aws:eks/podIdentityAssociation:PodIdentityAssociation",
        "aws:iam/instanceProfile:InstanceProfile",
        "aws:iam/openIdConnectProvider:OpenIdConnectProvider",
        "aws:iam/policy:Policy",
        "aws:iam/role:Role",
        "aws:iam/user:User",
        "aws:kms/key:Key",
        "aws:rds/instance:Instance",
        "aws:rds/subnetGroup:SubnetGroup",
        "aws:s3/bucket:Bucket",
    }
)
"""The AWS resource types that take a `tags` map. A list, because the children of pulumi-eks's components
reach the transform as a type token and a dictionary, with no class to ask. tests/program compares it with
pulumi_aws's classes."""


@dataclass(frozen=True)
class Names:
    """The names of one environment."""

    environment: str

    @property
    def cluster(self) -> str:
        """The EKS cluster; also the name of its Pulumi component."""
        return self.of()

    @property
    def control_plane_log_group(self) -> str:
        """Where EKS writes the control plane's logs: EKS's own rule, not ours."""
        return f"/aws/eks/{self.cluster}/cluster"

    @property
    def iam_path(self) -> str:
        """IAM users, groups, roles and policies of the environment lie under this path."""
        return f"/{PREFIX}/{self.environment}/"

    def of(self, *parts: str) -> str:
        """`aerodrome-ENVIRONMENT-PART...`"""
        return "-".join((PREFIX, self.environment, *parts))


def tags(environment: str, branch: str, expires: str) -> dict[str, str]:
    """What every resource carries: sweeping and cost reports go by it."""
    return {
        TAG_ENVIRONMENT: tag_value(environment),
        TAG_BRANCH: tag_value(branch),
        TAG_EXPIRES: tag_value(expires),
    }


def tag_value(text: str) -> str:
    """`text` with what AWS refuses in a tag value replaced by `_`; git branches may hold more."""
    return _NOT_IN_TAG_VALUES.sub("_", text)[:_TAG_VALUE_MAX_LENGTH]
