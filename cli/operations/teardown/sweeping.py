"""The sweep: finds environments in the cloud that have expired, and destroys them as `down` does."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial

from cli.base import lifetime
from cli.base.environments import Environment
from cli.base.errors import CloudError, KitError
from cli.base.phases import Phases
from cli.base.settings import qualified
from cli.cloud.catalogue import delete, find
from cli.cloud.errors import InUse
from cli.cloud.protocol import reached
from cli.cloud.resource import Client, Resource, Search
from cli.operations import live
from cli.operations.cost.standing import by_use, price
from cli.operations.teardown.judging import EXPIRED, NOBODYS, Evidence, Verdict, judge, spare
from cli.operations.teardown.operation import DownOptions, phases_of, tear_down
from cli.operations.teardown.report import Report
from cli.session import Session
from cli.stack import stack_config
from infra.contract.naming import is_environment

PASSES = 3
"""Over what belongs to no environment: one thing may hold another."""

PATIENCE = 2.0
"""Seconds that an Airflow may take to answer before it counts as one that nobody uses."""


@dataclass(frozen=True)
class Swept:
    """The result of sweeping one environment."""

    verdict: Verdict
    failure: KitError | None = None

    @property
    def outcome(self) -> str:
        return "failed" if self.failure else "gone"


def look(session: Session, base: Environment, region: str = "") -> list[Verdict]:
    """Every environment in the base's cloud, with what speaks against it."""
    client, place = _reached(session, base, region)
    checkout = session.checkout()
    evidence = Evidence(
        session.today(),
        _stacks(session, base),
        checkout.all_branches(session.console.report),
        frozenset(checkout.repositories()),
        partial(_is_here, base),
        partial(_price, client, place),
        by_use,
    )
    found = judge(find(Search(client, None, place)), evidence)
    return [_reconsidered(session, one) if one.doomed else one for one in found]


def _reached(session: Session, base: Environment, region: str) -> tuple[Client, str]:
    """Clients of the base's cloud, and its region; empty where there is only one."""
    return reached(session.cloud(base), region, session.backend(base).plain())


def _is_here(base: Environment, name: str) -> bool:
    """Whether an environment of the base's cloud can have that name. Tags are free text: a sweep of the
    sandbox must not reach into AWS because of one, nor make a path of it."""
    return is_environment(name) and Environment(name).sandboxed == base.sandboxed


def _reconsidered(session: Session, verdict: Verdict) -> Verdict:
    """The verdict after the environment itself was asked, as far as it can be."""
    plain = _configured(session, Environment(verdict.environment))
    if plain.get(qualified("protect")) == "true":
        return spare(verdict, "it is protected")
    until = plain.get(stack_config.EXPIRES_KEY, "")
    if verdict.reason == EXPIRED and until and not lifetime.has_passed(until, session.today()):
        # Who used or extended it may not have been allowed to tag it.
        return spare(verdict, f"its configuration keeps it until {until}")
    day = _last_use(session, verdict) if verdict.reason == EXPIRED else None
    if day is not None and not lifetime.has_passed(lifetime.kept("", day), session.today()):
        return spare(verdict, f"a DAG run was triggered manually on {day.isoformat()}")
    return verdict


def _configured(session: Session, environment: Environment) -> Mapping[str, str]:
    try:
        return session.backend(environment).plain()
    except KitError:
        # Its own teardown will meet the same, and fail alone.
        return {}


def _last_use(session: Session, verdict: Verdict) -> date | None:
    """The day on which somebody last started a DAG run: that is use which no command has seen.

    What the scheduler starts is none, or a schedule that everybody forgot would keep its environment for
    good. An Airflow that does not answer is of no use to anybody.
    """
    environment, today = Environment(verdict.environment), session.today()
    try:
        session.cloud(environment).unlock()
        if not session.backend(environment).deployed():
            return None
        with live.of(session, environment).airflow(PATIENCE) as airflow:
            found = airflow.last_by_hand(today - timedelta(days=lifetime.DAYS))
    except KitError as error:
        name = environment.name
        session.console.report(f"{name} cannot say whether DAGs were run: {error.summary}")
        return None
    return min(found, today) if found else None


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
    """Destroys the environments of these verdicts; a failure does not keep the others."""
    return [_one(session, base, verdict, region) for verdict in verdicts]


def _one(session: Session, base: Environment, verdict: Verdict, region: str) -> Swept:
    work: Callable[[], object]
    if verdict.reason != NOBODYS:
        environment = Environment(verdict.environment)
        _, place = _reached(session, base, region)
        options = DownOptions(keep_sandbox=True, region=place)
        phases = Phases(session.console, total=phases_of(session, environment, options))
        work = partial(tear_down, session, environment, phases, options)
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
    client, place = _reached(session, base, region)
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
