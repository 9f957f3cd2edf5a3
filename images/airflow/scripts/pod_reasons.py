"""Why a task's pod was refused, does not start or has ended, in words for the task's author.

`task_pods.py` asks. Pods, events and errors come as the dictionaries that the API server sends:
neither Airflow nor a client of Kubernetes is needed here.
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

LONGEST_PAUSE = 30.0
"""Seconds. Half a minute after the API server takes pods again, tasks start again."""

UNITS = {
    "m": 1e-3,
    "": 1.0,
    **{unit: 1000.0**power for power, unit in enumerate("kMGTPE", 1)},
    **{f"{unit}i": 1024.0**power for power, unit in enumerate("KMGTPE", 1)},
}
"""What the suffix of a quantity multiplies it with."""

SIGNALS = {"137": "SIGKILL", "143": "SIGTERM", "139": "SIGSEGV", "134": "SIGABRT"}

DISRUPTIONS = {
    "PreemptionByScheduler": "a pod of higher priority needed its place",
    "DeletionByTaintManager": "its node got a taint that it does not tolerate",
    "EvictionByEvictionAPI": "its node is being drained",
    "DeletionByPodGC": "its node is gone",
    "TerminationByKubelet": "its node ran short of something, or was shut down",
}
"""Reasons of the condition DisruptionTarget."""


def pause(tries: int) -> float:
    """Seconds until a pod is asked for again, after so many refusals in a row."""
    return min(2.0 ** min(tries, 10), LONGEST_PAUSE)


def message_of(body: str | None, reason: str | None) -> str:
    """What the API server says: it answers with a Status object, a proxy before it with any text."""
    try:
        answer = json.loads(body or "")
    except ValueError:
        return (body or reason or "no reason given").strip()
    told = answer.get("message") if isinstance(answer, dict) else None
    return str(told or reason or body)


def lasting(status: int | None, message: str, namespace: str) -> bool:
    """Whether the same pod would be refused for ever: it is the author's to change.

    `namespace` is the environment's own. Missing rights there are no task's fault.
    """
    if re.search(r"admission webhook .* denied the request", message):
        return True
    if status == 403:
        if "exceeded quota" in message:
            return beyond_quota(message)
        if 'is forbidden: User "' in message:
            return f'in the namespace "{namespace}"' not in message
        # A quota that has just been made, and is not counted yet.
        return "status unknown for quota" not in message
    return status in (400, 404, 405, 413, 415, 422)


def beyond_quota(message: str) -> bool:
    """Whether a pod asks for more than its quota has, even when all of it is free."""
    requested, limited = (
        _amounts(found[1]) if (found := re.search(rf"{word}: (\S+)", message)) else {}
        for word in ("requested", "limited")
    )
    return any(amount > limited.get(name, amount) for name, amount in requested.items())


def _amounts(text: str) -> dict[str, float]:
    found = {}
    for part in text.strip(",").split(","):
        name, _, quantity = part.partition("=")
        if (match := re.fullmatch(r"([0-9.]+)([a-zA-Z]*)", quantity)) and match[2] in UNITS:
            found[name] = float(match[1]) * UNITS[match[2]]
    return found


def unscheduled(pod: Mapping[str, Any]) -> str:
    """Why no node takes the pod; nothing if one did, or nobody has tried."""
    condition = _condition(pod, "PodScheduled")
    if condition.get("status") == "False" and condition.get("reason") == "Unschedulable":
        return f"No node takes the pod: {condition.get('message', 'no reason given')}"
    return ""


def being_deleted(pod: Mapping[str, Any]) -> str:
    """Why a pod goes before its task is over."""
    condition = _condition(pod, "DisruptionTarget")
    if condition.get("status") != "True":
        return "The pod was deleted from outside of Airflow"
    reason = str(condition.get("reason"))
    words = DISRUPTIONS.get(reason, condition.get("message") or "no reason given")
    return f"The pod was taken away by Kubernetes: {words} ({reason})"


def ended(pod: Mapping[str, Any], events: Sequence[Mapping[str, Any]] = ()) -> str:
    """Why a pod failed: in one sentence, or in a line for each reason that Kubernetes knows."""
    status = pod.get("status", {})
    found = []
    if _condition(pod, "DisruptionTarget").get("status") == "True":
        found.append(being_deleted(pod))
    if status.get("reason"):
        found.append(f"The pod failed: {status['reason']}{_after_colon(status.get('message'))}")
    for container in [
        *status.get("initContainerStatuses", []),
        *status.get("containerStatuses", []),
    ]:
        found += _of_container(container)
    if waiting := unscheduled(pod):
        found.append(waiting)
    if not found:
        found.append(f"The pod failed; Kubernetes gives no reason (phase {status.get('phase')})")
    warned = [
        f"{event.get('reason')}: {event.get('message')}"
        for event in events
        if event.get("type") == "Warning"
    ]
    return "\n".join(dict.fromkeys([*found, *warned]))


def _of_container(container: Mapping[str, Any]) -> list[str]:
    name, state = container.get("name"), container.get("state") or {}
    if waiting := state.get("waiting"):
        if waiting.get("reason") in ("ContainerCreating", "PodInitializing"):
            return []
        told = _after_colon(waiting.get("message"))
        return [f"Container {name} does not start: {waiting.get('reason')}{told}"]
    ended = state.get("terminated") or {}
    code = ended.get("exitCode", 0)
    if not code:
        return []
    signal = SIGNALS.get(str(code))
    with_signal = f" ({signal})" if signal else ""
    reason = ended.get("reason", "Error")
    advice = ": it needed more memory than its limit" if reason == "OOMKilled" else ""
    told = _after_colon(ended.get("message"))
    return [f"Container {name} ended with exit code {code}{with_signal}, {reason}{advice}{told}"]


def unsaved(printed: str, saved: str) -> str:
    """The lines that a pod printed for its task and that did not get into the task's log.

    The supervisor prints what it writes, and uploads when it ends. A task that was deferred has the
    beginning of its log there already; times tell what is new. A line without a time, which another
    program has printed, is as new as the line before it.
    """
    last = max((time for line in saved.splitlines() if (time := _time(line))), default="")
    found, new = [], not last
    for line in printed.splitlines():
        if time := _time(line):
            new = time > last
        if new:
            found.append(f"{_as_in_a_log(line)}\n")
    return "".join(found)


def _as_in_a_log(line: str) -> str:
    """The line with its exception under the name that the UI knows; the supervisor prints it under another."""
    entry = _entry(line)
    if isinstance(entry.get("exception"), list):
        entry["error_detail"] = entry.pop("exception")
        return json.dumps(entry)
    return line


def _time(line: str) -> str:
    """When a line of structured log was written: all are in UTC, of one form."""
    return str(_entry(line).get("timestamp", ""))


def _entry(line: str) -> dict[str, Any]:
    try:
        entry = json.loads(line)
    except ValueError:
        return {}
    return entry if isinstance(entry, dict) else {}


def _condition(pod: Mapping[str, Any], kind: str) -> Mapping[str, Any]:
    conditions = pod.get("status", {}).get("conditions") or []
    return next((each for each in conditions if each.get("type") == kind), {})


def _after_colon(text: str | None) -> str:
    return f": {text.strip()}" if text and text.strip() else ""
