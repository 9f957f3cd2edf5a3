"""How people reach the UI: what the chart makes of an environment's host, its own or the one below its base's."""

from typing import Any

import pulumi

from infra.base import Base
from infra.contract import ingress
from infra.contract.ingress import Way
from infra.contract.outputs import Outputs
from infra.contract.tenancy import Tenancy
from infra.stack import Stack


def own_way(stack: Stack) -> Way | None:
    """By its own settings."""
    settings = stack.settings
    if not settings.ui_host:
        return None
    own_network = settings.tenancy == Tenancy.dedicated and settings.ui_certificate_arn
    return Way(
        settings.ui_host,
        settings.ui_path,
        settings.ui_certificate_arn,
        settings.ui_certificate_issuer,
        settings.ui_certificate_secret,
        settings.ui_ingress_class,
        settings.ui_ingress_namespace,
        # The load balancer's addresses are of its subnets, which the pods share with it.
        stack.network_cidrs if own_network else (),
        stack.names.cluster if settings.ui_branch_hosts else "",
    )


def way_of_branch(stack: Stack, base: Base) -> pulumi.Output[Way | None]:
    """By its own settings, or below its base's host if that offers it."""
    own, name = own_way(stack), stack.settings.environment
    return base.output(Outputs.branch_ui).apply(
        lambda offered: own or ingress.of_branch(name, offered or {})
    )


def ui_values(way: Way | None) -> dict[str, Any]:
    """The chart's values below `ui`."""
    return way.values() if way else {}


def ui_values_of_branch(way: pulumi.Output[Way | None]) -> dict[str, Any]:
    """The same, value by value: the user's files are merged over them before any is known."""
    nowhere = Way("").values()

    def value(*path: str) -> pulumi.Output[Any]:
        def find(found: Way | None) -> Any:
            place: Any = found.values() if found else {**nowhere, "baseUrl": ""}
            for key in path:
                place = place[key]
            return place

        return way.apply(find)

    below = {key: value("ingress", key) for key in nowhere["ingress"]}
    return {"host": value("host"), "baseUrl": value("baseUrl"), "ingress": below}
