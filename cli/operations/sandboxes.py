"""The sandbox of this run: whether it is up, and where it answers."""

from cli.base.errors import UserError
from cli.cloud.sandbox import Instance, Machine, Sandbox
from cli.session import Session


def find(session: Session) -> Sandbox | None:
    """The sandbox if it is up."""
    try:
        return session.machine().get(session.sandbox_name)
    except UserError:
        return None


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
        f"http://{instance.node_address}:{Machine().ui_node_port()}",
    )
