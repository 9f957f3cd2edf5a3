"""The files of Grafana are current, a broken one is refused, and every alert has its page."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from grafana import check, datasource, files, influxql
from grafana.alerts import ALERTS
from grafana.boards import BOARDS
from grafana.errors import GrafanaError
from grafana.provisioning import RUNBOOKS
from infra.contract import metrics

RUNBOOK_PAGES = files.ROOT / "docs" / "runbooks"
PROVISIONING = files.FOLDER / "provisioning"
Board = dict[str, Any]


def test_the_committed_files_are_those_that_are_made() -> None:
    there = {
        path.relative_to(files.FOLDER).as_posix(): path.read_text(encoding="utf-8")
        for path in files.FOLDER.rglob("*")
        if path.is_file()
    }
    assert there == files.contents(), "run .ci/docs"


@pytest.mark.parametrize("name", BOARDS)
def test_dashboards_are_valid(name: str) -> None:
    assert check.problems(files.dashboard(name)) == []


def test_no_two_dashboards_have_one_address() -> None:
    assert len({json.loads(files.dashboard(name))["uid"] for name in BOARDS}) == len(BOARDS)


def first(board: Board) -> Board:
    return dict.__getitem__(board, "panels")[0]


BREAKS: dict[str, tuple[Callable[[Board], object], str]] = {
    "an unknown key": (lambda b: b.update(tittle="x"), "nobody knows 'tittle'"),
    "an unknown key of a panel": (
        lambda b: first(b)["fieldConfig"]["defaults"].update(untit="s"),
        "nobody knows 'untit'",
    ),
    "a title that is a number": (lambda b: b.update(title=5), "dashboard.title: 5 is no"),
    "a panel's width in words": (
        lambda b: first(b)["gridPos"].update(w="wide"),
        "'wide' is no int",
    ),
    "an unknown mode": (
        lambda b: first(b)["fieldConfig"]["defaults"]["thresholds"].update(mode="relative"),
        "'relative' is no ThresholdsMode",
    ),
    "panels that are none": (lambda b: b.update(panels="none"), "no dashboard"),
    "no title": (lambda b: b.update(title=""), "no title"),
    "no panels": (lambda b: b.update(panels=[]), "no panels"),
    "a panel without a query": (lambda b: first(b).update(targets=[]), "no query"),
    "two panels with one id": (lambda b: first(b).update(id=2), "2 panels with the id 2"),
    "panels over each other": (
        lambda b: b["panels"][1].update(gridPos=first(b)["gridPos"]),
        "lie over each other",
    ),
    "a panel beyond the grid": (lambda b: first(b)["gridPos"].update(x=22), "wider than the grid"),
    "a measurement that nothing sends": (
        lambda b: first(b)["targets"][0].update(query='SELECT "value" FROM "airflow_sla_missed"'),
        'no measurement "airflow_sla_missed"',
    ),
    "another data source": (
        lambda b: first(b)["targets"][0]["datasource"].update(uid="mine"),
        f"not {datasource.UID}",
    ),
}


@pytest.mark.parametrize("name", BREAKS)
def test_a_broken_dashboard_is_refused(name: str) -> None:
    change, message = BREAKS[name]
    board = json.loads(files.dashboard("overview"))
    change(board)
    found = check.problems(json.dumps(board))
    assert [one for one in found if message in one], found


def test_the_command_names_the_file_and_what_is_wrong(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.json", tmp_path / "bad.json"
    good.write_text(files.dashboard("dags"))
    bad.write_text("{")
    for names, code in (([good], 0), ([good, bad], 2), ([tmp_path / "none.json"], 2)):
        done = subprocess.run(
            [sys.executable, "-m", "grafana", *names],
            cwd=files.ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == code
        assert "Traceback" not in done.stderr
        assert (f"{names[-1]}: " in done.stderr) == bool(code)


def test_what_is_no_longer_made_is_removed(tmp_path: Path) -> None:
    old = tmp_path / "dashboards" / "old.json"
    old.parent.mkdir()
    old.write_text("{}")
    files.write(tmp_path)
    assert not old.exists()
    assert {path.stem for path in old.parent.iterdir()} == set(BOARDS)


@pytest.mark.parametrize(
    ("fields", "name", "tags", "message"),
    [
        ('sum("value")', "airflow_nothing", [], "no measurement"),
        ('sum("count")', "airflow_ti_start", [], "no field count"),
        ('sum("value")', "airflow_ti_start", ["pool_name"], "no tag pool_name"),
    ],
)
def test_a_query_of_what_is_not_measured_is_refused(
    fields: str, name: str, tags: list[str], message: str
) -> None:
    with pytest.raises(GrafanaError, match=message):
        influxql.select(fields, name, by=tags)


def test_every_alert_has_a_runbook_and_none_is_left_over() -> None:
    assert {path.name for path in RUNBOOK_PAGES.iterdir()} == {f"{one.name}.md" for one in ALERTS}
    (group,) = yaml.safe_load((PROVISIONING / "alerting" / "rules.yaml").read_text())["groups"]
    links = {one["title"]: one["annotations"]["runbook_url"] for one in group["rules"]}
    assert links == {one.title: f"{RUNBOOKS}/{one.name}.md" for one in ALERTS}
    for one in ALERTS:
        page = (RUNBOOK_PAGES / f"{one.name}.md").read_text()
        assert page.startswith(f"# {one.title}\n")
        assert [line for line in page.splitlines() if line.startswith("## ")] == [
            "## What it means",
            "## What to do",
            "## When it ends",
        ]


def test_the_page_of_monitoring_names_every_alert_and_dashboard() -> None:
    page = (files.ROOT / "docs" / "monitoring.md").read_text()
    for alert in ALERTS:
        assert f"[{alert.title}](runbooks/{alert.name}.md)" in page
    for name in BOARDS:
        assert f"`{name}.json`" in page


def test_the_data_source_is_the_one_that_queries_name() -> None:
    (source,) = yaml.safe_load((PROVISIONING / "datasources" / "influxdb.yaml").read_text())[
        "datasources"
    ]
    assert (source["uid"], source["type"]) == (datasource.UID, datasource.TYPE)
    assert source["user"] == metrics.READER
    # It is read from a file beside Grafana: none is in this one.
    assert source["secureJsonData"]["password"].startswith("$__file{/")
