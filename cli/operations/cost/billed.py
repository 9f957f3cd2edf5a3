"""What AWS has billed for an environment, for `aerodrome cost --actual`: Cost Explorer, asked by the environment's tag.

Cost Explorer knows a tag only from the day on which it was activated for the account's bills, and only in the
account that pays. Until then it answers that all was free, so the tag is looked at first.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from botocore.exceptions import ClientError

from cli.base.errors import KitError
from cli.cloud.errors import code_of, translated
from infra.contract.naming import TAG_ENVIRONMENT

HOME = "us-east-1"
"""Where the API is."""

PAGES = 20
"""Of one question: AWS takes 0.01 USD for each."""

METRIC = "UnblendedCost"

ACTIVATE = (
    "aws ce update-cost-allocation-tags-status --region us-east-1 "
    f"--cost-allocation-tags-status TagKey={TAG_ENVIRONMENT},Status=Active"
)


@dataclass(frozen=True)
class Month:
    """What one month has cost."""

    name: str
    """Like 2026-11."""

    services: Mapping[str, float]
    """By AWS's name for the service."""

    unit: str
    estimated: bool
    """Whether the bill of the month is not closed yet."""

    @property
    def total(self) -> float:
        return sum(self.services.values())


@dataclass(frozen=True)
class Billed:
    """The last month and this one."""

    environment: str
    months: Sequence[Month]
    tag_is_known: bool
    """Whether AWS said that the tag is activated; it tells the account alone that pays."""

    def data(self) -> dict[str, Any]:
        return {
            "environment": self.environment,
            "tag": TAG_ENVIRONMENT,
            "tagIsActive": True if self.tag_is_known else None,
            "months": [
                {
                    "month": month.name,
                    "estimated": month.estimated,
                    "currency": month.unit,
                    "total": round(month.total, 2),
                    "services": {name: round(cost, 4) for name, cost in month.services.items()},
                }
                for month in self.months
            ],
        }

    def columns(self) -> list[tuple[str, ...]]:
        """The headings and a row for each service, the dearest first; then the total."""
        latest: dict[str, float] = {}
        for month in self.months:
            latest |= month.services
        names = sorted(latest, key=lambda name: (-latest[name], name))
        rows = [
            (name, *(_money(month.services.get(name, 0.0)) for month in self.months))
            for name in names
        ]
        units = {month.unit for month in self.months}
        table = [
            ("", *(f"{each.name}{' so far' if each.estimated else ''}" for each in self.months)),
            *rows,
            (f"total, {'/'.join(sorted(units))}", *(_money(each.total) for each in self.months)),
        ]
        widths = [max(map(len, cells)) for cells in zip(*table, strict=True)]
        return [
            (row[0], *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)))
            for row in table
        ]

    def remarks(self) -> list[str]:
        """What the table alone does not say."""
        found = [
            f"What AWS bills for {TAG_ENVIRONMENT}={self.environment}, before taxes and credits of the whole account. "
            "It is up to a day late, and has nothing from before the tag was activated.",
            "What has no tag is not in it: transfer between zones, support, parts of CloudWatch.",
        ]
        if not self.tag_is_known:
            found.append(
                "Whether the tag is activated only the account that pays may ask: if all is 0, that is why."
            )
        return found


def _money(amount: float) -> str:
    return f"{amount:.2f}"


def ask(client: Any, environment: str, today: date) -> Billed:
    """The answer of boto3's client of `ce`. KitError if the tag is not activated, CloudError if AWS refuses."""
    known = _tag_is_active(client)
    with translated("tell what it has billed (ce:GetCostAndUsage)"):
        months = list(_months(client, environment, today))
    return Billed(environment, months, known)


def _tag_is_active(client: Any) -> bool:
    """False where AWS does not say. KitError if it says that it is not."""
    try:
        with translated("say whether its tag is activated (ce:ListCostAllocationTags)"):
            found = _tag(client)
    except KitError as error:
        if isinstance(error.__cause__, ClientError) and _only_for_the_payer(error.__cause__):
            return False
        raise
    if found and found["Status"] == "Active":
        return True
    raise KitError(
        f"AWS does not bill by the tag {TAG_ENVIRONMENT} yet",
        "The tag is known to AWS, and not activated for bills."
        if found
        else "AWS has not seen the tag yet: it takes up to a day from the first resource on.",
        ACTIVATE,
    )


def _tag(client: Any) -> Mapping[str, Any] | None:
    answer = client.list_cost_allocation_tags(TagKeys=[TAG_ENVIRONMENT])
    return next(
        (each for each in answer["CostAllocationTags"] if each["TagKey"] == TAG_ENVIRONMENT), None
    )


def _only_for_the_payer(error: ClientError) -> bool:
    """A member of an organisation may not ask for tags; nor may who has no right to."""
    return code_of(error) in ("AccessDeniedException", "ValidationException")


def _months(client: Any, environment: str, today: date) -> Iterator[Month]:
    """From the first of last month to the end of today: AWS leaves out the last day that is named."""
    start = (today.replace(day=1) - timedelta(days=1)).replace(day=1)
    found: dict[str, Month] = {}
    for period in _periods(client, environment, start, today + timedelta(days=1)):
        name = str(period["TimePeriod"]["Start"])[:7]
        services, unit = _services(period)
        before = found.get(name)
        found[name] = Month(
            name,
            {**(before.services if before else {}), **services},
            unit or (before.unit if before else "USD"),
            bool(period.get("Estimated")),
        )
    yield from (found[name] for name in sorted(found))


def _services(period: Mapping[str, Any]) -> tuple[dict[str, float], str]:
    services: dict[str, float] = {}
    unit = ""
    for group in period.get("Groups") or ():
        cost = group["Metrics"][METRIC]
        services[str(group["Keys"][0])] = float(cost["Amount"])
        unit = str(cost.get("Unit") or unit)
    return services, unit


def _periods(client: Any, environment: str, start: date, end: date) -> Iterator[Mapping[str, Any]]:
    question: dict[str, Any] = {
        "TimePeriod": {"Start": start.isoformat(), "End": end.isoformat()},
        "Granularity": "MONTHLY",
        "Metrics": [METRIC],
        "GroupBy": [{"Type": "DIMENSION", "Key": "SERVICE"}],
        "Filter": {
            "Tags": {"Key": TAG_ENVIRONMENT, "Values": [environment], "MatchOptions": ["EQUALS"]}
        },
    }
    for _ in range(PAGES):
        answer = client.get_cost_and_usage(**question)
        yield from answer["ResultsByTime"]
        if not answer.get("NextPageToken"):
            return
        question["NextPageToken"] = answer["NextPageToken"]
    raise KitError(
        f"Cost Explorer's answer has more than {PAGES} pages", "Nothing is left out silently."
    )
