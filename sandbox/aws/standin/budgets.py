"""AWS Budgets in policies: IAM has two words for most of its calls, which MiniStack takes by their own names."""

from typing import Any

from sandbox.aws.standin import emulator, internals

_TAGGING = ("ListTagsForResource", "TagResource", "UntagResource")


def install() -> None:
    internals.rename_actions("budgets", action_of)
    internals.replace_json_resources("budgets", resource_of)


def action_of(operation: str) -> str:
    """IAM's action for an operation."""
    if operation in _TAGGING:
        return operation
    return "ViewBudget" if operation.startswith("Describe") else "ModifyBudget"


def resource_of(operation: str, asked: dict[str, Any]) -> str | None:
    """The budget that a call is about; all of them where it names none."""
    if arn := asked.get("ResourceARN"):
        return str(arn)
    budget = asked.get("Budget") or asked.get("NewBudget") or asked
    name = budget.get("BudgetName") or "*"
    return f"arn:aws:budgets::{emulator.account()}:budget/{name}"
