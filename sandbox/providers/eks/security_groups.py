"""The two security groups of a cluster, and the rules between them."""

from dataclasses import dataclass

from sandbox.providers.eks.inputs import Inputs
from sandbox.providers.eks.monitor import Component, Monitor, Registered
from sandbox.providers.eks.values import combine
from sandbox.wire.values import Properties, Value

_GROUP = "aws:ec2/securityGroup:SecurityGroup"
_RULE = "aws:ec2/securityGroupRule:SecurityGroupRule"

_ALL_TRAFFIC: Properties = {"protocol": "-1", "fromPort": 0, "toPort": 0}
_HTTPS: Properties = {"protocol": "tcp", "fromPort": 443, "toPort": 443}
_OUT: Properties = {"type": "egress", **_ALL_TRAFFIC, "cidrBlocks": ["0.0.0.0/0"]}


@dataclass(frozen=True)
class NodeGroupRules:
    """The workers' group and the rule that lets them talk to the control plane."""

    group: Registered
    cluster_ingress: Registered


def for_control_plane(monitor: Monitor, name: str, inputs: Inputs, parent: Component) -> Registered:
    """The group that the control plane's network interfaces get."""
    logical = f"{name}-eksClusterSecurityGroup"
    group = monitor.resource(
        _GROUP,
        logical,
        {
            "vpcId": inputs.require("vpcId"),
            "revokeRulesOnDelete": True,
            "description": "Managed by Pulumi",
            "tags": name_and_tags(logical, inputs, "clusterSecurityGroupTags"),
        },
        parent=parent,
    )
    monitor.resource(
        _RULE,
        f"{name}-eksClusterInternetEgressRule",
        {"description": "Allow internet access.", "securityGroupId": group.id_output, **_OUT},
        parent=parent,
    )
    return group


def for_nodes(
    monitor: Monitor,
    name: str,
    inputs: Inputs,
    cluster: Registered,
    control_plane: Registered,
    parent: Component,
) -> NodeGroupRules:
    """The group for workers, which exists even if the first of them comes later."""
    logical = f"{name}-nodeSecurityGroup"
    tags = combine(
        lambda cluster_name, tags: {f"kubernetes.io/cluster/{cluster_name}": "owned", **tags},
        cluster["name"],
        name_and_tags(logical, inputs, "nodeSecurityGroupTags"),
    )
    group = monitor.resource(
        _GROUP,
        logical,
        {
            "vpcId": inputs.require("vpcId"),
            "revokeRulesOnDelete": True,
            "description": "Managed by Pulumi",
            "tags": tags,
        },
        parent=parent,
        depends_on=[cluster.urn],
    )

    def rule(suffix: str, on: Registered, description: str, **properties: Value) -> Registered:
        return monitor.resource(
            _RULE,
            f"{name}-{suffix}",
            {"description": description, "securityGroupId": on.id_output, **properties},
            parent=parent,
        )

    source = {"type": "ingress", "sourceSecurityGroupId": control_plane.id_output}
    rule(
        "eksNodeIngressRule",
        group,
        "Allow nodes to communicate with each other",
        **{"type": "ingress", **_ALL_TRAFFIC, "self": True},
    )
    rule(
        "eksNodeClusterIngressRule",
        group,
        "Allow worker Kubelets and pods to receive communication from the cluster control plane",
        **{"protocol": "tcp", "fromPort": 1025, "toPort": 65535, **source},
    )
    rule(
        "eksExtApiServerClusterIngressRule",
        group,
        "Allow pods running extension API servers on port 443 to receive communication from "
        "cluster control plane",
        **{**_HTTPS, **source},
    )
    rule("eksNodeInternetEgressRule", group, "Allow internet access.", **_OUT)
    ingress = rule(
        "eksClusterIngressRule",
        control_plane,
        "Allow pods to communicate with the cluster API Server",
        **{"type": "ingress", **_HTTPS, "sourceSecurityGroupId": group.id_output},
    )
    return NodeGroupRules(group, ingress)


def name_and_tags(name: str, inputs: Inputs, special: str) -> Value:
    """The Name tag, the tags for everything, and those for this kind of resource."""
    return combine(
        lambda common, own: {"Name": name, **(common or {}), **(own or {})},
        inputs.get("tags"),
        inputs.get(special),
    )
