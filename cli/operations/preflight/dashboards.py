"""Whether Grafana would take the files that it is given: it says nothing of one that it leaves out, but in its log.

Files are the kit's, and whatever else somebody has put beside them.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from cli.base.errors import UserError
from cli.base.paths import ROOT
from cli.operations.bootstrap.requested_settings import RequestedSettings
from infra.contract.metrics import MonitoringScope

FILES: Final = ROOT / "charts" / "monitoring" / "files"
LONGEST_UID: Final = 40
NAME: Final = re.compile(r"[-._A-Za-z0-9]+")
"""What Kubernetes takes as the name of a file in a ConfigMap."""

LARGEST: Final = 1_000_000
"""Bytes of all dashboards: they are one ConfigMap, and Kubernetes takes a MiB of it."""


def check(requested: RequestedSettings, files: Path = FILES) -> None:
    """UserError for files that it would not take, if it is deployed."""
    if not MonitoringScope(requested.value("monitoring")).with_metrics:
        return
    if not requested.value("grafana"):
        return
    found = problems(files)
    if found:
        raise UserError(
            "Grafana would not take its files",
            "".join(f"{one}\n" for one in found) + "Nothing was changed.",
            f"git diff HEAD -- {_shown(files)}",
        )


def problems(files: Path) -> list[str]:
    """What is wrong with them, by the file."""
    found: list[str] = []
    places: dict[tuple[str, str], str] = {}
    size = 0
    for path in sorted((files / "dashboards").glob("*.json")):
        name, text = _shown(path), _text(path)
        if not NAME.fullmatch(path.name):
            found.append(f"{name}: a name has letters, digits, '-', '_' and '.' only")
        if text is None:
            found.append(f"{name}: it is no text")
            continue
        size += len(text.encode())
        board, wrong = _dashboard(text)
        found += [f"{name}: {one}" for one in wrong]
        for key in ("uid", "title"):
            if (value := board.get(key)) and isinstance(value, str):
                if other := places.get((key, value)):
                    found.append(f"{name}: {other} has the {key} {value!r}, too")
                places[key, value] = name
    if size > LARGEST:
        found.append(f"{_shown(files / 'dashboards')}: {size} bytes, and {LARGEST} fit")
    for path in sorted((files / "provisioning").rglob("*.yaml")):
        found += [f"{_shown(path)}: {one}" for one in _provisioning(_text(path) or "")]
    return found


def _dashboard(text: str) -> tuple[Mapping[str, Any], list[str]]:
    try:
        board = json.loads(text)
    except json.JSONDecodeError as error:
        return {}, [f"no JSON: {error}"]
    if not isinstance(board, dict):
        return {}, ["no dashboard, which is an object of JSON"]
    wrong = []
    if not isinstance(board.get("title"), str) or not board["title"].strip():
        wrong.append("no title")
    uid = board.get("uid")
    if not isinstance(uid, str) or not uid or len(uid) > LONGEST_UID:
        wrong.append(f"no uid, a text of 1 to {LONGEST_UID} characters")
    panels = board.get("panels", [])
    if not isinstance(panels, list) or not all(isinstance(one, dict) for one in panels):
        wrong.append("its panels are no list of objects")
    elif not all(isinstance(one.get("type"), str) for one in panels):
        wrong.append("a panel without a type")
    if "dashboard" in board and "panels" not in board:
        wrong.append('it is an answer of the API: the dashboard is what is below "dashboard"')
    return board, wrong


def _provisioning(text: str) -> list[str]:
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        return [f"no YAML: {' '.join(str(error).split())}"]
    if not isinstance(content, dict) or content.get("apiVersion") != 1:
        return ["no file of Grafana's provisioning: its apiVersion is not 1"]
    return []


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None


def _shown(path: Path) -> str:
    return str(path.relative_to(ROOT) if path.is_relative_to(ROOT) else path)
