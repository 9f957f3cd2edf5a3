"""When an object is ready, by pulumi-kubernetes's rules. A table of functions, one a kind.

Each looks at a live object, and at most at one neighbour through `Lookup`. `waiting.py` asks
again and again; a kind that is not in the table is ready as soon as it exists.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Protocol

from sandbox.providers.kubernetes.kinds import Kind

Object = Mapping[str, Any]


class Lookup(Protocol):
    """The part of `client.Client` that is needed here."""

    def get(self, kind: Kind, namespace: str, name: str) -> dict[str, Any] | None: ...

    def find(self, kind: Kind, namespace: str, **selectors: str) -> list[dict[str, Any]]: ...


class State(Enum):
    READY = "ready"
    WAITING = "waiting"
    FAILED = "failed"
    """It will not get ready by itself."""


@dataclass(frozen=True)
class Readiness:
    """`reason` says what is missing, in one line."""

    state: State
    reason: str = ""


READY = Readiness(State.READY)


def assess(live: Object, lookup: Lookup) -> Readiness:
    """Whether `live` is ready."""
    kind = Kind(str(live.get("apiVersion", "")), str(live.get("kind", "")))
    rule = _RULES.get((kind.group, kind.kind))
    return rule(live, lookup) if rule else READY


def is_awaited(live: Object) -> bool:
    """Whether existing is not enough for an object of this kind."""
    kind = Kind(str(live.get("apiVersion", "")), str(live.get("kind", "")))
    return (kind.group, kind.kind) in _RULES


def condition(live: Object, name: str) -> Mapping[str, Any]:
    """The entry of status.conditions called `name`, {} if there is none."""
    for entry in _status(live).get("conditions") or ():
        if entry.get("type") == name:
            return dict(entry)
    return {}


def _status(live: Object) -> Mapping[str, Any]:
    return live.get("status") or {}


def _spec(live: Object) -> Mapping[str, Any]:
    return live.get("spec") or {}


def _waiting(reason: str) -> Readiness:
    return Readiness(State.WAITING, reason)


def _failed(live: Object, name: str) -> Readiness:
    found = condition(live, name)
    return Readiness(State.FAILED, f"{found.get('reason', name)}: {found.get('message', '')}")


def _unseen(live: Object) -> bool:
    """Whether its controller has not seen the latest change."""
    wanted = (live.get("metadata") or {}).get("generation", 0)
    return int(_status(live).get("observedGeneration", 0)) < int(wanted)


def _replicas(live: Object) -> int:
    return int(_spec(live).get("replicas", 1))


def _deployment(live: Object, _: Lookup) -> Readiness:
    if _unseen(live):
        return _waiting("its controller has not seen the change yet")
    if condition(live, "Progressing").get("reason") == "ProgressDeadlineExceeded":
        return _failed(live, "Progressing")
    status, wanted = _status(live), _replicas(live)
    updated = int(status.get("updatedReplicas", 0))
    available = int(status.get("availableReplicas", 0))
    if updated < wanted:
        return _waiting(f"{updated} of {wanted} pods are of the new version")
    if int(status.get("replicas", 0)) > updated:
        return _waiting("pods of the old version are still ending")
    if available < wanted:
        return _waiting(f"{available} of {wanted} pods are available")
    return READY


def _stateful_set(live: Object, _: Lookup) -> Readiness:
    if _unseen(live):
        return _waiting("its controller has not seen the change yet")
    status, wanted = _status(live), _replicas(live)
    ready = int(status.get("readyReplicas", 0))
    if ready < wanted:
        return _waiting(f"{ready} of {wanted} pods are ready")
    strategy = _spec(live).get("updateStrategy") or {}
    if strategy.get("type") == "OnDelete":
        return READY
    kept = int((strategy.get("rollingUpdate") or {}).get("partition", 0))
    updated = int(status.get("updatedReplicas", 0))
    if updated < wanted - kept:
        return _waiting(f"{updated} of {wanted - kept} pods are of the new version")
    if not kept and status.get("currentRevision") != status.get("updateRevision"):
        return _waiting("its rolling update has not ended")
    return READY


def _daemon_set(live: Object, _: Lookup) -> Readiness:
    if _unseen(live):
        return _waiting("its controller has not seen the change yet")
    status = _status(live)
    wanted = int(status.get("desiredNumberScheduled", 0))
    updated = int(status.get("updatedNumberScheduled", 0))
    available = int(status.get("numberAvailable", 0))
    strategy = (_spec(live).get("updateStrategy") or {}).get("type")
    if strategy != "OnDelete" and updated < wanted:
        return _waiting(f"{updated} of {wanted} pods are of the new version")
    if available < wanted:
        return _waiting(f"{available} of {wanted} pods are available")
    return READY


def _replica_set(live: Object, _: Lookup) -> Readiness:
    ready, wanted = int(_status(live).get("readyReplicas", 0)), _replicas(live)
    return READY if ready >= wanted else _waiting(f"{ready} of {wanted} pods are ready")


def _job(live: Object, _: Lookup) -> Readiness:
    if condition(live, "Complete").get("status") == "True":
        return READY
    if condition(live, "Failed").get("status") == "True":
        return _failed(live, "Failed")
    if _spec(live).get("suspend"):
        return READY
    succeeded = int(_status(live).get("succeeded", 0))
    return _waiting(f"{succeeded} of {_spec(live).get('completions', 1)} pods have succeeded")


def _pod(live: Object, _: Lookup) -> Readiness:
    phase = _status(live).get("phase")
    if phase == "Failed":
        detail = f"{_status(live).get('reason', '')} {_status(live).get('message', '')}".strip()
        return Readiness(State.FAILED, f"the pod failed {detail}".strip())
    if phase == "Succeeded" or condition(live, "Ready").get("status") == "True":
        return READY
    return _waiting(f"the pod is {phase or 'not scheduled'}")


def _volume_claim(live: Object, lookup: Lookup) -> Readiness:
    phase = _status(live).get("phase")
    if phase == "Bound":
        return READY
    if phase == "Lost":
        return Readiness(State.FAILED, "its volume is lost")
    storage_class = (
        lookup.get(
            Kind("storage.k8s.io/v1", "StorageClass"),
            "",
            str(_spec(live).get("storageClassName", "")),
        )
        if _spec(live).get("storageClassName")
        else None
    )
    if storage_class and storage_class.get("volumeBindingMode") == "WaitForFirstConsumer":
        return READY
    return _waiting(f"the claim is {phase or 'new'}")


def _volume(live: Object, _: Lookup) -> Readiness:
    phase = _status(live).get("phase")
    return READY if phase in ("Available", "Bound") else _waiting(f"the volume is {phase or 'new'}")


def _service(live: Object, lookup: Lookup) -> Readiness:
    spec = _spec(live)
    if spec.get("type") == "ExternalName":
        return READY
    if spec.get("type") == "LoadBalancer" and not _load_balancer(live):
        return _waiting("its load balancer has no address")
    if spec.get("clusterIP") == "None" or not spec.get("selector"):
        return READY
    metadata = live["metadata"]
    slices = lookup.find(
        Kind("discovery.k8s.io/v1", "EndpointSlice"),
        str(metadata.get("namespace", "")),
        labelSelector=f"kubernetes.io/service-name={metadata['name']}",
    )
    for endpoint in (e for s in slices for e in s.get("endpoints") or ()):
        if (endpoint.get("conditions") or {}).get("ready") is not False:
            return READY
    return _waiting("no ready pod is behind it")


def _ingress(live: Object, _: Lookup) -> Readiness:
    return READY if _load_balancer(live) else _waiting("no ingress controller gave it an address")


def _load_balancer(live: Object) -> bool:
    return bool((_status(live).get("loadBalancer") or {}).get("ingress"))


def _definition(live: Object, _: Lookup) -> Readiness:
    if condition(live, "NamesAccepted").get("status") == "False":
        return _failed(live, "NamesAccepted")
    ready = condition(live, "Established").get("status") == "True"
    return READY if ready else _waiting("its kind is not served yet")


def _quota(live: Object, _: Lookup) -> Readiness:
    same = _status(live).get("hard") == _spec(live).get("hard")
    return READY if same else _waiting("its limits are not in force yet")


_RULES: Mapping[tuple[str, str], Callable[[Object, Lookup], Readiness]] = {
    ("apps", "Deployment"): _deployment,
    ("apps", "StatefulSet"): _stateful_set,
    ("apps", "DaemonSet"): _daemon_set,
    ("apps", "ReplicaSet"): _replica_set,
    ("", "ReplicationController"): _replica_set,
    ("batch", "Job"): _job,
    ("", "Pod"): _pod,
    ("", "PersistentVolumeClaim"): _volume_claim,
    ("", "PersistentVolume"): _volume,
    ("", "Service"): _service,
    ("", "ResourceQuota"): _quota,
    ("networking.k8s.io", "Ingress"): _ingress,
    ("apiextensions.k8s.io", "CustomResourceDefinition"): _definition,
}
