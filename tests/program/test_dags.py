"""What the program makes for DAG files that are not the image's."""

import json
from typing import Any

import pytest

from infra.contract.image_builds import GIT_PACKAGES
from tests.program.recording import SECRETS, Program, run_program

KEY = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaA==\n-----END OPENSSH PRIVATE KEY-----\n"
GIT = {"environment": "test", "dags": "git"}
HTTPS = {**GIT, "gitRepository": "https://git.example/team/dags", "gitFolder": "airflow/dags"}
SSH = {
    **GIT,
    "gitRepository": "git@git.example:team/dags.git",
    "gitKnownHosts": "git.example ssh-ed25519 AAAA",
}
TOKEN = "glpat-s3cret"


@pytest.fixture(scope="module")
def https() -> Program:
    return run_program(HTTPS, {**SECRETS, "gitToken": TOKEN})


def values(program: Program) -> dict[str, Any]:
    found: dict[str, Any] = program.one("kubernetes:helm.sh/v3:Release").inputs["values"]
    return found


def connection(program: Program) -> dict[str, Any]:
    secret = program.one("kubernetes:core/v1:Secret", "-airflow-git").inputs["stringData"]
    found: dict[str, Any] = json.loads(secret["connection"])
    return found


def test_by_default_nothing_is_said_of_it(program: Program) -> None:
    assert "dags" not in values(program)
    assert (program.outputs["dags"], program.outputs["dagsPrefix"]) == ("image", "")


def test_with_s3_the_chart_and_the_command_line_know_the_folder() -> None:
    program = run_program({"environment": "test", "dags": "s3"}, SECRETS)
    assert values(program)["dags"] == {"source": "s3", "s3": {"prefix": "dag-versions"}}
    assert program.outputs["dagsPrefix"] == "dag-versions"


def test_a_token_is_in_the_secret_and_nowhere_else(https: Program) -> None:
    found = connection(https)
    assert (found["login"], found["password"]) == ("git", TOKEN)
    assert TOKEN not in json.dumps(values(https))
    assert TOKEN not in json.dumps(https.outputs, default=str)
    assert values(https)["secrets"]["git"] == "airflow-git"
    assert values(https)["dags"]["git"]["folder"] == "airflow/dags"


def test_with_a_key_only_the_known_host_is_trusted() -> None:
    # As the command line hands it over.
    found = connection(run_program(SSH, {**SECRETS, "gitKey": KEY.rstrip("\n")}))
    assert found["extra"] == {
        "private_key": KEY,
        "known_hosts_file": "/tmp/home/known_hosts",
        "strict_host_key_checking": "yes",
    }


def test_a_public_repository_has_no_secret() -> None:
    program = run_program(HTTPS, SECRETS)
    assert not [one for one in program.resources if one.name.endswith("-airflow-git")]
    assert "git" not in values(program)["secrets"]


def test_git_is_in_the_image_only_where_it_is_needed(https: Program, program: Program) -> None:
    with_git = https.one("docker-build:index:Image", "-airflow").inputs
    without = program.one("docker-build:index:Image", "-airflow").inputs
    assert with_git["buildArgs"]["PACKAGES"] == GIT_PACKAGES
    assert "PACKAGES" not in (without.get("buildArgs") or {})
    assert with_git["tags"] != without["tags"]
