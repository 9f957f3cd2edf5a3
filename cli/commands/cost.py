"""`aerodrome cost`: what an environment costs on AWS, before it is there and while it is."""

from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from cli.base import environments
from cli.base.environments import Environment
from cli.base.errors import KitError, UserError
from cli.base.git import NoBranch
from cli.base.settings import REGION_KEY
from cli.commands.options import Base, Branch, Json, under_new_name
from cli.session import Session
from cli.stack import stack_config
from infra.contract.clusters import CLUSTER
from infra.contract.tenancy import Tenancy

if TYPE_CHECKING:
    from cli.operations.bootstrap.requested_settings import RequestedSettings
    from cli.operations.cost.prices import Prices
    from cli.operations.cost.report import CostReport, Estimate


class Tenancies(StrEnum):
    """Which ways to have the environment are shown."""

    dedicated = "dedicated"
    shared = "shared"
    both = "both"


Name = Annotated[
    str | None,
    typer.Argument(
        metavar="ENV",
        envvar="AERODROME_ENV",
        help="The environment; by default that of the git branch that is checked out.",
    ),
]
AskedTenancies = Annotated[Tenancies, typer.Option("--tenancy", help="Which tenancy to price.")]
FormerTenancies = Annotated[Tenancies | None, typer.Option("--rung", hidden=True)]
Region = Annotated[
    str,
    typer.Option(
        "--region",
        metavar="REGION",
        help="The region whose prices apply; by default the environment's own.",
    ),
]
Assignments = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Price another value of a setting, such as nodeMax=6. Can be repeated.",
    ),
]
Markdown = Annotated[
    bool, typer.Option("--markdown", help="Print Markdown, for a comment on a pull request.")
]
CheckPrices = Annotated[
    bool,
    typer.Option(
        "--check-prices",
        help="Compare the price table with AWS's Price List API instead; exit code 1 if a price differs.",
    ),
]
Actual = Annotated[
    bool,
    typer.Option(
        "--actual",
        help="Show what AWS has billed for the environment's tag, this month and the last, instead.",
    ),
]


LoadDays = Annotated[
    int | None,
    typer.Option(
        "--load",
        metavar="DAYS",
        min=1,
        max=90,
        help="Show what nodes for tasks would cost a month at the load of so many last days, instead.",
    ),
]


def cost(  # noqa: PLR0913 - one parameter for each option
    ctx: typer.Context,
    env: Name = None,
    branch: Branch = None,
    base: Base = environments.DEFAULT,
    tenancy: AskedTenancies = Tenancies.both,
    rung: FormerTenancies = None,
    region: Region = "",
    assignments: Assignments = None,
    markdown: Markdown = False,
    check_prices: CheckPrices = False,
    actual: Actual = False,
    load: LoadDays = None,
    json: Json = False,
) -> None:
    """Show what an environment costs on AWS, each resource and in total, by the hour and the month.

    Before `up`, by its settings: on a cluster of its own and on a shared one, side by side. Once it is
    deployed, also what stands. Prices are those of the dated table in cli/operations/cost/prices.json; with
    --check-prices they are compared with AWS's Price List API (it needs pricing:GetProducts). With --actual
    AWS's Cost Explorer is asked what was billed (ce:GetCostAndUsage; AWS takes 0.01 USD for each answer). With
    --load the environment's Airflow is asked for the tasks of the last days, and nodes that come and go with them
    (taskNodes) are priced beside nodes that are always there.

    \b
    Example:
      aerodrome cost
      aerodrome cost dev --region eu-central-1 --tenancy dedicated
      aerodrome cost dev --check-prices
      aerodrome cost dev --actual
      aerodrome cost dev --load 7
    """
    session: Session = ctx.obj
    environment = _environment(session, env, branch, base)
    if load is not None and (actual or markdown or check_prices):
        raise _one_answer(environment, load)
    if actual:
        _show_actual(session, environment)
        return
    # Imported late: it reads the program's settings.
    from cli.operations.bootstrap import requested_settings
    from cli.operations.cost import prices
    from cli.operations.cost.report import DEDICATED, SHARED, CostReport, plan

    own = requested_settings.read(environment, assignments or ())
    on = environment.base or own.text(stack_config.BASE_KEY)
    # The workers of a shared environment, and the region, are its base's.
    wanted = requested_settings.read(environments.environment(on), assignments or ()) if on else own
    lives_in = environments.environment(on) if on else environment
    where = region or wanted.text(REGION_KEY) or session.cloud(lives_in).default_region
    if not where:
        raise UserError(
            f'No region is known for "{environment.name}"',
            "It is not configured here, and prices are those of a region. Choose one:",
            f"./aerodrome cost {environment.name} --region {prices.regions()[0]}",
        )
    table = prices.of(where)
    if check_prices:
        _check(session, table)
        return
    if load is not None:
        _show_load(session, environment, wanted, str(own.value("executor")), table, load)
        return
    tenancy = under_new_name(ctx, tenancy, rung)
    kinds = (DEDICATED, SHARED) if tenancy is Tenancies.both else (tenancy.value,)
    estimates = [plan(kind, wanted, environment.name, table) for kind in kinds]
    standing, notes = _standing(session, environment, table, wanted)
    if cluster := wanted.value(CLUSTER):
        notes = [
            *notes,
            f"The cluster {cluster}, its nodes and its network are their owner's, and in no total: pods take room on those nodes.",
        ]
    report = CostReport(environment.name, table, [*standing, *estimates], notes)
    session.console.result(report.data(), partial(_show, session, report, markdown=markdown))


