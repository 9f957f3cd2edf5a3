"""The workers of a cluster, one group that EKS manages, and their number.

The setting says with how many a group starts. From then on its size is the autoscaler's, or that of whoever
changes it: what the program sent once must not come again with another setting. Two facts make that more than
an ignored property. Pulumi does not look before it updates: an ignored size is the one in the state, which is
as old as the group. And the provider sends a group's bounds and its size in one call, and all of them when
another group takes its place. So the group is looked at, and where something of it changes that takes its
size along, the size that it has is what the program asks for.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws
import pulumi_eks as eks

from infra import policies
from infra.contract import api_endpoints
from infra.contract.settings import Settings
from infra.network import Network
from infra.stack import Stack

NODE_POLICIES = (
    "AmazonEKSWorkerNodePolicy",
    "AmazonEKS_CNI_Policy",
    "AmazonEC2ContainerRegistryPullOnly",
)

_ENDING = r"-[0-9a-f]{7}"
"""What Pulumi adds to a logical name."""

_GOING = ("DELETING", "DELETE_FAILED", "CREATE_FAILED")


@dataclass(frozen=True)
class Size:
    """The number of workers that is asked for."""

    desired: int
    ignored: bool
    """Whether a change of it is none: nothing is sent that has a size in it."""


def make_workers(
    stack: Stack, cluster: eks.Cluster, network: Network, parent: pulumi.Resource
) -> eks.ManagedNodeGroup:
    """The group, with the role of its nodes."""
    settings, names = stack.settings, stack.names
    child = pulumi.ResourceOptions(parent=parent)
    role = aws.iam.Role(
        names.of("node"),
        path=names.iam_path,
        assume_role_policy=policies.assumed_by_service("ec2.amazonaws.com"),
        opts=child,
    )
    attachments: list[pulumi.Resource] = [
        aws.iam.RolePolicyAttachment(
            names.of("node", policy),
            role=role.name,
            policy_arn=f"arn:{stack.place.partition}:iam::aws:policy/{policy}",
            opts=child,
        )
        for policy in NODE_POLICIES
    ]
    if api_endpoints.takes_sessions(settings.endpoint_access):
        # AWS's own policy for it, AmazonSSMManagedInstanceCore, reads every parameter of the account, too.
        sessions = aws.iam.RolePolicy(
            names.of("node", "sessions"),
            role=role.id,
            policy=policies.take_sessions(),
            opts=child,
        )
        attachments.append(sessions)
    logical = names.of("workers")
    size = size_of(settings, _groups(names.cluster, logical))
    return eks.ManagedNodeGroup(
        logical,
        cluster=cluster,
        node_role=role,
        subnet_ids=network.private_subnet_ids,
        instance_types=list(settings.node_instance_types),
        capacity_type=_capacity_type(settings),
        disk_size=settings.node_disk_gb,
        scaling_config=aws.eks.NodeGroupScalingConfigArgs(
            min_size=settings.node_min,
            desired_size=size.desired,
            max_size=settings.node_max,
        ),
        ignore_scaling_changes=size.ignored,
        # Without these permissions, or without the way out over NAT, a worker can not join; nor can it
        # take its network interfaces down when it leaves.
        opts=pulumi.ResourceOptions(parent=parent, depends_on=[*attachments, network]),
    )


def size_of(settings: Settings, groups: Sequence[aws.eks.GetNodeGroupResult]) -> Size:
    """What to ask for, where these groups are there: two while one takes the other's place."""
    if not groups:
        return Size(settings.node_desired, ignored=False)
    running = max(group.scaling_configs[0].desired_size for group in groups)
    kept = len(groups) == 1 and _as_it_is(settings, groups[0])
    return Size(min(max(running, settings.node_min), settings.node_max), ignored=kept)


def _as_it_is(settings: Settings, group: aws.eks.GetNodeGroupResult) -> bool:
    """Whether the settings change nothing that is sent together with the size."""
    bounds = group.scaling_configs[0]
    return (
        (bounds.min_size, bounds.max_size) == (settings.node_min, settings.node_max)
        and tuple(group.instance_types) == settings.node_instance_types
        and group.capacity_type == _capacity_type(settings)
        and group.disk_size == settings.node_disk_gb
    )


def _groups(cluster: str, logical: str) -> list[aws.eks.GetNodeGroupResult]:
    """This stack's, as they are now. A cluster that is not there has none: asked for by name, it is an error."""
    if cluster not in aws.eks.get_clusters().names:
        return []
    found = [
        aws.eks.get_node_group(cluster_name=cluster, node_group_name=name)
        for name in aws.eks.get_node_groups(cluster_name=cluster).names
        if re.fullmatch(re.escape(logical) + _ENDING, name)
    ]
    return [group for group in found if group.status not in _GOING]


def _capacity_type(settings: Settings) -> str:
    return "SPOT" if settings.spot else "ON_DEMAND"
