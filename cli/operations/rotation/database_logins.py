"""Whether a database's server takes a login: asked of a Job in the cluster, which gets it by a Secret that goes with it."""

import json
from collections.abc import Sequence
from typing import Final

from cli.cloud.kubernetes import Object
from cli.operations import jobs, migration_job
from cli.operations.live import Live

SECONDS: Final = 300.0

_JOB = "airflow-database-logins"
_SCRIPT = "database_logins"
_VARIABLE = "LOGINS"


def tried(live: Live, logins: Sequence[tuple[str, str]]) -> list[bool]:
    """Of each pair of user and password, in Airflow's database."""
    kubernetes = live.kubernetes
    secret: Object = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": _JOB, "namespace": kubernetes.namespace},
        "stringData": {_VARIABLE: json.dumps(logins)},
    }
    reference = {"name": _JOB, "key": _VARIABLE}
    variables = [{"name": _VARIABLE, "valueFrom": {"secretKeyRef": reference}}]
    job = migration_job.need(live, "The pod that tries logins")
    spec = migration_job.spec(job, _SCRIPT, "database-logins", variables)
    kubernetes.apply(secret, jobs.MANAGER)
    try:
        found: list[bool] = jobs.answers(jobs.run(kubernetes, _JOB, spec, SECONDS))
        return found
    finally:
        kubernetes.delete(secret)
