"""The dashboards, one a module."""

from collections.abc import Callable
from typing import Final

from grafana_foundation_sdk.builders.dashboard import Dashboard

from grafana.boards import branches, dags, infrastructure, overview, tasks

BOARDS: Final[dict[str, Callable[[], Dashboard]]] = {
    "overview": overview.dashboard,
    "dags": dags.dashboard,
    "tasks": tasks.dashboard,
    "infrastructure": infrastructure.dashboard,
    "branches": branches.dashboard,
}
"""By the name of the file."""
