"""The two security groups of a cluster, and the rules between them."""

from dataclasses import dataclass
from typing import Any, Final

import pulumi

from sandbox.providers.eks.resources import AwsResource, Request, merged, name_and_tags

_ALL_TRAFFIC: Final = {"protocol": "-1", "fromPort": 0, "toPort": 0}
_HTTPS: Final = {"protocol": "tcp", "fromPort": 443, "toPort": 443}
_KUBELETS: Final = {"protocol": "tcp", "fromPort": 1025, "toPort": 65535}
_OUT: Final = {"type": "egress", **_ALL_TRAFFIC, "cidrBlocks": ["0.0.0.0/0"]}


@dataclass(frozen=True)
class NodeGroupRules:
    """The workers' group and the rule that lets them talk to the control plane."""

    group: AwsResource
    cluster_ingress: AwsResource


def for_control_plane(request: Request, parent: pulumi.Resource) -> AwsResource:
    """The group that the control plane's network interfaces get."""
    name = f"{request.name}-eksClusterSecurityGroup"
    tags = name_and_tags(name, request, "clusterSecurityGroupTags")
    group = _group(name, request, tags, parent)
    rule = f"{request.name}-eksClusterInternetEgressRule"
    _rule(rule, group, "Allow internet access.", _OUT, parent)
    return group


def for_nodes(
    request: Request, cluster: AwsResource, control_plane: AwsResource, parent: pulumi.Resource
) -> NodeGroupRules:
    """The group for workers, which exists even if the first of them comes later."""
    name = f"{request.name}-nodeSecurityGroup"
    owned = cluster["name"].apply(lambda found: {f"kubernetes.io/cluster/{found}": "owned"})
    tags = merged(owned, name_and_tags(name, request, "nodeSecurityGroupTags"))
    group = _group(name, request, tags, parent, depends_on=[cluster])
    source = {"type": "ingress", "sourceSecurityGroupId": control_plane.id}
    for suffix, description, properties in (
        (
            "eksNodeIngressRule",
            "Allow nodes to communicate with each other",
            {"type": "ingress", **_ALL_TRAFFIC, "self": True},
        ),
        (
            "eksNodeClusterIngressRule",
            "Allow worker Kubelets and pods to receive communication from the cluster "
            "control plane",
            {**_KUBELETS, **source},
        ),
        (
            "eksExtApiServerClusterIngressRule",
            "Allow pods running extension API servers on port 443 to receive communication from "
            "cluster control plane",
            {**_HTTPS, **source},
        ),
        ("eksNodeInternetEgressRule", "Allow internet access.", _OUT),
    ):
        _rule(f"{request.name}-{suffix}", group, description, properties, parent)
    ingress = _rule(
        f"{request.name}-eksClusterIngressRule",
        control_plane,
        "Allow pods to communicate with the cluster API Server",
        {"type": "ingress", **_HTTPS, "sourceSecurityGroupId": group.id},
        parent,
    )
    return NodeGroupRules(group, ingress)


def _group(
    name: str,
    request: Request,
    tags: pulumi.Output[Any],
    parent: pulumi.Resource,
    depends_on: list[pulumi.Resource] | None = None,
) -> AwsResource:
    inputs = {
        "vpcId": request.require("vpcId"),
        "revokeRulesOnDelete": True,
        "description": "Managed by Pulumi",
        "tags": tags,
    }
    return AwsResource(
        "aws:ec2/securityGroup:SecurityGroup", name, inputs, parent, depends_on=depends_on
    )


def _rule(
    name: str,
    on: AwsResource,
    description: str,
    properties: dict[str, Any],
    parent: pulumi.Resource,
) -> AwsResource:
    return AwsResource(
        "aws:ec2/securityGroupRule:SecurityGroupRule",
        name,
        {"description": description, "securityGroupId": on.id, **properties},
        parent,
    )