def _show(session: Session, report: "CostReport", *, markdown: bool) -> None:
    console = session.console
    if markdown:
        console.line(report.markdown())
        return
    headings, *rows = report.columns()
    console.table(headings, rows)
    console.line()
    for remark in report.remarks():
        console.line(remark)


def _one_answer(environment: Environment, load: int) -> UserError:
    return UserError(
        "--load goes with none of --actual, --check-prices and --markdown",
        "Each of them is another answer.",
        f"./aerodrome cost {environment.name} --load {load}",
    )


def _show_actual(session: Session, environment: Environment) -> None:
    """What was billed, by service."""
    if environment.sandboxed:
        raise UserError(
            f'"{environment.name}" is a sandbox, and AWS bills nothing of it',
            "What it would cost on AWS is an estimate:",
            f"./aerodrome cost {environment.name}",
        )
    from cli.operations.cost import billed

    console = session.console
    found = billed.ask(session.aws(billed.HOME)("ce"), environment.name, session.today())

    def show() -> None:
        headings, *rows = found.columns()
        console.table(headings, rows)
        console.line()
        for remark in found.remarks():
            console.line(remark)

    console.result(found.data(), show)


def _show_load(
    session: Session,
    environment: Environment,
    wanted: "RequestedSettings",
    executor: str,
    table: "Prices",
    days: int,
) -> None:
    """What the tasks of the last days would have cost on nodes of their own."""
    from cli.base.airflow import PATIENCE
    from cli.operations import live
    from cli.operations.cost import load

    # Of its base, where tasks of branches run.
    pool = load.pool_of(wanted, table)
    with live.of(session, environment).airflow(PATIENCE) as airflow:
        found = load.of(airflow, environment.name, executor, pool, days)
    console = session.console

    def show() -> None:
        console.line(
            f"{len(found.spans):,} tasks ended in the last {days} days: {found.pod_hours:,.1f} hours of pods, "
            f"{found.at_once} at once at most."
        )
        console.line()
        headings, *rows = found.rows()
        console.table(headings, rows)
        console.line()
        console.line(
            f"One {pool.kind} holds {pool.tasks} tasks. It starts a minute before them, and stays for {pool.idle_seconds:g} s "
            "when it is idle (taskNodeIdleSeconds)."
        )
        if found.data()["cutOff"]:
            console.line(
                f"More ran at once than {pool.most} nodes hold (taskNodeMax): some would have waited."
            )
        console.line(
            "Counted is the last try of each task, with what the chart asks for; not what executor_config says, "
            "nor spot prices."
        )
        console.line(f"List prices of {table.date} in {table.region}, USD, on demand.")

    console.result({"region": table.region, **found.data()}, show)


def _check(session: Session, table: "Prices") -> None:
    """The table beside AWS's list."""
    from cli.cloud.errors import translated
    from cli.operations.cost import listed

    client = session.aws(listed.HOME)("pricing")
    with translated("read its price list (pricing:GetProducts)"):
        found = list(listed.compare(client, table))
    different = [each for each in found if each.differs]
    lacking = [each for each in found if each.table is None and each.aws is not None]
    same = sum(each.table is not None and not each.differs for each in found)
    console = session.console

    def show() -> None:
        if different or lacking:
            rows = [(x.key, _told(x.table), _told(x.aws)) for x in (*different, *lacking)]
            console.table(("price", f"table of {table.date}", "AWS today"), rows)
            console.line()
        console.line(
            f"{table.region}: {same} prices are AWS's own, {len(different)} are not, "
            f"{len(lacking)} of AWS's are not in cli/operations/cost/prices.json."
        )

    data = {"region": table.region, "pricesOf": table.date, "same": same}
    differences = {"different": different, "notInTheTable": lacking}
    console.result(
        data | {key: [x.data() for x in each] for key, each in differences.items()}, show
    )
    if different:
        raise typer.Exit(1)


def _told(price: float | None) -> str:
    return "-" if price is None else f"{price:g}"


def _environment(session: Session, env: str | None, branch: str | None, base: str) -> Environment:
    if env is not None and branch is None:
        return environments.environment(env)
    checkout = session.checkout()
    try:
        return environments.of_branch(base, branch or checkout.branch(), checkout)
    except NoBranch as error:
        raise NoBranch(error.summary, error.detail, f"./aerodrome cost {base}") from error


def _standing(
    session: Session, environment: Environment, table: "Prices", wanted: "RequestedSettings"
) -> tuple[list["Estimate"], list[str]]:
    """What is deployed, if anything is; and why nobody knows, if so."""
    from cli.operations.cost import planned
    from cli.operations.cost.report import STANDING, Estimate, estimate
    from cli.operations.cost.standing import things

    try:
        session.cloud(environment).unlock()
        backend = session.backend(environment)
        resources = backend.resources()
        shared = backend.plain().get(stack_config.TENANCY_KEY) == Tenancy.shared
    except KitError as error:
        # The settings alone say what it would cost.
        return [], [f"What is deployed is not shown: {error.summary}."]
    if not resources:
        return [], []
    found = estimate(STANDING, things(resources), table)
    pods = [planned.pods(wanted, table)] if shared else []
    return [Estimate(STANDING, found.lines, pods)], []
