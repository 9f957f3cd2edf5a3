"""`aerodrome dags`: DAG files checked before they are deployed, published, listed and run afterwards."""

import math
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.base.environments import Environment
from cli.base.errors import UserError
from cli.commands.options import Json, on_environment
from cli.operations import access, declared, live, proof, usage
from cli.operations.dags import image, listing
from cli.operations.dags.versions import SHORT
from cli.session import Session

if TYPE_CHECKING:
    from cli.operations.dags.check import CheckResult
    from cli.operations.dags.publication import Pushed

app = typer.Typer(
    help="Check and publish DAG files; list and run deployed DAGs.", no_args_is_help=True
)


@app.command("check")
@on_environment
def check(
    ctx: typer.Context,
    environment: Environment,
    path: Annotated[
        Path | None,
        typer.Argument(metavar="FOLDER", help="The folder of DAG files [default: the image's]."),
    ] = None,
    variables: Annotated[
        Path | None,
        typer.Option(
            "--variables",
            metavar="FILE",
            help="Variables and connections for the DAGs, as JSON or YAML; others count as missing.",
        ),
    ] = None,
    local: Annotated[
        bool,
        typer.Option("--local", help="Check on this machine, though the environment is deployed."),
    ] = False,
    json: Json = False,
) -> None:
    """Check DAG files as Airflow will see them.

    Each file is imported as Airflow's dag-processor does it: in the environment's own pod if it is
    deployed, else on this machine with the packages that the image has. All problems are reported
    at once: failing and endless imports, cycles, duplicate ids, names that are too long, missing
    variables. Of a deployed environment those are known that its values declare. The exit code is 1
    if there is a problem.

    \b
    Example:
      aerodrome dags check
      aerodrome dags check ../team/dags --variables team.yaml
      aerodrome dags check --local --json
    """
    from cli.operations.dags import check as checking

    session: Session = ctx.obj
    folder, given = checking.folder(path or image.FOLDER), checking.values(variables)
    console = session.console
    cloud = session.cloud(environment)
    deployed = False
    if not local and cloud.is_up():
        cloud.unlock()
        deployed = session.backend(environment).deployed()
    if deployed:
        found = live.of(session, environment)
        known = declared.of(found.kubernetes)
        done = checking.in_pod(found, folder, checking.with_declared(given, known))
    else:
        owners = access.owners(session, environment)
        done = checking.here(folder, given, console.report, owners)
    console.result(done.data(), lambda: _show_check(session, done))
    if done.problems:
        raise typer.Exit(1)


def _show_check(session: Session, done: "CheckResult") -> None:
    console, found = session.console, done.found
    owners = {dag["dag"]: dag["owner"] for dag in found["dags"]}
    rows = [
        (
            each["file"],
            f"{each['seconds']:.2f} s",
            ", ".join(_shown(dag) for dag in each["dags"]) or "-",
            ", ".join(sorted({owners.get(dag, "") for dag in each["dags"]})) or "-",
        )
        for each in sorted(found["files"], key=lambda item: -item["seconds"])
    ]
    console.table(("file", "import", "DAGs", "owners"), rows)
    for kind, style in (("warnings", ""), ("problems", "bold red")):
        for each in found[kind]:
            where = f"{each['file']}:{each['line']}" if each["line"] else each["file"]
            label = "warning: " if kind == "warnings" else ""
            console.line(f"{label}{where}: {each['summary']}", style)
    count = len(found["problems"])
    text = f"{count} problem{'s' if count != 1 else ''}" if count else "no problem"
    console.line(
        f"{len(found['dags'])} DAGs in {len(found['files'])} files: {text} (checked in {done.where})",
        "bold red" if count else "bold green",
    )


def _shown(dag: str) -> str:
    """An id that fits into a column; the problems say what is wrong with a longer one."""
    return dag if len(dag) <= _WIDTH else f"{dag[:_WIDTH]}..."


_WIDTH = 60


