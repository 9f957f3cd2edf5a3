"""Why something does not get ready: the pods' own words, their events and last log lines.

`waiting.py` asks for troubles while it waits, and for the whole story when it gives up.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sandbox.errors import CloudError
from sandbox.providers.kubernetes.client import Client, identity
from sandbox.providers.kubernetes.kinds import Kind
from sandbox.providers.kubernetes.readiness import condition

Object = Mapping[str, Any]

POD = Kind("v1", "Pod")
SERVICE = Kind("v1", "Service")
LOG_LINES = 15
EVENTS = 6
PODS = 3
"""How many of a workload's pods are described: the others mostly say the same."""

MANY_RESTARTS = 3

_MESSAGE_LENGTH = 400

_NO_IMAGE = frozenset({"ErrImageNeverPull", "ErrImagePull", "ImagePullBackOff", "InvalidImageName"})
_NO_CONTAINER = frozenset(
    {"CreateContainerConfigError", "CreateContainerError", "ImageInspectError", "RunContainerError"}
)
_HOPELESS = _NO_IMAGE | _NO_CONTAINER

# Conditions and states that only repeat that something else is not ready.
_SAYS_NOTHING = frozenset({"MinimumReplicasUnavailable", "PodInitializing"})

_WORKLOADS = frozenset({"Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job"})


@dataclass(frozen=True)
class Trouble:
    """A pod that seems to get nowhere."""

    uid: str
    reason: str


def troubles(client: Client, live: Object) -> list[Trouble]:
    """The pods of `live` that seem to get nowhere."""
    found = []
    pods = _pods(client, live)
    of_service = identity(live)[0] == SERVICE
    for pod in pods:
        reason = pod_trouble(pod) or (_failure(pod) if of_service else "")
        if reason:
            found.append(Trouble(str(pod["metadata"].get("uid")), reason))
    # One pod that works is enough for a service, and it is not the service that makes pods.
    return [] if of_service and len(found) < len(pods) else found


def _failure(pod: Object) -> str:
    """What a pod that ended for good says; its workload may have made another one."""
    status = pod.get("status") or {}
    if status.get("phase") != "Failed":
        return ""
    words = " ".join(str(status[key]) for key in ("reason", "message") if status.get(key))
    return f"Pod {pod['metadata']['name']} failed {words}".strip()


def pod_trouble(pod: Object) -> str:
    """Why `pod` seems to get nowhere; '' if it may yet."""
    name = pod["metadata"]["name"]
    unscheduled = condition(pod, "PodScheduled")
    if unscheduled.get("status") == "False" and unscheduled.get("reason") == "Unschedulable":
        return f"Pod {name} has no node: {unscheduled.get('message', '')}"
    for container in _containers(pod):
        waiting = (container.get("state") or {}).get("waiting") or {}
        restarts = int(container.get("restartCount", 0))
        looping = restarts >= MANY_RESTARTS and not container.get("ready")
        if waiting.get("reason") in _HOPELESS or looping:
            return f"Pod {name}: {_describe(container)}"
    return ""


def report(client: Client, live: Object) -> list[str]:
    """Everything that tells why `live` is not ready, most telling first."""
    lines: list[str] = []
    try:
        for pod in _pods(client, live)[:PODS]:
            lines += _pod_report(client, pod)
        lines += _own_conditions(live)
        lines += _events(client, live)
    except CloudError as error:
        lines.append(f"(more could not be found out: {error.summary})")
    return lines


def in_short(client: Client, live: Object) -> list[str]:
    """One line, for what probably fails for the same reason as what was told before."""
    try:
        pods = _pods(client, live)
    except CloudError:
        return []
    trouble = pod_trouble(pods[0]) if pods else ""
    return [trouble] if trouble else []


def _pods(client: Client, live: Object) -> list[dict[str, Any]]:
    """The pods of `live` that are not ready, those with most to tell first."""
    kind, namespace, _ = identity(live)
    if kind == POD:
        return [dict(live)]
    selected = (live.get("spec") or {}).get("selector") or {}
    if kind != SERVICE and kind.kind not in _WORKLOADS:
        return []
    labels = selected if kind == SERVICE else selected.get("matchLabels") or {}
    if not labels:
        return []
    selector = ",".join(f"{key}={value}" for key, value in sorted(labels.items()))
    pods = [
        pod
        for pod in client.find(POD, namespace, labelSelector=selector)
        if not pod["metadata"].get("deletionTimestamp")
        and condition(pod, "Ready").get("status") != "True"
        and (pod.get("status") or {}).get("phase") != "Succeeded"
    ]
    # The list leaves out what each object is.
    typed = [{"apiVersion": "v1", "kind": "Pod", **pod} for pod in pods]
    return sorted(typed, key=lambda pod: not pod_trouble(pod))


