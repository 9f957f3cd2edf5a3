"""The judgement which environments in the cloud may be swept. Pure: resources and dates in, verdicts out.

The tags of the resources themselves say when an environment ends and whose branch it was; no list
of stacks is asked, for what is in no list is what gets forgotten.
"""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

from cli.base import lifetime
from cli.cloud.resource import Resource
from cli.stack.stack_config import BRANCH_MAX_LENGTH
from infra.contract.naming import (
    TAG_BASE,
    TAG_BRANCH,
    TAG_EXPIRES,
    TAG_REPOSITORY,
    TAG_USED,
    is_environment,
    tag_value,
)

HOURS = 730.0
"""In a month, as AWS counts it."""

EXPIRED = "expired"
GONE = "its branch is gone"
UNKNOWN = "no stack knows it"
NOBODYS = "it names no environment of this cloud"

Price = Callable[[Resource], float | None]
"""What a resource costs an hour, in dollars; None if nobody knows."""


@dataclass(frozen=True)
class Verdict:
    """One environment that was found in the cloud."""

    environment: str
    """What the tag says; empty for what carries Aerodrome's tags, but no environment's."""

    resources: list[Resource]
    base: str = ""
    branch: str = ""
    expires: str = ""
    reason: str = ""
    """Why it may go; empty if it may not."""

    spared: str = ""
    """Why it stays although something speaks against it; empty if nothing does."""

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
            "spared": self.spared,
            "monthly": None if self.monthly is None else round(self.monthly, 2),
            "billedByUse": self.by_use,
            "resources": [resource.data() for resource in self.resources],
        }


@dataclass(frozen=True)
class Evidence:
    """The facts that come from elsewhere than the cloud."""

    today: date
    stacks: frozenset[str] | None = None
    """Names of all stacks; None if nobody could say."""

    branches: frozenset[str] | None = None
    """Of this repository; None if nobody could say."""

    repositories: frozenset[str] = frozenset()
    """The names that this repository has: branches of others are not looked for in it."""

    here: Callable[[str], bool] = is_environment
    """Whether an environment of this cloud can have that name: a tag may say anything."""

    price: Price = field(default=lambda resource: None)
    by_use: Callable[[Resource], bool] = field(default=lambda resource: False)
    """Whether a resource is billed by use alone: it has no price, and that is no gap."""


def judge(resources: Iterable[Resource], evidence: Evidence) -> list[Verdict]:
    """Every environment with its verdict; those that stand on others come before these."""
    by_name: dict[str, list[Resource]] = {}
    for resource in resources:
        by_name.setdefault(resource.environment, []).append(resource)
    living = {_branch_tag(branch) for branch in evidence.branches or ()}
    verdicts = [_judged(name, found, living, evidence) for name, found in by_name.items()]
    carried = {
        one.base: one.environment
        for one in verdicts
        if one.environment not in ("", one.base) and not one.doomed
    }
    verdicts = [
        spare(one, f"it carries {carried[one.environment]}")
        if one.doomed and one.environment in carried
        else one
        for one in verdicts
    ]
    return sorted(verdicts, key=lambda one: (not one.base, one.environment))


def spare(verdict: Verdict, why: str) -> Verdict:
    """The same environment, kept."""
    return replace(verdict, reason="", spared=f"{verdict.reason}, but {why}")


def _judged(
    name: str, found: list[Resource], living: Collection[str], evidence: Evidence
) -> Verdict:
    expires, branch = _expiry(found), _tag(found, TAG_BRANCH)
    ours = _tag(found, TAG_REPOSITORY) in {tag_value(one) for one in evidence.repositories}
    reason, spared = "", ""
    if not name or not evidence.here(name):
        reason = NOBODYS
    elif lifetime.has_passed(expires, evidence.today):
        reason = EXPIRED
    elif evidence.branches is not None and ours and branch and branch not in living:
        reason = GONE
    elif evidence.stacks is not None and name not in evidence.stacks:
        reason = UNKNOWN
    elif expires not in ("", lifetime.NEVER) and lifetime.day_of(expires) is None:
        spared = "its expiry is no date"
    priced = [one for one in found if not evidence.by_use(one)]
    return Verdict(
        name,
        found,
        _tag(found, TAG_BASE),
        branch,
        expires,
        reason,
        spared,
        _monthly(priced, evidence.price),
        by_use=len(priced) < len(found),
    )


def _branch_tag(branch: str) -> str:
    """What the tag of a branch's environment says. Two branches may read alike in it: then the one that
    is gone stays, until its environment expires."""
    return tag_value(branch[:BRANCH_MAX_LENGTH])


def _tag(found: Iterable[Resource], key: str) -> str:
    return next((resource.tags[key] for resource in found if resource.tags.get(key)), "")


def _expiry(found: list[Resource]) -> str:
    """That of the resource with the day of the last use: the others have the date of the day on which they
    were made. Without one, the latest of all.

    What is no date was written by hand, and hardly to have the environment deleted: it beats every date.
    """
    asked = [resource for resource in found if resource.tags.get(TAG_USED)] or found
    expiries = {resource.tags[TAG_EXPIRES] for resource in asked if resource.tags.get(TAG_EXPIRES)}
    if lifetime.NEVER in expiries:
        return lifetime.NEVER
    strange = {text for text in expiries if lifetime.day_of(text) is None}
    return max(strange or expiries, default="")


def _monthly(found: Iterable[Resource], price: Price) -> float | None:
    prices = [price(resource) for resource in found]
    known = [one for one in prices if one is not None]
    return sum(known) * HOURS if len(known) == len(prices) else None
