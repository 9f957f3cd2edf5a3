"""Budgets: in policies by IAM's words for their calls, in the inventory, and there after a kill."""

import pytest
from botocore.exceptions import ClientError

ACCOUNT = "000000000000"
ARN = f"arn:aws:budgets::{ACCOUNT}:budget"
BUDGET = {
    "BudgetName": "month",
    "BudgetType": "COST",
    "TimeUnit": "MONTHLY",
    "BudgetLimit": {"Amount": "400", "Unit": "USD"},
}


def test_policies_name_budgets_and_iams_own_actions(emulator):
    statements = [
        {"Effect": "Allow", "Action": action, "Resource": f"{ARN}/month"}
        for action in ("budgets:ModifyBudget", "budgets:TagResource")
    ]
    key = emulator.user("accountant", {"Version": "2012-10-17", "Statement": statements})
    mine = emulator.client("budgets", **key)
    tags = [{"Key": "aerodrome:environment", "Value": "dev"}]
    mine.create_budget(AccountId=ACCOUNT, Budget=BUDGET)
    mine.tag_resource(ResourceARN=f"{ARN}/month", ResourceTags=tags)
    with pytest.raises(ClientError, match="AccessDenied"):
        mine.describe_budgets(AccountId=ACCOUNT)
    with pytest.raises(ClientError, match="AccessDenied"):
        mine.create_budget(AccountId=ACCOUNT, Budget={**BUDGET, "BudgetName": "other"})
    found = emulator.client("resourcegroupstaggingapi").get_resources(
        TagFilters=[{"Key": "aerodrome:environment", "Values": ["dev"]}]
    )
    assert f"{ARN}/month" in [one["ResourceARN"] for one in found["ResourceTagMappingList"]]
    mine.delete_budget(AccountId=ACCOUNT, BudgetName="month")
