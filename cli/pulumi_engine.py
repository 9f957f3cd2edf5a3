"""Sandbox environments, deployed by the Pulumi CLI's own engine: `--engine pulumi`.

State, configuration, passphrase and provider plugins are those of the embedded engine: what
one of the two has begun, the other goes on with. So only what runs an engine is different
from `cli.embedded`; everything that merely looks at the stack is the same.
"""

import json
import os
import shutil
import subprocess
import tempfile
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import IO, Any, Self, TextIO

from cli.backends import Outcome
from cli.embedded import EmbeddedBackend
from cli.environments import ROOT, Environment
from cli.session import Sandbox
from sandbox.engine import operations
from sandbox.errors import KitError, UserError
from sandbox.instance import state_dir

EXECUTABLE = "pulumi"
PLUGINS = ROOT / "sandbox" / "bin"
_LAST_WORDS = 10

_STACKS = Path(".pulumi", "stacks")
"""In the folder of the state."""


class PulumiEngineBackend(EmbeddedBackend):
    """One stack of this machine, moved by the Pulumi CLI."""

    def __init__(self, environment: Environment, sandbox: Sandbox | None) -> None:
        super().__init__(environment, sandbox)
        self._home = state_dir() / "pulumi"

    @contextmanager
    def trial(self) -> Iterator[Self]:
        """On a copy of the stacks too, all of them: one may refer to another. The CLI writes into the state
        for a preview already."""
        operations.check_unlocked(self._request)
        with super().trial() as made, tempfile.TemporaryDirectory(prefix="aerodrome-") as folder:
            here, there = self._request.state_dir / _STACKS, Path(folder) / "state"
            if here.exists():
                shutil.copytree(here, there / _STACKS)
            made._request = replace(made._request, state_dir=there)
            made._home = Path(folder) / "home"
            yield made

    def preview(self, show: TextIO) -> Outcome:
        return self._run("preview", ("--diff",), show)

    def up(self, show: TextIO) -> Outcome:
        return self._run("up", ("--yes",), show)

    def destroy(self, show: TextIO) -> Outcome:
        return self._run("destroy", ("--yes",), show)

    def _run(self, verb: str, options: Sequence[str], show: TextIO) -> Outcome:
        self._settle()
        started = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="aerodrome-pulumi-") as folder:
            events = Path(folder) / "events.jsonl"
            command = [
                *(EXECUTABLE, verb, *options),
                *("--stack", self._request.stack, "--config-file", str(self._file)),
                *("--non-interactive", "--color", "never", "--event-log", str(events)),
            ]
            said: deque[str] = deque(maxlen=_LAST_WORDS)
            code = _follow(command, self._variables(), show, said)
            changes = _changes(events)
        if code != 0:
            raise KitError(
                f"`pulumi {verb}` failed with exit code {code}; what had been done is in the state",
                "\n".join(said),
                f"./aerodrome {'down' if verb == 'destroy' else verb} --engine pulumi",
            )
        outputs = self.outputs() if verb == "up" else {}
        return Outcome(changes, time.monotonic() - started, outputs)

    def _settle(self) -> None:
        """A state that the CLI can go on with: all of it in the one file that it reads.

        The embedded engine's journal is folded in first, and refused if a step in it has no
        end: only the engine that began such a step knows how to finish it. Fails if an engine
        is at work on the stack: its steps have no end either, and are not interrupted.
        """
        operations.check_unlocked(self._request)
        exported = operations.export(self._request)
        pending = exported["deployment"].get("pending_operations") or []
        if pending:
            urn = pending[0]["resource"]["urn"]
            raise UserError(
                f"{len(pending)} step(s) of the last run were interrupted, the first of them:\n{urn}",
                "The embedded engine finds out what became of them; Pulumi's own would leave\n"
                "them in the cloud. Let it do so, then say `--engine pulumi` again.",
                "./aerodrome up",
            )
        operations.import_(self._request, exported)

    def _variables(self) -> dict[str, str]:
        """The environment of the CLI. Nothing in it leads to the user's own account, login,
        plugins or Pulumi backend."""
        kept = {
            key: value
            for key, value in os.environ.items()
            if key not in ("PULUMI_IGNORE_AMBIENT_PLUGINS", "PULUMI_ACCESS_TOKEN")
        } | dict(self._request.environment)
        return {
            **kept,
            "PATH": os.pathsep.join([str(PLUGINS), kept.get("PATH", os.defpath)]),
            "PULUMI_BACKEND_URL": f"file://{self._request.state_dir}",
            "PULUMI_HOME": str(self._home),
            # For --event-log, as Pulumi's own Automation API has it.
            "PULUMI_DEBUG_COMMANDS": "true",
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
        }


def _follow(
    command: Sequence[str], variables: dict[str, str], show: TextIO, said: deque[str]
) -> int:
    """Runs it to its end, showing what it says, and keeping its errors; its exit code."""
    interrupted = False
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env=variables,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        assert process.stdout is not None
        while True:
            try:
                for line in _told(process.stdout):
                    show.write(line)
                    show.flush()
                    if "error:" in line:
                        said.append(line.strip())
                code = process.wait()
                break
            except KeyboardInterrupt:
                # It reached the CLI too, which finishes what it has begun, and saves.
                interrupted = True
    if interrupted:
        raise KeyboardInterrupt
    return code


def _told(lines: IO[str]) -> Iterator[str]:
    """Without the warnings that our plugins are used, which is what was asked for."""
    return (
        line for line in lines if not ("using pulumi-resource-" in line and str(PLUGINS) in line)
    )


def _changes(events: Path) -> dict[str, int]:
    """Steps by kind, as the last summary has them: `up` gives one for its preview before."""
    found: dict[str, int] = {}
    if not events.exists():
        return found
    for line in events.read_text().splitlines():
        summary: dict[str, Any] = json.loads(line).get("summaryEvent") or {}
        if summary:
            found = {str(kind): int(n) for kind, n in summary["resourceChanges"].items()}
    return found
