"""`aerodrome rancher`: the environment's cluster in a Rancher."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.base.environments import Environment
from cli.base.errors import KitError, UserError
from cli.base.phases import Phases
from cli.commands.options import Json, Yes, on_environment
from cli.operations import live
from cli.session import Session

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cli.operations.live import Live

app = typer.Typer(help="Register the cluster in a Rancher.", no_args_is_help=True)

Url = Annotated[
    str | None,
    typer.Option(
        "--url",
        envvar="RANCHER_URL",
        metavar="URL",
        help="Where Rancher is, as its agents reach it [default: the environment's own].",
    ),
]

TokenFile = Annotated[
    Path | None,
    typer.Option(
        "--token-file",
        metavar="FILE",
        help="A file with the API token [default: RANCHER_TOKEN has it; the environment's own hands one over].",
    ),
]


@app.command("import")
@on_environment
def import_cluster(
    ctx: typer.Context,
    environment: Environment,
    url: Url = None,
    token_file: TokenFile = None,
    name: Annotated[
        str,
        typer.Option(
            "--name", metavar="NAME", help="What Rancher calls it [default: the cluster's name]."
        ),
    ] = "",
    timeout: Annotated[
        int,
        typer.Option(
            "--timeout", metavar="SECONDS", min=1, max=3600, help="How long to wait for the agent."
        ),
    ] = 600,
    json: Json = False,
) -> None:
    """Register the environment's cluster in a Rancher, and wait for its agent.

    Rancher gets a record of it, and the cluster Rancher's agent, which has all rights there. A cluster that is
    registered is found again. RANCHER_TOKEN has the API token, RANCHER_CA_CERTS the PEM text of an authority
    of your own; the environment's own Rancher has left both in AWS Secrets Manager. The command can be repeated, and
    resumes after an interruption.

    \b
    Example:
      aerodrome rancher import --url https://rancher.example.com
      aerodrome rancher import --env dev --token-file token --name airflow-dev
    """
    from cli.operations.rancher.access import access
    from cli.operations.rancher.own import declared_people, identity_of, keep_people
    from cli.operations.rancher.registration import Waits, register

    session: Session = ctx.obj
    found = live.of(session, environment)
    _require_own_cluster(found, "import")
    _refuse_foreign(found)
    declared = declared_people(found)
    address = _url(found, url)
    asked = access(address, token_file, _variables(found, address, token_file))
    again = f"./aerodrome rancher import{session.same} --url {asked.url}"
    phases = Phases(session.console, total=1)
    with phases.phase("registration"), _opened(asked) as rancher:
        done = register(
            rancher,
            found.kubernetes,
            identity_of(found),
            name=name,
            waits=Waits(agent=float(timeout)),
            report=session.console.report,
            again=again,
        )
        project = keep_people(found, rancher, done.identifier, declared, again)
    data = {"environment": environment.name, **done.data(), **project, "phases": phases.data()}

    def show() -> None:
        how = "registered" if done.created else "registered already"
        session.console.line(f"{done.name}: {how} in {done.rancher}, its agent works", "bold green")

    session.console.result(data, show)


@app.command("status")
@on_environment
def status(
    ctx: typer.Context,
    environment: Environment,
    url: Url = None,
    token_file: TokenFile = None,
    json: Json = False,
) -> None:
    """Show whether the cluster is in a Rancher, and its agent healthy, or why not.

    Without a token the cluster alone is asked: the agent is known there, and Rancher's record is not.

    \b
    Example:
      aerodrome rancher status
      aerodrome rancher status --url https://rancher.example.com --json
    """
    from cli.cloud.rancher import TOKEN, Unanswered
    from cli.operations.rancher import state
    from cli.operations.rancher.access import access, checked_url
    from cli.operations.rancher.own import identity_of
    from cli.operations.rancher.registration import told

    session: Session = ctx.obj
    found = live.of(session, environment)
    _require_own_cluster(found, "status")
    where = checked_url(url) if url else found.outputs.rancher_address
    variables: Mapping[str, str] = {}
    try:
        variables = _variables(found, where, token_file) if where else {}
    except KitError as error:
        session.console.report(f"Rancher is not asked: {error.summary}")
    if where and (token_file or variables.get(TOKEN)):
        with _opened(access(where, token_file, variables)) as rancher:
            try:
                data = state.look(found.kubernetes, identity_of(found), rancher)
            except Unanswered as error:
                raise told(error) from error
    else:
        data = state.look(found.kubernetes, identity_of(found), None)
    session.console.result(data, lambda: _show(session, data))


@app.command("remove")
@on_environment
def remove(
    ctx: typer.Context,
    environment: Environment,
    url: Url = None,
    token_file: TokenFile = None,
    yes: Yes = False,
    json: Json = False,
) -> None:
    """Take the cluster out of Rancher, and Rancher out of the cluster.

    Its record, its agent, webhooks, namespaces and finalizers go; the environment stays. It works without a
    Rancher that answers, too: then its record is all that is left.

    \b
    Example:
      aerodrome rancher remove --url https://rancher.example.com
      aerodrome rancher remove --env dev --yes
    """
    import os

    from cli.cloud.rancher import TOKEN, URL
    from cli.operations.rancher.access import access, checked_url
    from cli.operations.teardown.rancher import deregister
    from cli.operations.teardown.report import Report
    from cli.operations.teardown.target import target_of

    session: Session = ctx.obj
    found = live.of(session, environment)
    _require_own_cluster(found, "remove")
    variables = dict(os.environ)
    if url:
        variables[URL] = checked_url(url)
    if token_file:
        variables[TOKEN] = access(_url(found, url), token_file).token
    if session.cloud(environment).asks and not yes:
        session.console.agree(
            f'Take the cluster of "{environment.name}" out of Rancher?',
            "Nothing was changed.",
            f"./aerodrome rancher remove{session.same} --yes",
        )
    report = Report(Phases(session.console, total=1))
    with report.step("rancher"):
        deregister(target_of(session, environment), report, variables)
    step = report.steps[-1]
    data = {"environment": environment.name, "deleted": step.deleted, "notes": step.notes}

    def show() -> None:
        for text in step.notes:
            session.console.line(text)
        session.console.line(
            f"{len(step.deleted)} thing(s) of Rancher's deleted"
            if step.deleted
            else "nothing of Rancher is left"
        )

    session.console.result(data, show)


def _variables(found: "Live", address: str, token_file: Path | None) -> "Mapping[str, str]":
    """What a Rancher is asked with: for the environment's own, the token that it has handed over."""
    import os

    from cli.cloud.rancher import URL
    from cli.operations.rancher.handover import variables_for

    if token_file:
        return os.environ
    return variables_for(found.client, found.outputs, {**os.environ, URL: address})


