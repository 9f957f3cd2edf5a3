"""`bootstrap --github`: a pipeline's way into the account, made once, put right, and taken away."""

import json
from typing import Any

import pytest
import yaml

from cli.operations.bootstrap.github import AUDIENCE, HOST
from tests.bootstrap.conftest import ACCOUNT, Account

REPOSITORY = "team/airflow"


def made(account: Account, repository: str = REPOSITORY) -> dict[str, Any]:
    done = account.bootstrap("--github", repository, "--json")
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def role(account: Account, purpose: str) -> dict[str, Any]:
    name = f"aerodrome-{account.environment}-{purpose}"
    found: dict[str, Any] = account.root("iam").get_role(RoleName=name)["Role"]
    return found


def trusted(account: Account, purpose: str) -> Any:
    (statement,) = role(account, purpose)["AssumeRolePolicyDocument"]["Statement"]
    assert statement["Principal"] == {"Federated": account.provider()}
    assert list(statement["Condition"]) == ["StringEquals"]
    assert statement["Condition"]["StringEquals"][f"{HOST}:aud"] == AUDIENCE
    return statement["Condition"]["StringEquals"][f"{HOST}:sub"]


def test_workflows_of_one_repository_are_let_in_and_no_others(team: Account) -> None:
    made(team)
    config = yaml.safe_load(team.config_file.read_text())["config"]
    for purpose in ("preview", "deploy"):
        assert config[f"aerodrome:{purpose}Role"] == role(team, purpose)["Arn"]
        assert role(team, purpose)["Path"] == "/aerodrome-pipeline/", "`down` takes its own path"
    assert team.provider() == f"arn:aws:iam::{ACCOUNT}:oidc-provider/{HOST}"
    assert trusted(team, "preview") == "repo:team/airflow:pull_request"
    assert trusted(team, "deploy") == [
        "repo:team/airflow:environment:aerodrome-branches",
        "repo:team/airflow:environment:aerodrome-teardown",
    ]


def test_a_younger_repository_has_its_numbers_in_its_tokens(team: Account) -> None:
    made(team, "team@12/airflow@345")
    assert trusted(team, "preview") == "repo:team@12/airflow@345:pull_request"


def test_what_the_workflows_need_is_said(team: Account) -> None:
    told = made(team)
    assert told["variables"] == {
        "AERODROME_BASE": team.environment,
        "AERODROME_BACKEND": f"s3://{team.bucket}?region={team.region}",
        "AERODROME_REGION": team.region,
        "AERODROME_PREVIEW_ROLE": role(team, "preview")["Arn"],
        "AERODROME_DEPLOY_ROLE": role(team, "deploy")["Arn"],
    }
    shown = team.bootstrap("--github", REPOSITORY).stdout
    for name, value in told["variables"].items():
        line = next(line for line in shown.splitlines() if f" {name} " in line)
        assert line.split()[:5] == ["gh", "variable", "set", name, "--repo"]
        assert value in line
    assert f"--body 's3://{team.bucket}?region" in shown, "a shell would take the ? for a pattern"
    assert "repos/team/airflow/environments/aerodrome-teardown" in shown


def test_a_second_run_changes_nothing(team: Account) -> None:
    first, second = made(team)["made"], made(team)["made"]
    assert first["pipeline"][0] == "identity provider"
    assert second == {thing: [] for thing in first}
    assert not any(team.made().values())
    assert len(team.pipeline_roles()) == 2, "a run without --github leaves them alone"


def test_what_somebody_changed_is_put_right(team: Account) -> None:
    made(team)
    iam, name = team.root("iam"), f"aerodrome-{team.environment}-deploy"
    wide = json.dumps(role(team, "deploy")["AssumeRolePolicyDocument"]).replace("airflow", "*")
    iam.update_assume_role_policy(RoleName=name, PolicyDocument=wide)
    everything = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    iam.put_role_policy(
        RoleName=name,
        PolicyName="pipeline",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [everything]}),
    )
    team.config_file.write_text(team.config_file.read_text().replace("-deploy", "-other"))
    told = made(team)["made"]
    assert told["pipeline"] == [
        "whom the role to deploy trusts",
        "what the role to deploy may do",
    ]
    assert told["configuration"] == ["aerodrome:deployRole"]
    assert made(team)["made"]["pipeline"] == []


