"""What the program makes for PgBouncer, on both tenancies, and that it makes nothing of it otherwise."""

from typing import Any

import pytest

from tests.charts.rollouts import read_anew, replaced
from tests.program.conftest import BASE, BRANCH, BRANCH_SECRETS
from tests.program.recording import SECRETS, Program, run_program
from tests.program.test_rollouts import AIRFLOW, deployed

CONFIG = {"environment": "test", "pgbouncer": "true"}
PASSWORD = SECRETS["databasePassword"]
THROUGH = AIRFLOW - {"migration"}
SECRET = "kubernetes:core/v1:Secret"


@pytest.fixture(scope="module")
def pooled() -> Program:
    return run_program(CONFIG, SECRETS)


def values(program: Program) -> dict[str, Any]:
    release = program.one("kubernetes:helm.sh/v3:Release", "-airflow")
    found: dict[str, Any] = release.inputs["values"]
    return found


def secret(program: Program, name: str = "-airflow-pgbouncer") -> dict[str, str]:
    found: dict[str, str] = program.one(SECRET, name).inputs["stringData"]
    return found


def test_the_secret_leads_through_it_and_lists_its_users(pooled: Program) -> None:
    assert secret(pooled) == {
        "connection": "postgresql+psycopg2://airflow:database%2Fp%40ss%3Aword@airflow-pgbouncer:6432/airflow",
        "users": f'"airflow" "{PASSWORD}"\n',
    }
    assert "stringData" in pooled.one(SECRET, "-airflow-pgbouncer").secret_inputs


def test_results_of_celery_go_through_it_too() -> None:
    found = run_program({**CONFIG, "executor": "CeleryExecutor"}, SECRETS)
    assert secret(found)["users"].splitlines()[1:] == [
        f'"airflow_celery" "{SECRETS["celeryPassword"]}"'
    ]
    assert secret(found, "-airflow-celery")["result-backend"].endswith(
        "@airflow-pgbouncer:6432/airflow_celery"
    )


def test_the_chart_gets_image_and_server(pooled: Program) -> None:
    group = values(pooled)["pgbouncer"]
    assert group["enabled"] is True
    assert set(group["image"]) == {"repository", "digest"}
    assert group["server"] == {
        "host": "airflow-database.airflow.svc.cluster.local",
        "port": 5432,
        "sslmode": "prefer",
    }
    assert values(pooled)["secrets"]["pgbouncer"] == "airflow-pgbouncer"


def test_what_goes_straight_has_the_connection_that_it_had(
    pooled: Program, program: Program
) -> None:
    assert secret(pooled, "-airflow-database") == secret(program, "-airflow-database")


def test_rds_is_reached_with_tls() -> None:
    found = run_program({**CONFIG, "database": "rds"}, SECRETS)
    assert values(found)["pgbouncer"]["server"]["sslmode"] == "require"
    assert secret(found, "-airflow-database")["connection"].endswith("?sslmode=require")
    assert secret(found)["connection"].endswith("@airflow-pgbouncer:6432/airflow")


def test_no_password_is_in_the_charts_values(pooled: Program) -> None:
    assert PASSWORD not in str(values(pooled))
    assert "p%40ss%3Aword" not in str(values(pooled))


def test_without_it_there_is_but_a_place_for_branches_images(program: Program) -> None:
    assert "pgbouncer" not in values(program)
    assert "pgbouncer" not in values(program)["secrets"]
    images = [r.name for r in program.resources if r.type == "docker-build:index:Image"]
    assert not [name for name in images if name.endswith("-pgbouncer")]
    repositories = [r.name for r in program.resources if r.type == "aws:ecr/repository:Repository"]
    assert [name for name in repositories if name.endswith("-pgbouncer")]


def test_a_branch_has_its_own_before_its_bases_server(program: Program) -> None:
    found = run_program({**BRANCH, "pgbouncer": "true"}, BRANCH_SECRETS, {BASE: program})
    server = values(found)["pgbouncer"]["server"]
    assert server["host"] == "airflow-database.airflow.svc.cluster.local"
    assert "@airflow-pgbouncer:6432/" in secret(found)["connection"]
    assert PASSWORD not in secret(found)["users"]


def test_a_branch_reaches_its_bases_rds_with_tls() -> None:
    base = run_program({"environment": "test", "database": "rds"}, SECRETS)
    found = run_program({**BRANCH, "pgbouncer": "true"}, BRANCH_SECRETS, {BASE: base})
    assert values(found)["pgbouncer"]["server"]["sslmode"] == "require"


def test_a_new_password_replaces_it_with_those_that_use_it(pooled: Program) -> None:
    before = deployed(pooled)
    after = deployed(run_program(CONFIG, {**SECRETS, "databasePassword": "another/p@ssword"}))
    everybody = AIRFLOW | {"pgbouncer", "database"}
    assert replaced(before.rendered, after.rendered) == everybody
    assert read_anew(before.rendered, after.rendered, before.secrets, after.secrets) == everybody


def test_another_server_replaces_it_and_not_those_behind_it(pooled: Program) -> None:
    after = deployed(run_program({**CONFIG, "database": "rds"}, SECRETS))
    changed = replaced(deployed(pooled).rendered, after.rendered)
    assert changed == {"pgbouncer", "migration", "database"}
