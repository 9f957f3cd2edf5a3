"""What an author may change of his task's pod where DAGs have owners: what it needs, and not what it may.

An `executor_config` has the last word on a pod, and a `pod_template_file` the first. With them a pod could mount the Secret
with the database's password, take another service account, become root, or bear another task's name. So the pod is
compared with the one that the task would have without them. All that is not named here must be as it is there.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

OWNED = "AERODROME_OWNED"
"""The environment variable that says that there are owners."""

Object = Mapping[str, Any]

FREE_OF_POD = frozenset(
    {
        *("activeDeadlineSeconds", "affinity", "dnsConfig", "dnsPolicy", "hostAliases", "hostname"),
        *("nodeName", "nodeSelector", "preemptionPolicy", "priority", "priorityClassName"),
        *("resources", "schedulerName", "terminationGracePeriodSeconds", "tolerations"),
        "topologySpreadConstraints",
        # Looked at by themselves.
        *("containers", "initContainers", "volumes"),
    }
)
FREE_OF_CONTAINER = frozenset(
    {
        *("image", "imagePullPolicy", "lifecycle", "livenessProbe", "name", "ports", "readinessProbe"),
        *("resizePolicy", "resources", "restartPolicy", "startupProbe", "stdin", "stdinOnce"),
        *("terminationMessagePath", "terminationMessagePolicy", "tty", "volumeMounts", "workingDir"),
        *("args", "command", "env", "envFrom", "securityContext"),
    }
)  # fmt: skip
FREE_SOURCES = ("fieldRef", "resourceFieldRef")
MAIN = "base"


def asked_for() -> bool:
    """Whether pods are to be compared."""
    return os.environ.get(OWNED) == "true"


def excess(usual: Object, wanted: Object) -> list[str]:
    """The fields of a pod, as Kubernetes's API names them, that are not as they are in the usual one."""
    return sorted({*_metadata(usual["metadata"], wanted["metadata"]), *_spec(usual, wanted)})


def _metadata(usual: Object, wanted: Object) -> Iterator[str]:
    for key in sorted({*usual, *wanted} - {"name"}):
        if key not in ("labels", "annotations"):
            if usual.get(key) != wanted.get(key):
                yield f"metadata.{key}"
            continue
        # Which task it is of stands there. More may be added.
        mine, asked = usual.get(key) or {}, wanted.get(key) or {}
        yield from (f"metadata.{key}.{one}" for one in mine if asked.get(one) != mine[one])


def _spec(usual: Object, wanted: Object) -> Iterator[str]:
    mine, asked = usual["spec"], wanted["spec"]
    for key in sorted({*mine, *asked} - FREE_OF_POD):
        if mine.get(key) != asked.get(key):
            yield f"spec.{key}"
    known = mine.get("volumes") or []
    for volume in asked.get("volumes") or []:
        if volume not in known and not volume.keys() <= {"name", "emptyDir"}:
            yield f"spec.volumes[{volume.get('name')}]"
    (base,) = (one for one in mine["containers"] if one["name"] == MAIN)
    there = {one["name"]: one for kind in _kinds(mine) for one in kind}
    for kind in _kinds(asked):
        for container in kind:
            name = container.get("name")
            own = there.get(str(name), {})
            yield from (f"{name}.{one}" for one in _container(own, base, container))


def _kinds(spec: Object) -> tuple[Sequence[Object], Sequence[Object]]:
    return spec.get("containers") or [], spec.get("initContainers") or []


def _container(own: Object, base: Object, asked: Object) -> Iterator[str]:
    """Of a container that is there, or of a new one, which then is confined as the task's own is."""
    for key in sorted({*own, *asked} - FREE_OF_CONTAINER):
        if own.get(key) != asked.get(key):
            yield key
    model = own or base
    if asked.get("securityContext") != model.get("securityContext"):
        yield "securityContext"
    known = [*(own.get("env") or []), *(base.get("env") or [])]
    for item in asked.get("env") or []:
        source = item.get("valueFrom")
        if source and item not in known and not source.keys() <= {*FREE_SOURCES}:
            yield f"env[{item.get('name')}]"
    sources = [*(own.get("envFrom") or []), *(base.get("envFrom") or [])]
    if any(item not in sources for item in asked.get("envFrom") or []):
        yield "envFrom"
