"""Which rotations an environment has no use for, or cannot go through while Airflow works."""

from typing import Final

from cli.base.settings import qualified
from cli.operations.live import Live
from cli.stack import rotation
from infra.contract import executors
from infra.contract.metrics import MonitoringScope
from infra.contract.settings import SETTINGS

ACCESS_KEY: Final = "aws:iam/accessKey:AccessKey"


def hindrance(live: Live, which: str) -> str:
    """Why this one cannot be made; empty if it can."""
    plain = live.backend.plain()
    if which == rotation.CELERY:
        named = str(plain.get(qualified("executor")) or SETTINGS["executor"].default)
        if not executors.executor(named).needs_redis:
            return f"It has no queue: its executor is {named}."
    if which == rotation.MONITOR:
        scope = MonitoringScope(plain.get(qualified("monitoring"), MonitoringScope.none))
        if live.shared or not scope.with_metrics:
            return "Nobody asks its PostgreSQL for figures: that is a part of an environment's metrics."
    if which == rotation.RANCHER and (live.shared or not access_keys(live)):
        return "It has no Rancher, and so no access key."
    return ""


def access_keys(live: Live) -> dict[str, str]:
    """The deployed access keys: ids by their names in the stack."""
    return {one.name: one.id for one in live.backend.resources() if one.type == ACCESS_KEY}
