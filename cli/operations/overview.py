"""The list of environments, one line each: base, branch, health and cost.

Those of this machine are known by their configuration, those on AWS by Pulumi's list of stacks. What
has nothing deployed is none.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cli.base import lifetime
from cli.base.environments import Environment
from cli.base.errors import KitError
from cli.base.record import Record
from cli.base.settings import REGION_KEY
from cli.operations.cost.standing import so_far
from cli.operations.live import Live
from cli.session import Session
from cli.stack import stack_config
from cli.stack.backends import Backend
from infra.contract.tenancy import Tenancy

HEALTHY = "healthy"


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
    """A line for each environment; one that cannot be read says why in place of its health."""
    for environment in session.environments():
        try:
            line = _line(session, environment)
        except KitError as error:
            line = EnvironmentSummary(environment.name, "", "", "", "", "", "", error.summary)
        if line is not None:
            yield line


def _line(session: Session, environment: Environment) -> EnvironmentSummary | None:
    record = Record.read(environment)
    cloud = session.cloud(environment, record.sandbox if record else "")
    cloud.unlock()
    backend = session.backend(environment, cloud)
    resources = backend.resources()
    if not resources:
        return None
    plain = backend.plain()
    return EnvironmentSummary(
        name=environment.name,
        tenancy=plain.get(stack_config.TENANCY_KEY, Tenancy.dedicated),
        branch=plain.get(stack_config.BRANCH_KEY, ""),
        base=plain.get(stack_config.BASE_KEY, ""),
        created=min((item.created for item in resources if item.created), default=""),
        used=plain.get(stack_config.USED_KEY, ""),
        expires=plain.get(stack_config.EXPIRES_KEY, lifetime.NEVER),
        health=cloud.trouble() or _health(session, environment, backend),
        cost=so_far(resources, plain.get(REGION_KEY, "")),
    )


def _health(session: Session, environment: Environment, backend: Backend) -> str:
    found = Live(session, environment, backend, backend.outputs()).health()
    if "error" in found:
        return found["error"]
    ill = [f"{name} {state}" for name, state in found.items() if state != HEALTHY]
    return ", ".join(ill) or HEALTHY


def age(created: str, now: datetime) -> str:
    """Like `40 min`, `5 h` or `12 d`; empty if nobody knows."""
    if not created:
        return ""
    minutes = int((now - lifetime.instant(created)).total_seconds() // 60)
    if minutes < 120:
        return f"{minutes} min"
    return f"{minutes // 60} h" if minutes < 48 * 60 else f"{minutes // 60 // 24} d"
