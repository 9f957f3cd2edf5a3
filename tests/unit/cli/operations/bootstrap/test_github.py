"""Which names are those of one repository, and what its tokens then say."""

import pytest

from cli.base.errors import UserError
from cli.operations.bootstrap.github import repository, set_up_commands


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "takes OWNER/REPO"),
        ("team", "takes OWNER/REPO"),
        ("https://github.com/team/airflow", "no address"),
        ("team/airflow/main", "takes OWNER/REPO"),
        ("team/*", "a pattern would let others in"),
        ("*/airflow", "a pattern would let others in"),
        ("team/airflo?", "a pattern would let others in"),
        ("team/airflow.git", "ends in .git"),
        ("team/airflow:ref:refs/heads/main", "takes OWNER/REPO"),
        ("team/..", "takes OWNER/REPO"),
        ("team /airflow", "takes OWNER/REPO"),
        ("team/airflow\n", "takes OWNER/REPO"),
        ("team/größe", "takes OWNER/REPO"),
        ("team@12/airflow", "one number of two"),
        ("team/airflow@345", "one number of two"),
    ],
)
def test_what_is_no_repository_is_refused(text: str, says: str) -> None:
    with pytest.raises(UserError) as refused:
        repository(text)
    assert says in f"{refused.value.summary} {refused.value.detail}"


@pytest.mark.parametrize("text", ["team/airflow", "T-1/a.b_c", "team_corp/.github", "a@1/b@2"])
def test_the_tokens_are_those_of_this_repository(text: str) -> None:
    found = repository(text)
    assert found.subjects("preview") == [f"repo:{text}:pull_request"]
    assert found.subjects("deploy") == [
        f"repo:{text}:environment:aerodrome-branches",
        f"repo:{text}:environment:aerodrome-teardown",
    ]


def test_the_commands_name_the_repository_without_numbers_and_take_any_value() -> None:
    commands = set_up_commands(repository("team@1/airflow@2"), {"AERODROME_BACKEND": "s3://b?r=x"})
    assert commands[0] == (
        "gh variable set AERODROME_BACKEND --repo team/airflow --body 's3://b?r=x'"
    )
    assert commands[1:] == [
        f"gh api --silent --method PUT repos/team/airflow/environments/aerodrome-{name}"
        for name in ("branches", "teardown")
    ]
