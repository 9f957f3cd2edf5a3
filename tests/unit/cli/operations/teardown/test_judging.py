"""Which environments may go."""

from datetime import date
from typing import Any

import pytest

from cli.cloud.resource import Resource
from cli.operations.teardown.judging import EXPIRED, GONE, HOURS, NOBODYS, UNKNOWN, Evidence, judge
from infra.contract.naming import branch_environment, tags

TODAY = date(2027, 3, 1)
PAST, FUTURE = "2027-02-28", "2027-03-01"
OURS = "github.com/team/dags"
HERE = frozenset({OURS, "local/0123456789ab"})
ALIVE = branch_environment("dev", "feature/alive")
GONE_BRANCH = branch_environment("dev", "feature/gone")


def _resource(
    environment: str,
    expires: str = "never",
    branch: str = "",
    base: str = "",
    name: str = "r",
    repository: str = OURS,
    used: str = "",
) -> Resource:
    return Resource(
        "ec2",
        "volume",
        name,
        f"arn:{environment}:{name}",
        environment,
        "aws",
        tags(environment, branch, expires, base, used, repository if branch else "")
        if environment
        else {"aerodrome:branch": "x"},
    )


def _reasons(resources: list[Resource], **known: Any) -> dict[str, str]:
    evidence = Evidence(TODAY, repositories=HERE, **known)
    return {one.environment: one.reason for one in judge(resources, evidence)}


def test_the_latest_date_of_all_resources_counts_and_never_beats_every_date() -> None:
    found = [
        _resource("past", PAST),
        _resource("last-day", FUTURE),
        _resource("extended", PAST),
        _resource("extended", "2027-09-01", name="other"),
        _resource("kept", PAST),
        _resource("kept", "never", name="other"),
    ]
    assert _reasons(found) == {"past": EXPIRED, "last-day": "", "extended": "", "kept": ""}


def test_the_resource_with_the_last_use_speaks_for_the_others() -> None:
    found = [
        _resource("shortened", FUTURE),
        _resource("shortened", PAST, used="2027-02-25", name="role"),
        _resource("used", PAST),
        _resource("used", FUTURE, used="2027-02-28", name="role"),
    ]
    assert _reasons(found) == {"shortened": EXPIRED, "used": ""}


def test_a_branch_is_gone_when_neither_here_nor_at_a_remote() -> None:
    found = [
        _resource(ALIVE, FUTURE, "feature/alive", "dev"),
        _resource(GONE_BRANCH, FUTURE, "feature/gone", "dev"),
        _resource("dev"),
    ]
    branches = frozenset({"main", "feature/alive"})
    assert _reasons(found, branches=branches) == {ALIVE: "", GONE_BRANCH: GONE, "dev": ""}


def test_branches_that_nobody_could_list_are_not_gone() -> None:
    found = [_resource(ALIVE, FUTURE, "feature/alive", "dev")]
    assert _reasons(found, branches=None) == {ALIVE: ""}


def test_the_last_environment_of_a_repository_is_judged_too() -> None:
    found = [_resource(GONE_BRANCH, FUTURE, "feature/gone", "dev"), _resource("dev")]
    assert _reasons(found, branches=frozenset({"main"}))[GONE_BRANCH] == GONE


def test_a_branch_on_a_cluster_of_its_own_is_judged_too() -> None:
    """It has no base that its tags could name."""
    found = [
        _resource("big", FUTURE, "feature/gone"),
        _resource("small", FUTURE, "feature/alive"),
    ]
    branches = frozenset({"feature/alive"})
    assert _reasons(found, branches=branches) == {"big": GONE, "small": ""}


@pytest.mark.parametrize("theirs", ["github.com/other/dags", ""])
def test_the_branches_of_another_repository_are_not_judged(theirs: str) -> None:
    """From here they would all look gone, even where one is called like one of ours."""
    found = [
        _resource(ALIVE, FUTURE, "feature/alive", "dev"),
        _resource("dev-theirs", FUTURE, "feature/theirs", "dev", repository=theirs),
        _resource("dev-same", FUTURE, "feature/alive", "dev", repository=theirs),
    ]
    branches = frozenset({"main", "feature/alive"})
    assert set(_reasons(found, branches=branches).values()) == {""}


