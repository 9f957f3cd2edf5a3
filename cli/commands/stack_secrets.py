"""`aerodrome secrets`: replace an environment's secrets while Airflow works, and see how old they are."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.base.console import Console
from cli.base.environments import Environment
from cli.commands.options import Json, Yes, on_environment
from cli.operations import live
from cli.session import Session
from cli.stack.rotation import RENEWED

if TYPE_CHECKING:
    from cli.operations.rotation.every import Renewed

app = typer.Typer(
    help="Replace an environment's secrets, and show how old they are.", no_args_is_help=True
)
rotations = typer.Typer(help="Replace a secret while Airflow works on.", no_args_is_help=True)
app.add_typer(rotations, name="rotate")


@rotations.command("fernet")
@on_environment
def rotate_fernet(
    ctx: typer.Context, environment: Environment, yes: Yes = False, json: Json = False
) -> None:
    """Replace the key that encrypts connections and variables in Airflow's database.

    The new key is deployed for reading, then for writing; all rows are encrypted anew; then the old key is taken
    away. Each of the three is a deployment of this checkout, as `up` makes it. Tasks and requests go on meanwhile.
    In the end every encrypted row is read with the new key, and tried with the old one, which must read none.
    The command resumes after an interruption, on any machine. No key is shown.

    \b
    Example:
      aerodrome secrets rotate fernet
      aerodrome secrets rotate fernet --env prod --yes
    """
    _one(ctx.obj, environment, "fernet", "three times, with another Fernet key", yes=yes)


@rotations.command("jwt")
@on_environment
def rotate_jwt(
    ctx: typer.Context, environment: Environment, yes: Yes = False, json: Json = False
) -> None:
    """Replace the key that signs the tokens of tasks, of the API and of the UI.

    The new key is deployed for checking tokens, then for signing; the command waits until no running or queued task
    needs a token of the old one, ten minutes at most; then that is taken away. Each of the three is a deployment of
    this checkout, as `up` makes it. Tasks go on meanwhile. In the end Airflow must sign with the new key and refuse a
    token of the old one. The command resumes after an interruption, on any machine. No key is shown.

    \b
    Example:
      aerodrome secrets rotate jwt
      aerodrome secrets rotate jwt --env prod --yes
    """
    _one(ctx.obj, environment, "jwt", "three times, with another key of tokens", yes=yes)


@rotations.command("database")
@on_environment
def rotate_database(
    ctx: typer.Context, environment: Environment, yes: Yes = False, json: Json = False
) -> None:
    """Replace the password of Airflow's database, in the server and in all that reads it.

    Two users take turns: the one that nobody uses gets the new password, and is tried; every pod then logs in as it;
    the old password is taken away. Each of the three is a deployment of this checkout, as `up` makes it. Tasks and
    requests go on meanwhile. In the end the server must take the new password and refuse the old one. The command
    resumes after an interruption, on any machine. No password is shown.

    \b
    Example:
      aerodrome secrets rotate database
      aerodrome secrets rotate database --env prod --yes
    """
    _one(ctx.obj, environment, "database", "three times, with another login", yes=yes)


@rotations.command("celery")
@on_environment
def rotate_celery(
    ctx: typer.Context, environment: Environment, yes: Yes = False, json: Json = False
) -> None:
    """Replace the password of Celery's queue and of the database of its results.

    Redis takes the new password beside the old one, and the results get a second user with it; scheduler, workers and Flower
    then use it; the old one is taken away. Each of the three is a deployment of this checkout, as `up` makes it. Queued and
    running tasks go on; the pods of Redis and PostgreSQL stay. In the end both must take the new password and refuse the
    old one. The command resumes after an interruption, on any machine. No password is shown. Needs the CeleryExecutor.

    \b
    Example:
      aerodrome secrets rotate celery
      aerodrome secrets rotate celery --env prod --yes
    """
    _one(ctx.obj, environment, "celery", "three times, with another password of the queue", yes=yes)


@rotations.command("monitor")
@on_environment
def rotate_monitor(
    ctx: typer.Context, environment: Environment, yes: Yes = False, json: Json = False
) -> None:
    """Replace the password with which Telegraf asks PostgreSQL for its figures.

    One deployment; no pod of Airflow is replaced. Figures of PostgreSQL may be missing for a minute. In the end a login
    with the new password is tried, and one with the old, which must fail. Needs `monitoring metrics`.

    \b
    Example:
      aerodrome secrets rotate monitor
    """
    _one(ctx.obj, environment, "monitor", "with another password for figures", yes=yes)


@rotations.command("rancher")
@on_environment
def rotate_rancher(
    ctx: typer.Context,
    environment: Environment,
    handed_over: Annotated[
        bool,
        typer.Option(
            "--handed-over", help="Rancher has the new key: do not wait until AWS has seen it."
        ),
    ] = False,
    yes: Yes = False,
    json: Json = False,
) -> None:
    """Replace the access key with which Rancher asks AWS for the cluster.

    A new key is made beside the old one, and the command ends with exit code 1: give Rancher the new one, and run it again. When
    AWS has seen it used (or with --handed-over) the old key is deactivated, then deleted. Each of the three is a
    deployment of this checkout, as `up` makes it; no pod is replaced. No secret is shown.

    \b
    Example:
      aerodrome secrets rotate rancher
      aerodrome outputs --show-secrets
      aerodrome secrets rotate rancher --handed-over
    """
    from cli.operations.rotation import every

    run = partial(every.rancher, handed_over=handed_over)
    _one(ctx.obj, environment, "rancher", "with another access key of Rancher", yes=yes, run=run)


@rotations.command("admin")
@on_environment
def rotate_admin(
    ctx: typer.Context, environment: Environment, yes: Yes = False, json: Json = False
) -> None:
    """Replace the administrator's password by a new one that is made up.

    No pod is replaced. In the end a login with the new password is tried, and one with the old, which must fail.
    Sessions that are open stay. The password is not shown: `config get adminPassword --show`.

    \b
    Example:
      aerodrome secrets rotate admin
    """
    _one(ctx.obj, environment, "admin", "with a new password", yes=yes)


@rotations.command("api")
@on_environment
def rotate_api(
    ctx: typer.Context, environment: Environment, yes: Yes = False, json: Json = False
) -> None:
    """Replace the key that signs the UI's sessions.

    Airflow's pods are replaced one after the other. While two of the api-server are there, a login may have to be
    tried again, and the log of a running task may not be shown.

    \b
    Example:
      aerodrome secrets rotate api
    """
    _one(ctx.obj, environment, "api", "with a new secret", yes=yes)


@rotations.command("all")
@on_environment
def rotate_all(
    ctx: typer.Context, environment: Environment, yes: Yes = False, json: Json = False
) -> None:
    """Replace each secret that `secrets rotate` knows, one after the other.

    Keys of encryption and of tokens, the passwords of the database, of Celery's queue and of the user for
    figures (with metrics), the key of sessions, the administrator's password and, last, Rancher's access key, each as its
    own command replaces it. An interrupted one is continued by the same command, which leaves alone what was replaced.

    \b
    Example:
      aerodrome secrets rotate all
      aerodrome secrets rotate all --env prod --yes
    """
    from cli.operations.rotation import every

    session: Session = ctx.obj
    console = session.console
    _agreed(session, environment, "all", "again and again, with new secrets", yes=yes)
    done = every.rotate(session, environment)
    data = {
        "environment": environment.name,
        "began": done.began,
        "resumed": done.resumed,
        "before": list(done.before),
        "rotated": [{"secret": one.key, **one.data} for one in done.rotated],
    }

    def show() -> None:
        for one in done.rotated:
            _show(console, one)
        rows = [(one.key, f"{one.phases.seconds:7.1f} s") for one in done.rotated]
        former = [(RENEWED[name], "before") for name in done.before]
        console.table(("replaced", "   time"), [*former, *rows])

    console.result(data, show)


def _one(
    session: Session,
    environment: Environment,
    name: str,
    how: str,
    *,
    yes: bool,
    run: "Callable[[Session, Environment], Renewed] | None" = None,
) -> None:
    from cli.operations.rotation import every

    _agreed(session, environment, name, how, yes=yes)
    done = (run or every.RUN[name])(session, environment)
    data = {
        "environment": environment.name,
        "secret": done.key,
        **done.data,
        "phases": done.phases.data(),
    }

    def show() -> None:
        _show(session.console, done)
        if len(done.phases.times) > 1:
            done.phases.show()

    session.console.result(data, show)


def _show(console: Console, done: "Renewed") -> None:
    first, *others = done.proof
    console.line(first, "bold green")
    for line in others:
        console.line(f"       {line}")


def _agreed(session: Session, environment: Environment, name: str, how: str, *, yes: bool) -> None:
    if session.cloud(environment).asks and not yes:
        session.console.agree(
            f'Deploy "{environment.name}" {how}?',
            "Nothing was changed.",
            f"./aerodrome secrets rotate {name} --yes{session.same}",
        )


@app.command("status")
@on_environment
def status(
    ctx: typer.Context,
    environment: Environment,
    older_than: Annotated[
        int | None,
        typer.Option(
            "--older-than",
            metavar="DAYS",
            min=0,
            max=3650,
            help="Exit code 1 if a deployed secret is older than that, or nobody knows its age.",
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Show how old each secret is, and which components read it. No secret is shown.

    An age with `at least` is that of the deployment: the secret was made before its date was written down.

    \b
    Example:
      aerodrome secrets status
      aerodrome secrets status --older-than 90 --json
    """
    from cli.operations.rotation import ages
    from cli.stack import rotation

    session: Session = ctx.obj
    found = live.of(session, environment)
    today, console = session.today(), session.console
    secrets = ages.of(found)
    old = [] if older_than is None else ages.older(secrets, older_than, today)
    unfinished = rotation.unfinished(found.backend)

    def age(one: ages.SecretAge) -> str:
        days = one.days(today)
        if days is None:
            return "unknown" if one.deployed else "not in use"
        return f"{'' if one.exact else 'at least '}{days} days"

    def show() -> None:
        console.table(
            ("secret", "age", "made", "read by"),
            [
                (one.name, age(one), str(one.made or "-"), ", ".join(one.users) or "-")
                for one in secrets
            ],
        )
        for which in unfinished:
            console.line(
                f"a rotation of {RENEWED.get(which, 'all secrets')} is not finished:", "bold yellow"
            )
            console.line(f"    ./aerodrome secrets rotate {which}{session.same}")
        if older_than is not None:
            text = f"older than {older_than} days: {', '.join(old) or 'none'}"
            console.line(text, "bold red" if old else "bold green")

    data: dict[str, Any] = {
        "environment": environment.name,
        "secrets": [one.data(today) for one in secrets],
        "fernetRotationUnderWay": rotation.FERNET in unfinished,
        "rotationsUnderWay": unfinished,
        "old": old,
    }
    console.result(data, show)
    if old:
        raise typer.Exit(1)
