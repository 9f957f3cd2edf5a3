"""With an RDS instance that is there already the program makes a database in it and no server, and no pod of Airflow has what
makes databases there."""

import json
from typing import Any

import pytest

from infra.contract.database_logins import Logins
from tests.program.conftest import BASE, BRANCH, BRANCH_SECRETS
from tests.program.recording import SECRETS, Program, Registration, run_program
from tests.program.test_rollouts import EXISTING_SERVER

ARN = EXISTING_SERVER["databaseAdminSecret"]
EVERYTHING = {
    "environment": "test",
    "executor": "CeleryExecutor",
    "monitoring": "metrics",
    "pgbouncer": "true",
    **EXISTING_SERVER,
}
RELEASE, SECRET = "kubernetes:helm.sh/v3:Release", "kubernetes:core/v1:Secret"
OWN = "aerodrome-test-existing-database"


@pytest.fixture(scope="module")
def existing() -> Program:
    return run_program(EVERYTHING, SECRETS)


def values(program: Program, name: str = "-airflow") -> dict[str, Any]:
    return dict(program.one(RELEASE, name).inputs["values"])


def content(program: Program, name: str) -> dict[str, str]:
    return dict(program.one(SECRET, name).inputs["stringData"])


def test_nothing_is_made_or_changed_of_a_server(existing: Program) -> None:
    assert [one.type for one in existing.resources if one.type.startswith("aws:rds/")] == []
    # Whom it lets in is its owner's to say.
    groups = [one for one in existing.resources if "/securityGroup" in one.type]
    assert [one.name for one in groups if "database" in one.name] == []
    assert not [
        one for one in existing.resources if one.type.endswith(":PersistentVolumeClaimPatch")
    ]
    assert "postgres" not in json.dumps(
        [one.inputs.get("dockerfile") for one in existing.resources]
    )


def test_a_job_apart_from_airflow_makes_the_database_and_drops_it(existing: Program) -> None:
    release = existing.one(RELEASE, "-existing-database").inputs
    assert (release["name"], release["namespace"]) == ("database-test", "database-admin")
    found = values(existing, "-existing-database")
    assert found["server"] == {
        "instance": "team-postgres",
        "host": "team-postgres.rds.example.com",
        "port": 5432,
        "secret": ARN,
        "serviceAccount": "database-admin",
        "mark": "aerodrome:environment=test",
        "connections": 100,
        "keep": False,
    }
    assert (found["database"], found["secondUser"]) == ("airflow_test", "airflow_test__second")
    assert "/aerodrome-test-airflow@sha256:" in f"/{found['image'].partition('/')[2]}"
    assert release["waitForJobs"] is True


def test_only_that_job_may_read_who_makes_databases(existing: Program) -> None:
    naming = [one for one in existing.resources if ARN in json.dumps(one.inputs)]
    assert {(one.type, one.name) for one in naming} == {
        ("aws:iam/rolePolicy:RolePolicy", "aerodrome-test-database-admin"),
        (RELEASE, OWN),
    }
    association = existing.one("aws:eks/podIdentityAssociation:PodIdentityAssociation", "-admin")
    assert (association.inputs["namespace"], association.inputs["serviceAccount"]) == (
        "database-admin",
        "database-admin",
    )
    policy = json.loads(
        existing.one("aws:iam/rolePolicy:RolePolicy", "-database-admin").inputs["policy"]
    )
    read, decrypt = policy["Statement"]
    assert (read["Action"], read["Resource"]) == (["secretsmanager:GetSecretValue"], [ARN])
    assert decrypt["Condition"]["StringEquals"]["kms:EncryptionContext:SecretARN"] == ARN
    # Airflow's own role is another.
    (airflow,) = (
        one
        for one in existing.of_type("aws:eks/podIdentityAssociation:PodIdentityAssociation")
        if one.name == "aerodrome-test-airflow"
    )
    assert airflow.inputs["namespace"] == "airflow"


def test_it_comes_before_airflow_and_goes_after_it(existing: Program) -> None:
    release = existing.one(RELEASE, "-existing-database")
    assert release.urn in existing.one(RELEASE, "test-airflow").dependencies

    def named(dependencies: frozenset[str]) -> set[str]:
        return {urn.rpartition("::")[2] for urn in dependencies}

    # The right to read the secret outlives the Job that drops.
    assert "aerodrome-test-database-admin" in named(release.dependencies)
    assert "aerodrome-test-database-admin" in named(_association(existing).dependencies)


def _association(program: Program) -> Registration:
    return program.one("aws:eks/podIdentityAssociation:PodIdentityAssociation", "-database-admin")


def test_airflow_is_told_of_its_own_database_there(existing: Program) -> None:
    database = content(existing, "airflow-database")
    assert database["connection"].endswith(
        "@team-postgres.rds.example.com:5432/airflow_test?sslmode=require"
    )
    assert database["username"] == "airflow_test"
    assert "logins" not in values(existing)["secrets"]
    assert values(existing)["databaseMonitor"]["role"] == "airflow_test__monitor"
    assert "/airflow_test__celery" in content(existing, "airflow-celery")["result-backend"]
    assert values(existing)["celery"]["createResultsDatabase"] is True
    users = content(existing, "airflow-pgbouncer")["users"]
    assert {line.split()[0] for line in users.splitlines()} == {
        '"airflow_test"',
        '"airflow_test__celery"',
        '"airflow_test__monitor"',
    }


def test_its_two_users_take_turns_there(existing: Program) -> None:
    assert content(existing, OWN) == {
        "password": SECRETS["databasePassword"],
        "second-password": "",
    }
    both = Logins.alone(SECRETS["databasePassword"]).with_idle("another/p@ssword")
    rotated = run_program(
        {**EVERYTHING, "protect": "true"},
        {**SECRETS, "databasePassword": "another/p@ssword", "databaseLogins": both.text()},
    )
    assert content(rotated, OWN)["second-password"] == "another/p@ssword"
    connection = content(rotated, "airflow-database")["connection"]
    assert "//airflow_test__second:another%2Fp%40ssword@" in connection
    checksums = [
        values(one, "-existing-database")["secretsChecksum"] for one in (existing, rotated)
    ]
    assert checksums[0] != checksums[1]
    # Its data is to outlive the stack.
    assert values(rotated, "-existing-database")["server"]["keep"] is True


def test_passwords_are_secrets_of_the_state(existing: Program) -> None:
    assert "stringData" in existing.one(SECRET, OWN).secret_inputs


def test_a_branch_has_its_database_there_by_its_bases_user(existing: Program) -> None:
    branch = run_program({**BRANCH, **EXISTING_SERVER}, BRANCH_SECRETS, {BASE: existing})
    assert ARN not in json.dumps([one.inputs for one in branch.resources])
    release = branch.one(RELEASE, "-branch-database").inputs
    assert release["namespace"] == "airflow"
    assert release["values"]["adminSecret"] == "airflow-database"
    assert "server" not in release["values"]
    connection = content(branch, "airflow-database")["connection"]
    assert connection.endswith("@team-postgres.rds.example.com:5432/airflow_test_x?sslmode=require")
