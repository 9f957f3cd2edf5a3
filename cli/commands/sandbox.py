"""`aerodrome sandbox`: the cloud on this machine, without an environment on it."""

from typing import Annotated, Any

import typer

from cli.base import environments, lease
from cli.base.environments import Environment
from cli.base.errors import UserError
from cli.cloud.sandbox_cloud import UNSET, SandboxCloud
from cli.commands.options import Json, UiPort
from cli.commands.status import show_sandbox
from cli.operations import shell
from cli.session import Session


def _use_name(ctx: typer.Context, value: str | None) -> str | None:
    session = ctx.find_object(Session)
    if value and session is not None:
        session.sandbox_name = value
    return value


Name = Annotated[
    str | None,
    typer.Option("--name", help="The sandbox's name [default: default].", callback=_use_name),
]


def _cloud(session: Session) -> SandboxCloud:
    return session.sandbox_cloud(Environment(environments.DEFAULT))


app = typer.Typer(
    no_args_is_help=True,
    help="Start, stop and inspect the sandbox: the cloud on this machine.",
    rich_markup_mode=None,
)


def up(ctx: typer.Context, name: Name = None, ui_port: UiPort = None, json: Json = False) -> None:
    """Start the sandbox: a Kubernetes node, a registry and the AWS APIs.

    \b
    Example:
      aerodrome sandbox up
    """
    session: Session = ctx.obj
    started = session.machine().up(
        session.sandbox_name, report=session.step, ui_port=session.ui_port
    )
    instance = started.instance
    data = {
        "name": instance.name,
        "aws": instance.aws_url,
        "kubernetes": instance.api_url,
        "registry": instance.registry,
        "kubeconfig": str(instance.admin_kubeconfig),
    }
    rows = list(data.items())
    session.console.result(data, lambda: session.console.table(("what", "where"), rows))


def down(
    ctx: typer.Context,
    force: Annotated[
        bool, typer.Option("--force", help="Also if environments are deployed on it.")
    ] = False,
    name: Name = None,
    json: Json = False,
) -> None:
    """Remove the sandbox with everything in it; nothing of it stays on this machine.

    \b
    Example:
      aerodrome sandbox down
      aerodrome sandbox down --force
    """
    session: Session = ctx.obj
    cloud = _cloud(session)
    deployed = cloud.neighbours()
    if deployed and not force and cloud.is_up():
        raise UserError(
            f"The sandbox carries {', '.join(deployed)}",
            "`aerodrome down` destroys an environment in order, and removes the sandbox with it.\n"
            "With --force the sandbox goes at once, with everything in it.",
            "./aerodrome down",
        )
    cloud.remove()
    for environment in deployed:
        _forget(session, Environment(environment))
    data: dict[str, Any] = {"name": session.sandbox_name, "forgotten": deployed}

    def show() -> None:
        for environment in deployed:
            session.console.line(f'environment "{environment}" was on it: its state is removed')
        session.console.line("the sandbox is removed: nothing of it is left on this machine")

    session.console.result(data, show)


def _forget(session: Session, environment: Environment) -> None:
    session.backend(environment).forget()
    environment.record_file.unlink(missing_ok=True)
    lease.drop(environment)


def status(ctx: typer.Context, name: Name = None, json: Json = False) -> None:
    """Show the sandbox's processes.

    \b
    Example:
      aerodrome sandbox status --json
    """
    session: Session = ctx.obj
    data = _cloud(session).status()
    session.console.result(data, lambda: show_sandbox(session, data))


def env(ctx: typer.Context, json: Json = False) -> None:
    """Print the variables with which `pulumi`, `kubectl`, `helm` and `aws` work on the sandbox.

    For the shell: the same Pulumi CLI, plugins, state and passphrase that this command uses, and the
    sandbox's AWS account. The configuration of each environment is linked into the checkout, where
    Pulumi looks for it.

    \b
    Example:
      aerodrome sandbox env
      eval "$(aerodrome sandbox env)"
      pulumi preview -s sandbox
      kubectl get pods -A
    """
    session: Session = ctx.obj
    cloud = _cloud(session)
    cloud.require()
    cloud.unlock()
    variables = shell.variables(session.place(cloud.environment, cloud).variables)
    linked = shell.link_configurations()

    def show() -> None:
        for line in shell.lines(variables):
            session.console.line(line)

    session.console.result({"variables": variables, "unset": UNSET, "linked": linked}, show)


app.command("env")(env)
app.command("up")(up)
app.command("down")(down)
app.command("status")(status)