def _containers(pod: Object) -> Iterator[Mapping[str, Any]]:
    """Status of each container, in the order in which they run."""
    status = pod.get("status") or {}
    yield from status.get("initContainerStatuses") or ()
    yield from status.get("containerStatuses") or ()


def _describe(container: Mapping[str, Any]) -> str:
    """What a container is doing, in one line."""
    parts = []
    state = container.get("state") or {}
    for phase in ("waiting", "terminated"):
        if phase in state:
            parts.append(_phase(phase, state[phase]))
    last = (container.get("lastState") or {}).get("terminated")
    if last:
        parts.append(f"it ended before with {_phase('', last)}")
    if container.get("restartCount"):
        parts.append(f"{container['restartCount']} restarts")
    return f"container {container.get('name')} " + (", ".join(parts) or "is not ready")


def _phase(phase: str, state: Mapping[str, Any]) -> str:
    words = f"{phase}: {state.get('reason', '')}" if phase else str(state.get("reason", ""))
    if "exitCode" in state:
        words += f", exit code {state['exitCode']}"
    message = str(state.get("message") or "").strip()
    # What a program wrote last is what it died of; what Kubernetes says begins with the point.
    short = message[:_MESSAGE_LENGTH] if phase == "waiting" else message[-_MESSAGE_LENGTH:]
    return f"{words} ({short})" if message else words


def _pod_report(client: Client, pod: Object) -> list[str]:
    _, namespace, name = identity(pod)
    waiting = [c for c in _containers(pod) if not _says_nothing(c)]
    lines = [pod_trouble(pod) or f"Pod {name} is {(pod.get('status') or {}).get('phase')}"]
    lines += [f"Pod {name}: {_describe(c)}" for c in waiting if _describe(c) not in lines[0]]
    if not any(_waiting_reason(container) in _NO_IMAGE for container in waiting):
        lines += _events(client, pod)
    for container in waiting:
        lines += _log(client, namespace, name, container)
    return lines


def _waiting_reason(container: Mapping[str, Any]) -> str:
    return str(((container.get("state") or {}).get("waiting") or {}).get("reason", ""))


def _says_nothing(container: Mapping[str, Any]) -> bool:
    """Whether a container is fine, or only waits for another."""
    ended = (container.get("state") or {}).get("terminated") or {}
    done = bool(ended) and ended.get("exitCode") == 0
    return bool(container.get("ready")) or done or _waiting_reason(container) in _SAYS_NOTHING


def _log(client: Client, namespace: str, pod: str, container: Mapping[str, Any]) -> list[str]:
    """The last lines of the container's latest run that printed anything."""
    state = container.get("state") or {}
    if "waiting" in state and not container.get("restartCount"):
        return []
    name = str(container.get("name"))
    for previous in (False, True):
        if previous and not container.get("restartCount"):
            break
        try:
            text = client.log(namespace, pod, name, LOG_LINES, previous=previous).strip()
        except CloudError:
            continue
        if text:
            shown = "\n".join(f"    {line}" for line in text.splitlines())
            return [f"Last lines of {pod}, container {name}:\n{shown}"]
    return []


def _own_conditions(live: Object) -> list[str]:
    """What the object's controller complains of."""
    kind, _, name = identity(live)
    if kind == POD:
        return []
    found = []
    for entry in (live.get("status") or {}).get("conditions") or ():
        bad = entry.get("status") == ("True" if _is_bad_when_true(entry) else "False")
        if bad and entry.get("message") and entry.get("reason") not in _SAYS_NOTHING:
            found.append(f"{kind.kind} {name}: {entry.get('reason')}: {entry['message']}")
    return found


def _is_bad_when_true(entry: Mapping[str, Any]) -> bool:
    return "Fail" in str(entry.get("type"))


def _events(client: Client, live: Object) -> list[str]:
    _, namespace, name = identity(live)
    uid = (live.get("metadata") or {}).get("uid")
    if not namespace or not uid:
        return []
    events = client.events(namespace, str(uid))
    events.sort(key=lambda event: str(event.get("lastTimestamp") or event.get("eventTime") or ""))
    warnings = [event for event in events if event.get("type") == "Warning"]
    return [_event(name, event) for event in warnings[-EVENTS:]]


def _event(name: str, event: Mapping[str, Any]) -> str:
    count = int(event.get("count") or 1)
    times = f" ({count} times)" if count > 1 else ""
    return f"Event of {name}: {event.get('reason')}: {event.get('message')}{times}"


def unique(lines: Sequence[str]) -> list[str]:
    """`lines` without repetitions, in order."""
    return list(dict.fromkeys(lines))
