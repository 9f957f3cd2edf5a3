"""eks:index:Cluster: a control plane with its role, security groups and first add-ons."""

import json
from dataclasses import dataclass

from sandbox.errors import Unsupported
from sandbox.providers.contract import CallRequest, ConstructRequest, ConstructResult
from sandbox.providers.eks import addon, security_groups, service_role
from sandbox.providers.eks import inputs as given
from sandbox.providers.eks.kubeconfig import kubeconfig
from sandbox.providers.eks.monitor import Component, Monitor, Registered
from sandbox.providers.eks.security_groups import NodeGroupRules, name_and_tags
from sandbox.providers.eks.values import combine, dependencies, plain
from sandbox.wire.values import Output, Properties, ResourceReference, Value

TYPE = "eks:index:Cluster"
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
_SET_ONCE = ("accessConfig.bootstrapClusterCreatorAdminPermissions", "bootstrapSelfManagedAddons")


@dataclass(frozen=True)
class _Parts:
    """What a cluster consists of."""

    role: Registered
    cluster: Registered
    control_plane_group: Registered
    node_rules: NodeGroupRules
    kubernetes: Registered
    vpc_cni: Component
    oidc_provider: Registered | None


def construct(monitor: Monitor, request: ConstructRequest) -> ConstructResult:
    """Everything of one cluster, in the order in which each needs the other."""
    inputs = given.read(request, SUPPORTED)
    _refuse_other_kinds(inputs)
    component = monitor.component(
        TYPE,
        request.name,
        parent=request.parent,
        providers=request.providers,
        depends_on=request.dependencies,
    )
    parts = _register(monitor, request, inputs, component)
    outputs = _outputs(parts, inputs)
    monitor.outputs(component, outputs)
    return ConstructResult(
        component.urn,
        outputs,
        {key: sorted(dependencies(value)) for key, value in outputs.items()},
    )


def get_kubeconfig(monitor: Monitor, request: CallRequest) -> Properties:
    """The kubeconfig for another AWS profile or role."""
    this = request.arguments["__self__"]
    reference = plain(monitor.lookup(this)["eksCluster"])
    cluster = monitor.lookup(reference)
    result = combine(
        lambda cluster, profile, role: json.dumps(
            kubeconfig(cluster, profile=profile, role_arn=role)
        ),
        Output(cluster.outputs),
        request.arguments.get("profileName"),
        request.arguments.get("roleArn"),
    )
    return {"result": result}


def _refuse_other_kinds(inputs: given.Inputs) -> None:
    """Before anything is registered."""
    mode = plain(inputs.get("authenticationMode"))
    if mode != "API":
        raise Unsupported(
            f"The sandbox's {TYPE} does not know authenticationMode {mode or 'CONFIG_MAP'}",
            'Set authenticationMode to "API": access entries instead of a ConfigMap.',
        )
    if not inputs.flag("skipDefaultNodeGroup", default=False):
        raise Unsupported(
            f"The sandbox's {TYPE} does not make the default node group",
            "Set skipDefaultNodeGroup to true and add an eks.ManagedNodeGroup.",
        )


def _register(
    monitor: Monitor, request: ConstructRequest, inputs: given.Inputs, component: Component
) -> _Parts:
    name = request.name
    partition = monitor.invoke("aws:index/getPartition:getPartition", {}, component)
    role = service_role.register(
        monitor,
        service_role.Wanted(
            name=f"{name}-eksRole",
            service=f"eks.{_service_suffix(partition)}",
            description="Allows EKS to manage clusters on your behalf.",
            policies=[f"arn:{partition['partition']}:iam::aws:policy/AmazonEKSClusterPolicy"],
        ),
        component,
    )
    group = security_groups.for_control_plane(monitor, name, inputs, component)
    cluster = monitor.resource(
        "aws:eks/cluster:Cluster",
        f"{name}-eksCluster",
        _cluster_inputs(name, inputs, role.role, group),
        parent=component,
        depends_on=[*role.attached, *request.dependencies],
        ignore_changes=_SET_ONCE,
    )
    tags = inputs.get("tags")
    addon.kube_proxy(monitor, name, cluster, tags, component)
    kubernetes = monitor.resource(
        "pulumi:providers:kubernetes",
        f"{name}-eks-k8s",
        {"kubeconfig": _kubeconfig_text(cluster)},
        parent=component,
    )
    rules = security_groups.for_nodes(monitor, name, inputs, cluster, group, component)
    providers = {
        **component.providers,
        "kubernetes": f"{kubernetes.urn}::{plain(kubernetes.id)}",
    }
    return _Parts(
        role=role.role,
        cluster=cluster,
        control_plane_group=group,
        node_rules=rules,
        kubernetes=kubernetes,
        vpc_cni=addon.vpc_cni(
            monitor,
            addon.VpcCni(name, cluster, tags, inputs.get("vpcCniOptions")),
            component,
            providers,
        ),
        oidc_provider=_oidc_provider(monitor, name, inputs, cluster, component),
    )


