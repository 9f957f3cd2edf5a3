"""`aerodrome logs`: of a component, a process of the sandbox, or a task; or what is found in all of them."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.base.environments import Environment
from cli.base.errors import KitError, UserError
from cli.base.values import need
from cli.commands.options import Json, on_environment
from cli.operations import live, task_logs, usage
from cli.operations.live import COMPONENT_LABEL, COMPONENTS, DATABASE, Live
from cli.operations.proof import DAG
from cli.session import Session
from infra.contract.outputs import Outputs

if TYPE_CHECKING:
    from cli.operations.log_search import LogQuery


def _complete_component(incomplete: str) -> list[str]:
    return [name for name in COMPONENTS if name.startswith(incomplete)]


@on_environment
def logs(  # noqa: PLR0913 - one parameter for each option
    ctx: typer.Context,
    environment: Environment,
    component: Annotated[
        str | None,
        typer.Argument(
            metavar="COMPONENT",
            help=f"{', '.join(COMPONENTS)}, or a process of the sandbox.",
            autocompletion=_complete_component,
        ),
    ] = None,
    task: Annotated[
        str | None, typer.Option("--task", help="A task, whose log is read from S3.")
    ] = None,
    run: Annotated[
        str | None, typer.Option("--run", help="The run of --task [default: the newest].")
    ] = None,
    dag: Annotated[
        str | None,
        typer.Option("--dag", help=f"The DAG of --task [default: {DAG}], or of what is searched."),
    ] = None,
    search: Annotated[
        str | None,
        typer.Option(
            "--search",
            metavar="TEXT",
            help="Search for these words: everywhere, or in COMPONENT, --dag, --task, --run.",
        ),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option("--since", metavar="TIME", help="How far --search looks back: 30m, 12h, 7d."),
    ] = None,
    lines: Annotated[
        int, typer.Option("--lines", min=1, help="Print at most this many lines, the last ones.")
    ] = 200,
    json: Json = False,
) -> None:
    """Print the log of a component, process or task, or search all.

    --search asks the environment's Elasticsearch, or its base's: the setting `monitoring`.

    \b
    Example:
      aerodrome logs scheduler
      aerodrome logs kubelet --lines 50
      aerodrome logs --task summarise
      aerodrome logs --search "connection refused" --since 12h
    """
    session: Session = ctx.obj
    if search is not None:
        # Only this needs an HTTP client, which is long in loading.
        from cli.operations import log_search

        query = log_search.LogQuery(search, dag, task, run, component, since, lines)
        _search(session, environment, query)
        return
    if since is not None:
        raise UserError("--since is for --search", "", "./aerodrome logs --search TEXT --since 12h")
    if (component is None) == (task is None):
        raise UserError(
            "Name a component, or a task with --task NAME",
            f"Components: {', '.join(COMPONENTS)}; and the sandbox's processes.",
            "./aerodrome logs scheduler",
        )
    data: dict[str, Any]
    if component not in (None, *COMPONENTS):
        folder = session.cloud(environment).process_logs()
        data = {"component": component, "lines": _of_process(folder, str(component))}
    else:
        found = live.of(session, environment)
        usage.used(found)
        if task is not None:
            data = _of_task(found, dag or DAG, run, task)
        else:
            data = {"component": component, "lines": _of_pods(found, str(component), lines)}
    data["lines"] = data["lines"][-lines:]
    session.console.result(data, partial(_show, session, data["lines"]))


def _show(session: Session, lines: Sequence[str]) -> None:
    for line in lines:
        session.console.line(line)


def _search(session: Session, environment: Environment, query: "LogQuery") -> None:
    from cli.operations import log_search

    found = live.of(session, environment)
    usage.used(found)
    with log_search.elasticsearch_of(found) as server:
        lines = log_search.lines(server, environment.name, query)

    def show() -> None:
        for line in lines:
            session.console.line(log_search.shown(line))

    session.console.result({"lines": lines}, show)


def _of_task(found: Live, dag: str, run: str | None, task: str) -> dict[str, Any]:
    need(found.outputs, Outputs.log_bucket)
    bucket = task_logs.from_outputs(found.client("s3"), found.outputs)
    log = bucket.of_task(dag, run or bucket.last_run(dag), task)
    return {"task": task, "uri": log.uri, "lines": bucket.read(log)}


def _of_process(folder: Path | None, name: str) -> list[str]:
    if folder is None:
        raise _unknown(name)
    processes = sorted(path.stem for path in folder.glob("*.log"))
    if name not in processes:
        raise _unknown(name, f"Processes: {', '.join(processes)}.")
    return (folder / f"{name}.log").read_text(errors="replace").splitlines()


def _unknown(name: str, more: str = "") -> UserError:
    return UserError(
        f'Nothing called "{name}" writes a log here',
        f"Components: {', '.join(COMPONENTS)}.\n{more}".strip(),
    )


def _of_pods(found: Live, component: str, lines: int) -> list[str]:
    if component == DATABASE:
        found.require_own_database("logs")
    try:
        return found.kubernetes.logs(f"{COMPONENT_LABEL}={component}", lines=lines)
    except KitError as error:
        raise KitError(
            f'The log of "{component}" cannot be read',
            error.detail,
            f"./aerodrome status{found.session.same}",
        ) from error
