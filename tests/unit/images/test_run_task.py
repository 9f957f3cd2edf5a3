"""How a task ends when its pod is told to stop: real processes and signals, around stand-ins for Airflow's two functions."""

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.unit.images.loading import SCRIPTS

TASK = """
import signal, sys, time
sys.path.insert(0, SCRIPTS)
from run_task import TaskTerminated, interruptible

def airflows_handler(number, frame):
    print("on_kill", flush=True)

signal.signal(signal.SIGTERM, airflows_handler)

@interruptible
def execute():
    try:
        print("begun", flush=True)
        BODY
    finally:
        print("cleaned up", flush=True)

try:
    execute()
    print("went on", flush=True)
except TaskTerminated as error:
    print(f"failed: {error}", flush=True)
"""

SUPERVISOR = """
import os, signal, subprocess, sys
sys.path.insert(0, SCRIPTS)
import run_task
# A process that gets SIGQUIT may take a while to end, on a machine that is at work.
run_task.LAST_WORD = 8

class Log:
    def warning(self, text):
        print("log:", text, flush=True)

class Supervisor:
    process_log = Log()
    def __init__(self):
        self.child = subprocess.Popen([sys.executable, "-c", BODY], start_new_session=True)
        self.pid = self.child.pid

    def forward(self, number, frame):
        print("handed on", flush=True)
        os.kill(self.pid, number)

    @run_task.insistent
    def monitor(self):
        code = self.child.wait()
        print("child ended with", code, flush=True)

it = Supervisor()
signal.signal(signal.SIGTERM, it.forward)
it.monitor()
print("log uploaded", flush=True)
"""

STUBBORN = """
import resource, signal, sys, time
# Writing a core file takes longer than the time that is left after SIGQUIT.
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
# A shell starts what it runs in the background with SIGQUIT ignored, and that is inherited.
signal.signal(signal.SIGQUIT, signal.SIG_DFL)
for number in SIGNALS:
    signal.signal(number, signal.SIG_IGN)
print("begun", flush=True)
time.sleep(60)
"""


def program(text: str, body: str) -> list[str]:
    text = text.replace("SCRIPTS", repr(str(SCRIPTS))).replace("BODY", body)
    return [sys.executable, "-c", textwrap.dedent(text)]


def told_to_stop(command: list[str], grace: float = 60, times: int = 1) -> list[str]:
    """What a process prints that gets SIGTERM once it has begun."""
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "AERODROME_GRACE_SECONDS": str(grace)},
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "begun\n"
    for _ in range(times):
        process.send_signal(signal.SIGTERM)
    rest, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    return rest.splitlines()


TERMINATED = ["on_kill", "cleaned up", "failed: The task's pod was told to stop (SIGTERM)"]


class TestTheTask:
    def test_it_is_interrupted_after_on_kill(self) -> None:
        assert told_to_stop(program(TASK, "time.sleep(60)")) == TERMINATED

    def test_on_kill_is_called_once(self) -> None:
        assert told_to_stop(program(TASK, "time.sleep(60)"), times=5) == TERMINATED

    def test_a_task_that_catches_its_errors_is_interrupted_too(self) -> None:
        body = """
        while True:
            try:
                time.sleep(60)
            except Exception:
                print("caught", flush=True)
        """
        indented = textwrap.indent(textwrap.dedent(body), " " * 8).strip()
        assert told_to_stop(program(TASK, indented)) == TERMINATED

    def test_a_task_that_ends_by_itself_is_left_alone(self) -> None:
        done = subprocess.run(program(TASK, "pass"), capture_output=True, text=True, check=True)
        assert done.stdout.splitlines() == ["begun", "cleaned up", "went on"]


class TestTheSupervisor:
    def child(self, *ignored: str) -> str:
        numbers = ", ".join(f"signal.{name}" for name in ignored)
        return repr(STUBBORN.replace("SIGNALS", f"({numbers}{',' if ignored else ''})"))

    def test_the_signal_is_handed_on_and_the_log_is_uploaded(self) -> None:
        said = told_to_stop(program(SUPERVISOR, self.child()))
        assert said == [
            "log: The pod is told to stop: the task has 40 s to end",
            "handed on",
            f"child ended with -{int(signal.SIGTERM)}",
            "log uploaded",
        ]

    @pytest.mark.parametrize(
        ("ignored", "ended_by"),
        [(("SIGTERM",), signal.SIGQUIT), (("SIGTERM", "SIGQUIT"), signal.SIGKILL)],
    )
    def test_a_task_that_goes_on_is_killed_before_its_pod_is(
        self, ignored: tuple[str, ...], ended_by: signal.Signals
    ) -> None:
        said = told_to_stop(program(SUPERVISOR, self.child(*ignored)), grace=9)
        assert said[-2:] == [f"child ended with -{int(ended_by)}", "log uploaded"]

    def test_the_signal_is_handed_on_once(self) -> None:
        said = told_to_stop(program(SUPERVISOR, self.child("SIGTERM")), grace=3, times=5)
        assert said.count("handed on") == 1


def test_the_folder_of_scripts_is_no_place_for_a_tasks_imports(tmp_path: Path) -> None:
    """`main` up to where Airflow is needed."""
    (tmp_path / "airflow").mkdir()
    (tmp_path / "airflow" / "__init__.py").write_text(
        "import sys\nprint(sys.path)\nraise SystemExit(0)\n"
    )
    done = subprocess.run(
        [sys.executable, SCRIPTS / "run_task.py"],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
    )
    assert str(SCRIPTS) not in done.stdout
    assert str(tmp_path) in done.stdout


NAMED = """
import sys
from types import SimpleNamespace
sys.path.insert(0, SCRIPTS)
import task_lines

class Log:
    def __init__(self, **bound):
        self.bound = bound

    def bind(self, **more):
        return Log(**self.bound, **more)

module = SimpleNamespace(log=Log(logger="supervisor"))
task = SimpleNamespace(id=7, dag_id="d", task_id="t", run_id="r", try_number=2, map_index=-1)

def supervise_task(*, ti, token):
    print(ti is task, token, sorted(module.log.bound.items()))
    return 3

print(task_lines.named(supervise_task, module)(ti=task, token="x"))
"""


def test_every_line_on_standard_output_tells_whose_it_is() -> None:
    code = NAMED.replace("SCRIPTS", repr(str(SCRIPTS)), 1)
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    bound = [
        *[("dag_id", "d"), ("logger", "supervisor"), ("map_index", -1), ("run_id", "r")],
        *[("task_id", "t"), ("ti_id", "7"), ("try_number", 2)],
    ]
    assert done.stdout == f"True x {bound}\n3\n"
