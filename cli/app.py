"""The `aerodrome` command: its verbs in one list, and the one place where errors end.

A verb's module is imported when the verb is called, or when the help tells of it: all of them are a good half of a short
command's time.

A KitError is shown as what, why and the next command; its class gives the exit code. Any
other exception is a bug: one line for the user, the traceback in a file for us.
"""

import importlib
import itertools
import os
import time
import traceback
from collections.abc import Iterator, MutableMapping
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from typer.core import TyperGroup

from cli.base.errors import KitError
from cli.base.paths import state_dir
from cli.session import Session

NAME = "aerodrome"
INTERRUPTED = 130

COMMANDS: Final = {
    "bootstrap": ("bootstrap.bootstrap", "Prepare an AWS account, or this machine."),
    "cost": ("cost.cost", "Show what an environment costs on AWS."),
    "capacity": ("capacity.capacity", "Show how many branches a base carries."),
    "up": ("up.up", ""),
    "preview": ("preview.preview", ""),
    "upgrade": ("upgrade.upgrade", "Upgrade Kubernetes to its next version."),
    "down": ("down.down", ""),
    "sweep": ("sweep.sweep", "Destroy environments that expired or lost their branch."),
    "list": ("list_environments.list_environments", "List every environment."),
    "status": ("status.status", ""),
    "open": ("open_ui.open_ui", ""),
    "tunnel": ("tunnel.tunnel", "Open a port that leads to a private Kubernetes API."),
    "logs": ("logs.logs", ""),
    "metrics": ("metrics.metrics", ""),
    "exec": ("execute.execute", "Run a command in a pod of Airflow."),
    "extend": ("extend.extend", ""),
    "backup": ("backup.backup", "Back up Airflow's database, or list the backups."),
    "restore": ("restore.restore", "Restore Airflow's database from a backup."),
    "compose": ("compose.compose", "Write a compose file: Airflow without Kubernetes."),
    "proof": ("proof.proof", ""),
    "outputs": ("outputs.outputs", ""),
    "inventory": ("inventory.inventory", ""),
    "history": ("history.history", ""),
    "doctor": ("doctor.doctor", ""),
    "config": ("config.app", ""),
    "image": ("image.app", ""),
    "dags": ("dags.app", ""),
    "database": ("database.app", ""),
    "access": ("access.app", ""),
    "secrets": ("stack_secrets.app", ""),
    "rancher": ("rancher.app", ""),
    "sandbox": ("sandbox.app", ""),
}
"""Each verb in the order of the help: a function or a group in a module of `cli.commands`, and its short help where that is
not the beginning of its help."""


class Commands(MutableMapping[str, Any]):
    """The verbs by name. One is imported when it is looked up, not when names are gone through."""

    def __init__(self) -> None:
        self._loaded: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._loaded:
            self._loaded[name] = _load(name, *COMMANDS[name])
        return self._loaded[name]

    def __setitem__(self, name: str, command: Any) -> None:
        self._loaded[name] = command

    def __delitem__(self, name: str) -> None:
        del self._loaded[name]

    def __iter__(self) -> Iterator[str]:
        return iter(COMMANDS)

    def __len__(self) -> int:
        return len(COMMANDS)


def _load(name: str, place: str, short_help: str) -> Any:
    module, _, attribute = place.partition(".")
    found = getattr(importlib.import_module(f"cli.commands.{module}"), attribute)
    group = typer.Typer(rich_markup_mode=None)
    if isinstance(found, typer.Typer):
        group.add_typer(found, name=name)
    else:
        group.command(name, short_help=short_help or None)(found)
    return typer.main.get_group(group).commands[name]


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


class Kit(Root):
    """The root command with its verbs."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = Commands()

    def list_commands(self, ctx: Any) -> list[str]:
        """Their names; nothing is imported for them."""
        return list(self.commands)


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
    cls=Kit,
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


def main() -> None:
    """The entry point of the launcher script."""
    app(prog_name=NAME)
