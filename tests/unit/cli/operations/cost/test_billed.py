"""`aerodrome cost --actual` on botocore's own client, which checks each question and answer by AWS's model of the API."""

from collections.abc import Iterator
from datetime import date
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from cli.base.errors import CloudError, KitError
from cli.operations.cost import billed
from tests.unit.cli.conftest import Run
from tests.unit.cli.fakes import FakeSession

TODAY = date(2026, 11, 29)
TAGS = {"TagKeys": ["aerodrome:environment"]}
ACTIVE = {"TagKey": "aerodrome:environment", "Type": "UserDefined", "Status": "Active"}
QUESTION = {
    "TimePeriod": {"Start": "2026-10-01", "End": "2026-11-30"},
    "Granularity": "MONTHLY",
    "Metrics": ["UnblendedCost"],
    "GroupBy": [{"Type": "DIMENSION", "Key": "SERVICE"}],
    "Filter": {
        "Tags": {"Key": "aerodrome:environment", "Values": ["dev"], "MatchOptions": ["EQUALS"]}
    },
}


@pytest.fixture
def ce() -> Iterator[tuple[Any, Stubber]]:
    client = boto3.client(
        "ce", region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b"
    )
    with Stubber(client) as stubber:
        yield client, stubber
        stubber.assert_no_pending_responses()


def period(start: str, end: str, *, estimated: bool, **services: str) -> dict[str, Any]:
    return {
        "TimePeriod": {"Start": start, "End": end},
        "Estimated": estimated,
        "Groups": [
            {"Keys": [name], "Metrics": {"UnblendedCost": {"Amount": amount, "Unit": "USD"}}}
            for name, amount in services.items()
        ],
    }


OCTOBER = period("2026-10-01", "2026-11-01", estimated=False, EKS="73.2", EC2="140.5")
NOVEMBER = period("2026-11-01", "2026-11-30", estimated=True, EKS="69.6")
REST = period("2026-11-01", "2026-11-30", estimated=True, EC2="131.004")


def active(stubber: Stubber) -> None:
    stubber.add_response("list_cost_allocation_tags", {"CostAllocationTags": [ACTIVE]}, TAGS)


def test_each_month_by_service_over_all_pages(ce: tuple[Any, Stubber]) -> None:
    client, stubber = ce
    active(stubber)
    first = {"ResultsByTime": [OCTOBER, NOVEMBER], "NextPageToken": "more"}
    stubber.add_response("get_cost_and_usage", first, QUESTION)
    more = {**QUESTION, "NextPageToken": "more"}
    stubber.add_response("get_cost_and_usage", {"ResultsByTime": [REST]}, more)
    found = billed.ask(client, "dev", TODAY)
    assert [(month.name, month.estimated) for month in found.months] == [
        ("2026-10", False),
        ("2026-11", True),
    ]
    assert [round(month.total, 3) for month in found.months] == [213.7, 200.604]
    assert [[cell.strip() for cell in row] for row in found.columns()] == [
        ["", "2026-10", "2026-11 so far"],
        ["EC2", "140.50", "131.00"],
        ["EKS", "73.20", "69.60"],
        ["total, USD", "213.70", "200.60"],
    ]
    assert found.data()["tagIsActive"] is True


def test_on_the_first_of_january_the_last_year_is_asked_for(ce: tuple[Any, Stubber]) -> None:
    client, stubber = ce
    active(stubber)
    question = {**QUESTION, "TimePeriod": {"Start": "2026-12-01", "End": "2027-01-02"}}
    stubber.add_response("get_cost_and_usage", {"ResultsByTime": []}, question)
    assert billed.ask(client, "dev", date(2027, 1, 1)).months == []


@pytest.mark.parametrize(
    ("tags", "why"),
    [
        ([], "has not seen the tag yet"),
        ([{**ACTIVE, "Status": "Inactive"}], "not activated"),
    ],
)
def test_a_tag_that_does_not_count_is_no_free_environment(
    ce: tuple[Any, Stubber], tags: list[dict[str, str]], why: str
) -> None:
    client, stubber = ce
    stubber.add_response("list_cost_allocation_tags", {"CostAllocationTags": tags}, TAGS)
    with pytest.raises(KitError, match="does not bill by the tag") as refused:
        billed.ask(client, "dev", TODAY)
    assert why in refused.value.detail
    assert "update-cost-allocation-tags-status" in (refused.value.command or "")


def test_who_may_not_ask_for_tags_gets_the_figures_and_a_warning(ce: tuple[Any, Stubber]) -> None:
    client, stubber = ce
    stubber.add_client_error("list_cost_allocation_tags", "AccessDeniedException", "no", 400)
    stubber.add_response("get_cost_and_usage", {"ResultsByTime": [OCTOBER]}, QUESTION)
    found = billed.ask(client, "dev", TODAY)
    assert found.data()["tagIsActive"] is None
    assert "if all is 0, that is why" in found.remarks()[-1]


@pytest.mark.parametrize("code", ["AccessDeniedException", "DataUnavailableException"])
def test_a_refusal_names_what_was_asked_for(ce: tuple[Any, Stubber], code: str) -> None:
    client, stubber = ce
    active(stubber)
    stubber.add_client_error("get_cost_and_usage", code, "not now", 400)
    with pytest.raises(CloudError, match=r"ce:GetCostAndUsage") as refused:
        billed.ask(client, "dev", TODAY)
    assert code in refused.value.detail


def test_endless_pages_end(ce: tuple[Any, Stubber]) -> None:
    client, stubber = ce
    active(stubber)
    for number in range(billed.PAGES):
        asked = {**QUESTION, **({"NextPageToken": "again"} if number else {})}
        again = {"ResultsByTime": [OCTOBER], "NextPageToken": "again"}
        stubber.add_response("get_cost_and_usage", again, asked)
    with pytest.raises(KitError, match="more than 20 pages"):
        billed.ask(client, "dev", TODAY)


def test_the_verb(
    ce: tuple[Any, Stubber], run: Run, session: FakeSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, stubber = ce
    monkeypatch.setattr(session, "aws", lambda region: lambda service: client)
    monkeypatch.setattr(session, "today", lambda: TODAY)
    active(stubber)
    stubber.add_response("get_cost_and_usage", {"ResultsByTime": [OCTOBER, NOVEMBER]}, QUESTION)
    result = run("cost", "dev", "--actual")
    assert result.exit_code == 0, result.output
    assert "2026-11 so far" in result.stdout
    assert "73.20" in result.stdout


def test_a_sandbox_is_not_billed(run: Run) -> None:
    result = run("cost", "sandbox", "--actual")
    assert result.exit_code == 2
    assert "AWS bills nothing of it" in result.stderr
