"""The example DAGs as files: each teaches, each has its row in the table of states and in the documentation."""

import ast
import re
from collections.abc import Iterator

import pytest

from tests.end_to_end.example_states import EXPECTED, RULES
from tests.unit.images.loading import IMAGES

ROOT = IMAGES.parent
FOLDER = IMAGES / "airflow" / "dags" / "examples"
FILES = sorted(FOLDER.glob("*.py"))


def dags() -> Iterator[tuple[str, ast.FunctionDef]]:
    """Every function with `@dag`; its name is the DAG's."""
    for file in FILES:
        for node in ast.parse(file.read_text()).body:
            if isinstance(node, ast.FunctionDef) and any(
                isinstance(one, ast.Call) and ast.unparse(one.func) == "dag"
                for one in node.decorator_list
            ):
                yield node.name, node


def test_every_example_has_an_expectation_and_every_expectation_an_example() -> None:
    names = [name for name, _ in dags()]
    assert len(names) == len(set(names))
    assert set(names) == EXPECTED.keys()


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_file_teaches(file: object) -> None:
    text = ast.get_docstring(ast.parse(file.read_text())) or ""  # type: ignore[attr-defined]
    assert text.startswith("### ")
    assert "**When to use" in text
    assert "**What to look at.**" in text


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_file_has_an_owner_and_a_tag(file: object) -> None:
    text = file.read_text()  # type: ignore[attr-defined]
    assert re.search(r'"owner": "examples"', text)
    assert re.search(r'"?tags"?[=:] ?\["example"\]', text)


def test_nothing_starts_by_the_clock() -> None:
    for name, function in dags():
        source = ast.unparse(function.decorator_list[0])
        assert not re.search(r"schedule='", source), name


def test_the_documentation_lists_every_dag() -> None:
    text = (ROOT / "docs" / "examples.md").read_text()
    missing = {name for name in EXPECTED if f"`{name}`" not in text}
    assert not missing


def test_the_table_has_every_trigger_rule_but_that_of_teardowns() -> None:
    # Airflow's own list is in the image; the DAG goes by it, so a new rule fails the run's check.
    assert len(RULES) == 12
    assert "all_done_setup_success" not in RULES
