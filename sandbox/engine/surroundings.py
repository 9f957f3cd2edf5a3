"""What surrounds an operation: how its program and plugins are started, and the signals that
end it early."""

import asyncio
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from sandbox.engine.applying.events import Listener
from sandbox.engine.applying.run import Run
from sandbox.engine.config import Project
from sandbox.engine.protocol.plugin_host import search_path
from sandbox.engine.protocol.plugin_process import PluginSettings
from sandbox.engine.protocol.program import ProgramSettings, default_python
from sandbox.engine.requests import Request
from sandbox.engine.state.store import ORGANIZATION
from sandbox.errors import UserError

_BIN = Path(__file__).parent.parent / "bin"

_LEAN = {
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_THRESHOLD_": "131072",
    "MALLOC_TRIM_THRESHOLD_": "131072",
}
"""Memory of plugins: one heap for all threads, which only wait for the cloud; large texts, as the
AWS SDK reads them, given back at once."""


def program_settings(
    project: Project, stack: str, environment: Mapping[str, str]
) -> ProgramSettings:
    """How to start the project's program."""
    if not (project.main / "__main__.py").is_file():
        raise UserError(f"There is no program in {project.main}", "It must hold a __main__.py.")
    variables = _without_passphrase(environment)
    python = default_python()
    if project.virtualenv is not None:
        python = project.virtualenv / "bin" / "python"
        if not python.exists():
            raise UserError(
                f"The virtual environment {project.virtualenv} does not exist",
                "Pulumi.yaml names it under runtime.options.virtualenv.",
            )
        variables["VIRTUAL_ENV"] = str(project.virtualenv)
    variables["PATH"] = search_path([python.parent], variables.get("PATH", ""))
    return ProgramSettings(
        python, project.root, project.main, project.name, stack, ORGANIZATION, variables
    )


def plugin_settings(
    request: Request,
    project: Project,
    environment: Mapping[str, str],
    address: str,
    listener: Listener,
) -> PluginSettings:
    """How to start plugins."""
    variables = _LEAN | _without_passphrase(environment)
    folders = [*request.plugin_dirs, _BIN]
    variables["PATH"] = search_path(folders, variables.get("PATH", ""))
    variables["PULUMI_PROJECT"] = project.name
    variables["PULUMI_STACK"] = request.stack
    return PluginSettings(
        address, project.root, project.main, variables, listener, request.patience
    )


def _without_passphrase(environment: Mapping[str, str]) -> dict[str, str]:
    """Programs and plugins have no use for it, and what they start even less."""
    variables = dict(environment)
    variables.pop("PULUMI_CONFIG_PASSPHRASE", None)
    return variables


class Interrupts:
    """Ctrl-C: the first lets finish what has begun, the second ends it all."""

    def __init__(self) -> None:
        self.seen = False

    @contextmanager
    def heeded(self, run: Run, *actions: Callable[[], None]) -> Iterator[None]:
        """The first of `actions` is done at the first signal, if there are several; the rest,
        and that one if it is alone, at the second."""
        loop = asyncio.get_running_loop()
        gentle, hard = (actions[:1], actions[1:]) if len(actions) > 1 else ((), actions)

        def interrupt() -> None:
            wanted = hard if self.seen else gentle
            self.seen = True
            run.stopping = True
            for action in wanted:
                action()

        numbers = (signal.SIGINT, signal.SIGTERM)
        # Elsewhere than in the main thread nobody can listen to signals.
        with suppress(ValueError, RuntimeError, NotImplementedError):
            for number in numbers:
                loop.add_signal_handler(number, interrupt)
        try:
            yield
        finally:
            with suppress(ValueError, RuntimeError, NotImplementedError):
                for number in numbers:
                    loop.remove_signal_handler(number)
