"""Budgets on the real emulator."""


def notice(kind, *addresses):
    return {
        "comparisonOperator": "GREATER_THAN",
        "notificationType": kind,
        "threshold": 80,
        "thresholdType": "PERCENTAGE",
        "subscriberEmailAddresses": list(addresses),
    }


def test_a_budget(engine):
    made = engine.create(
        "aws:budgets/budget:Budget",
        "month",
        budgetType="COST",
        timeUnit="MONTHLY",
        limitAmount="400",
        limitUnit="USD",
        costFilters=[{"name": "TagKeyValue", "values": ["user:aerodrome:environment$dev"]}],
        notifications=[notice("ACTUAL", "b@example.org", "a@example.org")],
        tags={"Name": "month"},
    )
    assert made.id == f"000000000000:{made['name']}"
    assert made["arn"] == f"arn:aws:budgets::000000000000:budget/{made['name']}"
    engine.imported(made)
    engine.update(made, limitAmount="500", tags={"Name": "other"})
    both = [notice("ACTUAL", "a@example.org"), notice("FORECASTED", "a@example.org")]
    engine.update(made, notifications=both)
    assert engine.replaces(made, name="another") == ["name"]
    engine.delete(made)
