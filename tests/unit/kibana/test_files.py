"""The file of Kibana's saved objects is current, a broken one is refused, and its searches know the fields that there are."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from infra.contract import logs
from kibana import check, content, files
from tests.charts.test_monitoring import LOGS, rendered

Line = dict[str, Any]
FIELD = re.compile(r"_exists_:(\w+)|(?!_exists_)\b(\w+):")


def test_the_committed_file_is_the_one_that_is_made() -> None:
    assert files.FILE.read_text(encoding="utf-8") == files.content(), "run .ci/docs"
    assert check.problems(files.content()) == []


def test_ids_stay() -> None:
    """Links lead to them, and an import replaces by them."""
    lines = [json.loads(line) for line in files.content().splitlines()]
    assert {(one["type"], one["id"]) for one in lines} == {
        ("index-pattern", "aerodrome-logs"),
        ("search", "aerodrome-run"),
        ("search", "aerodrome-failed"),
        ("search", "aerodrome-errors"),
        ("search", "aerodrome-slow"),
        ("visualization", "aerodrome-errors-by-dag"),
        ("visualization", "aerodrome-slowest-tasks"),
        ("dashboard", "aerodrome-logs"),
    }


def fields_of(query: str) -> set[str]:
    return {asked or compared for asked, compared in FIELD.findall(query)}


def mapped() -> Line:
    template = rendered(LOGS).find("ConfigMap", logs.ELASTICSEARCH_SERVICE)["data"]["template.json"]
    found: Line = json.loads(template)["template"]["mappings"]["properties"]
    return found


def test_every_field_is_one_that_lines_have() -> None:
    fields = mapped()
    of_searches = {
        name
        for one in content.SEARCHES
        for name in (*one.columns, *(name for name, _ in one.sort), *fields_of(one.query))
    }
    of_tables = {name for one in content.TABLES for name in (*one.by, one.highest) if name}
    of_view = {content.LINES.time_field, *content.LINES.seconds}
    assert of_searches | of_tables | of_view | content.DASHBOARD.choices.keys() <= fields.keys()
    # Tables and choices are made of values, which texts have not.
    assert {fields[name]["type"] for name in (*content.DASHBOARD.choices, *of_tables)} <= {
        "keyword",
        "double",
    }


def part(line: Line, *keys: str) -> Line:
    """A part that is a text of JSON in it."""
    found: Any = line["attributes"]
    for key in keys:
        found = found[key]
    return json.loads(found)


def changed(line: Line, key: str, change: Callable[[Any], object]) -> None:
    inner = part(line, key)
    change(inner)
    line["attributes"][key] = json.dumps(inner)


BREAKS: dict[str, tuple[int, Callable[[Line], object], str]] = {
    "an unknown type": (1, lambda o: o.update(type="lense"), "nobody knows the type 'lense'"),
    "an unknown attribute": (
        1,
        lambda o: o["attributes"].update(colums=[]),
        "nobody knows 'colums'",
    ),
    "an unknown key": (1, lambda o: o.update(reference=[]), "nobody knows 'reference'"),
    "no id": (1, lambda o: o.pop("id"), "no saved object"),
    "no title": (2, lambda o: o["attributes"].update(title=""), "no title"),
    "a title that is a number": (
        2,
        lambda o: o["attributes"].update(title=5),
        "title: 5 is no str",
    ),
    "columns that are none": (1, lambda o: o["attributes"].update(columns="a"), "'a' is no list"),
    "no version": (1, lambda o: o.update(typeMigrationVersion="new"), "is no version: 'new'"),
    "a version of tomorrow": (
        1,
        lambda o: o.update(typeMigrationVersion="10.5.0"),
        "is newer than",
    ),
    "a core of tomorrow": (1, lambda o: o.update(coreMigrationVersion="9.1.0"), "is newer than"),
    "a reference to nothing": (
        1,
        lambda o: o["references"][0].update(id="airflow"),
        "refers to {'id': 'airflow'",
    ),
    "a reference that is missing": (1, lambda o: o.update(references=[]), "its references do not"),
    "one too many": (
        7,
        lambda o: o["references"].append(
            {"name": "9:panel_9", "type": "search", "id": "aerodrome-run"}
        ),
        "references name 9:panel_9, its content does not",
    ),
    "a query of Kibana's language": (
        1,
        lambda o: o["attributes"]["kibanaSavedObjectMeta"].update(
            searchSourceJSON='{"query": {"query": "a: *", "language": "kuery"}, "filter": []}'
        ),
        "its query is not Lucene's",
    ),
    "a query that is no JSON": (
        1,
        lambda o: o["attributes"]["kibanaSavedObjectMeta"].update(searchSourceJSON="{"),
        "cannot be read",
    ),
    "a table without aggregations": (
        5,
        lambda o: changed(o, "visState", lambda state: state.pop("aggs")),
        "cannot be read: KeyError('aggs')",
    ),
    "panels over each other": (
        7,
        lambda o: changed(o, "panelsJSON", lambda all_: all_[1]["gridData"].update(x=0)),
        "lie over each other",
    ),
    "a panel beyond the grid": (
        7,
        lambda o: changed(o, "panelsJSON", lambda all_: all_[1]["gridData"].update(x=40)),
        "panel 2 is wider than the grid",
    ),
}


@pytest.mark.parametrize("name", BREAKS)
def test_a_broken_object_is_refused(name: str) -> None:
    number, change, message = BREAKS[name]
    lines = [json.loads(line) for line in files.content().splitlines()]
    change(lines[number])
    found = check.problems("".join(f"{json.dumps(one)}\n" for one in lines))
    assert [one for one in found if message in one], found


def test_an_object_that_is_there_twice_is_refused() -> None:
    text = files.content()
    found = check.problems(text + text.splitlines()[0])
    assert found == ["index-pattern aerodrome-logs is there 2 times"]
    assert check.problems("") == ["no saved objects"]


def test_the_command_names_the_file_and_what_is_wrong(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.ndjson", tmp_path / "bad.ndjson"
    files.write(good)
    bad.write_text("{\n")
    for names, code in (([good], 0), ([good, bad], 2), ([tmp_path / "none"], 2)):
        done = subprocess.run(
            [sys.executable, "-m", "kibana", "check", *names],
            cwd=files.ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == code
        assert "Traceback" not in done.stderr
        assert (f"{names[-1]}: " in done.stderr) == bool(code)


def test_the_page_of_logs_names_every_search_and_field() -> None:
    page = (files.ROOT / "docs" / "logs.md").read_text()
    for one in (*content.SEARCHES, content.DASHBOARD):
        assert f"| {one.title} |" in page
    for name in mapped():
        assert f"`{name}`" in page
