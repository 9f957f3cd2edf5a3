"""eks:index:ManagedNodeGroup: workers that EKS manages."""

from typing import Any

import pulumi
from pulumi.provider import ConstructResult

from sandbox.errors import UserError
from sandbox.providers.eks.resources import AwsResource, ClusterComponent, Request, output

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
    "version",
)
SUPPORTED = frozenset(
    {
        *_PASSED_ON,
        "cluster",
        "ignoreScalingChanges",
        "nodeRole",
        "nodeRoleArn",
        "scalingConfig",
    }
)

_SCALING = {"desiredSize": 2, "minSize": 1, "maxSize": 2}


def construct(request: Request) -> ConstructResult:
    """The component and its only child."""
    request.refuse_others(TYPE, SUPPORTED)
    if ("nodeRole" in request.inputs) == ("nodeRoleArn" in request.inputs):
        raise UserError("Exactly one of 'nodeRole' and 'nodeRoleArn' must be given")
    given = pulumi.Output.from_input(request.require("cluster"))
    cluster = given.apply(_cluster)
    component = request.component(TYPE)
    ignored = ["scalingConfig.desiredSize"] if request.flag("ignoreScalingChanges") else None
    group = AwsResource(
        "aws:eks/nodeGroup:NodeGroup",
        request.name,
        {
            "clusterName": cluster.apply(lambda found: output(found, "name")),
            "nodeRoleArn": _role_arn(request),
            "scalingConfig": request.inputs.get("scalingConfig", _SCALING),
            "subnetIds": given.apply(_core).apply(lambda core: core["subnetIds"]),
            "version": cluster.apply(lambda found: output(found, "version")),
            **request.only(*_PASSED_ON),
        },
        component,
        depends_on=request.options.depends_on,
        ignore_changes=ignored,
    )
    outputs: dict[str, Any] = {"nodeGroup": group}
    component.register_outputs(outputs)
    return ConstructResult(component.urn, outputs)


def _cluster(given: Any) -> Any:
    """A cluster is given as the component, or as its `core`."""
    # Not the component's `core`: in a preview it is unknown as soon as a part of it is.
    if isinstance(given, ClusterComponent):
        return output(given, "eksCluster")
    return _core(given)["cluster"]


def _core(given: Any) -> Any:
    if isinstance(given, ClusterComponent):
        return output(given, "core")
    if not isinstance(given, dict) or "cluster" not in given:
        raise UserError("'cluster' must be an eks.Cluster or its core")
    return given


def _role_arn(request: Request) -> Any:
    if "nodeRoleArn" in request.inputs:
        return request.inputs["nodeRoleArn"]
    role = pulumi.Output.from_input(request.inputs["nodeRole"])
    return role.apply(lambda found: output(found, "arn"))
