"""Create, read, update and delete of any object of a cluster.

Called by `provider.py` with checked inputs. Everything goes through server-side apply; the
pure parts are in `objects.py`.
"""

import base64
import http.client
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sandbox.errors import CloudError, PartiallyCreated, UserError
from sandbox.providers import contract
from sandbox.providers.kubernetes import objects
from sandbox.providers.kubernetes.client import Client, NoSuchKind, Object, identity
from sandbox.providers.kubernetes.kinds import Kind, kind_of
from sandbox.providers.kubernetes.ownership import leave_to_others, owns
from sandbox.providers.kubernetes.telling import About
from sandbox.providers.kubernetes.transport import ApiError, Unreachable
from sandbox.providers.kubernetes.waiting import DEFAULT_SECONDS, NotReady, Waiter
from sandbox.wire.values import UNKNOWN, Properties, has_unknowns

_CREATE_ATTEMPTS = 6
_FIRST_DELAY = 0.5

# Errors of a dry run that say nothing about the program: what is missing may be still to come.
_NOT_TELLING = frozenset(
    {
        http.client.NOT_FOUND,
        http.client.FORBIDDEN,
        http.client.UNAUTHORIZED,
        http.client.CONFLICT,
    }
)
_MISSPELT = "failed to create typed patch object"
"""A field that the kind does not have; the kube-apiserver reports it as its own failure."""

_WRONG_INPUT = frozenset({http.client.BAD_REQUEST, http.client.UNPROCESSABLE_ENTITY})


@dataclass(frozen=True)
class Policy:
    """Provider arguments that decide what is overwritten and when to give up."""

    force: bool = False
    upsert: bool = False
    delete_unreachable: bool = False


