"""The end of a sandbox: with the last environment on it, or because somebody says so."""

from cli.base.environments import Environment
from cli.base.errors import KitError
from cli.base.phases import Phases
from cli.base.record import on_sandbox
from cli.session import Session


def end_sandbox(session: Session, environment: Environment, phases: Phases, *, keep: bool) -> str:
    """Ends the sandbox if no other environment is on it; why it stays if it does."""
    if not environment.sandboxed:
        return ""
    others = on_sandbox(environment.record_file.parent, session.sandbox_name)
    if keep or others:
        return f"it carries {', '.join(others)}" if others else "as you asked"
    with phases.phase("sandbox"):
        remove_sandbox(session)
    return ""


def remove_sandbox(session: Session) -> None:
    """Ends the sandbox. KitError that names what cannot be removed."""
    left = session.machine().down(session.sandbox_name, report=session.step)
    if left:
        raise KitError(
            f"{len(left)} thing(s) of the sandbox are left on this machine",
            "\n".join(f"{leftover.kind} {leftover.what}" for leftover in left),
            "./aerodrome sandbox down",
        )
