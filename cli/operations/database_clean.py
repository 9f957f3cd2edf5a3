"""Old rows of an environment's database, moved to the bucket on request: one more run of the chart's CronJob.

Which rows are old, and how they are moved, is `images/airflow/scripts/clean_database.py`'s to know.
"""

from typing import Any

from cli.base.errors import KitError, UserError
from cli.cloud.kubernetes import Object
from cli.operations import jobs
from cli.operations.live import Live

SECONDS = 14_400.0

_CRON_JOB = "airflow-database-clean"


def clean(found: Live, days: int | None, *, dry_run: bool) -> dict[str, Any]:
    """What was moved, or would be: `rows`, rows by table, `objects`, and why it ended early, if it did."""
    _require(found)
    cron_job = found.kubernetes.find("cronjob", _CRON_JOB)
    if cron_job is None:
        raise KitError(
            f'The CronJob "{_CRON_JOB}" of "{found.environment.name}" is missing',
            "Somebody deleted it, or a deployment did not finish.",
            f"./aerodrome up{found.session.same}",
        )
    spec = _spec(cron_job, days, dry_run=dry_run)
    return jobs.answer(jobs.run(found.kubernetes, f"{_CRON_JOB}-now", spec, SECONDS))


def _spec(cron_job: Object, days: int | None, *, dry_run: bool) -> dict[str, Any]:
    """Of a Job as the CronJob makes them, told otherwise what to do."""
    job = cron_job["spec"]["jobTemplate"]
    template = jobs.template_of(job)
    (container,) = template["spec"]["containers"]
    asked = {} if days is None else {"CLEAN_KEEP_DAYS": str(days)}
    asked |= {"CLEAN_DRY_RUN": "true"} if dry_run else {}
    kept = [item for item in container["env"] if item["name"] not in asked]
    added = [{"name": name, "value": value} for name, value in asked.items()]
    pod = {**template["spec"], "containers": [{**container, "env": [*kept, *added]}]}
    return {**job["spec"], "backoffLimit": 0, "template": {**template, "spec": pod}}


def _require(found: Live) -> None:
    """UserError if the environment has no place for old rows."""
    if found.outputs.archive_prefix:
        return
    name = found.environment.name
    if base := found.outputs.base:
        raise UserError(
            f'Environment "{name}" keeps all of its database',
            "A branch's environment lives for days; its base moves old rows to the bucket.",
            f"./aerodrome database clean --env {base}",
        )
    raise UserError(
        f'Environment "{name}" keeps all of its database',
        "Its setting databaseKeepDays is 0, or it was deployed before old rows were moved.",
        f"./aerodrome config set databaseKeepDays 365 --env {name} && ./aerodrome up --env {name}",
    )
