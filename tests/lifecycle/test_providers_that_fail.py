"""A provider that dies, hangs or sends garbage: a clear error, soon; the state intact."""

import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from sandbox.engine import operations
from sandbox.engine.applying.events import StepFailed
from sandbox.engine.operations import Patience
from sandbox.errors import KitError

HERE = Path(__file__).parent
# Long enough for a busy machine, where even a healthy provider takes its time.
QUICK = Patience(start=10.0, question=3.0, operation=4.0, grace=3.0)
SOON = 60.0


def fails(stack: Any, program: str, *, skip_preview: bool = True) -> KitError:
    """The error of an `up`, which must not take long."""
    stack.program(program)
    started = time.monotonic()
    with pytest.raises(KitError) as caught:
        operations.up(stack.request, stack.events.append, skip_preview=skip_preview)
    assert time.monotonic() - started < SOON
    stack.verify()
    return caught.value


def break_plugin(stack: Any, how: str) -> None:
    stack.configure(
        plugin_dirs=[HERE / "plugins_broken"],
        patience=QUICK,
        environment={**stack.request.environment, "FAKE_BROKEN": how},
    )


@pytest.mark.parametrize(
    ("how", "why"),
    [
        ("silent", "It printed no port within 10 s."),
        ("ends", "It ended at once.\nno such region"),
        ("talks", "Instead of its port it printed b'welcome to fake 1.2.3'."),
        ("endless", "What it printed first has no end."),
        ("nobody", "The fake provider ended unexpectedly during Handshake"),
        ("stranger", "The fake provider ended unexpectedly during Handshake"),
        ("hang Handshake", "The fake provider did not answer to Handshake within 10 s"),
        ("garbage Handshake", "The fake provider sent garbage"),
    ],
)
def test_one_that_does_not_start(stack: Any, how: str, why: str) -> None:
    break_plugin(stack, how)
    error = fails(stack, 'Thing("a")')
    assert error.summary == "The fake provider did not start"
    assert error.detail.startswith(why)
    assert error.exit_code == 1
    assert len([event for event in stack.events if isinstance(event, StepFailed)]) == 1
    assert stack.names() == []


@pytest.mark.parametrize("skip_preview", [True, False])
@pytest.mark.parametrize("method", ["CheckConfig", "Configure", "Check"])
def test_one_that_hangs_before_anything_is_made(
    stack: Any, method: str, skip_preview: bool
) -> None:
    break_plugin(stack, f"hang {method}")
    error = fails(stack, 'Thing("a")', skip_preview=skip_preview)
    assert error.summary == f"The fake provider did not answer to {method} within 3 s"
    assert error.exit_code == 1
    assert stack.names() == []


@pytest.mark.parametrize("method", ["Configure", "Check", "Create"])
def test_one_that_sends_garbage(stack: Any, method: str) -> None:
    break_plugin(stack, f"garbage {method}")
    error = fails(stack, 'Thing("a")')
    assert error.summary == "The fake provider sent garbage"
    assert stack.names() == []


def test_one_that_hangs_in_create_keeps_what_its_siblings_made(stack: Any) -> None:
    stack.configure(patience=QUICK)
    stack.faults(create_a="hang", create_sibling="slow")
    error = fails(stack, 'a = Thing("a")\nThing("sibling")\nThing("after", of=a.arn)')
    assert error.summary == "The fake provider did not answer to Create within 4 s"
    assert error.detail == "Creating fake:index:Thing a failed"
    assert stack.names() == ["sibling"]
    assert len([event for event in stack.events if isinstance(event, StepFailed)]) == 1
    # Nobody knows whether it was made: the next run asks.
    assert stack.document()["checkpoint"]["latest"]["pending_operations"][0]["type"] == "creating"
    stack.faults()
    stack.up()
    assert stack.names() == ["a", "after", "sibling"]
    assert len(stack.cloud()) == 3


def test_a_custom_timeout_is_waited_for_and_no_longer(stack: Any) -> None:
    stack.configure(patience=QUICK)
    stack.faults(create_a="hang")
    options = 'O(custom_timeouts=pulumi.CustomTimeouts(create="2s"))'
    error = fails(stack, f'Thing("a", opts={options})')
    assert error.summary == "The fake provider did not answer to Create within 5 s"


@pytest.mark.parametrize("operation", ["update", "delete"])
def test_one_that_hangs_in_update_or_delete(stack: Any, operation: str) -> None:
    stack.up('Thing("a", size=1)\nThing("b", size=1)')
    stack.configure(patience=QUICK)
    stack.faults_file.write_text(f'{{"{operation} a": "hang"}}')
    error = fails(stack, 'Thing("a", size=2)' if operation == "update" else "")
    assert error.summary == (
        f"The fake provider did not answer to {operation.capitalize()} within 4 s"
    )
    assert "a" in stack.names()
    stack.faults()
    stack.destroy()
    assert stack.cloud() == {}


def test_one_that_hangs_in_a_function(stack: Any) -> None:
    break_plugin(stack, "hang Invoke")
    error = fails(stack, 'pulumi.export("v", echo_output(1).apply(str))')
    # The program gets to know it, and may do without.
    assert "The fake provider did not answer to Invoke within 3 s" in str(error)


def test_one_that_is_frozen_is_ended_all_the_same(stack: Any) -> None:
    """It hears neither Cancel nor SIGTERM."""
    break_plugin(stack, "hang Create")
    pid_file = stack.log_file.with_suffix(".pid")

    def freeze() -> None:
        give_up = time.monotonic() + SOON
        while not pid_file.exists() or not pid_file.read_text():
            assert time.monotonic() < give_up
            time.sleep(0.02)
        os.kill(int(pid_file.read_text()), signal.SIGSTOP)

    thread = threading.Thread(target=freeze, daemon=True)
    thread.start()
    error = fails(stack, 'Thing("a")')
    thread.join()
    assert error.summary == "The fake provider did not answer to Create within 4 s"
    assert not Path(f"/proc/{pid_file.read_text()}").exists()


def test_nothing_of_a_broken_provider_outlives_the_engine(stack: Any) -> None:
    break_plugin(stack, "hang Check")
    fails(stack, 'Thing("a")')
    pid = stack.log_file.with_suffix(".pid").read_text()
    assert not Path(f"/proc/{pid}").exists()
