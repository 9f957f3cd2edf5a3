"""Charts: found, read, hashed; and values held against their schema."""

import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from sandbox.errors import Unsupported, UserError
from sandbox.providers.kubernetes.helm.chart import Chart, load, locate
from sandbox.providers.kubernetes.helm.values import merge, problems
from sandbox.wire.values import UNKNOWN

SCHEMA = {
    "$schema": "http://json-schema.org/draft-07/schema#",
    "type": "object",
    "additionalProperties": False,
    "required": ["image"],
    "properties": {
        "image": {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "digest": {"type": "string", "pattern": "^sha256:"},
                "tag": {"type": "string"},
            },
        },
        "executor": {"enum": ["KubernetesExecutor", "LocalExecutor"]},
        "replicas": {"type": "integer", "minimum": 1},
    },
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "charts" / "demo"
    (path / "templates").mkdir(parents=True)
    (path / "Chart.yaml").write_text(
        "apiVersion: v2\nname: demo\nversion: 1.2.3\nappVersion: '9'\n"
    )
    (path / "values.yaml").write_text("executor: LocalExecutor\nreplicas: 1\n")
    (path / "values.schema.json").write_text(json.dumps(SCHEMA))
    (path / "templates" / "a.yaml").write_text("kind: ConfigMap\n")
    return path


@pytest.fixture
def chart(folder: Path) -> Chart:
    return load(folder)


def test_a_chart_says_what_it_is(chart: Chart) -> None:
    assert (chart.name, chart.version, chart.app_version) == ("demo", "1.2.3", "9")
    assert chart.values == {"executor": "LocalExecutor", "replicas": 1}
    assert not chart.late_hooks


def test_the_checksum_follows_the_content(chart: Chart, folder: Path) -> None:
    assert load(folder).checksum == chart.checksum
    (folder / "templates" / "a.yaml").write_text("kind: Secret\n")
    assert load(folder).checksum != chart.checksum


def test_a_packed_chart_is_the_same_chart(chart: Chart, folder: Path, tmp_path: Path) -> None:
    packed = tmp_path / "demo-1.2.3.tgz"
    with tarfile.open(packed, "w:gz") as archive:
        archive.add(folder, "demo")
    assert load(packed).checksum == chart.checksum


def test_hooks_that_want_everything_ready_are_seen(folder: Path) -> None:
    (folder / "templates" / "b.yaml").write_text("helm.sh/hook: post-install\n")
    assert load(folder).late_hooks


def test_paths_are_the_programs_or_the_projects(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "infra"
    program.mkdir()
    (tmp_path / "Pulumi.yaml").write_text("name: demo\n")
    monkeypatch.chdir(program)
    for reference in (str(folder), "../charts/demo", "charts/demo"):
        assert locate(reference) == folder
    with pytest.raises(UserError, match="There is no chart charts/other"):
        locate("charts/other")


@pytest.mark.parametrize("reference", ["oci://registry/demo", "https://example.com/demo.tgz"])
def test_charts_elsewhere_are_refused(reference: str) -> None:
    with pytest.raises(Unsupported, match="does not fetch the chart"):
        locate(reference)


IMAGE = {"image": {"tag": "a"}}

CASES: list[tuple[dict[str, Any], list[tuple[str, str]]]] = [
    (IMAGE, []),
    (
        IMAGE | {"executer": "x"},
        [("values.executer", "chart demo has no such value; did you mean executor?")],
    ),
    ({}, [("values.image", "chart demo needs this value")]),
    (
        {"image": {"tags": "a", "digest": UNKNOWN}},
        [("values.image.tags", "chart demo has no such value; did you mean tag?")],
    ),
    (IMAGE | {"replicas": "2"}, [("values.replicas", "must be of type integer")]),
    (IMAGE | {"replicas": 0}, [("values.replicas", "must be at least 1")]),
    (
        IMAGE | {"executor": "X"},
        [("values.executor", 'must be one of "KubernetesExecutor", "LocalExecutor"')],
    ),
    ({"image": {"digest": "hush"}}, [("values.image.digest", "must match ^sha256:")]),
    ({"image": {"digest": UNKNOWN}}, []),
    ({"image": UNKNOWN, "executor": UNKNOWN}, []),
]


@pytest.mark.parametrize(("values", "expected"), CASES)
def test_values(chart: Chart, values: dict[str, Any], expected: list[tuple[str, str]]) -> None:
    found = [(failure.property, failure.reason) for failure in problems(chart, values)]
    assert found == expected
    assert "hush" not in str(found)


def test_merging_as_helm_does() -> None:
    defaults = {"a": {"b": 1, "c": 2}, "d": [1], "e": 3}
    given = {"a": {"b": 9, "c": None}, "d": [2], "f": 4}
    assert merge(defaults, given) == {"a": {"b": 9}, "d": [2], "e": 3, "f": 4}
