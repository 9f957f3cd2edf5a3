"""`aerodrome sweep`: destroys environments that have expired or lost their branch."""

from typing import TYPE_CHECKING, Annotated

import typer

from cli.base import environments
from cli.base.errors import KitError
from cli.commands.options import Base, Json, Yes
from cli.session import Session

if TYPE_CHECKING:
    from cli.operations.teardown.judging import Verdict
    from cli.operations.teardown.sweeping import Swept


def sweep(
    ctx: typer.Context,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Only show what would be destroyed, and what it costs."),
    ] = False,
    unknown: Annotated[
        bool,
        typer.Option(
            "--unknown", help="Also resources that no stack knows, or that name no environment."
        ),
    ] = False,
    base: Base = environments.DEFAULT,
    region: Annotated[
        str,
        typer.Option(
            "--region",
            metavar="REGION",
            help="The AWS region; by default that of the base environment.",
        ),
    ] = "",
    yes: Yes = False,
    json: Json = False,
) -> None:
    """Destroy environments that have expired, or whose git branch was deleted.

    Environments are found in the cloud by tag, also those that no list of stacks has. An environment
    expires 3 days after its last use, or after the last DAG run that was triggered manually;
    `aerodrome extend` changes that. A branch counts as deleted when neither this repository nor its
    remotes have it; branches of other repositories are left alone.

    Resources that no stack knows are listed, and deleted only with --unknown: the stack may be somebody
    else's.

    \b
    Example:
      aerodrome sweep --dry-run
      aerodrome sweep --base dev --yes
    """
    from cli.operations.teardown import sweeping
    from cli.operations.teardown.judging import NOBODYS, UNKNOWN

    session: Session = ctx.obj
    on = environments.environment(base)
    found = sweeping.look(session, on, region)
    doomed = [one for one in found if one.doomed or (unknown and one.reason in (UNKNOWN, NOBODYS))]
    if dry_run or not doomed:
        data = {"found": [one.data() for one in found], "swept": []}
        session.console.result(data, lambda: _show(session, base, found, doomed, []))
        return
    _agree(session, doomed, yes or not session.cloud(on).asks)
    swept = sweeping.sweep(session, on, doomed, region)
    data = {
        "found": [one.data() for one in found],
        "swept": [
            {"environment": one.verdict.environment, "outcome": one.outcome} for one in swept
        ],
    }
    session.console.result(data, lambda: _show(session, base, found, doomed, swept))
    failed = [one for one in swept if one.failure]
    if failed:
        raise typer.Exit(1)


def _agree(session: Session, doomed: "list[Verdict]", yes: bool) -> None:
    names = ", ".join(one.environment or "what names no environment" for one in doomed)
    if not yes:
        session.console.agree(
            f"Destroy everything of {names}?",
            f"Nothing was changed. To destroy: {names}",
            "./aerodrome sweep --yes",
        )


def _show(
    session: Session,
    base: str,
    found: "list[Verdict]",
    doomed: "list[Verdict]",
    swept: "list[Swept]",
) -> None:
    from cli.operations.teardown.judging import NOBODYS, UNKNOWN

    console = session.console
    if not found:
        console.line("there is nothing of Aerodrome in the cloud")
        return
    ends = {one.verdict.environment: one for one in swept}
    rows = [
        (
            one.environment or "(none)",
            one.branch or "-",
            one.expires or "-",
            str(len(one.resources)),
            _money(one),
            one.reason or (f"stays: {one.spared}" if one.spared else "stays"),
            _end(ends.get(one.environment), one in doomed),
        )
        for one in found
    ]
    headings = ("environment", "branch", "expires", "resources", "a month", "verdict", "")
    console.table(headings, rows)
    left = [one for one in found if one not in doomed and one.reason in (UNKNOWN, NOBODYS)]
    if left:
        console.line()
        console.line(
            f"{len(left)} of them stay because their stack may be somebody else's. To delete them, too:"
        )
        console.line(f"    ./aerodrome sweep --base {base} --unknown")
    failures: list[KitError] = [one.failure for one in swept if one.failure]
    for failure in failures:
        console.line(f"failed: {failure.summary}", "bold red")


def _money(verdict: "Verdict") -> str:
    if verdict.monthly is None:
        return "unknown"
    return f"{verdict.monthly:.2f} USD{' + use' if verdict.by_use else ''}"


def _end(one: "Swept | None", doomed: bool) -> str:
    if one is not None:
        return one.outcome
    return "would go" if doomed else ""
