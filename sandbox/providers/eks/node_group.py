"""eks:index:ManagedNodeGroup: workers that EKS manages."""

from typing import Any

from sandbox.errors import UserError
from sandbox.providers.contract import ConstructRequest, ConstructResult
from sandbox.providers.eks import inputs as given
from sandbox.providers.eks.monitor import Monitor, Registered
from sandbox.wire.values import Output, ResourceReference, Value, reveal

TYPE = "eks:index:ManagedNodeGroup"
_PASSED_ON = (
    "amiType",
    "capacityType",
    "diskSize",
    "forceUpdateVersion",
    "instanceTypes",
    "labels",
    "nodeGroupName",
    "releaseVersion",
    "subnetIds",
    "tags",
    "taints",
)
SUPPORTED = frozenset(
    {*_PASSED_ON, "cluster", "nodeRole", "nodeRoleArn", "scalingConfig", "version"}
)

_SCALING = {"desiredSize": 2, "minSize": 1, "maxSize": 2}


def construct(monitor: Monitor, request: ConstructRequest) -> ConstructResult:
    """The component and its only child."""
    inputs = given.read(request, SUPPORTED)
    if ("nodeRole" in inputs) == ("nodeRoleArn" in inputs):
        raise UserError("Exactly one of 'nodeRole' and 'nodeRoleArn' must be given")
    core = _core(monitor, inputs.require("cluster"))
    cluster = _look_up(monitor, core.get("cluster"))
    component = monitor.component(
        TYPE,
        request.name,
        parent=request.parent,
        providers=request.providers,
        depends_on=request.dependencies,
    )
    group = monitor.resource(
        "aws:eks/nodeGroup:NodeGroup",
        request.name,
        {
            "clusterName": cluster["name"],
            "nodeRoleArn": _role_arn(monitor, inputs),
            "scalingConfig": inputs.get("scalingConfig", _SCALING),
            "subnetIds": core.get("subnetIds"),
            "version": inputs.get("version", cluster["version"]),
            **inputs.only(*_PASSED_ON),
        },
        parent=component,
        depends_on=request.dependencies,
    )
    outputs = {"nodeGroup": group.reference}
    monitor.outputs(component, outputs)
    return ConstructResult(component.urn, outputs, {"nodeGroup": [group.urn]})


def _core(monitor: Monitor, value: Value) -> dict[str, Any]:
    """A cluster is given as the component, or as its `core`."""
    # Not `plain`: in a preview parts of the core are unknown, its references are not.
    cluster = reveal(value)
    if isinstance(cluster, ResourceReference):
        cluster = reveal(monitor.lookup(cluster)["core"])
    if not isinstance(cluster, dict):
        raise UserError("'cluster' must be an eks.Cluster or its core")
    return cluster


def _look_up(monitor: Monitor, value: Value) -> Registered:
    if not isinstance(value, ResourceReference):
        raise UserError("'cluster' must be an eks.Cluster or its core")
    return monitor.lookup(value)


def _role_arn(monitor: Monitor, inputs: given.Inputs) -> Value:
    if "nodeRoleArn" in inputs:
        return inputs.get("nodeRoleArn")
    role = inputs.get("nodeRole")
    inner = role.value if isinstance(role, Output) else role
    return _look_up(monitor, inner)["arn"]
