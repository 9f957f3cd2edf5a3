"""`aerodrome doctor`: whether this machine has what `up` needs."""

import typer

from cli.base import environments
from cli.base.environments import DEFAULT, Environment
from cli.commands.options import Json
from cli.operations import ingress, version_check
from cli.session import Session


def doctor(ctx: typer.Context, json: Json = False) -> None:
    """Check what `up` needs of this machine.

    Also whether the versions of Rancher and Kubernetes fit each other, whether EKS takes an environment's cluster
    to the configured one, whether the cluster has what serves its `uiHost`, and whether AWS's plugin is there for an API
    that only the VPC reaches (`endpointAccess`). Each finding comes with its fix; nothing is changed. The exit code is 2 if something is
    wrong.

    \b
    Example:
      aerodrome doctor
    """
    # Not earlier: `--help` loads this module.
    from cli.cloud.tunnel.plugin import checked_plugin
    from cli.operations.preflight import checks, private_endpoint

    session: Session = ctx.obj
    up = session.cloud(Environment(DEFAULT)).is_up()
    known = [Environment(name) for name in environments.known()]
    found = [
        *session.machine().checks(session.ui_port, sandbox_up=up),
        version_check.check(
            known,
            judge=checks.of_configuration(session),
        ),
        *ingress.checks(session, known),
        *private_endpoint.checks(known, checked_plugin),
    ]
    console = session.console

    def show() -> None:
        for check in found:
            mark, style = ("ok   ", "green") if check.ok else ("WRONG", "bold red")
            console.line(f"{mark}  {check.name}: {check.found}", style)
            if not check.ok:
                console.line(f"       {check.fix}")

    console.result([check.data() for check in found], show)
    if not all(check.ok for check in found):
        raise typer.Exit(2)
