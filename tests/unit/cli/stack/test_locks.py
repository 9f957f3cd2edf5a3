"""Locks of the Pulumi CLI, in its own words and files: which of them nobody holds any more."""

import json
import os
import socket
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from cli.stack.locks import LockOwner, await_orphans, in_folder, of_the_dead, remove_of_the_dead

HOST = socket.gethostname()
SAID = (
    "error: the stack is currently locked by 1 lock(s). Either wait for the other process(es) to end"
    " or delete the lock file with `pulumi cancel`.\n"
    "  file:///state/.pulumi/locks/organization/aerodrome/dev/b1c.json: created by root@{host} (pid {pid})"
    " at 2026-11-28T03:49:42Z\n"
)


@pytest.fixture
def dead() -> int:
    """The number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_the_words_name_a_process_that_has_ended(dead: int) -> None:
    assert of_the_dead(SAID.format(host=HOST, pid=dead)) == [LockOwner("root", HOST, dead)]


def test_a_living_process_and_another_machine_are_left_alone(dead: int) -> None:
    assert of_the_dead(SAID.format(host=HOST, pid=os.getpid())) == []
    assert of_the_dead(SAID.format(host=f"{HOST}-2", pid=dead)) == []
    both = SAID.format(host=HOST, pid=dead) + SAID.format(host=HOST, pid=os.getpid())
    assert of_the_dead(both) == []
    assert of_the_dead("error: no such stack") == []


def write(state: Path, name: str, **content: Any) -> Path:
    file = state / ".pulumi" / "locks" / "organization" / "aerodrome" / "dev" / f"{name}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(content))
    return file


def test_files_of_the_dead_go_and_all_others_stay(tmp_path: Path, dead: int) -> None:
    now = datetime.now(UTC).isoformat()
    holder = {"username": "root", "hostname": HOST, "timestamp": now}
    gone = write(tmp_path, "gone", **holder, pid=dead)
    living = write(tmp_path, "living", **holder, pid=os.getpid())
    other = write(tmp_path, "other", **{**holder, "hostname": "elsewhere"}, pid=dead)
    broken = write(tmp_path, "broken", pid="x")
    assert [each.pid for each in remove_of_the_dead(tmp_path, "dev")] == [dead]
    assert [file.exists() for file in (gone, living, other, broken)] == [False, True, True, True]
    assert set(in_folder(tmp_path, "dev")) == {living, other}


def test_a_number_that_another_process_has_now_is_of_the_dead() -> None:
    made = time.time() - 3600
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        assert LockOwner("root", HOST, process.pid, made).is_gone
        assert not LockOwner("root", HOST, process.pid, time.time()).is_gone
        assert not LockOwner("root", HOST, process.pid).is_gone
        process.communicate()


def test_one_that_a_killed_command_line_started_is_waited_for(dead: int) -> None:
    folder = f"/tmp/aerodrome-pulumi-{dead}-abc/events.jsonl"
    said: list[str] = []
    command = [sys.executable, "-c", "print(flush=True); input()", folder]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        holder = LockOwner("root", HOST, process.pid)
        assert holder.is_orphan
        # It ends while it is waited for, and is collected, or its number would still be taken.
        threading.Timer(0.5, process.communicate, ["\n"]).start()
        assert await_orphans([holder], said.append)
        assert holder.is_gone
    assert said == [
        f"Pulumi's process {process.pid} of root still finishes the steps of an interrupted run: waiting for it"
    ]


def test_one_whose_command_line_lives_is_at_work() -> None:
    folder = f"/tmp/aerodrome-pulumi-{os.getpid()}-abc/events.jsonl"
    with subprocess.Popen([sys.executable, "-c", "input()", folder], stdin=subprocess.PIPE) as it:
        assert not LockOwner("root", HOST, it.pid).is_orphan
        assert not LockOwner("root", f"{HOST}-2", it.pid).is_orphan
        assert not await_orphans([LockOwner("root", HOST, it.pid)], [].append)
        it.communicate()
