"""AWS Budgets: they belong to the account and to no region, and are found by their names."""

import re
from collections.abc import Iterator

from cli.cloud.catalogue.kind import Asked, Item, Kind
from cli.cloud.errors import unless_gone
from cli.cloud.resource import Resource, Search, everything
from infra.contract.naming import BUDGET, PREFIX

SERVICE = "budgets"
PARTITIONS = ("aws", "aws-cn")
"""Those of AWS's partitions that have budgets."""

_NAME = re.compile(rf"{PREFIX}-(.+)-{BUDGET}-[0-9a-f]+")
"""With Pulumi's suffix; the environment is what is left."""


def _budgets(search: Search) -> Iterator[Item]:
    place = search.client("sts").meta
    if place.partition not in PARTITIONS:
        return
    listed = everything(
        search.client(SERVICE), "describe_budgets", "Budgets", AccountId=search.account
    )
    for item in listed:
        name = str(item["BudgetName"])
        arn = f"arn:{place.partition}:{SERVICE}::{search.account}:budget/{name}"
        ours = _NAME.fullmatch(name)
        yield Item(name, arn, search.tagged.get(arn, {}), ours[1] if ours else "")


def _delete(search: Search, resource: Resource) -> None:
    search.client(SERVICE).delete_budget(AccountId=search.account, BudgetName=resource.id)


def _recover(asked: Asked) -> str | None:
    account = str(asked.client("sts").get_caller_identity()["Account"])
    name = asked.inputs["name"]
    describe = asked.client(SERVICE).describe_budget
    found = unless_gone(describe, AccountId=account, BudgetName=name)
    return f"{account}:{name}" if found else None


KINDS = (
    Kind(
        service=SERVICE,
        name="budget",
        type="aws:budgets/budget:Budget",
        list=_budgets,
        # IAM's word for DescribeBudgets.
        actions=(f"{SERVICE}:ViewBudget",),
        delete=_delete,
        show="budgets describe-budget --budget-name {id} --account-id "
        "$(aws sts get-caller-identity --query Account --output text)",
        recover=_recover,
    ),
)
"""Budgets that only watch are free."""
