"""Airflow's chart as Helm renders it for one machine: the one source of what the containers run.

Nothing of the components is written down here a second time. What the program decides for a cluster
(`infra/airflow.py`), `values` decides for a compose file.
"""

import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cli.base.errors import UserError
from cli.base.paths import ROOT
from infra.contract import executors
from infra.contract.settings import Settings

CHART: Final = ROOT / "charts" / "airflow"

IMAGES: Final = ("airflow", "postgres", "redis")
"""Folders below `images/`."""

API_SERVER: Final = "api-server"
DATABASE: Final = "database"
REDIS: Final = "redis"
FLOWER: Final = "flower"
WORKER: Final = "celery-worker"
MIGRATION: Final = "migration"
"""Values of the chart's component label: services are called by them, and so are their hosts."""

SECRETS: Final = ("fernet", "jwt", "api", "database", "admin", "celery")
"""The chart's Secrets, under the names that `values` gives them."""

_SHOWN: Final = 20
"""Lines of Helm's message: a values file that does not fit has one for each fault."""


@dataclass(frozen=True)
class Chosen:
    """The executor of the compose file, and why it is not the environment's, if it is not."""

    executor: str
    reason: str = ""


def choose(setting: str) -> Chosen:
    """What of the setting `executor` runs without Kubernetes; the CeleryExecutor if nothing does."""
    kept = [name for name in setting.split(",") if not executors.executor(name).task_pods]
    if kept and ",".join(kept) == setting:
        return Chosen(setting)
    reason = f"{setting}, as the environment is configured, needs a Kubernetes cluster"
    return Chosen(",".join(kept) or "CeleryExecutor", reason)


def asked(text: str, same: str) -> Chosen:
    """The executor that the command line names. UserError for one that needs Kubernetes, or is none."""
    if problem := executors.check(text):
        raise UserError(f"--executor {text} is not valid", f"It {problem}.")
    instead = choose(text).executor
    if instead != text:
        raise UserError(
            f"--executor {text} needs a Kubernetes cluster",
            "It starts a pod for each task; a compose file has no cluster.",
            f"./aerodrome compose --executor {instead}{same}",
        )
    return Chosen(text)


def image_of(name: str, environment: str) -> str:
    """The name under which an image of this environment is built."""
    return f"aerodrome/{name}:{environment}"


def values(settings: Settings, executor: str, *, mounted_dags: bool) -> dict[str, Any]:
    """The chart's values that follow from the compose file; they win over the user's."""
    images = {name: _image(name, settings.environment) for name in IMAGES}
    config = {"core": {"execution_api_server_url": f"http://{API_SERVER}:8080/execution/"}}
    found: dict[str, Any] = {
        "environment": settings.environment,
        "image": images["airflow"],
        "executor": executor,
        "secrets": {name: name for name in (*SECRETS, "declared")},
        "postgres": {"enabled": True, "image": images["postgres"]},
        "redis": {"image": images["redis"]},
        # One machine has few processes: PostgreSQL holds their connections.
        "pgbouncer": {"enabled": False},
        # The autoscaler asks Kubernetes for more workers.
        "celery": {"createResultsDatabase": True, "workers": {"most": None}},
        # One port of the machine leads to it.
        "apiServer": {"replicas": 1, "autoscaling": {"enabled": False}},
        "ui": {"baseUrl": ""},
        "workers": {"startPods": False},
        "networkPolicies": {"enabled": False},
        # There is no bucket.
        "backup": {"enabled": False},
        "databaseClean": {"enabled": False},
        "dags": {"source": "image"},
        # A Kubernetes Secret that a declaration names is nowhere: what needs it is left out, and the Job says so.
        "missingSecrets": "leaveOut",
        "logs": {"bucket": ""},
        "xcom": {"enabled": False},
        "config": config,
    }
    if mounted_dags:
        # Who edits a DAG wants to see it: Airflow looks for new files every five minutes otherwise.
        found["dagProcessor"] = {"parseIntervalSeconds": 5}
        config["dag_processor"] = {"refresh_interval": "5"}
    return found


def _image(name: str, environment: str) -> dict[str, str]:
    repository, _, tag = image_of(name, environment).rpartition(":")
    return {"repository": repository, "tag": tag, "digest": ""}


def files(settings: Settings, root: Path = ROOT) -> list[Path]:
    """The user's files of values, the last wins: those that the program reads, too (`infra/values.py`)."""
    named = [root / "values" / f"{name}.yaml" for name in ("common", settings.environment)]
    there = [file for file in named if file.exists()]
    return [*there, *(root / name for name in settings.values_files)]


def render(
    helm: str, computed: Mapping[str, Any], user_files: Sequence[Path]
) -> list[dict[str, Any]]:
    """The chart's objects. UserError if the user's values do not fit the chart."""
    import yaml

    options = [part for file in user_files for part in ("--values", str(file))]
    command = [helm, "template", "airflow", str(CHART), "--namespace", "airflow", *options]
    done = subprocess.run(
        [*command, "--values", "-"],
        input=yaml.safe_dump(dict(computed)),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        lines = [line for line in done.stderr.strip().splitlines() if line.strip()]
        read = ", ".join(str(file.relative_to(ROOT)) for file in user_files)
        raise UserError(
            f"Airflow's chart does not take its values{f' ({read})' if read else ''}",
            "\n".join(lines[:_SHOWN]),
        )
    return [item for item in yaml.load_all(done.stdout, yaml.CSafeLoader) if item]


def find_helm(built: Callable[[], str]) -> str:
    """The program: the machine's, or the one that set-up has built. UserError if there is neither."""
    if found := shutil.which("helm"):
        return found
    try:
        path = built()
    except UserError:
        path = ""
    if path and Path(path).exists():
        return path
    raise UserError(
        "helm is not on the PATH",
        "The compose file is made from Airflow's chart, which Helm renders. It needs no cluster.\n"
        "Install it (https://helm.sh/docs/intro/install/), or let set-up build it:",
        "make setup",
    )
