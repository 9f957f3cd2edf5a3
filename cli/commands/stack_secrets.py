"""`aerodrome secrets`: replace an environment's secrets while Airflow works, and see how old they are."""

from typing import Annotated, Any

import typer

from cli.base.environments import Environment
from cli.base.phases import Phases
from cli.commands.options import Json, Yes, on_environment
from cli.operations import live
from cli.session import Session

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
    from cli.operations.rotation import encryption, operation

    session: Session = ctx.obj
    console = session.console
    _agreed(session, environment, "fernet", "three times, with another Fernet key", yes=yes)
    phases = Phases(console, total=operation.PHASES["fernet"])
    done = operation.fernet_key(session, environment, phases)
    data: dict[str, Any] = {
        "environment": environment.name,
        "secret": "fernetKey",
        "began": done.began,
        "resumed": done.resumed,
        "encryptedAnew": dict(done.encrypted),
        "rows": dict(done.rows),
        "readByOldKey": done.old_reads,
        "phases": phases.data(),
    }

    def show() -> None:
        rows = ", ".join(f"{n} {encryption.called(table)}" for table, n in done.rows.items())
        console.line(
            f"proof: the new Fernet key reads {rows or 'no rows: there are none'}", "bold green"
        )
        console.line("       the old one reads none of them")
        phases.show()

    console.result(data, show)


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
    from cli.operations.rotation import operation

    session: Session = ctx.obj
    console = session.console
    _agreed(session, environment, "jwt", "three times, with another key of tokens", yes=yes)
    phases = Phases(console, total=operation.PHASES["jwt"])
    done = operation.token_key(session, environment, phases)
    data: dict[str, Any] = {
        "environment": environment.name,
        "secret": "jwtSecret",
        "began": done.began,
        "resumed": done.resumed,
        "tasksWaitedFor": done.waited_for,
        "oldKeyRefused": True,
        "phases": phases.data(),
    }

    def show() -> None:
        console.line("proof: Airflow signs tokens with the new key", "bold green")
        console.line("       and refuses one that the old key has signed")
        phases.show()

    console.result(data, show)


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
    _simple(ctx.obj, environment, "admin", yes=yes)


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
    _simple(ctx.obj, environment, "api", yes=yes)


def _simple(session: Session, environment: Environment, name: str, *, yes: bool) -> None:
    from cli.operations.rotation import operation

    _agreed(session, environment, name, "with a new secret", yes=yes)
    phases = Phases(session.console, total=1)
    operation.simple(session, environment, name, phases)
    key = operation.SIMPLE[name].key
    data = {"environment": environment.name, "secret": key, "phases": phases.data()}
    session.console.result(
        data, lambda: session.console.line(f"{key} is replaced and deployed", "bold green")
    )


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
            console.line(f"a rotation of {rotation.RESUMED[which]} is not finished:", "bold yellow")
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