class Lifecycle:
    """The objects of one cluster. Safe across threads."""

    def __init__(
        self,
        client: Callable[[], Client],
        cancelled: threading.Event,
        policy: Policy,
        about: About,
    ) -> None:
        self._connect = client
        self._cancelled = cancelled
        self._policy = policy
        self._about = about

    def create(self, request: contract.CreateRequest) -> contract.CreateResult:
        inputs = request.inputs
        if request.preview:
            return contract.CreateResult("", self._preview(request.urn, inputs, {}, ()))
        client = self._connect()
        manager = objects.field_manager(request.urn, inputs, {})
        body = self._body(client, inputs)
        live = self._retrying(lambda: self._create(client, body, manager))
        live = self._await(request, live, manager, "created")
        if body.get("kind") == "CustomResourceDefinition":
            client.forget_kinds()
        return contract.CreateResult(
            objects.resource_id(live), objects.outputs(inputs, live, manager)
        )

    def update(self, request: contract.UpdateRequest) -> Properties:
        inputs, old = request.inputs, request.old_outputs
        if request.preview:
            return self._preview(request.urn, inputs, old, request.ignore_changes)
        client = self._connect()
        manager = objects.field_manager(request.urn, inputs, old)
        body = self._body(client, inputs)
        if request.ignore_changes:
            body = leave_to_others(
                body, client.get(*identity(body)), manager, request.ignore_changes
            )
        live = self._apply(client, body, manager, dry_run=False)
        live = self._await(request, live, manager, "updated")
        return objects.outputs(inputs, live, manager)

    def read(self, request: contract.ReadRequest) -> contract.ReadResult | None:
        namespace, name = objects.split_id(request.id)
        kind = _kind(request.type, request.inputs or request.outputs)
        try:
            live = self._connect().get(kind, namespace, name)
        except NoSuchKind:
            return None
        except Unreachable as error:
            if self._policy.delete_unreachable:
                return None
            raise _unreachable(error) from error
        if live is None:
            return None
        if request.inputs:
            inputs = _drifted(request.inputs, objects.live_of(request.outputs), live)
        else:
            inputs = _adopted(live)
        manager = objects.field_manager(request.urn, inputs, request.outputs)
        outputs = objects.outputs(inputs, live, manager)
        return contract.ReadResult(request.id, objects.conceal(inputs), outputs)

    def delete(self, request: contract.DeleteRequest) -> None:
        namespace, name = objects.split_id(request.id)
        kind = _kind(request.type, request.inputs or request.outputs)
        propagation = objects.annotation(request.inputs, objects.PROPAGATION) or "foreground"
        uid = str((request.outputs.get("metadata") or {}).get("uid") or "")
        try:
            client = self._connect()
            if not client.delete(kind, namespace, name, propagation.capitalize()):
                return
            if objects.is_true(request.inputs, objects.SKIP_AWAIT):
                return
            seconds = objects.timeout_of(request.inputs, request.timeout, DEFAULT_SECONDS)
            waiter = Waiter(client, self._cancelled, tell=self._about(request.urn))
            waiter.until_gone(kind, namespace, name, uid, seconds)
            if kind.kind == "CustomResourceDefinition":
                client.forget_kinds()
        except NoSuchKind:
            return
        except Unreachable as error:
            if not self._policy.delete_unreachable:
                raise _unreachable(error) from error

    def _body(self, client: Client, inputs: Properties) -> Properties:
        """What to send. A namespace that was only assumed is taken away again."""
        body = objects.manifest(inputs)
        kind, namespace, _ = identity(body)
        if not namespace or self._retrying(lambda: client.served(kind)).namespaced:
            return body
        metadata = {key: value for key, value in body["metadata"].items() if key != "namespace"}
        return {**body, "metadata": metadata}

    def _create(self, client: Client, body: Properties, manager: str) -> Object:
        kind, namespace, name = identity(body)
        found = client.get(kind, namespace, name)
        if found is not None and found["metadata"].get("deletionTimestamp"):
            uid = str(found["metadata"].get("uid"))
            Waiter(client, self._cancelled).until_gone(kind, namespace, name, uid, DEFAULT_SECONDS)
        elif found is not None and not (self._policy.upsert or owns(found, manager)):
            raise CloudError(
                f"{kind.kind} {objects.resource_id(found)} exists already",
                "Something else made it. Import it, give this one another name, use an alias if "
                "the resource was renamed, or set upsertExistingObjects on the provider.",
                code="AlreadyExists",
            )
        if found is None and objects.is_bare(body):
            # An apply that sets no field leaves no owner; a killed run could not tell later
            # that this object is its own.
            return client.create(body, manager)
        return self._apply(client, body, manager, dry_run=False)

    def _apply(self, client: Client, body: Properties, manager: str, *, dry_run: bool) -> Object:
        force = self._policy.force or objects.is_true(body, objects.PATCH_FORCE)
        try:
            return client.apply(body, manager, dry_run=dry_run, force=force)
        except ApiError as error:
            if error.status == http.client.CONFLICT:
                raise _conflict(error, body, manager) from error
            raise

    def _preview(
        self, urn: str, inputs: Properties, old: Properties, ignored: tuple[str, ...] | Any
    ) -> Properties:
        """What a dry run on the cluster gives, or the inputs where none can be had."""
        if has_unknowns(inputs):
            return inputs
        manager = objects.field_manager(urn, inputs, old)
        try:
            client = self._connect()
            body = objects.manifest(inputs)
            if client.served(identity(body)[0]).namespaced is False:
                body["metadata"] = {k: v for k, v in body["metadata"].items() if k != "namespace"}
            if ignored:
                body = leave_to_others(body, client.get(*identity(body)), manager, ignored)
            # A conflict matters only to what stays: a replaced object will be gone by then.
            live = client.apply(body, manager, dry_run=True, force=not old or self._forced(body))
        except (NoSuchKind, Unreachable, NoCluster):
            return inputs
        except ApiError as error:
            if error.status == http.client.CONFLICT and old:
                raise _conflict(error, inputs, manager) from error
            if error.status in _NOT_TELLING or (not old and _immutable(error)):
                return inputs
            raise _refused(error, inputs) from error
        live.pop("status", None)
        return objects.outputs(inputs, live if old else _undecided(live, inputs), manager)

    def _forced(self, body: Properties) -> bool:
        return self._policy.force or objects.is_true(body, objects.PATCH_FORCE)

    def _await(
        self,
        request: contract.CreateRequest | contract.UpdateRequest,
        live: Object,
        manager: str,
        verb: str,
    ) -> Object:
        inputs = request.inputs
        if objects.is_true(inputs, objects.SKIP_AWAIT):
            return live
        seconds = objects.timeout_of(inputs, request.timeout, DEFAULT_SECONDS)
        tell = self._about(request.urn)
        waiter = Waiter(self._connect(), self._cancelled, tell=tell)
        try:
            return waiter.until_ready([live], seconds)[0]
        except NotReady as error:
            latest = error.live.get(0, live)
            raise PartiallyCreated(
                f"{error.summary} (it was {verb})",
                resource_id=objects.resource_id(latest),
                outputs=objects.outputs(inputs, latest, manager),
                reasons=error.reasons,
                operation=verb,
            ) from error

    def _retrying(self, action: Callable[[], Any]) -> Any:
        """`action`, tried again while its namespace or its CRD is still on the way."""
        delay = _FIRST_DELAY
        for attempt in range(1, _CREATE_ATTEMPTS + 1):
            try:
                return action()
            except (NoSuchKind, ApiError) as error:
                missing = isinstance(error, NoSuchKind) or error.status == http.client.NOT_FOUND
                if not missing or attempt == _CREATE_ATTEMPTS or self._cancelled.wait(delay):
                    raise
                delay *= 2
        raise AssertionError("the loop above returns or raises")


