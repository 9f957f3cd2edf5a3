"""`aerodrome config`: read and change an environment's configuration."""

import getpass
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from cli.base import passphrase, settings
from cli.base.console import Console
from cli.base.environments import Environment
from cli.base.errors import UserError
from cli.commands.options import Json, on_environment
from cli.session import Session
from cli.stack.backends import Backend, clear, masked
from infra.contract.settings import SECRETS, SETTINGS

app = typer.Typer(
    no_args_is_help=True,
    help="Read and change an environment's configuration.",
    rich_markup_mode=None,
)


def _complete_key(incomplete: str) -> list[str]:
    return [key for key in SETTINGS if key.startswith(incomplete)]


Key = Annotated[
    str,
    typer.Argument(
        metavar="KEY", help="Like nodeMax, or aws:region.", autocompletion=_complete_key
    ),
]


def _backend(session: Session, environment: Environment, *, writes: bool = False) -> Backend:
    session.cloud(environment).unlock(make=writes)
    return session.backend(environment)


@on_environment
def get(
    ctx: typer.Context,
    key: Key,
    environment: Environment,
    show: Annotated[bool, typer.Option("--show", help="Show a secret in clear.")] = False,
    json: Json = False,
) -> None:
    """Print one value.

    \b
    Example:
      aerodrome config get adminPassword --show
    """
    session: Session = ctx.obj
    full = settings.qualified(key)
    values = _backend(session, environment).config()
    if full not in values:
        setting = settings.setting_of(full)
        if setting is not None and setting.secret:
            raise UserError(
                f'Environment "{environment.name}" has no "{key}" yet',
                "It is made at random by the first `up`, or by bootstrap.",
                f"./aerodrome up{session.same}",
            )
        raise UserError(
            f'"{key}" is not set in environment "{environment.name}"',
            "The program's default holds.",
            f"./aerodrome config list --all{session.same}",
        )
    value = (clear if show else masked)(values[full])
    session.console.result({"key": full, "value": value}, lambda: session.console.line(str(value)))


@on_environment
def set_value(
    ctx: typer.Context,
    key: Key,
    environment: Environment,
    value: Annotated[
        str | None,
        typer.Argument(metavar="VALUE", help="The value; read from standard input by default."),
    ] = None,
    secret: Annotated[
        bool,
        typer.Option("--secret", help="Encrypt the value; secret settings always are encrypted."),
    ] = False,
    json: Json = False,
) -> None:
    """Set one value. The key and the value are checked first.

    Leave the value of a secret out of the command: it is prompted for, or read from standard
    input, so that it is neither in the shell's history nor in the list of processes.

    \b
    Example:
      aerodrome config set nodeMax 6
      aerodrome config set adminPassword < password.txt
    """
    session: Session = ctx.obj
    full = settings.qualified(key)
    setting = settings.setting_of(full)
    hidden = secret or (setting is not None and setting.secret)
    if value is None:
        value = _read(key, session)
    settings.parse(full, value)
    _backend(session, environment, writes=True).set_config(full, value, secret=hidden)
    data = {"key": full, "secret": hidden, "environment": environment.name}
    session.console.result(data, lambda: session.console.line(f"{full} is set"))


def _read(key: str, session: Session) -> str:
    if session.console.interactive:
        return getpass.getpass(f"{key}: ", stream=session.console.stderr)
    return sys.stdin.read().rstrip("\n")


@on_environment
def list_values(
    ctx: typer.Context,
    environment: Environment,
    every: Annotated[
        bool, typer.Option("--all", help="List every setting with its explanation.")
    ] = False,
    json: Json = False,
) -> None:
    """Print all values that are set; secrets are masked.

    \b
    Example:
      aerodrome config list
      aerodrome config list --all
    """
    session: Session = ctx.obj
    values = {key: masked(value) for key, value in _backend(session, environment).config().items()}
    console = session.console
    if not every:
        console.result(values, lambda: _show_set(console, environment, values))
        return
    keys = [
        {
            "key": settings.qualified(setting.key),
            "type": setting.type,
            "value": values.get(settings.qualified(setting.key)),
            "default": setting.default,
            "required": setting.required,
            "secret": setting.secret,
            "doc": setting.doc,
        }
        for setting in SETTINGS.values()
    ]

    def show() -> None:
        for item in keys:
            value = item["value"] if item["value"] is not None else f"{item['default']} (default)"
            console.line(f"{item['key']} = {value}", "bold")
            console.line(f"    {item['type']}. {item['doc']}")

    console.result(keys, show)


def _show_set(console: Console, environment: Environment, values: Mapping[str, object]) -> None:
    if not values:
        console.line(f'nothing is set for environment "{environment.name}": defaults hold')
        return
    console.table(("key", "value"), [(key, str(value)) for key, value in sorted(values.items())])


@on_environment
def remove(ctx: typer.Context, key: Key, environment: Environment, json: Json = False) -> None:
    """Remove one value, so that the program's default holds again.

    \b
    Example:
      aerodrome config rm nodeMax
    """
    session: Session = ctx.obj
    full = settings.qualified(key)
    backend = _backend(session, environment)
    if full not in backend.config():
        settings.setting_of(full)
        raise UserError(f'"{key}" is not set in environment "{environment.name}"')
    name = full.partition(":")[2]
    if name in SECRETS and backend.deployed():
        raise UserError(
            f'The secret "{name}" is in use',
            f'Environment "{environment.name}" is deployed with it. Set another value instead.',
            f"./aerodrome config set {name}",
        )
    backend.remove_config(full)
    data = {"key": full, "environment": environment.name}
    session.console.result(data, lambda: session.console.line(f"{full} is removed"))


@on_environment
def change_passphrase(
    ctx: typer.Context,
    environment: Environment,
    file: Annotated[
        Path | None,
        typer.Option("--file", metavar="FILE", help="A file that holds the new passphrase."),
    ] = None,
    json: Json = False,
) -> None:
    """Encrypt all secrets of an environment with another passphrase.

    Configuration and state change together. The new passphrase is read from a file, prompted for, or
    read from standard input. Existing copies (backups, history) are not changed.

    \b
    Example:
      aerodrome config passphrase
      aerodrome config passphrase --file new.txt
    """
    session: Session = ctx.obj
    cloud = session.cloud(environment)
    if not cloud.has_passphrase:
        raise UserError(
            f'The secrets of "{environment.name}" are kept by Pulumi',
            "Its own command changes the passphrase.",
            f"pulumi stack change-secrets-provider passphrase --stack {environment.name}",
        )
    managed = passphrase.is_managed()
    cloud.unlock()
    new = _new_passphrase(session, file)
    count = session.backend(environment).change_passphrase(new, managed=managed)
    data = {"environment": environment.name, "secrets": count}
    then = "" if managed else f"; from now on {passphrase.PASSPHRASE} must be the new one"
    session.console.result(
        data, lambda: session.console.line(f"{count} secrets are encrypted anew{then}")
    )


def _new_passphrase(session: Session, file: Path | None) -> str:
    if file is not None:
        try:
            new = file.read_text().strip()
        except OSError as error:
            raise UserError(f"{file} cannot be read", error.strerror or str(error)) from error
    else:
        new = _read("new passphrase", session)
        if session.console.interactive and _read("the same again", session) != new:
            raise UserError("The two passphrases differ", "Nothing was changed.")
    if not new:
        raise UserError("The new passphrase is empty", "Nothing was changed.")
    return new


app.command("passphrase")(change_passphrase)
app.command("get")(get)
app.command("set")(set_value)
app.command("list")(list_values)
app.command("rm")(remove)
