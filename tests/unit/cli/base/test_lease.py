"""Leases, with real processes: one at a time, and the dead are recognised."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from cli.base.environments import Environment
from cli.base.errors import KitError, UserError
from cli.base.lease import SILENCE, LeaseHolder, coming_up, held, holder
from cli.base.lease_stores import FOLDER, FileStore
from cli.base.paths import ROOT
from sandbox.instance import state_dir

HERE = Environment("sandbox")

HOLDS = """
import sys, time
from cli.base.environments import Environment
from cli.base.lease import held
with held(Environment("sandbox"), sys.argv[1], print):
    print("held", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AERODROME_STATE", str(tmp_path / "state"))
    return state_dir()


def _process(doing: str = "down") -> subprocess.Popen[str]:
    """A process that holds the lease until it is told to end, or killed."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDS, doing],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    while line and line != "held\n":
        line = process.stdout.readline()
    return process


def _end(process: subprocess.Popen[str]) -> None:
    process.communicate("\n", timeout=20)


def test_a_living_holder_is_refused_by_name_and_then_makes_room(folder: Path) -> None:
    process = _process()
    try:
        with pytest.raises(UserError) as refused, held(HERE, "up", print):
            pass
        assert refused.value.exit_code == 2
        assert refused.value.summary == '`down` is running on environment "sandbox"'
        assert f"process {process.pid} of " in refused.value.detail
        assert refused.value.command == f"kill -INT {process.pid}"
        known = holder(HERE)
        assert known is not None
        assert (known.doing, known.pid) == ("down", process.pid)
    finally:
        _end(process)
    with held(HERE, "up", print):
        pass
    assert holder(HERE) is None
    assert not (folder / FOLDER).exists(), "the last lease leaves its folder behind"


def test_a_killed_holder_is_told_and_taken_over(folder: Path) -> None:
    process = _process()
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert holder(HERE) is None
    lines: list[str] = []
    with held(HERE, "down", lines.append):
        known = holder(HERE)
        assert known is not None
        assert known.pid == os.getpid()
    assert len(lines) == 1
    assert lines[0].startswith(f"`down` did not finish (process {process.pid} of ")


def test_a_killed_down_has_to_be_ended_before_an_up(folder: Path) -> None:
    process = _process("down")
    process.send_signal(signal.SIGKILL)
    process.wait()
    with pytest.raises(UserError, match="is partly destroyed") as refused, held(HERE, "up", print):
        pass
    assert refused.value.command == "./aerodrome down --env sandbox"
    with held(HERE, "down", print):
        pass
    with held(HERE, "up", print):
        pass


def test_a_down_that_failed_half_way_has_to_be_ended_too(folder: Path) -> None:
    _fail(begun=True)
    assert holder(HERE) is None
    with pytest.raises(UserError, match="is partly destroyed"), held(HERE, "up", print):
        pass
    with held(HERE, "down", print):
        pass
    _fail(begun=False)
    assert FileStore("sandbox").read() is None


def _fail(*, begun: bool) -> None:
    with pytest.raises(KitError), held(HERE, "down", print) as holding:
        holding.begun = begun
        raise KitError("It failed")


def test_a_number_that_another_process_has_now_is_nobodys(folder: Path) -> None:
    _write(replace(LeaseHolder.myself("down"), started="1"))
    assert holder(HERE) is None


def test_a_lease_of_this_machines_last_life_is_nobodys(folder: Path) -> None:
    _write(replace(LeaseHolder.myself("down"), boot="before"))
    assert holder(HERE) is None


@pytest.mark.parametrize(("silent", "alive"), [(SILENCE - 30, True), (SILENCE + 30, False)])
def test_on_another_machine_the_heartbeat_counts(folder: Path, silent: float, alive: bool) -> None:
    _write(replace(LeaseHolder.myself("down"), host="elsewhere"))
    moment = time.time() - silent
    os.utime(folder / FOLDER / "sandbox.json", (moment, moment))
    assert (holder(HERE) is not None) is alive
    if alive:
        with pytest.raises(UserError, match="ssh elsewhere kill"), held(HERE, "up", print):
            pass
    else:
        with held(HERE, "down", print):
            pass


def test_a_lease_that_nobody_can_read_is_taken_over_and_told(folder: Path) -> None:
    FileStore("sandbox").write("not a lease", None)
    lines: list[str] = []
    with held(HERE, "up", lines.append):
        pass
    assert "cannot be read" in lines[0]


def test_of_two_that_want_a_dead_ones_lease_one_gets_it(folder: Path) -> None:
    _write(replace(LeaseHolder.myself("down"), started="1"))
    store = FileStore("sandbox")
    found = store.read()
    assert found is not None
    assert store.write("one", found.version)
    assert not store.write("two", found.version)
    assert not store.write("three", None)
    store.remove(found.version)
    left = store.read()
    assert left is not None
    assert left.text == "one"


def test_environments_do_not_share_a_lease(folder: Path) -> None:
    with held(HERE, "up", print), held(Environment("sandbox-two"), "up", print):
        pass


def test_who_comes_up_on_a_base_is_known_to_its_down(folder: Path) -> None:
    branch, other = Environment("sandbox-a"), Environment("sandbox-b")
    assert coming_up(HERE) == []
    with held(branch, "up", print, base="sandbox"), held(other, "up", print, base="sandbox-c"):
        ((name, busy),) = coming_up(HERE)
        assert (name, busy.pid) == ("sandbox-a", os.getpid())
    with held(branch, "down", print, base="sandbox"):
        assert coming_up(HERE) == []
    dead = replace(LeaseHolder.myself("up", "sandbox"), started="1")
    assert FileStore("sandbox-a").write(json.dumps(asdict(dead)), None)
    assert coming_up(HERE) == []


def test_many_at_once(folder: Path) -> None:
    script = HOLDS.replace("sys.stdin.readline()", "time.sleep(0.3)")
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", script, "up"],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
        )
        for _ in range(4)
    ]
    ended = [(process.communicate(timeout=60)[0], process.returncode) for process in processes]
    assert any(code == 0 for _, code in ended)
    assert all((code == 0) == ("held" in out) for out, code in ended)


def _write(known: LeaseHolder) -> None:
    assert FileStore("sandbox").write(json.dumps(asdict(known)), None)
