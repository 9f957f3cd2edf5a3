"""Every resource type and function, by the token that programs use. In the order of docs."""

from collections.abc import Callable

from sandbox.providers.aws.budgets.budget import Budget
from sandbox.providers.aws.clients import Aws
from sandbox.providers.aws.cloudwatch.log_group import LogGroup
from sandbox.providers.aws.ec2.eip import Eip
from sandbox.providers.aws.ec2.eip_association import EipAssociation
from sandbox.providers.aws.ec2.flow_log import FlowLog
from sandbox.providers.aws.ec2.instance import Ec2Instance
from sandbox.providers.aws.ec2.internet_gateway import InternetGateway
from sandbox.providers.aws.ec2.nat_gateway import NatGateway
from sandbox.providers.aws.ec2.route import Route
from sandbox.providers.aws.ec2.route_table import RouteTable
from sandbox.providers.aws.ec2.route_table_association import RouteTableAssociation
from sandbox.providers.aws.ec2.security_group import SecurityGroup
from sandbox.providers.aws.ec2.security_group_rule import SecurityGroupRule
from sandbox.providers.aws.ec2.subnet import Subnet
from sandbox.providers.aws.ec2.vpc import Vpc
from sandbox.providers.aws.ec2.vpc_endpoint import VpcEndpoint
from sandbox.providers.aws.ecr.lifecycle_policy import LifecyclePolicy
from sandbox.providers.aws.ecr.repository import Repository
from sandbox.providers.aws.eks.access_entry import AccessEntry
from sandbox.providers.aws.eks.access_policy_association import AccessPolicyAssociation
from sandbox.providers.aws.eks.addon import Addon
from sandbox.providers.aws.eks.cluster import Cluster
from sandbox.providers.aws.eks.node_group import NodeGroup
from sandbox.providers.aws.eks.pod_identity_association import PodIdentityAssociation
from sandbox.providers.aws.functions import (
    account,
    clusters,
    compute,
    databases,
    images,
    networks,
)
from sandbox.providers.aws.iam.access_key import AccessKey
from sandbox.providers.aws.iam.group import Group
from sandbox.providers.aws.iam.instance_profile import InstanceProfile
from sandbox.providers.aws.iam.open_id_connect_provider import OpenIdConnectProvider
from sandbox.providers.aws.iam.policy import Policy
from sandbox.providers.aws.iam.policy_attachment import (
    GroupPolicyAttachment,
    RolePolicyAttachment,
)
from sandbox.providers.aws.iam.role import Role
from sandbox.providers.aws.iam.role_policy import RolePolicy
from sandbox.providers.aws.iam.user import User
from sandbox.providers.aws.iam.user_group_membership import UserGroupMembership
from sandbox.providers.aws.kms.key import Key
from sandbox.providers.aws.rds.instance import DatabaseInstance
from sandbox.providers.aws.rds.subnet_group import SubnetGroup
from sandbox.providers.aws.resource import Resource
from sandbox.providers.aws.s3.bucket import Bucket
from sandbox.providers.aws.s3.bucket_encryption import BucketServerSideEncryptionConfiguration
from sandbox.providers.aws.s3.bucket_lifecycle import BucketLifecycleConfiguration
from sandbox.providers.aws.s3.bucket_policy import BucketPolicy
from sandbox.providers.aws.s3.bucket_public_access_block import BucketPublicAccessBlock
from sandbox.providers.aws.s3.bucket_versioning import BucketVersioning
from sandbox.providers.aws.secretsmanager.secret import ManagedSecret
from sandbox.wire.values import Properties

_RESOURCES: tuple[type[Resource], ...] = (
    # Network and instances
    Vpc,
    Subnet,
    InternetGateway,
    Eip,
    EipAssociation,
    NatGateway,
    RouteTable,
    Route,
    RouteTableAssociation,
    SecurityGroup,
    SecurityGroupRule,
    FlowLog,
    VpcEndpoint,
    Ec2Instance,
    # Identity
    Role,
    RolePolicy,
    RolePolicyAttachment,
    Policy,
    User,
    AccessKey,
    Group,
    GroupPolicyAttachment,
    UserGroupMembership,
    InstanceProfile,
    OpenIdConnectProvider,
    # Images
    Repository,
    LifecyclePolicy,
    # Buckets
    Bucket,
    BucketVersioning,
    BucketServerSideEncryptionConfiguration,
    BucketPublicAccessBlock,
    BucketPolicy,
    BucketLifecycleConfiguration,
    # Kubernetes
    Cluster,
    NodeGroup,
    Addon,
    AccessEntry,
    AccessPolicyAssociation,
    PodIdentityAssociation,
    # Databases
    SubnetGroup,
    DatabaseInstance,
    # Keys, secrets, logs and budgets
    Key,
    ManagedSecret,
    LogGroup,
    Budget,
)

Function = Callable[[Aws, Properties], Properties]

_FUNCTIONS: dict[str, Function] = {
    "aws:index/getPartition:getPartition": account.get_partition,
    "aws:index/getRegion:getRegion": account.get_region,
    "aws:index/getAvailabilityZones:getAvailabilityZones": account.get_availability_zones,
    "aws:ec2/getAmi:getAmi": compute.get_ami,
    "aws:ec2/getVpc:getVpc": networks.get_vpc,
    "aws:ec2/getSubnet:getSubnet": networks.get_subnet,
    "aws:ec2/getRouteTables:getRouteTables": networks.get_route_tables,
    "aws:rds/getInstance:getInstance": databases.get_instance,
    "aws:eks/getAddonVersion:getAddonVersion": compute.get_addon_version,
    "aws:eks/getCluster:getCluster": clusters.get_cluster,
    "aws:eks/getClusters:getClusters": clusters.get_clusters,
    "aws:eks/getNodeGroup:getNodeGroup": clusters.get_node_group,
    "aws:eks/getNodeGroups:getNodeGroups": clusters.get_node_groups,
    "aws:ecr/getAuthorizationToken:getAuthorizationToken": images.get_authorization_token,
    "aws:ecr/getImages:getImages": images.get_images,
}


def resources() -> dict[str, type[Resource]]:
    """Type token -> class."""
    return {cls.TYPE: cls for cls in _RESOURCES}


def functions() -> dict[str, Function]:
    """Function token -> function."""
    return dict(_FUNCTIONS)
