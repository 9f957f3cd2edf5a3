"""The sandbox of this run: whether it is up, and where it answers."""

from cli.session import Sandbox, Session
from sandbox.errors import UserError
from sandbox.instance import UI_NODE_PORT, Instance


def find(session: Session) -> Sandbox | None:
    """The sandbox if it is up."""
    try:
        sandbox: Sandbox = session.machine().get(session.sandbox_name)
    except UserError:
        return None
    return sandbox


def running(session: Session) -> Sandbox:
    """The sandbox, which must be up."""
    sandbox = find(session)
    if sandbox is None:
        raise UserError(
            f'The sandbox "{session.sandbox_name}" is not up',
            "The environment lives in it.",
            "./aerodrome up --env sandbox",
        )
    return sandbox


def urls(instance: Instance) -> tuple[str, str]:
    """The base's UI on this machine's loopback, and on the sandbox's own address."""
    return (
        f"http://localhost:{instance.ui_port}",
        f"http://{instance.node_address}:{UI_NODE_PORT}",
    )
