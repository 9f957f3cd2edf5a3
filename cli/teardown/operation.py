"""`down` of an environment on this machine, phase by phase.

Let running tasks finish, destroy through the engine, ask the cloud what is left, and only
then take the sandbox away.
"""

import contextlib
import time
from dataclasses import dataclass

from cli import stack_config
from cli.backends import Backend, Outcome, need
from cli.deployment import find, urls
from cli.environments import Environment
from cli.phases import Phases
from cli.record import Record, identity, on_sandbox
from cli.session import Sandbox, Session
from sandbox.errors import KitError


@dataclass(frozen=True)
class TornDown:
    """What `down` did."""

    outcome: Outcome | None
    forgotten: bool = False
    """The sandbox was gone, and the emulated cloud with it: only the state was left."""

    sandbox_kept: str = ""
    """Why the sandbox is still up; empty if it is not."""


def tear_down(
    session: Session, environment: Environment, phases: Phases, *, keep_sandbox: bool
) -> TornDown:
    """Takes a sandbox environment away. KitError if anything of it is left in the cloud."""
    stack_config.provide_passphrase(environment)
    sandbox = find(session)
    backend = session.backend(environment, sandbox)
    outcome, forgotten = None, False
    with phases.phase("environment"):
        if sandbox is None or _is_stale(environment, sandbox):
            forgotten = backend.deployed()
            if forgotten:
                backend.forget()
        elif backend.deployed():
            drain(session, environment, sandbox, backend)
            outcome = backend.destroy(session.console.stderr)
    if sandbox is not None:
        with phases.phase("inventory"):
            _nothing_left(session, environment, sandbox)
    environment.record_file.unlink(missing_ok=True)
    others = on_sandbox(environment.record_file.parent, session.sandbox_name)
    if keep_sandbox or others:
        why = f"it carries {', '.join(others)}" if others else "as you asked"
        return TornDown(outcome, forgotten, sandbox_kept=why)
    with phases.phase("sandbox"):
        remove_sandbox(session)
    return TornDown(outcome, forgotten)


def remove_sandbox(session: Session) -> None:
    """Ends the sandbox. KitError that names what cannot be removed."""
    left = session.machine().down(session.sandbox_name, report=session.step)
    if left:
        raise KitError(
            f"{len(left)} thing(s) of the sandbox are left on this machine",
            "\n".join(f"{leftover.kind} {leftover.what}" for leftover in left),
            "./aerodrome sandbox down",
        )


def _is_stale(environment: Environment, sandbox: Sandbox) -> bool:
    record = Record.read(environment)
    return record is not None and record.identity != identity(sandbox.instance)


def _nothing_left(session: Session, environment: Environment, sandbox: Sandbox) -> None:
    """Takes away what the engine did not know of; KitError that names what stays all the same."""
    from cli.cloud.clearing import clear

    report = session.console.report
    left = clear(session.client(sandbox), environment.name, report, patience=session.limits.cloud)
    if not left:
        report(f'nothing of "{environment.name}" is in the cloud any more')
        return
    lines = [line for item in left for line in item.lines()]
    raise KitError(
        f'{len(left)} resource(s) of "{environment.name}" are left in the cloud; the sandbox is kept',
        "\n".join(lines),
        "./aerodrome down",
    )


def drain(session: Session, environment: Environment, sandbox: Sandbox, backend: Backend) -> None:
    """Lets running tasks end, so that their logs reach the bucket; then nothing new starts.

    An Airflow that does not answer is no reason to keep it.
    """
    outputs = backend.outputs()
    report = session.console.report
    with contextlib.suppress(KitError):
        password = need(backend.config(), "aerodrome:adminPassword")
        url, _ = urls(sandbox.instance)
        with session.airflow(url, need(outputs, "adminUser"), password, 2.0) as airflow:
            airflow.pause_all()
            give_up = time.monotonic() + session.limits.drain
            while (tasks := airflow.unfinished()) and time.monotonic() < give_up:
                report(f"{tasks} task(s) still running")
                time.sleep(2.0)
            return
    report("Airflow does not answer: its tasks are not waited for")
