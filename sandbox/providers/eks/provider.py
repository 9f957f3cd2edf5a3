"""pulumi-eks's component provider: which component answers which request."""

from collections.abc import Callable, Mapping
from typing import Final

from sandbox.providers.contract import (
    CallRequest,
    ConstructRequest,
    ConstructResult,
    Provider,
)
from sandbox.providers.eks import addon, cluster, node_group
from sandbox.providers.eks.monitor import Monitor
from sandbox.wire.values import Properties

_COMPONENTS: Final[Mapping[str, Callable[[Monitor, ConstructRequest], ConstructResult]]] = {
    addon.TYPE: addon.construct,
    cluster.TYPE: cluster.construct,
    node_group.TYPE: node_group.construct,
}
_METHODS: Final[Mapping[str, Callable[[Monitor, CallRequest], Properties]]] = {
    cluster.GET_KUBECONFIG: cluster.get_kubeconfig,
}


class EksProvider(Provider):
    """Holds nothing between requests, so they may come at the same time."""

    package = "eks"
    version = "4.4.0"

    def construct(self, request: ConstructRequest) -> ConstructResult:
        component = _COMPONENTS.get(request.type)
        if component is None:
            raise self._refuse("component", request.type)
        with Monitor(request.monitor_address) as monitor:
            return component(monitor, request)

    def call(self, request: CallRequest) -> Properties:
        method = _METHODS.get(request.token)
        if method is None:
            raise self._refuse("method", request.token)
        with Monitor(request.monitor_address) as monitor:
            return method(monitor, request)