def test_a_branch_whose_name_no_tag_can_hold_is_found_alive() -> None:
    odd = ["🚀/Größe", "x" * 300, "Feature/Alive"]
    found = [_resource(branch_environment("dev", name), FUTURE, name[:255], "dev") for name in odd]
    assert set(_reasons(found, branches=frozenset(odd)).values()) == {""}
    gone = _reasons(found, branches=frozenset({"feature/alive"}))
    assert set(gone.values()) == {GONE}, "branches that differ in case are two"


@pytest.mark.parametrize(
    "strange", ["soon", "0", "2027-2-3", "20270203", "2027-13-45", "-1", "12027-01-01", " "]
)
def test_an_expiry_that_is_no_date_deletes_nothing_and_is_told(strange: str) -> None:
    found = [_resource("dev", PAST), _resource("dev", strange, name="by-hand")]
    (verdict,) = judge(found, Evidence(TODAY))
    assert (verdict.reason, verdict.spared) == ("", "its expiry is no date")
    assert verdict.expires == strange


def test_a_time_of_day_and_the_far_future() -> None:
    found = [
        _resource("noon", "2027-02-28T12:00:00Z"),
        _resource("later", "2127-01-01"),
        _resource("last", "9999-12-31"),
        _resource("first", "0001-01-01"),
    ]
    assert _reasons(found) == {"noon": EXPIRED, "later": "", "last": "", "first": EXPIRED}


@pytest.mark.parametrize("name", ["../../etc/x", "Dev", "a" * 29, "dev env", "-", "dev\n"])
def test_a_name_that_no_environment_can_have_is_never_taken_for_one(name: str) -> None:
    (verdict,) = judge([_resource(name, PAST)], Evidence(TODAY))
    assert (verdict.reason, verdict.doomed) == (NOBODYS, False)


def test_nor_is_one_of_another_cloud() -> None:
    """A sweep of the sandbox must not reach into AWS because of a tag."""
    found = [_resource("dev", PAST), _resource("sandbox-x", PAST)]
    here = _reasons(found, here=lambda name: name.startswith("sandbox"))
    assert here == {"dev": NOBODYS, "sandbox-x": EXPIRED}


def test_what_carries_others_stays_until_they_go() -> None:
    base, carried = _resource("dev", PAST), _resource(ALIVE, FUTURE, "feature/alive", "dev")
    verdicts = {one.environment: one for one in judge([base, carried], Evidence(TODAY))}
    assert (verdicts["dev"].reason, verdicts["dev"].spared) == (
        "",
        f"expired, but it carries {ALIVE}",
    )
    both = [base, _resource(ALIVE, PAST, "feature/alive", "dev")]
    assert [one.reason for one in judge(both, Evidence(TODAY))] == [EXPIRED, EXPIRED]


def test_what_no_stack_knows_and_what_names_no_environment() -> None:
    found = [_resource("dev"), _resource("forgotten"), _resource("")]
    stacks = frozenset({"dev"})
    assert _reasons(found, stacks=stacks) == {"dev": "", "forgotten": UNKNOWN, "": NOBODYS}
    assert _reasons(found)["forgotten"] == ""


def test_branches_come_before_what_they_stand_on() -> None:
    found = [_resource("a-base", PAST), _resource(ALIVE, PAST, "feature/alive", "a-base")]
    assert [one.environment for one in judge(found, Evidence(TODAY))] == [ALIVE, "a-base"]


def test_a_price_is_told_only_if_all_are_known() -> None:
    found = [_resource("dev"), _resource("dev", name="dear")]
    prices = {"r": 0.01, "dear": 0.1}
    known = judge(found, Evidence(TODAY, price=lambda resource: prices.get(resource.id)))
    assert known[0].monthly == (0.01 + 0.1) * HOURS
    del prices["dear"]
    unknown = judge(found, Evidence(TODAY, price=lambda resource: prices.get(resource.id)))
    assert unknown[0].monthly is None


def test_what_is_billed_by_use_is_told_beside_the_price() -> None:
    found = [_resource("dev"), _resource("dev", name="bucket")]
    evidence = Evidence(
        TODAY,
        price=lambda resource: 0.01 if resource.id == "r" else None,
        by_use=lambda resource: resource.id == "bucket",
    )
    (verdict,) = judge(found, evidence)
    assert (verdict.monthly, verdict.by_use) == (0.01 * HOURS, True)
    assert verdict.data()["billedByUse"] is True
