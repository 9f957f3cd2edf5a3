"""Files that Grafana would not take are refused by `up` before anything is deployed."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cli.base.environments import Environment
from cli.base.errors import UserError
from cli.operations.preflight import checks, dashboards
from tests.unit.cli.fakes import FakeSession

ALERTS = "provisioning/alerting/rules.yaml"


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """The kit's own, and one of somebody's."""
    folder = tmp_path / "files"
    shutil.copytree(dashboards.FILES, folder)
    mine = {"title": "Mine", "uid": "mine", "panels": [{"type": "text"}, {"type": "row"}]}
    (folder / "dashboards" / "mine.json").write_text(json.dumps(mine))
    return folder


def test_the_kits_files_and_a_plain_one_are_taken(files: Path) -> None:
    assert dashboards.problems(dashboards.FILES) == []
    assert dashboards.problems(files) == []


def changed(**change: Any) -> Callable[[Path], object]:
    def change_it(files: Path) -> None:
        path = files / "dashboards" / "dags.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **change}))

    return change_it


BREAKS: dict[str, tuple[Callable[[Path], object], str]] = {
    "cut off": (
        lambda f: (f / "dashboards" / "dags.json").write_text('{"title": "DAGs", "panels": ['),
        "dashboards/dags.json: no JSON: Expecting value",
    ),
    "a conflict of git's": (
        lambda f: (f / "dashboards" / "dags.json").write_text("<<<<<<< HEAD\n{}\n"),
        "dashboards/dags.json: no JSON",
    ),
    "a list": (lambda f: (f / "dashboards" / "dags.json").write_text("[]"), "no dashboard, which"),
    "no text": (lambda f: (f / "dashboards" / "dags.json").write_bytes(b"\xff"), "it is no text"),
    "no title": (changed(title=" "), "dags.json: no title"),
    "no uid": (changed(uid=None), "dags.json: no uid"),
    "a long uid": (changed(uid="d" * 41), "dags.json: no uid, a text of 1 to 40 characters"),
    "the uid of another": (changed(uid="mine"), "dags.json has the uid 'mine', too"),
    "the title of another": (changed(title="Mine"), "dags.json has the title 'Mine', too"),
    "panels that are none": (changed(panels={}), "its panels are no list of objects"),
    "a panel of no kind": (changed(panels=[{"title": "x"}]), "a panel without a type"),
    "an answer of the API": (
        lambda f: (f / "dashboards" / "dags.json").write_text(
            json.dumps({"meta": {}, "dashboard": {"title": "x"}})
        ),
        'the dashboard is what is below "dashboard"',
    ),
    "a name that no ConfigMap takes": (
        lambda f: (f / "dashboards" / "mine.json").rename(f / "dashboards" / "my own.json"),
        "my own.json: a name has letters",
    ),
    "too much": (changed(description="x" * 1_000_000), "bytes, and 1000000 fit"),
    "alerts that are no YAML": (lambda f: (f / ALERTS).write_text("a: [\n"), f"{ALERTS}: no YAML"),
    "alerts of no version": (
        lambda f: (f / ALERTS).write_text("groups: []\n"),
        "apiVersion is not",
    ),
}


@pytest.mark.parametrize("name", BREAKS)
def test_a_broken_file_is_named_with_what_is_wrong(name: str, files: Path) -> None:
    change, said = BREAKS[name]
    change(files)
    found = dashboards.problems(files)
    assert [one for one in found if said in one], found


def checked(session: FakeSession, files: Path, **settings: str) -> None:
    backend: Any = session.fake_backend
    backend.values |= {f"aerodrome:{key}": value for key, value in settings.items()}
    environment = Environment("dev")
    checks.check(session, environment, backend, "eu-north-1", refresh=False, grafana_files=files)


def test_up_and_preview_stop_there(session: FakeSession, files: Path) -> None:
    BREAKS["cut off"][0](files)
    with pytest.raises(UserError) as refused:
        checked(session, files, monitoring="metrics")
    assert "Grafana would not take its files" in str(refused.value)
    assert "dags.json: no JSON" in refused.value.detail
    assert refused.value.detail.endswith("Nothing was changed.")
    assert session.fake_backend.calls == []


@pytest.mark.parametrize(
    "settings", [{"monitoring": "logs"}, {"monitoring": "all", "grafana": "false"}]
)
def test_without_a_grafana_nobody_looks(
    settings: dict[str, str], session: FakeSession, files: Path
) -> None:
    BREAKS["cut off"][0](files)
    checked(session, files, **settings)
