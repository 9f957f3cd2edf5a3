"""The metrics of a shared environment in its base's InfluxDB: they go with it.

Alerts look at what an environment sent up to a week ago. Of one that is gone they would warn for as long, and one that is
made again under its name would be taken for it.
"""

from cli.base.errors import KitError
from cli.base.influxdb import InfluxDB
from cli.cloud.patience import Patience
from cli.operations import metrics_store
from cli.operations.teardown.report import Report
from cli.operations.teardown.target import Target
from cli.operations.teardown.waiting import until_none
from infra.contract import metrics

ON_THE_WAY = 15
"""Seconds after which what was sent is stored: Telegraf counts for some seconds before it writes."""

PATIENCE = Patience(limit=2 * ON_THE_WAY, stuck=2 * ON_THE_WAY, pause=1.0)


def remove(target: Target, report: Report, patience: Patience = PATIENCE) -> None:
    """Once no pod of the environment is left. What fails is a note: nothing of the environment itself stays."""
    if target.kubernetes is None or not target.shared:
        return
    cluster = target.cloud.kubernetes(
        metrics.NAMESPACE, target.outputs, target.cluster, target.region
    )
    try:
        if not metrics_store.exists(cluster):
            return
        with (
            metrics_store.connection(cluster) as reader,
            metrics_store.connection(cluster, metrics.WRITER) as writer,
        ):
            if drop(reader, writer, target.name, patience):
                report.deleted(f"metrics of {target.name} in {target.base}")
    except KitError as error:
        report.note(
            f"its metrics are left in {target.base}, whose alerts may tell of it for up to a week; another `down` "
            f"removes them: {error.summary}"
        )


def drop(
    reader: InfluxDB, writer: InfluxDB, environment: str, patience: Patience = PATIENCE
) -> bool:
    """Drops all series of an environment, in every retention policy. Whether there were any.

    It waits until none has a new point: one that is still on the way would bring its series back.
    """
    mine = f"\"{metrics.ENVIRONMENT_TAG}\" = '{environment}'"
    if not reader.rows(f"SHOW SERIES WHERE {mine} LIMIT 1"):
        return False

    def fresh() -> list[str]:
        found = reader.rows(
            f'SELECT last("value") FROM /^airflow_.*_heartbeat$/ WHERE {mine} AND time > now() - {ON_THE_WAY}s'
        )
        return [environment] if found else []

    until_none(fresh, patience.limit, patience.pause, lambda gone: None)
    writer.rows(f"DROP SERIES WHERE {mine}")
    return True
