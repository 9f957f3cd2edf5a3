"""One Job in an environment's namespace, run to its end."""

import json
import time
from collections.abc import Mapping
from typing import Any

from cli.base.errors import KitError
from cli.cloud.kubernetes import Kubernetes, Object
from cli.operations.hindrances import conditions, waiting

MANAGER = "aerodrome"
"""As whom the fields of what the command line itself makes are applied."""

PAUSE = 1.0
"""Seconds between two looks at a Job."""

LINES = 200

POD = "batch.kubernetes.io/job-name"
"""The label that a Job's pods have its name in."""

_HOPELESS = frozenset(
    {"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "CreateContainerConfigError"}
)
_NOT_OURS = ("controller-uid", "job-name", "batch.kubernetes.io/controller-uid", POD)


def template_of(job: Mapping[str, Any]) -> Object:
    """The pod template of a Job or a CronJob's Job, without what its controller wrote into it."""
    template = job["spec"]["template"]
    metadata = template.get("metadata") or {}
    labels = {k: v for k, v in (metadata.get("labels") or {}).items() if k not in _NOT_OURS}
    return {"metadata": {**metadata, "labels": labels}, "spec": template["spec"]}


def run(kubernetes: Kubernetes, name: str, spec: Mapping[str, Any], seconds: float) -> list[str]:
    """Makes a Job of that name anew, waits for its end and deletes it. The lines that it logged.

    KitError with its last lines if it fails, is not over after `seconds`, or its image cannot be pulled.
    """
    job = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "namespace": kubernetes.namespace},
        "spec": {"backoffLimit": 0, **spec},
    }
    # What an interrupted run has left would be in the way.
    kubernetes.delete(job, seconds=60)
    kubernetes.apply(job, MANAGER)
    give_up = time.monotonic() + seconds
    selector = f"{POD}={name}"
    try:
        while True:
            ended = conditions(kubernetes.find_same(job) or {})
            if "Complete" in ended:
                return kubernetes.logs(selector, lines=LINES)
            if "Failed" in ended:
                raise KitError(f"Job {name} failed", _last_lines(kubernetes, selector))
            if reason := _hopeless(kubernetes, selector):
                raise KitError(f"Job {name} cannot start", reason)
            if time.monotonic() > give_up:
                raise KitError(
                    f"Job {name} is not over after {seconds:.0f} seconds",
                    _last_lines(kubernetes, selector),
                )
            time.sleep(PAUSE)
    finally:
        kubernetes.delete(job)


def answer(lines: list[str]) -> dict[str, Any]:
    """The last line, which the scripts of the image write as JSON."""
    found: dict[str, Any] = json.loads(lines[-1])
    return found


def answers(lines: list[str]) -> list[Any]:
    """The last line of a script that has several."""
    found: list[Any] = json.loads(lines[-1])
    return found


def _hopeless(kubernetes: Kubernetes, selector: str) -> str:
    for pod in kubernetes.objects("pods", selector=selector):
        for status, why in waiting(pod):
            if why.get("reason") in _HOPELESS:
                return f"{why['reason']}: {why.get('message') or status.get('image')}"
    return ""


def _last_lines(kubernetes: Kubernetes, selector: str) -> str:
    try:
        lines = kubernetes.logs(selector, lines=LINES)
    except KitError:
        # A container that never started has no log.
        return "Its pod logged nothing."
    return "\n".join(lines[-5:]) or "Its pod logged nothing."
