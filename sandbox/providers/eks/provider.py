"""pulumi-eks's component provider: which component answers which request."""

from collections.abc import Callable, Mapping
from typing import Any, Final

import pulumi
from pulumi.provider import CallResult, ConstructResult, Provider

from sandbox.errors import KitError, Unsupported
from sandbox.providers.eks import addon, cluster, node_group, resources
from sandbox.providers.eks.resources import Request

_COMPONENTS: Final[Mapping[str, Callable[[Request], ConstructResult]]] = {
    addon.TYPE: addon.construct,
    cluster.TYPE: cluster.construct,
    node_group.TYPE: node_group.construct,
}
_METHODS: Final[Mapping[str, Callable[[Mapping[str, Any]], pulumi.Inputs]]] = {
    cluster.GET_KUBECONFIG: cluster.get_kubeconfig,
}


class EksProvider(Provider):
    """Holds nothing between requests, so they may come at the same time."""

    def __init__(self) -> None:
        super().__init__("4.4.0")
        resources.rehydrate()

    def construct(
        self,
        name: str,
        resource_type: str,
        inputs: pulumi.Inputs,
        options: pulumi.ResourceOptions | None = None,
    ) -> ConstructResult:
        try:
            component = _COMPONENTS.get(resource_type)
            if component is None:
                raise _unknown("component", resource_type)
            given = {key: value for key, value in inputs.items() if value is not None}
            return component(Request(name, given, options or pulumi.ResourceOptions()))
        except KitError as error:
            raise _refusal(error) from error

    def call(self, token: str, args: pulumi.Inputs) -> CallResult:
        method = _METHODS.get(token)
        if method is None:
            raise _refusal(_unknown("method", token))
        return CallResult(method(args))


def _unknown(kind: str, name: str) -> Unsupported:
    return Unsupported(
        f"The sandbox's eks provider does not know the {kind} {name}",
        "What it does not do as the real provider does, it refuses.",
    )


def _refusal(error: KitError) -> pulumi.InputPropertiesError:
    """The one error that the SDK's host passes on without a traceback."""
    return pulumi.InputPropertiesError(str(error), [])
