"""Who may log in to the database: the setting that a rotation leaves behind."""

import json

import pytest

from infra.contract import database_logins, secret_contents
from infra.contract.configuration import SettingsError, load
from infra.contract.database_logins import Logins
from infra.contract.naming import Names
from tests.unit.infra.contract.test_settings import MINIMAL, SECRETS, full

OWN = SECRETS["databasePassword"]
NEW = "another-password-of-the-database"


def problems(text: str, **settings: str) -> list[str]:
    secret = [f"aerodrome:{key}" for key in (*SECRETS, "databaseLogins")]
    try:
        load(full(**MINIMAL, databaseLogins=text, **settings), secret)
    except SettingsError as error:
        return list(error.problems)
    return []


def test_the_password_must_be_among_them() -> None:
    both = Logins.alone(OWN).with_idle(NEW)
    assert problems(both.text()) == []
    assert problems(both.only(OWN).text()) == []
    (text,) = problems(both.only(NEW).text())
    assert "databasePassword is none of aerodrome:databaseLogins" in text
    assert "./aerodrome secrets rotate database" in text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no json",
        "[]",
        "null",
        '{"first": "a-password-of-many"}',
        '{"mark": "a"}',
        '{"first": "short", "mark": "a"}',
        '{"first": 12345678901234, "mark": "a"}',
        '{"first": "a-password-of-many", "mark": "a", "third": "b"}',
    ],
)
def test_what_no_rotation_has_set_is_refused_and_not_repeated(text: str) -> None:
    assert database_logins.check(text) == "must be as `secrets rotate database` has set it"


def test_so_must_celerys() -> None:
    def celery(text: str) -> list[str]:
        secret = [f"aerodrome:{key}" for key in (*SECRETS, "celeryLogins")]
        try:
            load(full(**MINIMAL, celeryLogins=text), secret)
        except SettingsError as error:
            return list(error.problems)
        return []

    both = Logins.alone(SECRETS["celeryPassword"]).with_idle(NEW)
    assert celery(both.text()) == []
    (text,) = celery(both.only(NEW).text())
    assert "celeryPassword is none of aerodrome:celeryLogins" in text
    assert "./aerodrome secrets rotate celery" in text
    assert database_logins.check_celery("no json") == (
        "must be as `secrets rotate celery` has set it"
    )


def test_rds_has_two_users_as_well() -> None:
    both = Logins.alone(OWN).with_idle(NEW)
    rds = {"database": "rds", "databaseStorageGb": "20"}
    assert problems(both.text(), **rds) == problems(both.only(OWN).text(), **rds) == []
    (text,) = problems(both.only(NEW).text(), **rds)
    assert "databasePassword is none of aerodrome:databaseLogins" in text


def test_rdss_first_user_has_its_own_password_and_while_it_is_idle_one_that_nobody_has() -> None:
    """RDS's first user cannot be without one."""
    alone = Logins.alone(OWN)
    both = alone.with_idle(NEW)
    assert alone.of_rds == both.of_rds == OWN
    idle = both.only(NEW)
    assert idle.of_rds not in (OWN, NEW, "")
    assert len(idle.of_rds) == 64
    assert set(idle.of_rds) <= set("0123456789abcdef"), "RDS takes neither / nor @"
    # It goes with the second's, and does not come again with another environment's.
    assert idle.with_idle("a-third-password").of_rds == "a-third-password"
    again = both.only(OWN).with_idle("a-fourth-password").only("a-fourth-password")
    other = Logins.alone("another-environments").with_idle(NEW).only(NEW)
    assert len({one.of_rds for one in (idle, again, other)}) == 3
    assert idle.of_rds not in idle.text()


def test_the_mark_stays_in_rotations_and_follows_a_password_that_is_set_by_hand() -> None:
    first = Logins.alone(OWN)
    second = first.with_idle(NEW).only(NEW)
    third = second.with_idle("a-third-password").only("a-third-password")
    assert (third.first, third.second) == ("a-third-password", "")
    assert first.mark == second.mark == third.mark != Logins.alone(NEW).mark
    assert OWN not in first.mark


def test_the_text_is_read_as_it_was_written() -> None:
    both = Logins.alone(OWN).with_idle(NEW)
    assert database_logins.of(NEW, both.text()) == both
    assert database_logins.of(OWN, "") == Logins.alone(OWN)
    assert set(json.loads(both.text())) == {"first", "second", "mark"}


def test_names_have_room_in_postgresql() -> None:
    """It cuts off what is beyond 63 characters."""
    longest = Names("e" * 40, shared=True)
    assert len(longest.second_user) <= len(longest.results_database) <= 63
    assert longest.second_user not in (longest.database, longest.results_database)
    # No branch's database, nor its user, is called as the owner is on RDS.
    assert Names("prod").database_owner == "airflow__owner"
    assert Names("owner", shared=True).database == "airflow_owner"
    assert len(longest.second_results_user) <= 63


def test_a_url_has_the_user_by_whom_airflow_logs_in() -> None:
    url = secret_contents.sqlalchemy_url("server", "airflow", "a/b", user="airflow_second")
    assert url == "postgresql+psycopg2://airflow_second:a%2Fb@server:5432/airflow"
