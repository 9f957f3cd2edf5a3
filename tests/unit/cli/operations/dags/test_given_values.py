"""What a person types for `dags check` and `dags test`."""

from pathlib import Path

import pytest

from cli.base.errors import UserError
from cli.operations.dags import check, listing


def file(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "values.yaml"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    "text",
    [
        "variables: {rate: 3, name: x}\nconnections: {crm: 'http://u:p@crm'}\n",
        '{"variables": {"rate": 3, "name": "x"}, "connections": {"crm": {"uri": "http://u:p@crm"}}}',
    ],
)
def test_values_are_read_from_yaml_and_json(tmp_path: Path, text: str) -> None:
    assert check.values(file(tmp_path, text)) == {
        "variables": {"rate": "3", "name": "x"},
        "connections": {"crm": {"uri": "http://u:p@crm"}},
        "complete": True,
    }


def test_what_the_environment_declares_is_known_and_a_file_goes_over_it() -> None:
    known = {
        "variables": {
            "rate": "1",
            "name": {"value": "x"},
            "limits": {"json": {"a": 1}},
            "token": {"config": "token", "variable": "DECLARED_A"},
        },
        "connections": {
            "crm": {"type": "http", "host": "crm", "password": {"config": "x", "variable": "Y"}}
        },
    }
    assert check.with_declared({"variables": {"rate": "3"}}, known) == {
        "variables": {"rate": "3", "name": "x", "limits": '{"a": 1}'},
        "connections": {"crm": {"conn_type": "http", "host": "crm"}},
    }


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("- a\n", "is no file of Variables and Connections"),
        ("rate: 3\n", "is no file of Variables and Connections"),
        ("variables: [a]\n", "is no mapping of names"),
        ("connections: {crm: {pasword: s3cret}}\n", 'The connection "crm"'),
        ("variables: {a: s3cret\nb", "is neither JSON nor YAML"),
    ],
)
def test_a_file_of_another_form_is_refused_without_its_content(
    tmp_path: Path, text: str, words: str
) -> None:
    with pytest.raises(UserError) as caught:
        check.values(file(tmp_path, text))
    assert words in str(caught.value)
    assert "s3cret" not in str(caught.value)


def test_files_that_are_not_there_are_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"nothing\.yaml cannot be read"):
        check.values(tmp_path / "nothing.yaml")
    with pytest.raises(UserError, match="is not there"):
        check.folder(tmp_path / "nothing")
    with pytest.raises(UserError, match="is no folder"):
        check.folder(file(tmp_path, ""))


@pytest.mark.parametrize("text", ["{", "[1]", "3"])
def test_parameters_of_a_run_are_a_json_object(text: str) -> None:
    with pytest.raises(UserError, match="--conf is no JSON"):
        listing.conf(text)


def test_a_date_without_a_time_zone_is_in_utc() -> None:
    assert listing.date("2027-01-31") == "2027-01-31T00:00:00+00:00"
    assert listing.date("2027-01-31T06:00:00Z") == "2027-01-31T06:00:00+00:00"
    with pytest.raises(UserError, match="--date tomorrow is no date"):
        listing.date("tomorrow")
