"""Which kinds of objects an API server has, and where: its own discovery, asked once.

Two requests tell all of it. The package's dynamic client asks once for each API group, and keeps
the answers in a file under a name that anybody on the machine can guess.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cli.cloud.kubernetes.connection import JSON, Connection
from cli.cloud.kubernetes.errors import UnknownKind

_AGGREGATED = f"{JSON};g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"


@dataclass(frozen=True)
class ApiResource:
    """One kind of object in one version of its API."""

    api_version: str
    name: str
    plural: str
    namespaced: bool
    aliases: frozenset[str]
    """What else it is called: its plural and singular, and short names such as `pvc`."""

    def path(self, namespace: str = "", name: str = "", *more: str) -> str:
        """Of all objects, of those in a namespace, of one, or of a part of one."""
        root = "api" if self.api_version == "v1" else "apis"
        space = ("namespaces", namespace) if self.namespaced and namespace else ()
        parts = ("", root, self.api_version, *space, self.plural, name, *more)
        return "/".join(parts).rstrip("/")


class Discovery:
    """The kinds of one API server."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._known: list[ApiResource] = []

    def called(self, name: str) -> ApiResource:
        """By name as on kubectl's command line: `pods`, `deployment`, `nodepools.karpenter.sh`."""
        short, _, group = name.lower().partition(".")

        def fits(kind: ApiResource) -> bool:
            in_group = not group or kind.api_version.partition("/")[0] == group
            return in_group and short in kind.aliases

        return self._first(fits, name)

    def of(self, document: Mapping[str, Any]) -> ApiResource:
        """That of an object."""
        api_version, name = document["apiVersion"], document["kind"]
        return self._first(
            lambda kind: kind.api_version == api_version and kind.name == name,
            f"{name} ({api_version})",
        )

    def _first(self, fits: Any, shown: str) -> ApiResource:
        # Again for what was defined since it was asked.
        for fresh in (False, True) if self._known else (True,):
            if fresh:
                self._known = list(self._discover())
            for kind in self._known:
                if fits(kind):
                    return kind
        raise UnknownKind(f"The cluster has no kind of object called {shown}")

    def _discover(self) -> Iterator[ApiResource]:
        """The core first, and the preferred version of each group before its others."""
        for root in ("/api", "/apis"):
            found = json.loads(self._connection.request("GET", root, accept=_AGGREGATED))
            for group in found["items"]:
                for version in group["versions"]:
                    name = group["metadata"].get("name")
                    api_version = f"{name}/{version['version']}" if name else version["version"]
                    for resource in version.get("resources", ()):
                        # Some have nothing but parts.
                        if "responseKind" in resource:
                            yield _resource(api_version, resource)


def _resource(api_version: str, resource: Mapping[str, Any]) -> ApiResource:
    plural, name = resource["resource"], resource["responseKind"]["kind"]
    others = (resource.get("singularResource", ""), *resource.get("shortNames", ()))
    aliases = frozenset({plural, name.lower(), *others})
    return ApiResource(api_version, name, plural, resource["scope"] == "Namespaced", aliases)
