"""The check of DAG files, run by the image's own Airflow: what it refuses, and what it takes.

Each case is a file that somebody's DAG folder had. What is right is what the dag-processor does.
"""

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from cli.operations.dags import check
from tests.unit.images.loading import IMAGES, SCRIPTS

AIRFLOW = IMAGES / "airflow"
DAG = """
from airflow.sdk import dag, task
{top}
@dag(dag_id="{dag}", schedule=None, default_args={{"owner": "sales"}})
def pipeline():
    @task
    def work(): pass
    work()
pipeline()
"""
TASKS = """
from airflow.sdk import DAG
from airflow.providers.standard.operators.bash import BashOperator
with DAG("{dag}", schedule=None):
    BashOperator(task_id="a", bash_command="true")
    {more}
"""


def dag(name: str, top: str = "") -> str:
    return DAG.format(dag=name, top=top)


def tasks(name: str, more: str) -> str:
    return TASKS.format(dag=name, more=more)


GOOD = {
    # A package in the folder of DAGs: on Airflow's path, so on the check's.
    "fieldpkg/__init__.py": "X = 1\n",
    "package.py": dag("package", "from fieldpkg import X"),
    "plugin.py": dag("plugin", "import team_plugin"),
    "longest.py": dag("i" * 242),
    "default.py": dag(
        "default", "from airflow.sdk import Variable; Variable.get('rate', default='1')"
    ),
    "executor.py": tasks(
        "executor", "BashOperator(task_id='b', bash_command='true', executor='KubernetesExecutor')"
    ),
    ".airflowignore": "scripts/\n",
    "scripts/tool.py": "import airflow, sys  # a DAG's helper\nsys.exit('executed')\n",
    "arguments.py": dag(
        "arguments", "import argparse; argparse.ArgumentParser().parse_known_args()"
    ),
}

BAD = {
    "argparse_dag.py": dag(
        "a1",
        "import argparse; p = argparse.ArgumentParser(); p.add_argument('--need', required=True)\n"
        "p.parse_args()",
    ),
    "cycle.py": tasks(
        "a2", "b = BashOperator(task_id='b', bash_command='true'); b >> b.dag.task_dict['a'] >> b"
    ),
    "endless.py": dag("a3", "while True: pass"),
    "killed.py": dag("a4", "import os; os._exit(3)"),
    "syntax.py": "from airflow.sdk import dag\ndef (\n",
    "module.py": dag("a5", "import a_module_that_is_not_there"),
    "variable.py": dag("a6", "from airflow.sdk import Variable; Variable.get('rate')"),
    "connection.py": dag("a7", "from airflow.sdk import Connection; Connection.get('crm')"),
    "long_dag.py": dag("l" * 246),
    "long_task.py": tasks("a8", "BashOperator(task_id='t' * 250, bash_command='true')"),
    "long_pool.py": tasks("a9", "BashOperator(task_id='b', bash_command='true', pool='p' * 257)"),
    "one.py": dag("twice"),
    "two.py": dag("twice"),
}


def run(folder: Path, home: Path, *options: str, **more: str) -> subprocess.CompletedProcess[str]:
    """The check as the image's build runs it."""
    python = check.environment(print) / "bin" / "python"
    (home / "airflow.cfg").write_text((AIRFLOW / "airflow.cfg").read_text())
    settings = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGBAG_IMPORT_TIMEOUT": "10",
        **more,
    }
    return subprocess.run(
        [str(python), str(SCRIPTS / "check_dags.py"), str(folder), *options],
        env=settings,
        cwd=home,
        capture_output=True,
        text=True,
        check=False,
    )


def written(folder: Path, files: Mapping[str, str]) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


class Found:
    """The check's answer, by file."""

    def __init__(self, answer: Mapping[str, Any]) -> None:
        self.answer = answer

    def one(self, kind: str, file: str) -> dict[str, Any]:
        (item,) = [each for each in self.answer[kind] if each["file"] == file]
        return dict(item)

    def problem(self, file: str) -> dict[str, Any]:
        return self.one("problems", file)


