"""What an environment may cost a month: an AWS budget over all that bears its tag, which tells people by e-mail."""

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from infra.contract.naming import BUDGET, TAG_ENVIRONMENT
from infra.stack import Stack

NOTICES = (("ACTUAL", 80.0), ("ACTUAL", 100.0), ("FORECASTED", 100.0))
"""When: at so many percent of the limit, of what was spent or of what AWS expects for the month."""


@dataclass(frozen=True)
class BudgetArgs:
    """The stack says how much, and whom to tell."""

    stack: Stack


class Budget(pulumi.ComponentResource):
    """The budget. It counts from the day on which the tag is activated for the account's bills."""

    def __init__(
        self, name: str, args: BudgetArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("aerodrome:index:Budget", name, {}, opts)
        settings = args.stack.settings
        aws.budgets.Budget(
            args.stack.names.of(BUDGET),
            budget_type="COST",
            time_unit="MONTHLY",
            limit_amount=str(settings.budget_usd),
            limit_unit="USD",
            cost_filters=[
                {
                    "name": "TagKeyValue",
                    "values": [f"user:{TAG_ENVIRONMENT}${settings.environment}"],
                }
            ],
            notifications=[
                {
                    "notification_type": kind,
                    "comparison_operator": "GREATER_THAN",
                    "threshold": percent,
                    "threshold_type": "PERCENTAGE",
                    "subscriber_email_addresses": list(settings.alert_emails),
                }
                for kind, percent in NOTICES
            ],
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.register_outputs({})
