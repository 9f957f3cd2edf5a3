"""`aerodrome logs`: of a component, a process of the sandbox, or a task."""

from pathlib import Path
from typing import Annotated, Any

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


def _complete_component(incomplete: str) -> list[str]:
    return [name for name in COMPONENTS if name.startswith(incomplete)]


@on_environment
def logs(
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
    dag: Annotated[str, typer.Option("--dag", help="The DAG of --task.")] = DAG,
    lines: Annotated[
        int, typer.Option("--lines", min=1, help="Print at most this many lines, the last ones.")
    ] = 200,
    json: Json = False,
) -> None:
    """Print the log of a component, a process or a task.

    \b
    Example:
      aerodrome logs scheduler
      aerodrome logs kubelet --lines 50
      aerodrome logs --task summarise
    """
    session: Session = ctx.obj
    if (component is None) == (task is None):
        raise UserError(
            "Name a component, or a task with --task NAME",
            f"Components: {', '.join(COMPONENTS)}; and the sandbox's processes.",
            "./aerodrome logs scheduler",
        )
    process = component not in (None, *COMPONENTS)
    data: dict[str, Any]
    if process:
        folder = session.cloud(environment).process_logs()
        if folder is None:
            raise _unknown(str(component))
        data = {"component": component, "lines": _of_process(folder, str(component))}
    else:
        found = live.of(session, environment)
        usage.used(found)
        if task is not None:
            data = _of_task(found, dag, run, task)
        else:
            if component == DATABASE:
                found.require_own_database("logs")
            data = {"component": component, "lines": _of_pods(found, str(component), lines)}
    data["lines"] = data["lines"][-lines:]

    def show() -> None:
        for line in data["lines"]:
            session.console.line(line)

    session.console.result(data, show)


def _of_task(found: Live, dag: str, run: str | None, task: str) -> dict[str, Any]:
    need(found.outputs, Outputs.log_bucket)
    bucket = task_logs.from_outputs(found.client("s3"), found.outputs)
    log = bucket.of_task(dag, run or bucket.last_run(dag), task)
    return {"task": task, "uri": log.uri, "lines": bucket.read(log)}


def _of_process(folder: Path, name: str) -> list[str]:
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
    try:
        return found.kubernetes.logs(f"{COMPONENT_LABEL}={component}", lines=lines)
    except KitError as error:
        raise KitError(
            f'The log of "{component}" cannot be read',
            error.detail,
            f"./aerodrome status{found.session.same}",
        ) from error
