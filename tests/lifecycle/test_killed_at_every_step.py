"""kill -9 at any moment loses nothing and leaks nothing: the next run makes it good."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parent.parent

BEFORE = """
a = Thing("a", immutable=1)
b = Thing("b", of=a.arn)
Thing("first", name="one", immutable=1, deleteFirst=True)
Thing("gone")
"""
AFTER = """
a = Thing("a", immutable=2)
b = Thing("b", of=a.arn)
Thing("first", name="one", immutable=2, deleteFirst=True)
Thing("new", key=pulumi.Output.secret("hidden-value"))
"""
LINES = 18
"""At least as many as the journal of that run has."""

DESTROY_LINES = 12
"""One more than the journal of destroying it has."""


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tests.lifecycle.conftest import Stack

    folder = tmp_path_factory.mktemp("prepared")
    stack = Stack(folder)
    stack.up(BEFORE)
    stack.program(AFTER)
    return folder


@pytest.fixture
def copy(prepared: Path, tmp_path: Path) -> Any:
    from tests.lifecycle.conftest import Stack

    target = tmp_path / "copy"
    stack = Stack.__new__(Stack)
    shutil.copytree(prepared, target)
    shutil.rmtree(target / "shop")
    stack.__init__(target)  # type: ignore[misc]
    stack.program(AFTER)
    return stack


def engine(stack: Any, *arguments: str) -> list[str]:
    return [
        *arguments,
        "--project-dir",
        str(stack.project_dir),
        "--stack",
        "dev",
        "--state-dir",
        str(stack.state_dir),
        "--plugin-dir",
        str(HERE / "plugins"),
    ]


def run_and_kill(stack: Any, line: int, when: str, verb: str) -> int:
    command = [sys.executable, str(HERE / "killing.py"), str(line), when]
    options = ["--skip-preview"] if verb == "up" else []
    ended = subprocess.run(
        [*command, *engine(stack, verb, *options)],
        env={**os.environ, **stack.environment()},
        cwd=ROOT,
        capture_output=True,
        timeout=60,
    )
    return ended.returncode


@pytest.mark.parametrize("line", range(2, LINES))
@pytest.mark.parametrize("when", ["before", "after"])
def test_an_update_killed_at_any_line_is_finished_by_the_next(
    copy: Any, line: int, when: str
) -> None:
    code = run_and_kill(copy, line, when, "up")
    assert code in (0, -signal.SIGKILL)
    assert "hidden-value" not in copy.all_state_text()
    copy.verify()
    copy.up()
    assert copy.names() == ["a", "b", "first", "new"]
    in_cloud = sorted(thing["urn"].rpartition("::")[2] for thing in copy.cloud().values())
    assert in_cloud == ["a", "b", "first", "new"]
    assert copy.document()["checkpoint"]["latest"].get("pending_operations") is None


def test_the_lines_cover_the_whole_run(copy: Any) -> None:
    assert run_and_kill(copy, LINES, "before", "up") in (0, -signal.SIGKILL)
    assert run_and_kill(copy, 60, "before", "up") == 0


def test_the_lines_cover_the_whole_destroy(copy: Any) -> None:
    assert run_and_kill(copy, DESTROY_LINES, "before", "destroy") == 0


@pytest.mark.parametrize("line", range(2, DESTROY_LINES))
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_destroy_killed_at_any_line_is_finished_by_the_next(
    copy: Any, line: int, when: str
) -> None:
    assert run_and_kill(copy, line, when, "destroy") == -signal.SIGKILL
    copy.verify()
    copy.destroy()
    assert copy.cloud() == {}
    assert copy.resources() == []


def test_program_and_plugins_end_with_the_engine(copy: Any) -> None:
    copy.faults(create_new="hang")
    process = subprocess.Popen(
        [sys.executable, "-m", "sandbox.engine", *engine(copy, "up", "--skip-preview")],
        env={**os.environ, **copy.environment()},
        cwd=ROOT,
        stderr=subprocess.DEVNULL,
    )
    while "create new" not in copy.calls():
        time.sleep(0.05)
    children = _children(process.pid)
    assert len(children) >= 2
    process.kill()
    process.wait()
    deadline = time.monotonic() + 10
    while any(Path(f"/proc/{pid}").exists() for pid in children):
        assert time.monotonic() < deadline, "a child outlives the engine"
        time.sleep(0.05)
    copy.faults()
    copy.up()
    assert copy.names() == ["a", "b", "first", "new"]
    assert len(copy.cloud()) == 4


def _children(pid: int) -> list[int]:
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        found += [int(child) for child in (task / "children").read_text().split()]
    return found
