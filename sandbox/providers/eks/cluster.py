"""eks:index:Cluster: a control plane with its role, security groups and first add-ons."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from typing import Any

import pulumi
from pulumi.provider import ConstructResult

from sandbox.errors import Unsupported
from sandbox.providers.eks import addon, security_groups, service_role
from sandbox.providers.eks.kubeconfig import kubeconfig
from sandbox.providers.eks.resources import AwsResource, Request, aws, name_and_tags, output
from sandbox.providers.eks.security_groups import NodeGroupRules

TYPE = "eks:index:Cluster"
_KUBERNETES_VERSION = metadata.version("pulumi_kubernetes")
GET_KUBECONFIG = "eks:index:Cluster/getKubeconfig"

SUPPORTED = frozenset(
    {
        "authenticationMode",
        "clusterSecurityGroupTags",
        "clusterTags",
        "createOidcProvider",
        "deletionProtection",
        "enabledClusterLogTypes",
        "encryptionConfigKeyArn",
        "endpointPrivateAccess",
        "endpointPublicAccess",
        "name",
        "nodeSecurityGroupTags",
        "privateSubnetIds",
        "publicAccessCidrs",
        "publicSubnetIds",
        "skipDefaultNodeGroup",
        "subnetIds",
        "tags",
        "version",
        "vpcCniOptions",
        "vpcId",
    }
)

OIDC_THUMBPRINT = "0" * 40
"""Where the real component puts the SHA-1 of the issuer's certificate, which it fetches over TLS. The
sandbox has no such issuer, and AWS itself stopped looking at the value (docs/limits.md)."""

# Set by AWS once; a later difference must not replace the cluster.
_SET_ONCE = ["accessConfig.bootstrapClusterCreatorAdminPermissions", "bootstrapSelfManagedAddons"]
_READ = ("arn", "certificateAuthority", "endpoint", "identities", "name", "version")


@dataclass(frozen=True)
class _Parts:
    """The parts of a cluster."""

    role: AwsResource
    cluster: AwsResource
    control_plane_group: AwsResource
    node_rules: NodeGroupRules
    kubernetes: pulumi.ProviderResource
    vpc_cni: pulumi.ComponentResource
    oidc_provider: AwsResource | None


def construct(request: Request) -> ConstructResult:
    """Everything of one cluster."""
    request.refuse_others(TYPE, SUPPORTED)
    _refuse_other_kinds(request)
    component = request.component(TYPE)
    parts = _register(request, component)
    outputs = _outputs(parts, request)
    component.register_outputs(outputs)
    return ConstructResult(component.urn, outputs)


def get_kubeconfig(arguments: Mapping[str, Any]) -> pulumi.Inputs:
    """The kubeconfig for another AWS profile or role."""
    this = pulumi.Output.from_input(arguments["__self__"])
    cluster = this.apply(lambda found: output(found, "eksCluster"))
    return {
        "result": _kubeconfig_text(cluster, arguments.get("profileName"), arguments.get("roleArn"))
    }


def _refuse_other_kinds(request: Request) -> None:
    """Before anything is registered."""
    mode = request.inputs.get("authenticationMode")
    if mode != "API":
        raise Unsupported(
            f"The sandbox's {TYPE} does not know authenticationMode {mode or 'CONFIG_MAP'}",
            'Set authenticationMode to "API": access entries instead of a ConfigMap.',
        )
    if not request.flag("skipDefaultNodeGroup"):
        raise Unsupported(
            f"The sandbox's {TYPE} does not make the default node group",
            "Set skipDefaultNodeGroup to true and add an eks.ManagedNodeGroup.",
        )
    request.flag("createOidcProvider")
    request.require("vpcId")
    addon.network_policy(request)


def _register(request: Request, component: pulumi.ComponentResource) -> _Parts:
    name = request.name
    role = service_role.register(
        f"{name}-eksRole",
        "eks",
        "Allows EKS to manage clusters on your behalf.",
        ["AmazonEKSClusterPolicy"],
        component,
        aws("index/getPartition:getPartition", {}, component),
    )
    group = security_groups.for_control_plane(request, component)
    cluster = AwsResource(
        "aws:eks/cluster:Cluster",
        f"{name}-eksCluster",
        _cluster_inputs(request, role.role, group),
        component,
        outputs=_READ,
        depends_on=[*role.attached, *_as_list(request.options.depends_on)],
        ignore_changes=_SET_ONCE,
    )
    addon.kube_proxy(request, cluster, component)
    kubernetes = pulumi.ProviderResource(
        "kubernetes",
        f"{name}-eks-k8s",
        {"kubeconfig": _kubeconfig_text(pulumi.Output.from_input(cluster))},
        # Left out, the engine would choose one when the state has another provider of the package already.
        pulumi.ResourceOptions(parent=component, version=_KUBERNETES_VERSION),
    )
    return _Parts(
        role=role.role,
        cluster=cluster,
        control_plane_group=group,
        node_rules=security_groups.for_nodes(request, cluster, group, component),
        kubernetes=kubernetes,
        vpc_cni=addon.vpc_cni(request, cluster, component, kubernetes),
        oidc_provider=_oidc_provider(request, cluster, component),
    )


def _cluster_inputs(request: Request, role: AwsResource, group: AwsResource) -> dict[str, Any]:
    wanted = {
        "accessConfig": {
            "authenticationMode": request.inputs["authenticationMode"],
            "bootstrapClusterCreatorAdminPermissions": True,
        },
        "bootstrapSelfManagedAddons": True,
        "roleArn": role["arn"],
        "tags": name_and_tags(f"{request.name}-eksCluster", request, "clusterTags"),
        "vpcConfig": {
            "securityGroupIds": [group.id],
            "subnetIds": _subnet_ids(request),
            **request.only("endpointPrivateAccess", "endpointPublicAccess", "publicAccessCidrs"),
        },
        **request.only("deletionProtection", "enabledClusterLogTypes", "name", "version"),
    }
    if "encryptionConfigKeyArn" in request.inputs:
        wanted["encryptionConfig"] = {
            "provider": {"keyArn": request.inputs["encryptionConfigKeyArn"]},
            "resources": ["secrets"],
        }
    return wanted


def _subnet_ids(request: Request) -> Any:
    """Public subnets come first."""
    if "subnetIds" in request.inputs:
        return request.inputs["subnetIds"]
    both = (request.inputs.get(key, []) for key in ("publicSubnetIds", "privateSubnetIds"))
    return pulumi.Output.all(*both).apply(lambda known: [*known[0], *known[1]])


def _kubeconfig_text(
    cluster: pulumi.Output[Any], profile: Any = None, role_arn: Any = None
) -> pulumi.Output[str]:
    needed = ("arn", "certificateAuthority", "endpoint", "name")
    outputs = cluster.apply(lambda found: {key: output(found, key) for key in needed})
    return pulumi.Output.all(outputs, profile, role_arn).apply(
        lambda known: json.dumps(kubeconfig(known[0], profile=known[1], role_arn=known[2]))
    )


def _oidc_provider(
    request: Request, cluster: AwsResource, parent: pulumi.Resource
) -> AwsResource | None:
    if not request.flag("createOidcProvider"):
        return None
    return AwsResource(
        "aws:iam/openIdConnectProvider:OpenIdConnectProvider",
        f"{request.name}-oidcProvider",
        {
            "url": _issuer(cluster),
            "clientIdLists": ["sts.amazonaws.com"],
            "thumbprintLists": [OIDC_THUMBPRINT],
        },
        parent,
        outputs=["arn"],
    )


def _issuer(cluster: AwsResource) -> pulumi.Output[Any]:
    return cluster["identities"].apply(lambda found: found[0]["oidcs"][0]["issuer"])


def _outputs(parts: _Parts, request: Request) -> dict[str, Any]:
    """The outputs of a cluster, as pulumi-eks's SDKs declare them."""
    text = _kubeconfig_text(pulumi.Output.from_input(parts.cluster))
    group, nodes = parts.control_plane_group, parts.node_rules
    return {
        "clusterIngressRuleId": nodes.cluster_ingress.id,
        "clusterSecurityGroup": group,
        "clusterSecurityGroupId": group.id,
        "core": _core(parts, request, text),
        "eksCluster": parts.cluster,
        "eksClusterIngressRule": nodes.cluster_ingress,
        "instanceRoles": [],
        "kubeconfig": text.apply(json.loads),
        "kubeconfigJson": text,
        "nodeSecurityGroup": nodes.group,
        "nodeSecurityGroupId": nodes.group.id,
        # Empty, not absent: the SDKs declare them for every cluster.
        "autoModeNodeRoleName": "",
        "defaultNodeGroupAsgName": "",
        "fargateProfileId": "",
        "fargateProfileStatus": "",
        "oidcIssuer": _issuer(parts.cluster).apply(lambda url: url.removeprefix("https://")),
        "oidcProviderArn": parts.oidc_provider["arn"] if parts.oidc_provider else "",
        "oidcProviderUrl": _issuer(parts.cluster),
    }


def _core(parts: _Parts, request: Request, text: pulumi.Output[str]) -> dict[str, Any]:
    """The part of a cluster that node groups need."""
    core = {
        "cluster": parts.cluster,
        "clusterIamRole": parts.role,
        "clusterSecurityGroup": parts.control_plane_group,
        "endpoint": parts.cluster["endpoint"],
        "instanceRoles": [],
        "kubeconfig": text.apply(json.loads),
        "nodeGroupOptions": {},
        "provider": parts.kubernetes,
        "storageClasses": {},
        "subnetIds": _subnet_ids(request),
        "vpcCni": parts.vpc_cni,
        "vpcId": request.require("vpcId"),
        **request.only("nodeSecurityGroupTags", "privateSubnetIds", "publicSubnetIds", "tags"),
    }
    if parts.oidc_provider:
        core["oidcProvider"] = parts.oidc_provider
    return core


def _as_list(depends_on: Any) -> list[Any]:
    return list(depends_on or ())
