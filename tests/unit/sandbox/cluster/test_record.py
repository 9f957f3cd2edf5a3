"""What is written down of a sandbox, and whether its init is really that process."""

import os
import signal
import subprocess
from dataclasses import replace
from pathlib import Path

from sandbox.cluster import record
from sandbox.instance import Instance
from sandbox.layout import Layout


def test_an_instance_is_read_as_it_was_written(tmp_path: Path) -> None:
    instance = Instance("trial", 7, tmp_path / "trial", 9090)
    record.save_instance(instance)
    assert record.load_instance(instance.root / "instance.json") == instance
    assert record.load_instance(tmp_path / "nothing.json") is None


def test_init_is_read_as_it_was_written(layout: Layout) -> None:
    init = record.observe_init(os.getpid())
    init.save(layout)
    assert record.load_init(layout) == init
    assert init.alive


def test_no_init_was_written(layout: Layout) -> None:
    assert record.load_init(layout) is None


def test_a_reused_number_is_not_init() -> None:
    init = record.observe_init(os.getpid())
    assert not replace(init, started="1").alive
    assert not replace(init, boot="an earlier one").alive


def test_a_process_that_ended_is_not_alive_even_if_nobody_waited_for_it() -> None:
    with subprocess.Popen(["sleep", "60"]) as child:
        init = record.observe_init(child.pid)
        init.send(signal.SIGKILL)
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert not init.alive
