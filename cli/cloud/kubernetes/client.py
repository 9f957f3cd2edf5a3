"""The client of Kubernetes: what is there, what it logs, changing and deleting it.

Objects are the dictionaries that the API server speaks of; whatever is done to one is done to a
document that names it, so that kind and version are exact.
"""

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import quote

from cli.base.errors import KitError
from cli.cloud.kubernetes.connection import SECONDS, Connection, Explain, Query, unexplained
from cli.cloud.kubernetes.discovery import ApiResource, Discovery
from cli.cloud.kubernetes.errors import NOT_FOUND, SERVER_ERROR, Refused, UnknownKind
from cli.cloud.kubernetes.kubectl import Kubectl

Object = dict[str, Any]

_MERGE = "application/merge-patch+json"
_APPLY = "application/apply-patch+yaml"
_MAIN = "kubectl.kubernetes.io/default-container"
_PAUSE = 0.2
"""Seconds between two looks at what is being deleted."""


@dataclass(frozen=True)
class Kubernetes:
    """One cluster, and by default one namespace of it."""

    kubeconfig: Path | str = field(repr=False)
    """A file, or the text of one: a stack's output."""

    namespace: str = "default"
    program: Path | str = "kubectl"
    """The kubectl for what needs a process."""

    explain: Explain = field(default=unexplained, repr=False)
    """Why the cluster does not answer, if the way to it knows."""

    @cached_property
    def kubectl(self) -> Kubectl:
        """For a terminal in a pod, a forwarded port, and helm."""
        return Kubectl(self.kubeconfig, self.namespace, self.program)

    @cached_property
    def _connection(self) -> Connection:
        return Connection(self.kubeconfig, self.explain)

    @cached_property
    def _discovery(self) -> Discovery:
        return Discovery(self._connection)

    def find(self, kind: str, name: str, *, namespace: str = "") -> Object | None:
        """One object; None if it is not there."""
        return self._get(
            self._discovery.called(kind).path(namespace or self.namespace, quote(name))
        )

    def find_same(self, item: Mapping[str, Any]) -> Object | None:
        """The object that a document names as it is now; None if it, or its kind, is not there."""
        try:
            return self._get(self._path(item))
        except UnknownKind:
            return None

    def objects(
        self, kinds: str, *, selector: str = "", namespace: str = "", everywhere: bool = False
    ) -> list[Object]:
        """The objects of a kind (or of several: `pods,jobs`) in one namespace or `everywhere`."""
        query = [("labelSelector", selector)] if selector else []
        space = "" if everywhere else namespace or self.namespace
        return [
            item
            for name in kinds.split(",")
            for item in self._list(self._discovery.called(name), space, query)
        ]

    def may(self, verb: str, group: str, resource: str, namespace: str) -> bool:
        """Whether the caller may do that, in one namespace or, with none, in all: the API server's own judgement."""
        wanted = {"verb": verb, "group": group, "resource": resource, "namespace": namespace}
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": wanted},
        }
        path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
        answer = self._send("POST", path, body=review)
        return bool((answer.get("status") or {}).get("allowed"))

    def delete(
        self, item: Mapping[str, Any], *, grace: int | None = None, seconds: float = 0.0
    ) -> bool:
        """Deletes an object. Whether there was one.

        With `seconds` it waits until the object is gone; KitError if a finalizer holds it for longer.
        """
        # A Job's pods go with it: the API's default for them is to stay.
        options = {"propagationPolicy": "Background"}
        more = {} if grace is None else {"gracePeriodSeconds": grace}
        path = self._path(item)
        try:
            self._send("DELETE", path, body=options | more)
        except Refused as error:
            if error.status == NOT_FOUND:
                return False
            raise
        give_up = time.monotonic() + seconds
        while seconds and (left := self._get(path)):
            if time.monotonic() >= give_up:
                held = (
                    ", ".join(left["metadata"].get("finalizers") or ()) or "the reason is not known"
                )
                raise KitError(f"{_label(item)} is not gone after {seconds:.0f} seconds", held)
            time.sleep(_PAUSE)
        return True

    def patch(self, item: Mapping[str, Any], change: Mapping[str, Any], *part: str) -> None:
        """Merges `change` into an object, or into a part of it such as `status`."""
        self._send("PATCH", self._path(item, *part), body=change, content=_MERGE)

    def replace(self, item: Mapping[str, Any], *part: str) -> None:
        """Puts a whole object, or a part of it, in the place of the one that has its name."""
        self._send("PUT", self._path(item, *part), body=item)

    def apply(self, item: Mapping[str, Any], manager: str, *, dry_run: bool = False) -> Object:
        """Applies a document on the server's side as a fields' manager, whoever has the fields now.

        Returns the object as it is then; with `dry_run` as it would be.
        """
        query = [("fieldManager", manager), ("force", "true")]
        if dry_run:
            query.append(("dryRun", "All"))
        return self._send("PATCH", self._path(item), query, body=item, content=_APPLY)

    def unevictable(self, pod: Mapping[str, Any]) -> str:
        """Why a pod could not be evicted now, in the API server's words; empty if it could be. Nothing is evicted."""
        metadata = pod["metadata"]
        name = {"name": metadata["name"], "namespace": metadata["namespace"]}
        asked = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": name}
        path = self._path(pod, "eviction")
        try:
            # Once: what a budget forbids is answered as if the server were throttling.
            self._connection.request("POST", path, [("dryRun", "All")], body=asked, attempts=1)
        except Refused as error:
            if error.status == NOT_FOUND:
                return ""
            if error.causes:
                return " ".join(error.causes)
            # Two budgets over one pod are a server's error to it.
            if error.status >= SERVER_ERROR:
                return error.detail.partition(": ")[2]
            raise
        return ""

    def logs(self, selector: str, *, lines: int, namespace: str = "") -> list[str]:
        """The last lines of every container of the pods selected."""
        return [
            line
            for pod in self.objects("pods", selector=selector, namespace=namespace)
            for container in _containers(pod)
            for line in self._connection.request(
                "GET",
                self._path(pod, "log"),
                [("container", container), ("tailLines", str(lines))],
                accept="*/*",
            )
            .decode(errors="replace")
            .splitlines()
        ]

    def text(self, path: str) -> str:
        """What the API server itself tells at a path, such as its metrics."""
        return self._connection.request("GET", path, accept="*/*").decode(errors="replace")

    def execute(
        self, pod: Mapping[str, Any], *command: str, seconds: float | None = None
    ) -> tuple[int, str, str]:
        """Runs a command in a pod's main container to its end: exit code, output and errors."""
        words = [("command", word) for word in command]
        where = [("container", main_container(pod)), ("stdout", "true"), ("stderr", "true")]
        return self._connection.execute(self._path(pod, "exec"), [*words, *where], seconds)

    def _path(self, item: Mapping[str, Any], *part: str) -> str:
        metadata = item["metadata"]
        space = metadata.get("namespace") or self.namespace
        return self._discovery.of(item).path(space, quote(metadata["name"]), *part)

    def _get(self, path: str) -> Object | None:
        try:
            return self._send("GET", path)
        except Refused as error:
            if error.status == NOT_FOUND:
                return None
            raise

    def _list(self, kind: ApiResource, namespace: str, query: Query) -> Iterator[Object]:
        for item in self._send("GET", kind.path(namespace), query)["items"]:
            # In a list, the server leaves these out.
            yield {"apiVersion": kind.api_version, "kind": kind.name, **item}

    def _send(self, method: str, path: str, query: Query = (), **more: Any) -> Object:
        found: Object = json.loads(self._connection.request(method, path, query, **more))
        return found


def reference(api_version: str, kind: str, name: str, namespace: str = "") -> Object:
    """A document that names an object."""
    space = {"namespace": namespace} if namespace else {}
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name, **space}}


def main_container(pod: Mapping[str, Any]) -> str:
    """The container that is meant when none is named: others serve it."""
    marked = (pod["metadata"].get("annotations") or {}).get(_MAIN)
    return str(marked or pod["spec"]["containers"][0]["name"])


def _containers(pod: Object) -> list[str]:
    spec = pod["spec"]
    return [str(each["name"]) for each in [*spec.get("initContainers", ()), *spec["containers"]]]


def _label(item: Mapping[str, Any]) -> str:
    return f"{str(item['kind']).lower()} {item['metadata']['name']}"


__all__ = ["SECONDS", "Kubernetes", "Object", "main_container", "reference"]
