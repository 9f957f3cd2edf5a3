"""The `aerodrome` command: its verbs in one list, and the one place where errors end.

A KitError is shown as what, why and the next command; its class gives the exit code. Any
other exception is a bug: one line for the user, the traceback in a file for us.
"""

import itertools
import os
import time
import traceback
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from cli.base.errors import KitError
from cli.base.paths import state_dir
from cli.commands import (
    access,
    backup,
    bootstrap,
    capacity,
    compose,
    config,
    cost,
    dags,
    database,
    doctor,
    down,
    execute,
    extend,
    history,
    image,
    inventory,
    list_environments,
    logs,
    metrics,
    open_ui,
    outputs,
    preview,
    proof,
    rancher,
    restore,
    sandbox,
    stack_secrets,
    status,
    sweep,
    tunnel,
    up,
    upgrade,
)
from cli.session import Session

NAME = "aerodrome"
INTERRUPTED = 130


class Root(TyperGroup):
    """The root command. It makes the session, and turns exceptions into exit codes."""

    def invoke(self, ctx: Any) -> Any:
        session: Session = ctx.ensure_object(Session)
        # Typer takes the words away as it reads them; those after `--` are another program's.
        words = itertools.takewhile(lambda word: word != "--", [*ctx._protected_args, *ctx.args])
        wants_json = "--json" in words
        try:
            return super().invoke(ctx)
        except KitError as error:
            session.console.failed(error)
            raise typer.Exit(error.exit_code) from error
        except KeyboardInterrupt as error:
            session.console.note()
            session.console.note("interrupted; the same command continues from here", "bold")
            raise typer.Exit(INTERRUPTED) from error
        except Exception as error:
            if type(error).__module__.startswith("typer"):
                # Wrong usage, or a request to exit: typer answers those itself.
                if isinstance(error, typer.TyperException) and wants_json:
                    session.console.misused(error.format_message())
                raise
            log = None if session.debug else _write_crash(error)
            session.console.bug(error, log, session.debug)
            raise typer.Exit(1) from error
        finally:
            session.close()


def _write_crash(error: Exception) -> Path | None:
    """The traceback in a file; None if there is no place for one."""
    folder = state_dir() / "crashes"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{time.strftime('%Y%m%dT%H%M%S')}-{os.getpid()}.log"
        path.write_text("".join(traceback.format_exception(error)))
    except OSError:
        return None
    return path


app = typer.Typer(
    name=NAME,
    cls=Root,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode=None,
)


@app.callback()
def root(
    ctx: typer.Context,
    debug: Annotated[
        bool,
        typer.Option("--debug", envvar="AERODROME_DEBUG", help="Show tracebacks of bugs."),
    ] = False,
) -> None:
    """Production Apache Airflow 3 on Amazon EKS, and the same on one machine.

    Start with: ./aerodrome up
    """
    session: Session = ctx.ensure_object(Session)
    session.debug = debug
    session.console.verb = ctx.invoked_subcommand or ""


app.command("bootstrap", short_help="Prepare an AWS account, or this machine.")(bootstrap.bootstrap)
app.command("cost", short_help="Show what an environment costs on AWS.")(cost.cost)
app.command("capacity", short_help="Show how many branches a base carries.")(capacity.capacity)
app.command("up")(up.up)
app.command("preview")(preview.preview)
app.command("upgrade", short_help="Upgrade Kubernetes to its next version.")(upgrade.upgrade)
app.command("down")(down.down)
app.command("sweep", short_help="Destroy environments that expired or lost their branch.")(
    sweep.sweep
)
app.command("list", short_help="List every environment.")(list_environments.list_environments)
app.command("status")(status.status)
app.command("open")(open_ui.open_ui)
app.command("tunnel", short_help="Open a port that leads to a private Kubernetes API.")(
    tunnel.tunnel
)
app.command("logs")(logs.logs)
app.command("metrics")(metrics.metrics)
app.command("exec", short_help="Run a command in a pod of Airflow.")(execute.execute)
app.command("extend")(extend.extend)
app.command("backup", short_help="Back up Airflow's database, or list the backups.")(backup.backup)
app.command("restore", short_help="Restore Airflow's database from a backup.")(restore.restore)
app.command("compose", short_help="Write a compose file: Airflow without Kubernetes.")(
    compose.compose
)
app.command("proof")(proof.proof)
app.command("outputs")(outputs.outputs)
app.command("inventory")(inventory.inventory)
app.command("history")(history.history)
app.command("doctor")(doctor.doctor)
app.add_typer(config.app, name="config")
app.add_typer(image.app, name="image")
app.add_typer(dags.app, name="dags")
app.add_typer(database.app, name="database")
app.add_typer(access.app, name="access")
app.add_typer(stack_secrets.app, name="secrets")
app.add_typer(rancher.app, name="rancher")
app.add_typer(sandbox.app, name="sandbox")


def main() -> None:
    """The entry point of the launcher script."""
    app(prog_name=NAME)
