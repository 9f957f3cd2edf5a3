"""Which DAG files an environment's image has, and which of them the next image would change.

The image's build writes it down (images/airflow/scripts/check_dags.py); an image of an earlier
version has no such record, and then nothing is known.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cli.base.paths import ROOT
from cli.cloud.kubernetes import Object
from cli.operations.live import COMPONENT_LABEL, Live

FOLDER = ROOT / "images" / "airflow" / "dags"
"""What the next image gets."""

BUNDLE = "dags-folder"
"""Airflow's name for it (images/airflow/airflow.cfg)."""

PROCESSOR = "dag-processor"
_RECORD = "/opt/airflow/dags.json"


@dataclass(frozen=True)
class DagOfImage:
    """A DAG that the build has found."""

    bundle: str
    file: str
    dag: str


@dataclass(frozen=True)
class ImageRecord:
    """What the build of an image wrote down."""

    files: Mapping[str, str]
    """Each file of the team's folder, with the SHA-256 of its content."""

    dags: tuple[DagOfImage, ...]

    def without_teams(self) -> "ImageRecord":
        """What counts of it where the team's DAG files are not the image's."""
        return ImageRecord({}, tuple(each for each in self.dags if each.bundle != BUNDLE))

    def changed(self, folder: Path = FOLDER) -> set[str]:
        """Files that `folder` has with another content, or not at all."""
        return {name for name, known in self.files.items() if content(folder / name) != known}


def content(path: Path) -> str:
    """A short text that is equal for equal content; empty if there is no such file."""
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""


def processor(live: Live) -> Object | None:
    """The youngest running pod that parses the environment's DAG files."""
    pods = live.kubernetes.objects("pods", selector=f"{COMPONENT_LABEL}={PROCESSOR}")
    running = [
        pod
        for pod in pods
        if pod["status"].get("phase") == "Running" and "deletionTimestamp" not in pod["metadata"]
    ]
    return max(running, key=lambda pod: str(pod["status"].get("startTime", "")), default=None)


def record(live: Live, pod: Object) -> ImageRecord | None:
    """Of the image that the pod runs; None if it has none."""
    code, text, _ = live.kubernetes.execute(pod, "cat", _RECORD, seconds=30.0)
    if code:
        return None
    try:
        found = json.loads(text)
        dags = tuple(DagOfImage(**item) for item in found["dags"])
        return ImageRecord(found["files"], dags)
    except (ValueError, KeyError, TypeError):
        return None
