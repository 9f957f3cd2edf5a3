"""What is left of a killed CLI's session is ended."""

import signal
import subprocess
import sys

from cli.stack.plugins import end_those_of

LEADER = """
import os, subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "input()"], process_group=0, stdin=sys.stdin)
print(child.pid, flush=True)
child.wait()
"""


def started() -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", LEADER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def test_a_plugin_of_a_killed_cli_is_ended() -> None:
    with started() as cli:
        assert cli.stdout is not None
        assert int(cli.stdout.readline())
        cli.send_signal(signal.SIGKILL)
        cli.wait()
        assert end_those_of(cli.pid) == 1
        assert end_those_of(cli.pid) == 0


def test_a_living_session_is_left_alone() -> None:
    with started() as cli:
        assert cli.stdout is not None
        assert int(cli.stdout.readline())
        assert end_those_of(cli.pid) == 0
        cli.communicate("\n")
