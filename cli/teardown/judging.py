"""Which environments in the cloud nobody needs any more. Pure: resources and dates in, verdicts out.

The tags of the resources themselves say when an environment ends and whose branch it was; no list
of stacks is asked, for what is in no list is what gets forgotten.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from cli import lifetime
from cli.cloud.resource import Resource
from infra.naming import (
    TAG_BASE,
    TAG_BRANCH,
    TAG_EXPIRES,
    branch_environment,
)

HOURS = 730.0
"""In a month, as AWS counts it."""

EXPIRED = "expired"
GONE = "its branch is gone"
UNKNOWN = "no stack knows it"
NOBODYS = "it names no environment"

Price = Callable[[Resource], float | None]
"""What a resource costs an hour, in dollars; None if nobody knows."""


@dataclass(frozen=True)
class Verdict:
    """One environment that was found in the cloud."""

    environment: str
    """Empty for what carries Aerodrome's tags, but no environment's."""

    resources: list[Resource]
    base: str = ""
    branch: str = ""
    expires: str = ""
    reason: str = ""
    """Why it may go; empty if it may not."""

    monthly: float | None = None
    """Dollars, beside what is billed by use; None if not all prices are known."""

    by_use: bool = False
    """Whether some of it is billed by use, which is not in `monthly`."""

    @property
    def doomed(self) -> bool:
        return self.reason in (EXPIRED, GONE)

    def data(self) -> dict[str, Any]:
        return {
            "environment": self.environment,
            "base": self.base,
            "branch": self.branch,
            "expires": self.expires,
            "reason": self.reason,
            "monthly": None if self.monthly is None else round(self.monthly, 2),
            "billedByUse": self.by_use,
            "resources": [resource.data() for resource in self.resources],
        }


@dataclass(frozen=True)
class Evidence:
    """What is known beside the cloud."""

    today: date
    stacks: frozenset[str] | None = None
    """Names of all stacks; None if nobody could say."""

    branches: frozenset[str] | None = None
    """Of this repository; None if nobody could say."""

    price: Price = field(default=lambda resource: None)
    by_use: Callable[[Resource], bool] = field(default=lambda resource: False)
    """Whether a resource is billed by use alone: it has no price, and that is no gap."""


def judge(resources: Iterable[Resource], evidence: Evidence) -> list[Verdict]:
    """Every environment with its verdict; those that stand on others come before these."""
    by_name: dict[str, list[Resource]] = {}
    for resource in resources:
        by_name.setdefault(resource.environment, []).append(resource)
    ours = _bases_of_this_repository(by_name, evidence)
    verdicts = [_judged(name, found, ours, evidence) for name, found in by_name.items()]
    return sorted(verdicts, key=lambda one: (not one.base, one.environment))


def _judged(
    name: str, found: list[Resource], ours: Mapping[str, frozenset[str]], evidence: Evidence
) -> Verdict:
    base, branch = _tag(found, TAG_BASE), _tag(found, TAG_BRANCH)
    expires = _expiry(found)
    if not name:
        reason = NOBODYS
    elif lifetime.has_passed(expires, evidence.today):
        reason = EXPIRED
    elif base in ours and branch and name not in ours[base]:
        reason = GONE
    elif evidence.stacks is not None and name not in evidence.stacks:
        reason = UNKNOWN
    else:
        reason = ""
    priced = [one for one in found if not evidence.by_use(one)]
    monthly = _monthly(priced, evidence.price)
    return Verdict(
        name, found, base, branch, expires, reason, monthly, by_use=len(priced) < len(found)
    )


def _bases_of_this_repository(
    by_name: Mapping[str, list[Resource]], evidence: Evidence
) -> dict[str, frozenset[str]]:
    """The environments that this repository's branches may have, by base.

    Only of bases that have one of them: somebody else's branches on somebody else's base would all
    look gone from here.
    """
    if evidence.branches is None:
        return {}
    bases = {_tag(found, TAG_BASE) for found in by_name.values()} - {""}
    names = {
        base: frozenset(branch_environment(base, branch) for branch in evidence.branches)
        for base in bases
    }
    return {base: living for base, living in names.items() if living & by_name.keys()}


def _tag(found: Iterable[Resource], key: str) -> str:
    return next((resource.tags[key] for resource in found if resource.tags.get(key)), "")


def _expiry(found: Iterable[Resource]) -> str:
    """The latest of all: who extends an environment may not reach every resource's tags."""
    dates = {resource.tags[TAG_EXPIRES] for resource in found if resource.tags.get(TAG_EXPIRES)}
    return lifetime.NEVER if lifetime.NEVER in dates else max(dates, default="")


def _monthly(found: Iterable[Resource], price: Price) -> float | None:
    prices = [price(resource) for resource in found]
    known = [one for one in prices if one is not None]
    return sum(known) * HOURS if len(known) == len(prices) else None