class NoCluster(CloudError):
    """The kubeconfig is not known yet, or there is none."""


def _kind(token: str, properties: Mapping[str, Any]) -> Kind:
    if properties.get("apiVersion") and properties.get("kind"):
        return Kind(str(properties["apiVersion"]), str(properties["kind"]))
    return kind_of(token)


def _drifted(inputs: Properties, before: Mapping[str, Any], live: Object) -> Properties:
    merged: Properties = objects.drifted(inputs, before, live)
    text = inputs.get("stringData")
    if inputs.get("kind") != "Secret" or not isinstance(text, dict):
        return merged
    # The cluster keeps no stringData: what became of it stands in data.
    data = live.get("data") or {}
    merged["stringData"] = {
        key: base64.b64decode(data[key]).decode(errors="replace") for key in text if key in data
    }
    return merged


def _adopted(live: Object) -> Properties:
    """Inputs of an object that a program takes over."""
    inputs = objects.without_read_only(live)
    return {key: value for key, value in inputs.items() if key != "status"}


def _undecided(live: Object, inputs: Properties) -> Properties:
    """A dry run's object without what the cluster will decide otherwise the next time."""
    metadata = dict(live["metadata"])
    for key in ("uid", "creationTimestamp", "resourceVersion"):
        if key in metadata:
            metadata[key] = UNKNOWN
    decided = {**live, "metadata": metadata}
    if live.get("kind") == "Service":
        given = inputs.get("spec") or {}
        spec = dict(live["spec"])
        for key in ("clusterIP", "clusterIPs"):
            if key in spec and key not in given and spec.get("clusterIP") != "None":
                spec[key] = UNKNOWN
        decided["spec"] = spec
    return decided


def _immutable(error: ApiError) -> bool:
    return error.status == http.client.UNPROCESSABLE_ENTITY and "immutable" in error.summary


def _refused(error: ApiError, body: Mapping[str, Any]) -> Exception:
    if error.status not in _WRONG_INPUT and _MISSPELT not in error.summary:
        return error
    kind, _, _ = identity(body)
    name = objects.resource_id(body)
    return UserError(f"The cluster would refuse {kind.kind} {name}", error.summary)


def _conflict(error: ApiError, body: Mapping[str, Any], manager: str) -> CloudError:
    kind, _, _ = identity(body)
    causes = (error.answer.get("details") or {}).get("causes") or ()
    fields = "\n".join(f"{cause.get('field')}: {cause.get('message')}" for cause in causes)
    return CloudError(
        f"{kind.kind} {objects.resource_id(body)} has fields that something else manages",
        f"{fields or error.summary}\nThe field manager {manager} may not take them. Leave the "
        f'fields out of the program, or set the annotation {objects.PATCH_FORCE}: "true".',
        code="Conflict",
    )


def _unreachable(error: Unreachable) -> CloudError:
    return CloudError(
        error.summary,
        f"{error.detail}\nIf the cluster is gone for good, its objects can be forgotten:",
        "export PULUMI_K8S_DELETE_UNREACHABLE=true",
    )
