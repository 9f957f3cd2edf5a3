"""`aerodrome logs`: of a component, a process of the sandbox, or a task."""

import subprocess
from pathlib import Path
from typing import Annotated, Any

import typer

from cli import deployment, stack_config, task_logs
from cli.environments import Environment
from cli.options import Json, on_environment
from cli.proof import DAG
from cli.session import Sandbox, Session
from sandbox.errors import KitError, UserError
from sandbox.instance import Instance

COMPONENTS = ("api-server", "scheduler", "dag-processor", "triggerer", "database")
NAMESPACE = "airflow"


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
    task: Annotated[str | None, typer.Option("--task", help="A task: its log in S3.")] = None,
    run: Annotated[
        str | None, typer.Option("--run", help="The run of --task; the newest if left out.")
    ] = None,
    dag: Annotated[str, typer.Option("--dag", help="The DAG of --task.")] = DAG,
    lines: Annotated[int, typer.Option("--lines", min=1, help="At most the last so many.")] = 200,
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
            "Say which log: a component, or --task NAME",
            f"Components: {', '.join(COMPONENTS)}; and the sandbox's processes.",
            "./aerodrome logs scheduler",
        )
    if not environment.sandboxed:
        raise UserError(
            f'The logs of "{environment.name}" are not read from here',
            "On AWS kubectl shows components, and S3 has the tasks' logs.",
            f"kubectl --namespace {NAMESPACE} logs --selector component={component or 'scheduler'}",
        )
    sandbox = deployment.running(session)
    if task is not None:
        stack_config.provide_passphrase(environment)
        outputs = session.backend(environment, sandbox).outputs()
        data = _of_task(session, sandbox, outputs, (dag, run, task))
    else:
        data = {
            "component": component,
            "lines": _of_component(sandbox.instance, str(component), lines),
        }
    data["lines"] = data["lines"][-lines:]

    def show() -> None:
        for line in data["lines"]:
            session.console.line(line)

    session.console.result(data, show)


def _of_task(
    session: Session, sandbox: Sandbox, outputs: dict[str, Any], wanted: tuple[str, str | None, str]
) -> dict[str, Any]:
    dag, run, task = wanted
    if "logBucket" not in outputs:
        raise UserError("The environment is not deployed", "", "./aerodrome up")
    bucket = task_logs.from_outputs(session.client(sandbox)("s3"), outputs)
    log = bucket.of_task(dag, run or bucket.last_run(dag), task)
    return {"task": task, "uri": log.uri, "lines": bucket.read(log)}


def _of_component(instance: Instance, component: str, lines: int) -> list[str]:
    file = instance.logs / f"{component}.log"
    if component not in COMPONENTS:
        processes = sorted(path.stem for path in instance.logs.glob("*.log"))
        if component not in processes:
            raise UserError(
                f'Nothing called "{component}" writes a log here',
                f"Components: {', '.join(COMPONENTS)}.\nProcesses: {', '.join(processes)}.",
            )
        return _last_lines(file, lines)
    return _of_pods(instance, component, lines)


def _last_lines(file: Path, lines: int) -> list[str]:
    return file.read_text(errors="replace").splitlines()[-lines:]


def _of_pods(instance: Instance, component: str, lines: int) -> list[str]:
    # Imported late: only this branch needs a tool that set-up built.
    from sandbox.tools import tool

    selector = f"app.kubernetes.io/component={component}"
    done = subprocess.run(
        [
            str(tool("kubectl")),
            f"--kubeconfig={instance.admin_kubeconfig}",
            f"--namespace={NAMESPACE}",
            "logs",
            f"--selector={selector}",
            f"--tail={lines}",
            "--all-containers",
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise KitError(
            f'The log of "{component}" cannot be read', done.stderr.strip(), "./aerodrome status"
        )
    return done.stdout.splitlines()
