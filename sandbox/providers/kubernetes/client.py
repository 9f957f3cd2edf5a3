"""What the provider asks of a cluster, in Kubernetes's words.

Between `lifecycle.py`, `waiting.py`, `diagnosis.py`, `helm/` above and `transport.py` below.
"""

import http.client
import threading
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from sandbox.errors import CloudError
from sandbox.providers.kubernetes.kinds import Kind, Served, built_in
from sandbox.providers.kubernetes.transport import ApiError, Request, Transport

Object = dict[str, Any]

_APPLY = "application/apply-patch+yaml"


class NoSuchKind(CloudError):
    """The cluster does not serve the kind (yet): its CRD may still be to come."""


class Client:
    """One cluster. Safe across threads."""

    def __init__(self, transport: Transport) -> None:
        self.transport = transport
        self._lock = threading.Lock()
        self._discovered: dict[str, dict[str, Served]] = {}

    def served(self, kind: Kind) -> Served:
        """Where `kind` is served; NoSuchKind if nowhere."""
        known = built_in(kind)
        if known is not None:
            return known
        with self._lock:
            group = self._discovered.get(kind.api_version)
        if group is None or kind.kind not in group:
            group = self._discover(kind)
        if kind.kind not in group:
            raise NoSuchKind(
                f"The cluster does not know {kind}",
                "Is the CustomResourceDefinition that brings it created first?",
            )
        return group[kind.kind]

    def get(self, kind: Kind, namespace: str, name: str) -> Object | None:
        """The object, or None if there is none."""
        try:
            return self._object(Request("GET", self._path(kind, namespace, name)))
        except ApiError as error:
            if error.status == http.client.NOT_FOUND:
                return None
            raise

    def find(self, kind: Kind, namespace: str, **selectors: str) -> list[Object]:
        """The objects of `kind`; selectors are labelSelector and fieldSelector."""
        request = Request("GET", self._path(kind, namespace), query=selectors)
        return list(self.transport.json(request).get("items") or ())

    def apply(
        self, body: Mapping[str, Any], manager: str, *, dry_run: bool, force: bool = False
    ) -> Object:
        """Server-side apply as the field manager `manager`; the object as it is then."""
        kind, namespace, name = identity(body)
        query = {"fieldManager": manager, "force": str(force).lower(), "fieldValidation": "Strict"}
        if dry_run:
            query["dryRun"] = "All"
        path = self._path(kind, namespace, name)
        return self._object(Request("PATCH", path, query, dict(body), _APPLY))

    def create(self, body: Mapping[str, Any], manager: str) -> Object:
        """Plain creation in the name of `manager`; ApiError AlreadyExists if it is there."""
        kind, namespace, _ = identity(body)
        query = {"fieldManager": manager, "fieldValidation": "Strict"}
        return self._object(Request("POST", self._path(kind, namespace), query, dict(body)))

    def delete(self, kind: Kind, namespace: str, name: str, propagation: str) -> bool:
        """Ask for the deletion; False if it was gone already."""
        options = {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": propagation}
        try:
            path = self._path(kind, namespace, name)
            self.transport.json(Request("DELETE", path, body=options))
        except ApiError as error:
            if error.status == http.client.NOT_FOUND:
                return False
            raise
        return True

    def events(self, namespace: str, uid: str) -> list[Object]:
        """What happened to the object with `uid`."""
        return self.find(Kind("v1", "Event"), namespace, fieldSelector=f"involvedObject.uid={uid}")

    def log(
        self, namespace: str, pod: str, container: str, lines: int, *, previous: bool = False
    ) -> str:
        """The last lines that a container printed."""
        query = {"container": container, "tailLines": lines}
        if previous:
            query["previous"] = "true"
        path = self._path(Kind("v1", "Pod"), namespace, pod) + "/log"
        return self.transport.text(Request("GET", path, query))

    def forget_kinds(self) -> None:
        """A CRD came or went: ask anew."""
        with self._lock:
            self._discovered.clear()

    def _discover(self, kind: Kind) -> dict[str, Served]:
        try:
            answer = self.transport.json(Request("GET", kind.prefix))
        except ApiError as error:
            if error.status != http.client.NOT_FOUND:
                raise
            answer = {}
        group = {
            str(entry["kind"]): Served(str(entry["name"]), bool(entry["namespaced"]))
            for entry in answer.get("resources") or ()
            if "/" not in entry["name"]
        }
        with self._lock:
            self._discovered[kind.api_version] = group
        return group

    def _path(self, kind: Kind, namespace: str, name: str = "") -> str:
        served = self.served(kind)
        path = kind.prefix
        if served.namespaced and namespace:
            path += f"/namespaces/{quote(namespace, safe='')}"
        path += f"/{served.plural}"
        return f"{path}/{quote(name, safe='')}" if name else path

    def _object(self, request: Request) -> Object:
        return dict(self.transport.json(request))


def identity(body: Mapping[str, Any]) -> tuple[Kind, str, str]:
    """(kind, namespace, name) of a manifest or a live object."""
    metadata = body.get("metadata") or {}
    kind = Kind(str(body.get("apiVersion", "")), str(body.get("kind", "")))
    return kind, str(metadata.get("namespace") or ""), str(metadata.get("name") or "")
