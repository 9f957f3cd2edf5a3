"""Which environments may go."""

from datetime import date

from cli.cloud.resource import Resource
from cli.teardown.judging import EXPIRED, GONE, HOURS, NOBODYS, UNKNOWN, Evidence, judge
from infra.naming import branch_environment, tags

TODAY = date(2027, 3, 1)
PAST, FUTURE = "2027-02-28", "2027-03-01"
ALIVE = branch_environment("dev", "feature/alive")
GONE_BRANCH = branch_environment("dev", "feature/gone")


def _resource(
    environment: str, expires: str = "never", branch: str = "", base: str = "", name: str = "r"
) -> Resource:
    return Resource(
        "ec2",
        "volume",
        name,
        f"arn:{environment}:{name}",
        environment,
        "aws",
        tags(environment, branch, expires, base) if environment else {"aerodrome:branch": "x"},
    )


def _reasons(resources: list[Resource], **known: object) -> dict[str, str]:
    evidence = Evidence(TODAY, **known)  # type: ignore[arg-type]
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


def test_the_branches_of_another_repository_are_not_judged() -> None:
    """From here they would all look gone."""
    found = [_resource(ALIVE, FUTURE, "feature/alive", "dev")]
    assert _reasons(found, branches=frozenset({"main", "of-another-repository"})) == {ALIVE: ""}


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
