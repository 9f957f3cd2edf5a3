"""What an environment is to its account: what may be said of it, and what is refused with its name."""

import pytest

from tests.unit.infra.contract.test_contacts import problems

WATCHED = {"budgetUsd": "400", "alertEmails": '["ops@example.org"]'}


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ('["s3", "sqs"]', "must be a list of s3, ecr, sts, logs, not 'sqs'"),
        ('["s3", "s3"]', "must name each service once"),
        ('["ecr"]', "must have s3 beside ecr"),
        ("s3", "must be a JSON list of strings"),
    ],
)
def test_endpoints_are_of_services_that_have_one(value: str, words: str) -> None:
    (text,) = problems(vpcEndpoints=value)
    assert text.startswith("aerodrome:vpcEndpoints")
    assert words in text


@pytest.mark.parametrize("value", ["[]", '["s3"]', '["s3", "ecr", "sts", "logs"]', '["sts"]'])
def test_any_of_them_may_be_had(value: str) -> None:
    assert problems(vpcEndpoints=value) == []


def test_a_budget_tells_somebody() -> None:
    assert problems(**WATCHED) == []
    (text,) = problems(budgetUsd="400")
    assert text.startswith("aerodrome:alertEmails is not set, and budgetUsd needs it")
    eleven = ", ".join(f'"{number}@example.org"' for number in range(11))
    (text,) = problems(budgetUsd="400", alertEmails=f"[{eleven}]")
    assert "has 11 addresses: budgetUsd takes 10 at most" in text
    for wrong in ("-1", "12.5", "a lot"):
        (text,) = problems(budgetUsd=wrong)
        assert text.startswith("aerodrome:budgetUsd")


def test_what_a_branch_costs_is_its_bases() -> None:
    (text,) = problems(**WATCHED, tenancy="shared", base="main")
    assert "./aerodrome config set budgetUsd 400 --env main" in text
