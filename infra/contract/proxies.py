"""A company's proxy: what may be said of one, and what is never reached through it.

What goes by it is HTTP: AWS and the internet. Kubernetes, the environment's own services and AWS's addresses on the node
are no business of a proxy's, whatever the settings say.
"""

import ipaddress
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from infra.contract import networks

HTTP: Final = "httpProxy"
HTTPS: Final = "httpsProxy"
EXCEPTIONS: Final = "noProxy"

NODE_ADDRESSES: Final = ("localhost", "127.0.0.1", "::1", "169.254.169.254", "169.254.170.23")
"""The pod itself, the instance's metadata, and the agent that gives pods their credentials."""

LOG_PORTS: Final = ("all://*:8793", "all://*:8794")
"""Where the UI reads logs of Celery's workers and of the triggerer, by the pod's address. Its library, httpx, knows no networks in
this list, and takes this form for a port; all others pass over it."""

_HOST: Final = r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?"
_EXCEPTION: Final = re.compile(rf"\*?\.?{_HOST}(:[0-9]{{1,5}})?|[0-9A-Fa-f:.]+(/[0-9]{{1,3}})?")
_HOSTS: Final = {"ecr": ("api.ecr", "dkr.ecr")}
"""Of AWS's services those whose hosts begin otherwise than the setting's word."""
_PORTS: Final = {"http": 80, "https": 443}


@dataclass(frozen=True)
class ProxyAddress:
    """Where a proxy listens."""

    host: str
    port: int

    @property
    def block(self) -> str:
        """Its address as a network, for a policy; empty where only DNS knows it."""
        try:
            return str(ipaddress.ip_network(self.host))
        except ValueError:
            return ""


def check_address(value: str) -> str | None:
    """The address of a proxy. A password in it is not repeated."""
    if not value:
        return None
    form = "must be http://HOST:PORT, such as http://proxy.example.com:3128"
    try:
        found = urlsplit(value)
        port = found.port
    except ValueError:
        return form
    if "@" in found.netloc:
        return (
            "must have no user and no password: it stands in pods and in the state, where everybody may read it. Let the proxy "
            "know the network by its addresses"
        )
    usable = found.scheme in _PORTS and re.fullmatch(_HOST, found.hostname or "")
    more = found.path not in ("", "/") or found.query or found.fragment
    return None if usable and not more and port != 0 and not re.search(r"\s", value) else form


def check_exceptions(values: tuple[str, ...]) -> str | None:
    """Hosts, domains and networks."""
    for value in values:
        if not _EXCEPTION.fullmatch(value):
            return f"must be a list of hosts, domains and networks such as .example.com and 10.0.0.0/8, not {value!r}"
        if "/" in value:
            try:
                ipaddress.ip_network(value)
            except ValueError as error:
                return f"must name networks ({error})"
    return None


def misfits(
    http: str, https: str, given: Sequence[str], *, rancher: bool
) -> Iterator[tuple[str, str]]:
    """What does not go together: the setting, and the words."""
    if not (http or https):
        if given:
            yield EXCEPTIONS, f"it counts with {HTTPS} or {HTTP} only, and neither is set"
        return
    if rancher:
        yield (
            HTTPS if https else HTTP,
            "the Rancher server has a way out of its own, and its agents in the cluster would have none: "
            "./aerodrome config set rancherEnabled false (a Rancher of your own can import the cluster: docs/rancher.md)",
        )


def addresses(*proxies: str) -> list[ProxyAddress]:
    """Where they listen, each once."""
    found = (urlsplit(one) for one in proxies if one)
    return list(
        dict.fromkeys(
            ProxyAddress(str(one.hostname), one.port or _PORTS[one.scheme]) for one in found
        )
    )


def exceptions(
    given: Iterable[str],
    cidrs: Iterable[str] = (),
    services: Iterable[str] = (),
    region: str = "",
) -> list[str]:
    """What pods reach without the proxy: always the cluster and the network, and AWS's services that the network has endpoints of."""
    suffix = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
    own = [
        f"{name}.{region}.{suffix}"
        for service in services
        for name in (_HOSTS.get(service) or (service,))
    ]
    return list(
        dict.fromkeys(
            (
                *NODE_ADDRESSES,
                ".svc",
                ".cluster.local",
                *networks.SERVICES,
                *cidrs,
                *own,
                *LOG_PORTS,
                *given,
            )
        )
    )


def build_arguments(http: str, https: str, given: Iterable[str]) -> dict[str, str]:
    """What builders know without an ARG: it is in no layer, and in no history of an image."""
    values: dict[str, Any] = {
        "HTTP_PROXY": http,
        "HTTPS_PROXY": https,
        "NO_PROXY": ",".join(given) if http or https else "",
    }
    found = {key: value for key, value in values.items() if value}
    return found | {key.lower(): value for key, value in found.items()}
