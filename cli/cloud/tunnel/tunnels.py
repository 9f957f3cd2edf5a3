"""The ways that one run of the command line has opened: made when first needed, closed with the run."""

import json
import os
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from cli.base.errors import KitError
from cli.cloud.resource import Client
from cli.cloud.tunnel.addresses import addresses

if TYPE_CHECKING:
    from cli.cloud.tunnel.way import Way


@dataclass(frozen=True)
class ClusterPlace:
    """The clusters that an environment may be in, and who asks AWS about them."""

    client: Callable[[str], Client]
    """For a region; the empty one is that of the variables."""

    region: Callable[[], str]
    """Empty if nothing here says it."""

    clusters: Callable[[], Iterable[str]]
    """Its own, and its base's."""

    configured: Callable[[], bool]
    """Whether its configuration wants a way through the workers."""


@dataclass(frozen=True)
class EnvironmentWay:
    """The way to the cluster of one environment, if it takes one."""

    tunnels: "Tunnels"
    environment: str
    place: ClusterPlace

    def variables(self, variables: Mapping[str, str]) -> dict[str, str]:
        """All variables of a program that may have to reach the cluster."""
        return self.tunnels.variables(self.environment, self.place, variables)

    def kubeconfig(self, text: str, region: str = "") -> str:
        """A kubeconfig as this run can use it, and no other. `region`: the one that a stack's outputs name."""
        place = replace(self.place, region=lambda: region) if region else self.place
        return self.tunnels.through(self.environment, place, text)

    def way(self) -> "Way":
        """For who brings a listener of his own."""
        return self.tunnels.way(self.environment, self.place)

    def trouble(self) -> KitError | None:
        """What somebody must do before a connection can be made; None if nothing is known."""
        return self.tunnels.trouble(self.environment)


class Tunnels:
    """By environment."""

    def __init__(
        self, report: Callable[[str], None], environ: Mapping[str, str] = os.environ
    ) -> None:
        self._report = report
        self._environ = environ
        self._needed: dict[str, bool] = {}
        self._opened: dict[str, Any] = {}
        self._first: dict[str, str] = {}
        """The environment that first came with a kubeconfig: its way is everybody's who is in that cluster."""

        self._ways: dict[str, str] = {}
        """Whose way an environment takes, if another's."""

        self._changed: dict[str, str] = {}
        """Kubeconfigs as this run uses them."""

        self._lock = threading.RLock()

    def variables(
        self, environment: str, place: ClusterPlace, variables: Mapping[str, str]
    ) -> dict[str, str]:
        """All variables of a program that may have to reach the environment's cluster."""
        if not self._is_needed(environment, place):
            return dict(variables)
        changed: dict[str, str] = self._proxy(environment, place).variables(variables)
        return changed

    def through(self, environment: str, place: ClusterPlace, kubeconfig: str) -> str:
        """A kubeconfig's text as this run can use it. It is not for keeping: the proxy that it names goes with the run."""
        with self._lock:
            first = self._first.setdefault(kubeconfig, environment)
            self._ways[environment] = first
            if kubeconfig not in self._changed:
                self._changed[kubeconfig] = self._change(first, place, kubeconfig)
            return self._changed[kubeconfig]

    def _change(self, environment: str, place: ClusterPlace, kubeconfig: str) -> str:
        import yaml

        content = yaml.safe_load(kubeconfig)
        if not place.configured() and _is_outside(content):
            return kubeconfig
        if names := _clusters(content):
            place = replace(place, clusters=lambda: names)
        if not self._is_needed(environment, place):
            return kubeconfig
        for each in content["clusters"]:
            each["cluster"]["proxy-url"] = self._proxy(environment, place).url
        return json.dumps(content)

    def way(self, environment: str, place: ClusterPlace) -> "Way":
        """The way itself."""
        found: Way = self._of(environment, place)[0]
        return found

    def trouble(self, environment: str) -> KitError | None:
        """What somebody must do before a connection can be made. That no worker is there yet is nothing of the kind."""
        from cli.cloud.tunnel.sessions import NoWorker

        with self._lock:
            opened = self._opened.get(self._ways.get(environment, environment))
        found: KitError | None = opened[0].trouble if opened else None
        return None if isinstance(found, NoWorker) else found

    def close(self) -> None:
        """Ends every session, and gives the ports back."""
        with self._lock:
            opened, self._opened = list(self._opened.values()), {}
        for way, proxy in opened:
            proxy.close()
            way.close()

    def _is_needed(self, environment: str, place: ClusterPlace) -> bool:
        with self._lock:
            if environment not in self._needed:
                self._needed[environment] = place.configured() or self._is_private(place)
            return self._needed[environment]

    def _is_private(self, place: ClusterPlace) -> bool:
        """As EKS has it now: a configuration may have changed, or be elsewhere."""
        from cli.cloud.tunnel.way import endpoint

        client = place.client(place.region())
        return any(endpoint(client, cluster).private for cluster in place.clusters())

    def _proxy(self, environment: str, place: ClusterPlace) -> Any:
        return self._of(environment, place)[1]

    def _of(self, environment: str, place: ClusterPlace) -> Any:
        # Not earlier: most runs need none of it.
        from cli.cloud.tunnel.listeners import Proxy
        from cli.cloud.tunnel.sessions import WorkerSessions
        from cli.cloud.tunnel.way import Way

        with self._lock:
            if environment not in self._opened:
                region = place.region()
                client = place.client(region)
                make = partial(WorkerSessions, client, report=self._report, environ=self._environ)
                way = Way(client, region, place.clusters, make)
                self._opened[environment] = (way, Proxy(way))
            return self._opened[environment]


def _is_outside(kubeconfig: Mapping[str, Any]) -> bool:
    """Whether its servers have addresses of the internet, or of this machine: a private API has the VPC's for everybody, by EKS's
    documentation. To ask DNS takes a hundredth of what it takes to ask EKS."""
    try:
        for each in kubeconfig["clusters"]:
            place = urlsplit(str(each["cluster"]["server"]))
            found = addresses(place.hostname, place.port or 443)
            if not all(one.is_global or one.is_loopback for one in found):
                return False
    except (OSError, ValueError, KeyError, TypeError):
        return False
    return True


def _clusters(kubeconfig: Mapping[str, Any]) -> list[str]:
    """Of EKS, as the AWS CLI is told to log in to them."""
    found = []
    for user in kubeconfig.get("users") or ():
        words = ((user.get("user") or {}).get("exec") or {}).get("args") or ()
        found += [after for word, after in pairwise(words) if word == "--cluster-name"]
    return found
