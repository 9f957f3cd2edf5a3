"""The list of environments, one line each: base, branch, health and cost.

Those of this machine are known by their configuration, those on AWS by Pulumi's list of stacks. What
has nothing deployed is none. Health is what Airflow says of itself, or where no address leads to it
what Kubernetes says of its pods: ports are not forwarded for a list.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from cli.base import lifetime
from cli.base.environments import Environment
from cli.base.errors import KitError
from cli.base.record import Record
from cli.base.settings import REGION_KEY
from cli.operations.clusters import Clusters
from cli.operations.cost.standing import so_far
from cli.operations.live import Live
from cli.session import Session
from cli.stack import stack_config
from infra.contract.tenancy import Tenancy

HEALTHY = "healthy"
THREADS: Final = 16
"""Environments that are asked at once: most of it is waiting."""


@dataclass(frozen=True)
class EnvironmentSummary:
    """One environment."""

    name: str
    tenancy: str
    branch: str
    base: str
    created: str
    """When its oldest resource was made, as ISO 8601; empty if nobody knows."""

    used: str
    expires: str
    health: str
    """`healthy`, or what is not."""

    cost: float | None = None
    """What its resources have cost since they were made, in dollars, at list prices; None if nobody knows."""

    def data(self) -> dict[str, Any]:
        return {
            "environment": self.name,
            "tenancy": self.tenancy,
            "branch": self.branch,
            "base": self.base,
            "created": self.created,
            "used": self.used,
            "expires": self.expires,
            "health": self.health,
            "costSoFar": None if self.cost is None else round(self.cost, 2),
        }


def lines(session: Session) -> Iterator[EnvironmentSummary]:
    """A line for each environment; one that cannot be read says why in place of its health.

    They are asked side by side, but those whose state the Pulumi CLI has to read: of its runs one
    chooses a stack, and writes down which.
    """
    clusters = Clusters()

    def line(environment: Environment) -> EnvironmentSummary | None:
        try:
            return _line(session, environment, clusters)
        except KitError as error:
            return EnvironmentSummary(environment.name, "", "", "", "", "", "", error.summary)

    environments = session.environments()
    bucket = session.bucket
    read = {
        name.name
        for name in environments
        if name.sandboxed or (bucket and name.name in bucket.keys)
    }
    with ThreadPoolExecutor(THREADS) as pool:
        asked = [pool.submit(line, each) if each.name in read else None for each in environments]
        for environment, answer in zip(environments, asked, strict=True):
            found = answer.result() if answer else line(environment)
            if found is not None:
                yield found


def _line(
    session: Session, environment: Environment, clusters: Clusters
) -> EnvironmentSummary | None:
    record = Record.read(environment)
    cloud = session.cloud(environment, record.sandbox if record else "")
    cloud.unlock()
    backend = session.reader(environment, cloud)
    resources = backend.resources()
    if not resources:
        return None
    # Its configuration may be in another clone: then it is as it was deployed.
    plain, outputs = backend.plain(), backend.outputs()
    return EnvironmentSummary(
        name=environment.name,
        tenancy=plain.get(stack_config.TENANCY_KEY) or outputs.tenancy or Tenancy.dedicated,
        branch=plain.get(stack_config.BRANCH_KEY) or outputs.branch,
        base=plain.get(stack_config.BASE_KEY) or outputs.base,
        created=min((item.created for item in resources if item.created), default=""),
        used=plain.get(stack_config.USED_KEY, ""),
        expires=plain.get(stack_config.EXPIRES_KEY) or outputs.expires or lifetime.NEVER,
        health=cloud.trouble() or _health(Live(session, environment, backend, outputs), clusters),
        cost=so_far(resources, plain.get(REGION_KEY) or outputs.region),
    )


def _health(live: Live, clusters: Clusters) -> str:
    if not live.outputs.ui_service:
        return "its deployment did not finish"
    try:
        addresses = clusters.addresses(live)
        found = _asked(live, addresses[0]) if addresses else clusters.readiness(live)
    except KitError as error:
        return str(error.summary)
    ill = [f"{name} {state}" for name, state in found.items() if state != HEALTHY]
    return ", ".join(ill) or (HEALTHY if found else "nothing of it runs")


def _asked(live: Live, url: str) -> dict[str, str]:
    with live.session.airflow(url, "", "", 0.0) as airflow:
        return airflow.health()


def age(created: str, now: datetime) -> str:
    """Like `40 min`, `5 h` or `12 d`; empty if nobody knows."""
    if not created:
        return ""
    minutes = int((now - lifetime.instant(created)).total_seconds() // 60)
    if minutes < 120:
        return f"{minutes} min"
    return f"{minutes // 60} h" if minutes < 48 * 60 else f"{minutes // 60 // 24} d"