@app.command("push")
@on_environment
def push(
    ctx: typer.Context,
    environment: Environment,
    path: Annotated[
        Path | None,
        typer.Argument(metavar="FOLDER", help="The folder of DAG files [default: the image's]."),
    ] = None,
    version: Annotated[
        str | None,
        typer.Option("--version", metavar="VERSION", help="Go back to a version that is there."),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Check and show what would change, and change nothing."),
    ] = False,
    wait: Annotated[
        bool, typer.Option("--wait/--no-wait", help="Wait until the running Airflow has parsed it.")
    ] = True,
    json: Json = False,
) -> None:
    """Publish DAG files to a running environment, without a new image.

    For environments whose setting dags is s3. The folder becomes a version; what has changed is checked
    first, by the environment's own Airflow, and nothing is published if it would not take it. A DAG run
    that has begun ends with the version that it began with.

    \b
    Example:
      aerodrome dags push
      aerodrome dags push ../team/dags --dry-run
      aerodrome dags push --version 3f1c9a
    """
    from cli.operations.dags import check as checking
    from cli.operations.dags import publication

    session: Session = ctx.obj
    if version is not None and path is not None:
        raise UserError(
            "A folder and --version were given",
            "Either the folder's files are published, or a version that is there already.",
            f"./aerodrome dags push --version {version}{session.same}",
        )
    if version is not None and not re.fullmatch(r"[0-9a-fA-F]{4,64}", version):
        raise UserError(
            f'"{version}" is no version',
            "It is 4 to 64 of 0-9 a-f: the beginning is enough.",
            f"./aerodrome dags versions{session.same}",
        )
    folder = checking.folder(path or image.FOLDER)
    found = live.of(session, environment)
    if not dry_run:
        usage.used(found)
    done = publication.run(
        found, folder, version or "", session.console.report, dry_run=dry_run, wait=wait
    )
    session.console.result(done.data(), lambda: _show_push(session, done, dry_run=dry_run))


def _show_push(session: Session, done: "Pushed", *, dry_run: bool) -> None:
    console, planned = session.console, done.planned
    short = planned.new.version[:SHORT]
    if not done.changed:
        console.line(f"nothing to publish: version {short} is what runs", "bold green")
        return
    for sign, files in (
        ("+", planned.changes.added),
        ("~", planned.changes.changed),
        ("-", planned.changes.removed),
    ):
        for file in files:
            console.line(f"  {sign} {file}")
    dags = f": {', '.join(done.dags)}" if done.dags else ""
    if dry_run:
        console.line(f"would publish version {short}{dags}", "bold")
    elif done.parsed_seconds is None:
        console.line(f"published version {short}{dags}", "bold green")
    else:
        console.line(
            f"published version {short}, parsed after {done.parsed_seconds:.1f} s{dags}",
            "bold green",
        )
    for removed in done.removed:
        console.line(f"removed version {removed[:SHORT]}, which nothing needed any more")


@app.command("versions")
@on_environment
def list_versions(ctx: typer.Context, environment: Environment, json: Json = False) -> None:
    """List the published versions of the DAG files, and the unfinished runs that need them.

    \b
    Example:
      aerodrome dags versions
      aerodrome dags versions --json
    """
    from cli.base.airflow import PATIENCE
    from cli.operations.dags import versions

    session: Session = ctx.obj
    found = live.of(session, environment)
    store = versions.of(found)
    pointer = store.pointer()
    with found.airflow(PATIENCE) as airflow:
        runs = airflow.unfinished_runs()
    data = [
        {
            **one.data(),
            "current": pointer is not None and pointer.version == one.version,
            "unfinishedRuns": [
                {"dag": run["dag_id"], "run": run["dag_run_id"]}
                for run in runs
                if run.get("bundle_version") == one.version
            ],
        }
        for one in store.all()
    ]

    def show() -> None:
        if not data:
            session.console.line("nothing is published yet: the image's DAGs run")
            return
        rows = [
            (
                f"{one['version'][:SHORT]}{' *' if one['current'] else ''}",
                str(one["made"])[:19],
                str(one["by"]),
                str(one["commit"])[:SHORT] or "-",
                str(one["folder"]),
                str(len(one["unfinishedRuns"])),
            )
            for one in data
        ]
        header = ("version", "published", "by", "commit", "folder", "unfinished runs")
        session.console.table(header, rows)
        session.console.line(
            "* is what runs. Back to another: ./aerodrome dags push --version VERSION"
        )

    session.console.result(data, show)


