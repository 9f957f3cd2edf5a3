"""`aerodrome cost`: before and after `up`, on both tenancies, for people, programs and pull requests."""

from collections.abc import Callable
from typing import Any

import pytest

from cli.base.errors import KitError
from cli.base.git import NoBranch
from cli.base.paths import ROOT
from cli.stack.backends import Found
from tests.unit.cli.conftest import Run
from tests.unit.cli.fakes import FakeSession

RunJson = Callable[..., Any]


def test_before_up_both_tenancies_stand_side_by_side(run: Run) -> None:
    result = run("cost", "sandbox")
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0].split("  ")[-1] == "shared /month"
    assert "dedicated /h" in lines[0]
    assert any(line.startswith("NAT gateway") for line in lines)
    assert any(line.startswith("2 x public IPv4 address") for line in lines)
    total = next(line for line in lines if line.startswith("total"))
    assert total.split()[-2:] == ["0.0000", "0.00"]
    assert "Billed by use, in no total" in result.stdout
    assert "List prices of 20" in result.stdout


def test_numbers_end_where_their_headings_do(run: Run) -> None:
    lines = run("cost", "sandbox").stdout.splitlines()
    table = lines[: lines.index("")]
    assert len({len(line) for line in table}) == 1
    end = table[0].index("dedicated /month") + len("dedicated /month")
    assert all(line[end - 1] != " " and line[end : end + 1] == " " for line in table)


def test_the_documentation_names_the_figure(run_json: RunJson) -> None:
    monthly = run_json("cost", "sandbox")["estimates"]["dedicated"]["monthly"]
    assert f"some {monthly:.0f} USD a month" in (ROOT / "docs" / "cost.md").read_text()


def test_what_a_branch_leaves_to_its_base_is_priced_with_the_base(run_json: RunJson) -> None:
    """The program refuses it in a shared environment, whose column stands beside."""
    alerts = (
        "smtpHost=mail.example.com",
        "smtpFrom=a@example.com",
        'alertEmails=["a@example.com"]',
    )
    asked = [f"--set={each}" for each in ("monitoring=all", "budgetUsd=100", *alerts)]
    with_all = run_json("cost", "sandbox", *asked)["estimates"]
    without = run_json("cost", "sandbox")["estimates"]
    assert with_all["dedicated"]["monthly"] > without["dedicated"]["monthly"]
    assert with_all["shared"]["monthly"] == without["shared"]["monthly"]


def test_one_tenancy_alone(run_json: RunJson) -> None:
    assert list(run_json("cost", "sandbox", "--tenancy", "shared")["estimates"]) == ["shared"]


def test_every_resource_is_in_the_json_by_the_hour_and_the_month(run_json: RunJson) -> None:
    data = run_json("cost", "sandbox")
    found = data["estimates"]["dedicated"]
    gateway = next(each for each in found["resources"] if each["what"] == "NAT gateway")
    assert (gateway["hourly"], gateway["monthly"]) == (0.045, 32.85)
    assert found["monthly"] == pytest.approx(730 * found["hourly"], abs=0.01)
    assert found["complete"] is True
    assert (data["region"], data["hoursOfAMonth"]) == ("us-east-1", 730)


def test_what_if(run_json: RunJson) -> None:
    def hourly(*arguments: str) -> float:
        data = run_json("cost", "sandbox", "--tenancy", "dedicated", *arguments)
        return float(data["estimates"]["dedicated"]["hourly"])

    assert hourly("--set", "rancherEnabled=false") < hourly() < hourly("--set", "nodeDesired=3")
    assert hourly("--region", "eu-central-1") > hourly()


def test_once_it_is_deployed_what_stands_is_shown_too(
    run_json: RunJson, session: FakeSession
) -> None:
    gateway = Found("aws:ec2/natGateway:NatGateway", "nat", "urn::nat", "nat-1")
    session.fake_backends["sandbox"] = Deployed([gateway])
    data = run_json("cost", "sandbox")
    assert list(data["estimates"]) == ["deployed", "dedicated", "shared"]
    assert data["estimates"]["deployed"]["hourly"] == 0.045


def test_a_state_that_cannot_be_read_is_said_and_the_plan_shown(
    run: Run, session: FakeSession
) -> None:
    session.fake_backends["sandbox"] = Unreadable()
    result = run("cost", "sandbox")
    assert result.exit_code == 0
    assert "What is deployed is not shown: the state is locked away." in result.stdout
    assert "EKS control plane" in result.stdout


def test_a_missing_price_is_named_and_in_no_total(run: Run, run_json: RunJson) -> None:
    rds = ("--set", "database=rds", "--region", "ap-northeast-1", "--tenancy", "dedicated")
    assert run_json("cost", "sandbox", *rds)["estimates"]["dedicated"]["complete"] is False
    result = run("cost", "sandbox", *rds)
    assert "no price" in result.stdout
    assert "total of what has a price" in result.stdout
    assert "No price, and in no total: RDS instance (db.t4g.small, 1 zone)" in result.stdout


def test_what_has_one_source_is_said_and_each_source_has_a_date(
    run: Run, run_json: RunJson
) -> None:
    data = run_json("cost", "sandbox", "--region", "us-east-2")
    assert "EC2" in data["oneSource"]
    assert "RDS" in data["fromMemory"]
    assert all(source["date"] for each in data["sources"].values() for source in each)
    told = run("cost", "sandbox", "--region", "us-east-2").stdout
    assert "Not compared with a second source: in one source only: EC2" in told
    assert "from memory only: EBS, VPC nat-gateway" in told


def test_as_a_comment_for_a_pull_request(run: Run) -> None:
    result = run("cost", "sandbox", "--markdown")
    lines = result.stdout.splitlines()
    assert lines[0] == "### What `sandbox` costs on AWS"
    assert lines[2] == "|  | dedicated /h | dedicated /month | shared /h | shared /month |"
    assert lines[3] == "| --- | ---: | ---: | ---: | ---: |"
    table = [line for line in lines if line.startswith("|")]
    assert all(line.count("|") == 6 for line in table)
    assert table[-1].startswith("| total |")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("dev",), 'No region is known for "dev"'),
        (("dev", "--region", "ap-south-2"), "no prices for the region ap-south-2"),
        (("Not_a_name",), "is no name for an environment"),
        (("sandbox", "--set", "nodeMax=x"), "whole number"),
    ],
)
def test_what_cannot_be_answered_is_refused(
    arguments: tuple[str, ...], says: str, run: Run
) -> None:
    result = run("cost", *arguments)
    assert result.exit_code == 2
    assert says in result.stderr


class Deployed:
    """A backend with these resources."""

    def __init__(self, found: list[Found]) -> None:
        self.found = found

    def resources(self) -> list[Found]:
        return self.found

    def plain(self) -> dict[str, str]:
        return {}


class Unreadable:
    """A backend whose state nobody can read."""

    def resources(self) -> list[Found]:
        raise KitError("the state is locked away")


def test_without_a_branch_it_says_what_to_type(run: Run, session: FakeSession) -> None:
    session.fake_checkout.current = NoBranch("no branch", "because")
    result = run("cost")
    assert result.exit_code == 2
    assert "    ./aerodrome cost sandbox" in result.stderr
