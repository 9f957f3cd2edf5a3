"""eks:index:Addon, and the add-ons that a cluster brings by itself."""

import json
from dataclasses import dataclass

from sandbox.errors import Unsupported, UserError
from sandbox.providers.contract import ConstructRequest, ConstructResult
from sandbox.providers.eks import inputs as given
from sandbox.providers.eks.monitor import Component, Monitor, Registered
from sandbox.providers.eks.values import combine, plain
from sandbox.wire.values import UNKNOWN, Output, Properties, ResourceReference, Value

TYPE = "eks:index:Addon"
SUPPORTED = frozenset(
    {
        "addonName",
        "addonVersion",
        "cluster",
        "configurationValues",
        "preserve",
        "resolveConflictsOnCreate",
        "resolveConflictsOnUpdate",
        "serviceAccountRoleArn",
    }
)

# Existing objects are taken over, and changes of the defaults by others undone.
_CONFLICTS: Properties = {
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


def construct(monitor: Monitor, request: ConstructRequest) -> ConstructResult:
    """An add-on of a cluster, registered under that cluster whatever parent the program named."""
    inputs = given.read(request, SUPPORTED)
    name = inputs.require("addonName")
    cluster = _cluster(monitor, inputs.require("cluster"))
    component = monitor.component(
        TYPE,
        request.name,
        parent=_reference(inputs.require("cluster")).urn,
        providers=request.providers,
        depends_on=request.dependencies,
    )
    monitor.resource(
        "aws:eks/addon:Addon",
        request.name,
        {
            "addonName": name,
            "addonVersion": inputs.get("addonVersion")
            or _latest(monitor, name, cluster["version"], component),
            "clusterName": cluster["name"],
            "preserve": inputs.get("preserve", True),
            **_CONFLICTS,
            **inputs.only(
                "resolveConflictsOnCreate", "resolveConflictsOnUpdate", "serviceAccountRoleArn"
            ),
            **_configuration(inputs),
        },
        parent=component,
        depends_on=request.dependencies,
    )
    monitor.outputs(component, {})
    return ConstructResult(component.urn, {})


def kube_proxy(
    monitor: Monitor, name: str, cluster: Registered, tags: Value, parent: Component
) -> Registered:
    """The add-on for Services, which every cluster needs."""
    return monitor.resource(
        "aws:eks/addon:Addon",
        f"{name}-kube-proxy",
        {
            "addonName": "kube-proxy",
            "addonVersion": _latest(monitor, "kube-proxy", cluster["version"], parent),
            "clusterName": cluster["name"],
            "preserve": True,
            **_CONFLICTS,
            **_tags(tags),
        },
        parent=parent,
    )


@dataclass(frozen=True)
class VpcCni:
    """The cluster's network add-on as its program wants it."""

    name: str
    cluster: Registered
    tags: Value
    options: Value


def vpc_cni(
    monitor: Monitor, wanted: VpcCni, parent: Component, providers: dict[str, str]
) -> Component:
    """The add-on that gives pods their addresses; a component of its own."""
    logical, cluster = f"{wanted.name}-vpc-cni", wanted.cluster
    component = monitor.component(
        "eks:index:VpcCniAddon", logical, parent=parent.urn, providers=providers
    )
    configuration = {
        "env": _CNI_ENVIRONMENT,
        "init": {"env": _CNI_INIT_ENVIRONMENT},
        **_network_policy(wanted.options),
    }
    addon = monitor.resource(
        "aws:eks/addon:Addon",
        logical,
        {
            "addonName": "vpc-cni",
            "addonVersion": _latest(monitor, "vpc-cni", cluster["version"], component),
            "clusterName": cluster["name"],
            "configurationValues": json.dumps(configuration, sort_keys=True),
            "preserve": True,
            **_CONFLICTS,
            **_tags(wanted.tags),
        },
        parent=component,
        depends_on=[cluster.urn],
    )
    monitor.outputs(component, {"addon": addon.reference})
    return component


def _network_policy(options: Value) -> dict[str, str]:
    """The one option of the CNI that the sandbox knows; the add-on's own schema has it as a text."""
    given = dict(plain(options) or {})
    enabled = plain(given.pop("enableNetworkPolicy", None))
    # The SDK adds what is done about conflicts, as it is done without options.
    if given.items() - _CONFLICTS.items():
        raise Unsupported(
            "The sandbox's eks:index:Cluster knows the vpcCniOption enableNetworkPolicy only"
        )
    return {} if enabled is None else {"enableNetworkPolicy": "true" if enabled else "false"}


def _latest(monitor: Monitor, name: Value, kubernetes: Value, parent: Component) -> Value:
    """The newest version that fits the cluster's; not asked for before that is known."""
    found = monitor.invoke(
        "aws:eks/getAddonVersion:getAddonVersion",
        {"addonName": name, "kubernetesVersion": kubernetes, "mostRecent": True},
        parent,
    )
    return UNKNOWN if found is UNKNOWN else found["version"]


def _configuration(inputs: given.Inputs) -> Properties:
    if "configurationValues" not in inputs:
        return {}
    as_text = combine(
        lambda values: json.dumps(values, sort_keys=True), inputs.get("configurationValues")
    )
    return {"configurationValues": as_text}


def _tags(tags: Value) -> Properties:
    return {"tags": tags} if tags is not None else {}


def _cluster(monitor: Monitor, value: Value) -> Registered:
    """The EKS cluster behind an eks:index:Cluster."""
    component = monitor.lookup(_reference(value))
    inner = plain(component["eksCluster"])
    if not isinstance(inner, ResourceReference):
        raise UserError("'cluster' must be an eks.Cluster")
    return monitor.lookup(inner)


def _reference(value: Value) -> ResourceReference:
    inner = value.value if isinstance(value, Output) else value
    if not isinstance(inner, ResourceReference):
        raise UserError("'cluster' must be an eks.Cluster")
    return inner