@pytest.fixture(scope="module")
def bad(tmp_path_factory: pytest.TempPathFactory) -> Found:
    folder, home = tmp_path_factory.mktemp("bad"), tmp_path_factory.mktemp("home")
    done = run(written(folder, BAD), home, "--json")
    assert done.returncode == 1, done.stderr
    return Found(json.loads(done.stdout))


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Found]:
    folder, home = tmp_path_factory.mktemp("good"), tmp_path_factory.mktemp("home")
    plugins = written(home / "plugins", {"team_plugin.py": "Y = 2\n"})
    done = run(
        written(folder, GOOD),
        home,
        *("--json", "--strict", "--record", str(home / "dags.json")),
        AIRFLOW__CORE__PLUGINS_FOLDER=str(plugins),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return home, Found(json.loads(done.stdout))


def test_it_takes_what_airflow_takes(good: tuple[Path, Found]) -> None:
    _, found = good
    dags = {each["dag"] for each in found.answer["dags"]}
    assert dags == {"package", "plugin", "i" * 242, "default", "executor", "arguments"}
    assert found.answer["problems"] == []
    assert {each["owner"] for each in found.answer["dags"] if each["dag"] == "package"} == {"sales"}


def test_an_ignored_file_is_not_executed(good: tuple[Path, Found]) -> None:
    _, found = good
    assert "scripts/tool.py" not in {each["file"] for each in found.answer["files"]}


def test_the_record_has_every_file_and_every_dag(good: tuple[Path, Found]) -> None:
    home, _ = good
    record = json.loads((home / "dags.json").read_text())
    assert set(record["files"]) == set(GOOD)
    assert {"bundle": "dags-folder", "file": "package.py", "dag": "package"} in record["dags"]


@pytest.mark.parametrize(
    ("file", "line", "words"),
    [
        ("argparse_dag.py", 4, "ends the process while it is imported: SystemExit: 2 (airflow"),
        ("argparse_dag.py", 4, "the following arguments are required: --need"),
        ("cycle.py", None, "Cycle detected"),
        ("endless.py", 3, "its import does not end within 10.0 s (core.dagbag_import_timeout)"),
        ("killed.py", None, "ended with exit code 3"),
        ("syntax.py", 2, "does not import: SyntaxError"),
        ("module.py", 3, "No module named 'a_module_that_is_not_there'"),
        ("long_dag.py", None, "column ab_view_menu.name of Airflow's database holds 250: 4 too"),
        ("long_task.py", None, "would be a file name of 258 bytes, 3 too many"),
        ("long_pool.py", None, "column task_instance.pool of Airflow's database holds 256: 1 too"),
        ("two.py", 4, 'has a DAG "twice", and so has one.py'),
    ],
)
def test_each_bad_file_is_named_with_line_and_reason(
    bad: Found, file: str, line: int | None, words: str
) -> None:
    problem = bad.problem(file)
    assert words in problem["summary"]
    assert problem["line"] == line


@pytest.mark.parametrize(
    ("file", "words"),
    [("variable.py", 'the Variable "rate"'), ("connection.py", 'the Connection "crm"')],
)
def test_a_value_that_only_the_environment_can_have_does_not_stop_a_build(
    bad: Found, file: str, words: str
) -> None:
    warning = bad.one("warnings", file)
    assert words in warning["summary"]
    assert "sqlite" not in json.dumps(warning).lower()


def test_values_are_given_by_a_file(tmp_path: Path) -> None:
    files = {name: BAD[name] for name in ("variable.py", "connection.py")}
    files["task.py"] = tasks(
        "b1", "BashOperator(task_id='b', bash_command='echo {{ var.value.colour }}')"
    )
    folder = written(tmp_path / "dags", files)
    given = tmp_path / "values.json"
    given.write_text(
        json.dumps(
            {
                "variables": {"rate": "3"},
                "connections": {"crm": {"uri": "http://crm"}},
                "complete": True,
            }
        )
    )
    done = run(folder, tmp_path, "--json", "--strict", "--variables", str(given))
    found = Found(json.loads(done.stdout))
    assert found.answer["problems"] == []
    assert 'the variable "colour"' in found.one("warnings", "task.py")["summary"]
    without = run(folder, tmp_path, "--strict")
    assert without.returncode == 1
    assert without.stderr.splitlines()[-1].startswith("DAG file variable.py:3: wants the Variable")


def test_a_folder_without_dags_is_deployed_all_the_same(tmp_path: Path) -> None:
    # The proof has a DAG of its own; DAGs may come from elsewhere, or later.
    (tmp_path / "dags").mkdir()
    done = run(tmp_path / "dags", tmp_path)
    assert done.returncode == 0, done.stderr
    assert "no DAG at all" in done.stdout


def test_a_dag_that_claims_anothers_owner_is_refused_with_its_file(tmp_path: Path) -> None:
    owners = {
        "sales": {"folders": ["sales"], "prefixes": [], "access": {"sellers": ["can_read"]}},
        "other": {"folders": ["other"], "prefixes": [], "access": {"others": ["can_read"]}},
    }
    folder = written(
        tmp_path / "dags", {"sales/own.py": dag("own"), "other/claims.py": dag("claims")}
    )
    given = {"PYTHONPATH": str(AIRFLOW / "policy"), "AERODROME_OWNERS": json.dumps(owners)}
    done = run(folder, tmp_path, **given)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        'DAG file other/claims.py: the DAG "claims" names the owner sales, and may not: '
        "access.yaml has sales: files in sales/"
    )
    assert "own.py" not in done.stderr