def _url(found: "Live", url: str | None) -> str:
    address = url or found.outputs.rancher_address
    if not address:
        raise UserError(
            f'"{found.environment.name}" has no Rancher of its own',
            "Name the one that it is to be registered in.",
            "./aerodrome rancher import --url https://rancher.example.com",
        )
    return str(address)


def _require_own_cluster(found: "Live", verb: str) -> None:
    if found.shared:
        base = found.outputs.base
        raise UserError(
            f'The cluster of "{found.environment.name}" is that of its base',
            "A cluster is registered once, for all environments on it.",
            f"./aerodrome rancher {verb} --env {base or 'BASE'}",
        )


def _refuse_foreign(found: "Live") -> None:
    from cli.operations import existing_cluster

    if cluster := existing_cluster.foreign(found.outputs):
        raise UserError(
            f'"{found.environment.name}" stands in the cluster {cluster}, which is somebody else\'s',
            "Whoever owns it decides what manages it. Nothing was changed.",
        )


def _opened(asked: Any) -> Any:
    """A Rancher to ask. UserError if the authority that is to be trusted is none."""
    try:
        return asked.open()
    except KitError as error:
        raise UserError(error.summary, error.detail, error.command) from error


def _show(session: Session, data: dict[str, Any]) -> None:
    console, agent, cluster = session.console, data["agent"], data["cluster"]
    words = "registered" if data["registered"] else "not registered"
    where = f" in {data['rancher']}" if data["rancher"] else ""
    console.line(f"environment {data['environment']}: {words}{where}")
    console.line(
        f"  {'record':<8} {' '.join(filter(None, (cluster['id'], cluster['name'], cluster['state'])))}"
    )
    console.line(f"  {'agent':<8} {agent['state']}", "" if data["healthy"] else "bold red")
    if agent["reason"]:
        console.line(f"  {'reason':<8} {agent['reason']}")
    if not data["registered"]:
        console.line()
        console.line(f"    ./aerodrome rancher import{session.same} --url URL", "bold")
