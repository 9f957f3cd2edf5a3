"""A company's proxy in what the environment runs: as the charts' values, and as the variables of a container."""

from typing import Any

from infra.contract import proxies
from infra.contract.proxies import ProxyAddress
from infra.stack import Stack


def proxy_values(stack: Stack) -> dict[str, Any]:
    """The value `proxy` of a chart; nothing without one."""
    settings = stack.settings
    if not (settings.http_proxy or settings.https_proxy):
        return {}
    return {
        "proxy": {
            "http": settings.http_proxy,
            "https": settings.https_proxy,
            "exceptions": exceptions_of(stack),
        }
    }


def proxy_variables(stack: Stack) -> list[dict[str, str]]:
    """Of a container whose chart is another's."""
    found = proxy_values(stack).get("proxy")
    if not found:
        return []
    values = {
        "HTTP_PROXY": found["http"],
        "HTTPS_PROXY": found["https"],
        "NO_PROXY": ",".join(found["exceptions"]),
    }
    return [{"name": key, "value": value} for key, value in values.items() if value]


def proxy_addresses(stack: Stack) -> list[ProxyAddress]:
    """Where an environment that is kept in its place must be let."""
    return proxies.addresses(stack.settings.http_proxy, stack.settings.https_proxy)


def exceptions_of(stack: Stack) -> list[str]:
    """A shared environment does not know its base's network: what of that is asked by HTTP is in `noProxy`."""
    settings = stack.settings
    if stack.names.shared:
        return proxies.exceptions(settings.no_proxy)
    return proxies.exceptions(
        settings.no_proxy, stack.network_cidrs, settings.vpc_endpoints, stack.place.region
    )
