"""Secrets on the real emulator."""

import pytest

TYPE = "aws:secretsmanager/secret:Secret"


def test_a_secret(engine):
    made = engine.create(
        TYPE, "token", description="of a server", recoveryWindowInDays=0, tags={"Name": "token"}
    )
    assert made.id == made["arn"]
    assert made["arn"].rpartition("-")[0].endswith(f":secret:{made['name']}")
    engine.imported(made)
    engine.update(made, description="of another", tags={"Name": "other"})
    assert engine.replaces(made, name="another") == ["name"]
    engine.delete(made)


def test_one_that_waits_for_its_deletion_counts_as_gone(engine):
    made = engine.create(TYPE, "kept", recoveryWindowInDays=7)
    engine.delete(made)


@pytest.mark.parametrize("days", [3, 31])
def test_a_window_that_aws_refuses_is_named(engine, days):
    with pytest.raises(AssertionError, match="between 7 and 30"):
        engine.check(TYPE, "token", {"recoveryWindowInDays": days})
