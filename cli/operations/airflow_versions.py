"""The Airflow that an environment runs, and the one that this checkout would deploy.

A newer minor version brings migrations of the database, and the one of before does not know the schema that they
leave: there is a way forward, and none back but a backup. What runs is asked of the pods, not of the state: a pod
that has got past its wait for the schema works with the database as its own Airflow's migrations have made it. The
migration Job judges for itself, by the database's own revisions (`images/airflow/scripts/schema_versions.py`).
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cli.base.errors import KitError, UserError
from cli.base.paths import ROOT
from cli.cloud.kubernetes import Kubernetes, Object
from cli.operations.hindrances import conditions
from cli.operations.live import Live

CHART = ROOT / "charts" / "airflow" / "Chart.yaml"

_VERSION = "app.kubernetes.io/version"
_PODS = "app.kubernetes.io/name=airflow"
_WAIT = "wait-for-schema"
"""The init container of the pods that work with the database: it ends when the schema is their image's."""


@dataclass(frozen=True)
class VersionChange:
    """What a deployment does to the version of Airflow."""

    deployed: str
    """Empty if none runs, or nobody can say."""

    new: str

    @property
    def backwards(self) -> bool:
        return bool(self.deployed) and _ordered(self.new) < _ordered(self.deployed)

    @property
    def minor(self) -> bool:
        """Whether the schema is another: within a minor version it rarely is."""
        return bool(self.deployed) and _minor(self.deployed) != _minor(self.new)

    def data(self) -> dict[str, Any]:
        """For programs."""
        return {"deployed": self.deployed, "new": self.new, "migrates": self.minor}

    def text(self) -> str:
        """The change in a sentence; empty if there is none."""
        if not self.deployed or self.deployed == self.new:
            return ""
        what = f"Airflow {self.deployed} -> {self.new}"
        if self.minor:
            return f"{what}: the database's schema is migrated, and going back takes a backup made before"
        if self.backwards:
            return f"{what}: if the database's schema is a newer one, the deployment fails and nothing changes"
        return what


def of_checkout() -> str:
    """The Airflow of this checkout's chart and image."""
    # Not earlier: `--help` loads this module.
    import yaml

    return str(yaml.safe_load(CHART.read_text())["appVersion"])


def running(kubernetes: Kubernetes) -> str:
    """The newest Airflow that works with the database; empty if none does."""
    pods = kubernetes.objects("pods", selector=_PODS)
    found = [pod["metadata"]["labels"].get(_VERSION, "") for pod in pods if _at_work(pod)]
    return max(found, key=_ordered, default="")


def look(live: Live) -> VersionChange:
    """What a deployment of this checkout would change. Where the cluster cannot be asked, that is not known."""
    try:
        return VersionChange(running(live.kubernetes), of_checkout())
    except KitError:
        return VersionChange("", of_checkout())


def check(live: Live, report: Callable[[str], None]) -> VersionChange:
    """The change, reported. UserError if it leads back behind the database's schema."""
    change = look(live)
    if change.backwards and change.minor:
        raise UserError(
            f'"{live.environment.name}" runs Airflow {change.deployed}, and this checkout has {change.new}',
            f"Airflow {change.new} does not know the database's schema. Nothing was changed. Deploy a checkout with "
            f"Airflow {change.deployed} or newer, or give up what has happened since a backup that Airflow "
            f"{_minor(change.new)} made (docs/upgrade.md):",
            f"./aerodrome restore --no-migrate --from BACKUP{live.session.same} "
            f"&& ./aerodrome up{live.session.same}",
        )
    if text := change.text():
        report(f"{'warning: ' if change.minor or change.backwards else ''}{text}")
    if change.minor:
        report(_advice(live))
    return change


def refuse_newer(live: Live, backup: str, airflow: str) -> None:
    """UserError if a backup is of a newer minor version than the Airflow that would have to read it."""
    deployed = look(live).deployed
    change = VersionChange(airflow, deployed)
    if deployed and change.backwards and change.minor:
        raise UserError(
            f'{backup} is of Airflow {airflow}, and "{live.environment.name}" runs {deployed}',
            f"Airflow {deployed} does not know the schema of the backup. Nothing was changed. Deploy a checkout with "
            f"Airflow {airflow} or newer first, or take an older backup:",
            f"./aerodrome backup --list{live.session.same}",
        )


def _advice(live: Live) -> str:
    if live.outputs.backup_prefix:
        return f"to be able to go back, first: ./aerodrome backup{live.session.same}"
    return "this environment makes no backups: there is no way back (docs/upgrade.md)"


def _at_work(pod: Object) -> bool:
    waits = [each["name"] for each in pod["spec"].get("initContainers") or ()]
    running = (pod.get("status") or {}).get("phase") == "Running"
    return running and _WAIT in waits and "Initialized" in conditions(pod)


def _minor(version: str) -> str:
    return ".".join(version.split(".")[:2])


def _ordered(version: str) -> list[int]:
    return [int(part) for part in re.findall(r"\d+", version)[:3]]
