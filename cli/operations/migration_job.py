"""The migration Job, as a pattern for others: it has the database, the Fernet key, the administrator and what is declared."""

import json
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from cli.base.errors import KitError
from cli.cloud.kubernetes import Kubernetes, Object
from cli.operations import jobs
from cli.operations.live import COMPONENT_LABEL, Live


def newest(kubernetes: Kubernetes) -> Object | None:
    """The last one that was made; each change makes another."""
    made = kubernetes.objects("jobs", selector=f"{COMPONENT_LABEL}=migration")
    return max(made, key=lambda job: str(job["metadata"]["creationTimestamp"]), default=None)


def need(found: Live, what: str) -> Object:
    """The newest; KitError if it is gone, though `what` is made after its pattern."""
    job = newest(found.kubernetes)
    if job is None:
        raise KitError(
            f'The migration Job of "{found.environment.name}" is missing',
            f"{what} is made after its pattern.",
            f"./aerodrome up{found.session.same}",
        )
    return job


def told(kubernetes: Kubernetes, mark: str) -> dict[str, Any]:
    """What the newest says of one matter, in the last line that begins with `mark`; nothing if its log is gone."""
    with suppress(KitError, ValueError):
        if job := newest(kubernetes):
            lines = kubernetes.logs(f"{jobs.POD}={job['metadata']['name']}", lines=jobs.LINES)
            said = [line.partition(mark)[2] for line in lines if line.startswith(mark)]
            return dict(json.loads(said[-1])) if said else {}
    return {}


def spec(
    job: Object, script: str, component: str, variables: Sequence[Object] = ()
) -> dict[str, Any]:
    """Of a Job that runs another script of the image in such a pod, once."""
    template = jobs.template_of(job)
    pod = template["spec"]
    (container,) = pod["containers"]
    changed = {
        **container,
        "args": ["python", f"/opt/airflow/scripts/{script}.py"],
        "env": [*container.get("env", ()), *variables],
    }
    template["spec"] = {**pod, "restartPolicy": "Never", "containers": [changed]}
    template["metadata"]["labels"][COMPONENT_LABEL] = component
    return {"template": template}
