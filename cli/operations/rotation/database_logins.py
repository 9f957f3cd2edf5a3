"""Whether a server takes a login: asked of a Job in the cluster, which gets it by a Secret that goes with it."""

import json
from collections.abc import Sequence
from typing import Any, Final

from cli.cloud.kubernetes import Object
from cli.operations import jobs, migration_job
from cli.operations.live import Live

SECONDS: Final = 300.0

_VARIABLE = "LOGINS"


def tried(live: Live, logins: Sequence[tuple[str, str]]) -> list[bool]:
    """Of each pair of user and password, in Airflow's database."""
    found: list[bool] = asked(live, "database-logins", logins)
    return found


def asked(live: Live, component: str, question: Any) -> Any:
    """What the image's script of that name answers, whose Job has the component's label: network policies go by it."""
    kubernetes, name = live.kubernetes, f"airflow-{component}"
    secret: Object = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": kubernetes.namespace},
        "stringData": {_VARIABLE: json.dumps(question)},
    }
    reference = {"name": name, "key": _VARIABLE}
    variables = [{"name": _VARIABLE, "valueFrom": {"secretKeyRef": reference}}]
    job = migration_job.need(live, "The pod that tries logins")
    spec = migration_job.spec(job, component.replace("-", "_"), component, variables)
    kubernetes.apply(secret, jobs.MANAGER)
    try:
        return jobs.answers(jobs.run(kubernetes, name, spec, SECONDS))
    finally:
        kubernetes.delete(secret)