def test_another_repository_takes_the_place_of_the_first(team: Account) -> None:
    made(team)
    told = made(team, "team/other")["made"]["pipeline"]
    assert told == ["whom the role to preview trusts", "whom the role to deploy trusts"]
    assert trusted(team, "preview") == "repo:team/other:pull_request"


def test_remove_takes_the_roles_and_the_provider(team: Account) -> None:
    made(team)
    done = team.bootstrap("--remove", "--json")
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)["roles"]) == 2
    assert team.pipeline_roles() == []
    assert team.provider() == ""


def test_a_provider_that_was_there_is_used_and_stays(team: Account) -> None:
    team.root("iam").create_open_id_connect_provider(
        Url=f"https://{HOST}", ClientIDList=["another", AUDIENCE]
    )
    assert "identity provider" not in made(team)["made"]["pipeline"]
    done = team.bootstrap("--remove")
    assert "kept, somebody else made it" in done.stderr
    assert team.provider()


def test_a_provider_that_another_role_trusts_stays(team: Account) -> None:
    made(team)
    document = role(team, "preview")["AssumeRolePolicyDocument"]
    iam = team.root("iam")
    iam.create_role(RoleName="other-team", AssumeRolePolicyDocument=json.dumps(document))
    done = team.bootstrap("--remove")
    assert "kept, other-team trust(s) it" in done.stderr
    assert team.provider()
    iam.delete_role(RoleName="other-team")


def test_who_may_do_nothing_in_iam_can_remove_what_has_no_pipeline(account: Account) -> None:
    account.made()
    assert account.bootstrap("--remove").returncode == 0
    assert account.keys() == ["PendingDeletion"]


def refused(account: Account, *arguments: str) -> str:
    """What a run says that must make nothing."""
    done = account.bootstrap(*arguments)
    assert done.returncode == 2, done.stdout + done.stderr
    assert not account.has_bucket()
    assert account.keys() == []
    assert account.pipeline_roles() == []
    assert not account.config_file.exists()
    return done.stderr


def test_what_is_no_repository_is_refused(team: Account) -> None:
    assert "a pattern would let others in" in refused(team, "--github", "team/*")


def test_a_provider_for_another_audience_is_refused(team: Account) -> None:
    team.root("iam").create_open_id_connect_provider(
        Url=f"https://{HOST}", ClientIDList=["https://github.com/team"]
    )
    said = refused(team, "--github", REPOSITORY)
    assert "identity provider for GitHub is for another audience" in said
    assert "takes tokens for https://github.com/team" in said
    assert f"--client-id {AUDIENCE}" in said


@pytest.mark.parametrize("path", ["/", "/aerodrome-pipeline/"])
def test_a_role_that_is_somebody_elses_is_neither_changed_nor_removed(
    team: Account, path: str
) -> None:
    iam, name = team.root("iam"), f"aerodrome-{team.environment}-deploy"
    trust = {"Effect": "Allow", "Principal": {"AWS": ACCOUNT}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    iam.create_role(RoleName=name, Path=path, AssumeRolePolicyDocument=document)
    try:
        done = team.bootstrap("--github", REPOSITORY)
        assert done.returncode == 2
        assert f"The role {name} is not ours" in done.stderr
        assert not team.has_bucket()
        assert team.provider() == ""
        assert team.bootstrap("--remove").returncode == 0
        assert iam.get_role(RoleName=name)["Role"]["AssumeRolePolicyDocument"] == json.loads(
            document
        )
    finally:
        iam.delete_role(RoleName=name)


def test_options_that_do_not_go_together(team: Account) -> None:
    assert "goes with AWS only" in team.run("sandbox", "--sandbox", "--github", REPOSITORY).stderr
    assert "does not go with --remove" in refused(team, "--remove", "--github", REPOSITORY)