def _cluster_inputs(
    name: str, inputs: given.Inputs, role: Registered, group: Registered
) -> Properties:
    wanted: Properties = {
        "accessConfig": {
            "authenticationMode": inputs.get("authenticationMode"),
            "bootstrapClusterCreatorAdminPermissions": True,
        },
        "bootstrapSelfManagedAddons": True,
        "roleArn": role["arn"],
        "tags": name_and_tags(f"{name}-eksCluster", inputs, "clusterTags"),
        "vpcConfig": {
            "securityGroupIds": [group.id_output],
            "subnetIds": _subnet_ids(inputs),
            **inputs.only("endpointPrivateAccess", "endpointPublicAccess", "publicAccessCidrs"),
        },
        **inputs.only("deletionProtection", "enabledClusterLogTypes", "name", "version"),
    }
    if "encryptionConfigKeyArn" in inputs:
        wanted["encryptionConfig"] = {
            "provider": {"keyArn": inputs.get("encryptionConfigKeyArn")},
            "resources": ["secrets"],
        }
    return wanted


def _subnet_ids(inputs: given.Inputs) -> Value:
    """Public subnets come first."""
    if "subnetIds" in inputs:
        return inputs.get("subnetIds")
    return combine(
        lambda public, private: [*(public or []), *(private or [])],
        inputs.get("publicSubnetIds"),
        inputs.get("privateSubnetIds"),
    )


def _kubeconfig_text(cluster: Registered) -> Output:
    return combine(
        lambda outputs: json.dumps(kubeconfig(outputs)),
        Output(_needed_for_kubeconfig(cluster), dependencies=frozenset({cluster.urn})),
    )


def _needed_for_kubeconfig(cluster: Registered) -> Properties:
    keys = ("arn", "name", "endpoint", "certificateAuthority")
    return {key: cluster[key].value for key in keys}


def _oidc_provider(
    monitor: Monitor, name: str, inputs: given.Inputs, cluster: Registered, parent: Component
) -> Registered | None:
    if not inputs.flag("createOidcProvider", default=False):
        return None
    return monitor.resource(
        "aws:iam/openIdConnectProvider:OpenIdConnectProvider",
        f"{name}-oidcProvider",
        {
            "url": _issuer(cluster),
            "clientIdLists": ["sts.amazonaws.com"],
            "thumbprintLists": [OIDC_THUMBPRINT],
        },
        parent=parent,
    )


def _issuer(cluster: Registered) -> Output:
    return combine(lambda found: found[0]["oidcs"][0]["issuer"], cluster["identities"])


def _service_suffix(partition: Properties) -> str:
    return str(partition.get("dnsSuffix", "amazonaws.com"))


def _outputs(parts: _Parts, inputs: given.Inputs) -> Properties:
    """What pulumi-eks's SDKs declare as outputs of a cluster."""
    text = _kubeconfig_text(parts.cluster)
    group, nodes = parts.control_plane_group, parts.node_rules
    outputs: Properties = {
        "clusterIngressRuleId": nodes.cluster_ingress.id_output,
        "clusterSecurityGroup": group.reference,
        "clusterSecurityGroupId": group.id_output,
        "core": _core(parts, inputs, text),
        "eksCluster": parts.cluster.reference,
        "eksClusterIngressRule": nodes.cluster_ingress.reference,
        "instanceRoles": [],
        "kubeconfig": combine(json.loads, text),
        "kubeconfigJson": text,
        "nodeSecurityGroup": nodes.group.reference,
        "nodeSecurityGroupId": nodes.group.id_output,
        # Empty, not absent: the SDKs declare them for every cluster.
        "autoModeNodeRoleName": "",
        "defaultNodeGroupAsgName": "",
        "fargateProfileId": "",
        "fargateProfileStatus": "",
        "oidcIssuer": combine(lambda url: url.removeprefix("https://"), _issuer(parts.cluster)),
        "oidcProviderArn": "",
        "oidcProviderUrl": _issuer(parts.cluster),
    }
    if parts.oidc_provider:
        outputs["oidcProviderArn"] = parts.oidc_provider["arn"]
    return outputs


def _core(parts: _Parts, inputs: given.Inputs, text: Output) -> Properties:
    """What node groups need to know of their cluster."""
    core: Properties = {
        "cluster": parts.cluster.reference,
        "clusterIamRole": parts.role.reference,
        "clusterSecurityGroup": parts.control_plane_group.reference,
        "endpoint": parts.cluster["endpoint"],
        "instanceRoles": [],
        "kubeconfig": combine(json.loads, text),
        "nodeGroupOptions": {},
        "provider": ResourceReference(parts.kubernetes.urn, parts.kubernetes.id),
        "storageClasses": {},
        "subnetIds": _subnet_ids(inputs),
        "vpcCni": parts.vpc_cni.reference,
        "vpcId": inputs.require("vpcId"),
        **inputs.only("nodeSecurityGroupTags", "privateSubnetIds", "publicSubnetIds", "tags"),
    }
    if parts.oidc_provider:
        core["oidcProvider"] = parts.oidc_provider.reference
    return core
