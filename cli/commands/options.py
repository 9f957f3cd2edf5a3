"""Options that several verbs share, so that they read and behave alike.

The environment of a verb is chosen by three of them, or by the git branch of the folder
that it is called in. `on_environment` gives a verb the three, and hands it what they mean.
"""

import functools
import inspect
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from cli.base import environments
from cli.base.environments import Environment
from cli.base.errors import UserError
from cli.base.git import Checkout, NoBranch
from cli.session import Session
from infra.contract.tenancy import Tenancy

T = TypeVar("T")


def complete_environment(incomplete: str) -> list[str]:
    return [name for name in environments.known() if name.startswith(incomplete)]


def _complete_branch(incomplete: str) -> list[str]:
    try:
        branches = Checkout(Path.cwd()).branches()
    except UserError:
        return []
    return [name for name in branches if name.startswith(incomplete)]


def _use_json(ctx: typer.Context, value: bool) -> bool:
    session = ctx.find_object(Session)
    if session is not None and not ctx.resilient_parsing:
        session.console.json = value
    return value


Env = Annotated[
    str | None,
    typer.Option(
        "--env",
        envvar="AERODROME_ENV",
        metavar="NAME",
        help="The environment; `sandbox` and `sandbox-...` are on this machine.",
        autocompletion=complete_environment,
    ),
]

Branch = Annotated[
    str | None,
    typer.Option(
        "--branch",
        metavar="BRANCH",
        help="The git branch whose environment it is [default: the branch that is checked out].",
        autocompletion=_complete_branch,
    ),
]

Base = Annotated[
    str,
    typer.Option(
        "--base",
        envvar="AERODROME_BASE",
        metavar="NAME",
        help="The base environment that the branch's environment shares; a main branch is the base itself.",
        autocompletion=complete_environment,
    ),
]


def on_environment(verb: Callable[..., None]) -> Callable[..., None]:
    """Gives `verb` the options that say which environment, and that environment.

    In the order in which the options are listed, in place of its parameter `environment`.
    """
    own = inspect.signature(verb, eval_str=True)

    @functools.wraps(verb)
    def on_chosen(**given: Any) -> None:
        ctx: typer.Context = given["ctx"]
        wanted = {name: given.pop(name) for name in ("env", "branch", "base")}
        verb(environment=_chosen(ctx, **wanted), **given)

    parameters = [
        replacement
        for parameter in own.parameters.values()
        for replacement in (_OPTIONS if parameter.name == "environment" else [parameter])
    ]
    # Typer reads both: the one for order and defaults, the other for types.
    on_chosen.__signature__ = own.replace(parameters=parameters)  # type: ignore[attr-defined]
    on_chosen.__annotations__ = {item.name: item.annotation for item in parameters}
    return on_chosen


_OPTIONS = [
    inspect.Parameter(
        name, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=default, annotation=kind
    )
    for name, default, kind in (
        ("env", None, Env),
        ("branch", None, Branch),
        ("base", environments.DEFAULT, Base),
    )
]


def _chosen(ctx: typer.Context, env: str | None, branch: str | None, base: str) -> Environment:
    """What was typed goes before what a variable says, and a name before a branch."""
    session: Session = ctx.ensure_object(Session)
    if env is not None and branch is not None and _typed(ctx, "env"):
        raise UserError(
            "Either --env or --branch",
            f"--env {env} is an environment's own name; --branch looks up that of a git branch.",
            f"./{ctx.command_path} --branch {shlex.quote(branch)}",
        )
    if env is not None and branch is None:
        if _typed(ctx, "base"):
            raise UserError(
                f'Environment "{env}" was named: --base goes with a git branch',
                "Its base is in its configuration.",
                f"./{ctx.command_path} --env {env}",
            )
        session.same = f" --env {env}" if _typed(ctx, "env") else ""
        return environments.environment(env)
    checkout = session.checkout()
    session.same = f" --base {base}" if _typed(ctx, "base") else ""
    if branch is not None:
        session.same += f" --branch {shlex.quote(branch)}"
        return environments.of_branch(base, branch, checkout)
    try:
        return environments.of_branch(base, checkout.branch(), checkout)
    except NoBranch as error:
        command = f"./{ctx.command_path} --env {base}"
        raise NoBranch(error.summary, error.detail, command) from error


def _typed(ctx: typer.Context, option: str) -> bool:
    """Whether an option is on the command line, and not only in a variable."""
    source = ctx.get_parameter_source(option)
    return source is not None and source.name == "COMMANDLINE"


Json = Annotated[
    bool,
    typer.Option(
        "--json",
        help="Print the result as JSON; progress goes to standard error.",
        callback=_use_json,
    ),
]


def _use_ui_port(ctx: typer.Context, value: int | None) -> int | None:
    session = ctx.find_object(Session)
    if value is not None and session is not None:
        session.chosen_ui_port = value
    return value


UiPort = Annotated[
    int | None,
    typer.Option(
        "--ui-port",
        min=1,
        max=65535,
        help="The loopback port of Airflow's UI, for a sandbox that is not running yet [default: 8080].",
        callback=_use_ui_port,
    ),
]


Refresh = Annotated[
    bool,
    typer.Option("--refresh", help="Compare the state with the cloud first, resource by resource."),
]

AskedTenancy = Annotated[
    Tenancy | None,
    typer.Option("--tenancy", help="Shared: in its base's cluster, as branches are; or dedicated."),
]

FormerTenancy = Annotated[Tenancy | None, typer.Option("--rung", hidden=True)]

Lifetime = Annotated[
    str | None,
    typer.Option(
        "--lifetime",
        metavar="DAYS",
        help="Keep a branch's environment so many days, or `never` sweep it; 3 after each use.",
    ),
]


ValuesFiles = Annotated[
    list[Path] | None,
    typer.Option(
        "--values",
        metavar="FILE",
        help="A file of the project with values of Airflow's chart; can be repeated. Later runs keep it.",
    ),
]


def under_new_name(ctx: typer.Context, tenancy: T, rung: T | None) -> T:
    """What --tenancy says, or --rung, its name in the version before. UserError if both are there."""
    if rung is None:
        return tenancy
    if _typed(ctx, "tenancy"):
        raise UserError(
            "Either --tenancy or --rung",
            "They are one option: --rung is its old name.",
            f"./{ctx.command_path} --tenancy {rung}",
        )
    session: Session = ctx.obj
    session.console.note(
        "warning: --rung is called --tenancy now; the old name works in this version and not in the next"
    )
    return rung


Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before changing AWS.")]
