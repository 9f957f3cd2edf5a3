"""eks:index:Addon, and the add-ons that a cluster brings by itself."""

import json
from typing import Any, Final

import pulumi
from pulumi.provider import ConstructResult

from sandbox.errors import Unsupported, UserError
from sandbox.providers.eks.resources import AwsResource, ClusterComponent, Request, aws, output

TYPE = "eks:index:Addon"
_PASSED_ON = ("resolveConflictsOnCreate", "resolveConflictsOnUpdate", "serviceAccountRoleArn")
SUPPORTED = frozenset(
    {*_PASSED_ON, "addonName", "addonVersion", "cluster", "configurationValues", "preserve"}
)

# Existing objects are taken over, and changes of the defaults by others undone.
_CONFLICTS: Final = {
    "resolveConflictsOnCreate": "OVERWRITE",
    "resolveConflictsOnUpdate": "OVERWRITE",
}

_CNI_ENVIRONMENT = {
    "AWS_VPC_ENI_MTU": "9001",
    "AWS_VPC_K8S_CNI_CUSTOM_NETWORK_CFG": "false",
    "AWS_VPC_K8S_CNI_EXTERNALSNAT": "false",
    "AWS_VPC_K8S_CNI_LOGLEVEL": "DEBUG",
    "AWS_VPC_K8S_CNI_LOG_FILE": "/host/var/log/aws-routed-eni/ipamd.log",
    "AWS_VPC_K8S_CNI_VETHPREFIX": "eni",
    "AWS_VPC_K8S_PLUGIN_LOG_FILE": "/var/log/aws-routed-eni/plugin.log",
    "AWS_VPC_K8S_PLUGIN_LOG_LEVEL": "DEBUG",
    "ENABLE_POD_ENI": "false",
    "WARM_ENI_TARGET": "1",
}
_CNI_INIT_ENVIRONMENT = {"DISABLE_TCP_EARLY_DEMUX": "false"}


def construct(request: Request) -> ConstructResult:
    """An add-on of a cluster, registered under that cluster whatever parent the program named."""
    request.refuse_others(TYPE, SUPPORTED)
    name, owner = request.require("addonName"), request.require("cluster")
    if not isinstance(owner, ClusterComponent):
        raise UserError("'cluster' must be an eks.Cluster")
    component = request.component(TYPE, parent=owner.as_parent)
    cluster = output(owner, "eksCluster")
    wanted = {
        "preserve": request.inputs.get("preserve", True),
        **request.only("addonVersion", *_PASSED_ON),
    }
    if "configurationValues" in request.inputs:
        wanted["configurationValues"] = pulumi.Output.from_input(
            request.inputs["configurationValues"]
        ).apply(_as_text)
    _register(name, request.name, cluster, wanted, component, request.options.depends_on)
    component.register_outputs({})
    return ConstructResult(component.urn, {})


def kube_proxy(request: Request, cluster: AwsResource, parent: pulumi.Resource) -> AwsResource:
    """The add-on for Services, which every cluster needs."""
    name = f"{request.name}-kube-proxy"
    wanted = {"preserve": True, **request.only("tags")}
    return _register("kube-proxy", name, cluster, wanted, parent)


def vpc_cni(
    request: Request,
    cluster: AwsResource,
    parent: pulumi.Resource,
    kubernetes: pulumi.ProviderResource,
) -> pulumi.ComponentResource:
    """The add-on that gives pods their addresses; a component of its own."""
    name = f"{request.name}-vpc-cni"
    options = pulumi.ResourceOptions(parent=parent, providers=[kubernetes])
    component = pulumi.ComponentResource("eks:index:VpcCniAddon", name, {}, options)
    configuration = {
        "env": _CNI_ENVIRONMENT,
        "init": {"env": _CNI_INIT_ENVIRONMENT},
        **network_policy(request),
    }
    wanted = {
        "configurationValues": _as_text(configuration),
        "preserve": True,
        **request.only("tags"),
    }
    addon = _register("vpc-cni", name, cluster, wanted, component, [cluster])
    component.register_outputs({"addon": addon})
    return component


def network_policy(request: Request) -> dict[str, str]:
    """The one option of the CNI that the sandbox knows; the add-on's own schema has it as a text."""
    given = request.inputs.get("vpcCniOptions", {})
    # The SDK adds what is done about conflicts, as it is done without options.
    if not isinstance(given, dict) or given.items() - _CONFLICTS.items() - {
        ("enableNetworkPolicy", True),
        ("enableNetworkPolicy", False),
    }:
        raise Unsupported(
            "The sandbox's eks:index:Cluster knows the vpcCniOption enableNetworkPolicy only",
            "It must be true or false, and known before `up`.",
        )
    enabled = given.get("enableNetworkPolicy")
    return {} if enabled is None else {"enableNetworkPolicy": "true" if enabled else "false"}


def _register(
    addon: Any,
    name: str,
    cluster: AwsResource | pulumi.Output[Any],
    wanted: dict[str, Any],
    parent: pulumi.Resource,
    depends_on: Any = None,
) -> AwsResource:
    """An add-on of the newest version that fits the cluster's, if none is wanted."""
    found: pulumi.Output[Any] = pulumi.Output.from_input(cluster)
    inputs = {
        "addonName": addon,
        "clusterName": found.apply(lambda cluster: output(cluster, "name")),
        **_CONFLICTS,
        **wanted,
    }
    if "addonVersion" not in inputs:
        version = found.apply(lambda cluster: output(cluster, "version"))
        arguments = {"addonName": addon, "kubernetesVersion": version, "mostRecent": True}
        newest = aws("eks/getAddonVersion:getAddonVersion", arguments, parent)
        inputs["addonVersion"] = newest["version"]
    return AwsResource("aws:eks/addon:Addon", name, inputs, parent, depends_on=depends_on)


def _as_text(values: Any) -> str:
    return json.dumps(json.loads(json.dumps(values), parse_float=_number), sort_keys=True)


def _number(text: str) -> float:
    """Every number travels as a float; the schema of an add-on wants its whole numbers back."""
    number = float(text)
    return int(number) if number.is_integer() else number
