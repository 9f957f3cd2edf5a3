"""`aerodrome tunnel`: the Kubernetes API of an environment on a port of this machine."""

import signal
from pathlib import Path
from typing import Annotated

import typer

from cli.base.environments import Environment
from cli.commands.options import Json, on_environment
from cli.operations import live, usage
from cli.session import Session


@on_environment
def tunnel(
    ctx: typer.Context,
    environment: Environment,
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="The port; 0 takes one that is free.")
    ] = 0,
    kubeconfig: Annotated[
        Path | None,
        typer.Option("--kubeconfig", metavar="FILE", help="Write the kubeconfig to this new file."),
    ] = None,
    json: Json = False,
) -> None:
    """Open a port of this machine that leads to an environment's Kubernetes API, until you end the command.

    For kubectl, helm and others with an API that only the VPC reaches (the setting `endpointAccess`): through a worker, by a
    session of AWS Systems Manager, for which AWS's session-manager-plugin must be installed. A session that breaks is opened again
    with the next connection. The kubeconfig that it writes is for this port, and is removed with it; who may do what in the
    cluster is as ever. The other commands (`up`, `status`, `open`, ...) open such a way themselves.

    \b
    Example:
      aerodrome tunnel --env prod
      aerodrome tunnel --env prod --port 6443 --kubeconfig prod.kubeconfig
    """
    # Not earlier: `--help` loads this module.
    from cli.operations import tunnels

    session: Session = ctx.obj
    # The file with the kubeconfig goes with the command, however it is ended.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    found = live.of(session, environment)
    usage.used(found)
    with tunnels.opened(found, port, kubeconfig) as way:
        session.console.result(
            way.data(), lambda: session.console.line(f"export KUBECONFIG={way.kubeconfig}")
        )
        session.console.note(
            f"{way.server} leads to {way.host} until you end this command (Ctrl-C)"
        )
        signal.pause()
