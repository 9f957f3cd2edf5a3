"""The sweep: what is in the cloud and should not be, taken away as `down` does it."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from cli.cloud.access import cloud_of
from cli.cloud.errors import InUse
from cli.cloud.resource import Client, Resource, Search
from cli.cloud.services import delete, find
from cli.cost.standing import by_use, price
from cli.environments import Environment
from cli.phases import Phases
from cli.session import Session
from cli.teardown.judging import Evidence, Verdict, judge
from cli.teardown.operation import Wish, phases_of, tear_down
from cli.teardown.report import Report
from sandbox.errors import CloudError, KitError

PASSES = 3
"""Over what belongs to no environment: one thing may hold another."""


@dataclass(frozen=True)
class Swept:
    """What became of one environment that should go."""

    verdict: Verdict
    failure: KitError | None = None

    @property
    def outcome(self) -> str:
        return "failed" if self.failure else "gone"


def look(session: Session, base: Environment, region: str = "") -> list[Verdict]:
    """Every environment in the base's cloud, with what speaks against it."""
    client, place = cloud_of(session, base, region)
    evidence = Evidence(
        session.today(),
        _stacks(session, base),
        session.checkout().all_branches(),
        partial(_price, client, place),
        by_use,
    )
    return judge(find(Search(client, None, place)), evidence)


def _price(client: Client, place: str, resource: Resource) -> float | None:
    return price(resource, place or client("sts").meta.region_name)


def _stacks(session: Session, base: Environment) -> frozenset[str] | None:
    """Environments of the base's cloud that a stack or a configuration knows; None if none is known:
    then nobody is logged in where the stacks are."""
    names = {one.name for one in session.environments() if one.sandboxed == base.sandboxed}
    return frozenset(names) or None


def sweep(
    session: Session, base: Environment, verdicts: list[Verdict], region: str = ""
) -> list[Swept]:
    """Takes away the environments of these verdicts; one that fails does not keep the next."""
    return [_one(session, base, verdict, region) for verdict in verdicts]


def _one(session: Session, base: Environment, verdict: Verdict, region: str) -> Swept:
    work: Callable[[], object]
    if verdict.environment:
        environment, wish = Environment(verdict.environment), Wish(keep_sandbox=True)
        phases = Phases(session.console, total=phases_of(environment, wish))
        work = partial(tear_down, session, environment, phases, wish)
    else:
        work = partial(_nobodys, session, base, verdict, region)
    session.console.note(f"{verdict.environment or 'nobody'}: {verdict.reason}", "bold")
    try:
        work()
    except KitError as error:
        # Not as the command's own failure: that would end its JSON.
        session.console.note(str(error), "red")
        return Swept(verdict, error)
    return Swept(verdict)


def _nobodys(session: Session, base: Environment, verdict: Verdict, region: str) -> None:
    client, place = cloud_of(session, base, region)
    report = Report(Phases(session.console, total=1))
    left = list(verdict.resources)
    with report.step("cloud"):
        for number in range(PASSES):
            again = []
            for resource in left:
                try:
                    delete(Search(client, None, place), resource)
                    report.deleted(resource.label)
                except CloudError as error:
                    again.append(resource)
                    if number == PASSES - 1:
                        report.note(error.summary)
            left = again
    if left:
        raise InUse(
            f"{len(left)} resource(s) of no environment stay",
            "\n".join(f"{resource.label}\n    {resource.show}" for resource in left),
        )