@app.command("list")
@on_environment
def list_dags(ctx: typer.Context, environment: Environment, json: Json = False) -> None:
    """List the deployed DAGs, and the files that Airflow does not take.

    \b
    Example:
      aerodrome dags list
      aerodrome dags list --json
    """
    session: Session = ctx.obj
    from cli.base.airflow import PATIENCE

    with live.of(session, environment).airflow(PATIENCE) as airflow:
        dags, errors = listing.dags(airflow), listing.errors(airflow)
    data = {"dags": [dag.data() for dag in dags], "importErrors": errors}

    def show() -> None:
        console = session.console
        rows = [
            (
                dag.dag,
                dag.owner,
                dag.schedule or "-",
                "paused" if dag.paused else "active",
                f"{dag.last_run[:16]} {dag.last_state}".strip() or "never",
                dag.file,
            )
            for dag in dags
        ]
        console.table(("DAG", "owner", "schedule", "", "last run", "file"), rows)
        for each in errors:
            console.line(f"{each['file']}: {each['reason']}", "bold red")

    session.console.result(data, show)


@app.command("test")
@on_environment
def test(
    ctx: typer.Context,
    dag: Annotated[str, typer.Argument(metavar="DAG_ID", help="The DAG to run.")],
    environment: Environment,
    date: Annotated[
        str | None,
        typer.Option("--date", metavar="DATE", help="The run's logical date [default: none]."),
    ] = None,
    conf: Annotated[
        str | None, typer.Option("--conf", metavar="JSON", help="The run's parameters.")
    ] = None,
    unpause: Annotated[
        bool, typer.Option("--unpause", help="Unpause a paused DAG; its schedule begins, too.")
    ] = False,
    json: Json = False,
) -> None:
    """Run a deployed DAG once, and wait for its end.

    It is a real run, scheduled and executed as any other, and it stays in the DAG's history. The
    exit code is 0 if it succeeds, 1 if it fails; the failing task's log is shown.

    \b
    Example:
      aerodrome dags test example_pipeline
      aerodrome dags test sales --date 2027-01-31 --conf '{"country": "NO"}'
    """
    session: Session = ctx.obj
    parameters, when = listing.conf(conf), listing.date(date)
    found = live.of(session, environment)
    usage.used(found)
    from cli.base.airflow import PATIENCE

    with found.airflow(PATIENCE) as airflow:
        known = listing.known(airflow, dag)
        if known["is_paused"] and not unpause:
            raise UserError(
                f'DAG "{dag}" is paused',
                "A run of it would wait. Unpausing lets its schedule begin, too.",
                f"./aerodrome dags test {dag} --unpause{session.same}",
            )
        if known["is_paused"]:
            airflow.unpause(dag)
        run = f"test-{datetime.now(UTC):%Y%m%dT%H%M%S}"
        airflow.trigger(dag, run, date=when, conf=parameters)
        session.console.report(f"run {run} of DAG {dag}")
        limits = proof.ProofTimeouts(run=math.inf, pause=1.0)
        tasks = proof.follow(airflow, dag, run, session.console.report, limits)
    states = [
        {
            "task": str(task["task_id"]),
            "mapIndex": task.get("map_index", -1),
            "state": task["state"],
        }
        for task in tasks
    ]

    def show() -> None:
        session.console.table(
            ("task", "state"), [(str(item["task"]), str(item["state"])) for item in states]
        )
        session.console.line(f"run {run} of DAG {dag} succeeded", "bold green")

    session.console.result({"dag": dag, "run": run, "state": "success", "tasks": states}, show)
