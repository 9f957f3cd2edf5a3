"""The image's own scripts, as far as they go without Airflow; the build runs the rest."""

import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.charts.rendering import REQUIRED, render
from tests.unit.images.loading import script

NEEDED = {"alembic_version": ["aaa"], "alembic_version_fab": ["bbb"]}
ACCOUNT = {
    "ADMIN_USERNAME": "admin",
    "ADMIN_PASSWORD": "s3cret",
    "ADMIN_EMAIL": "a@example.org",
}

Look = dict[str, list[str]] | str
"""What one look at the database finds: revisions by table, or why it does not answer."""


class FakeCursor:
    """Answers the three queries of `read_revisions` from a table of tables."""

    def __init__(self, tables: dict[str, list[str]]) -> None:
        self._tables = tables
        self._rows: list[tuple[Any, ...]] = []

    def __enter__(self) -> "FakeCursor":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def execute(self, query: str, parameters: tuple[str, ...] = ()) -> None:
        if "to_regclass" in query:
            name = parameters[0]
            self._rows = [(name if name in self._tables else None,)]
        else:
            self._rows = [(version,) for version in self._tables[query.split('"')[1]]]

    def fetchone(self) -> tuple[Any, ...]:
        return self._rows[0]

    def fetchall(self) -> list[tuple[Any, ...]]:
        return self._rows


class FakeDriver(ModuleType):
    """psycopg2, which the kit's own environment does not have."""

    class Error(Exception):
        pass

    class OperationalError(Error):
        pass

    def __init__(self, looks: list[Look]) -> None:
        super().__init__("psycopg2")
        self.looks = looks
        self.urls: list[str] = []
        self.closed = 0

    def connect(self, url: str, **_: Any) -> "FakeDriver":
        self.urls.append(url)
        look = self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]
        if isinstance(look, str):
            raise self.OperationalError(look)
        self._now = look
        return self

    def cursor(self) -> FakeCursor:
        return FakeCursor(self._now)

    def close(self) -> None:
        self.closed += 1


def install(driver: FakeDriver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg2", driver)


class TestWaitForSchema:
    wait = script("wait_for_schema")

    @pytest.fixture
    def schema(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        path = tmp_path / "schema.json"
        path.write_text(json.dumps(NEEDED))
        monkeypatch.setattr(self.wait, "SCHEMA_FILE", path)
        monkeypatch.setattr(self.wait, "INTERVAL", 0.001)
        monkeypatch.setenv(self.wait.CONNECTION, "postgresql+psycopg2://u:s3cret@db/airflow")

    @pytest.mark.parametrize(
        "url",
        [
            "postgresql+psycopg2://u:p@h/d",
            "postgres+psycopg://u:p@h/d",
            "postgresql://u:p@h/d",
        ],
    )
    def test_libpq_gets_an_address_that_it_knows(self, url: str) -> None:
        assert self.wait.libpq_url(url).endswith("://u:p@h/d")
        assert "+" not in self.wait.libpq_url(url)

    @pytest.mark.parametrize(
        ("found", "reason"),
        [
            (NEEDED, ""),
            ({}, "alembic_version is at nothing, needs aaa; "),
            ({**NEEDED, "alembic_version": ["old"]}, "alembic_version is at old, needs aaa"),
            # A newer database than the image, after going back to an older image.
            ({**NEEDED, "alembic_version": ["zzz"]}, "alembic_version is at zzz, needs aaa"),
            ({"alembic_version": ["aaa"]}, "alembic_version_fab is at nothing, needs bbb"),
        ],
    )
    def test_it_names_what_is_missing(self, found: dict[str, list[str]], reason: str) -> None:
        text = self.wait.missing(NEEDED, found)
        assert text.startswith(reason) if reason else not text

    def test_it_waits_through_every_stage(
        self, schema: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        stages: list[Look] = ["connection refused", {}, {"alembic_version": ["aaa"]}, NEEDED]
        driver = FakeDriver(stages)
        install(driver, monkeypatch)
        assert self.wait.main(["10"]) == 0
        said = capsys.readouterr().out.splitlines()
        assert len(said) == 3
        assert "connection refused" in said[0]
        assert driver.closed == 3
        assert set(driver.urls) == {"postgresql://u:s3cret@db/airflow"}

    def test_it_says_the_same_thing_once(
        self, schema: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        install(FakeDriver(["no", "no", "no", NEEDED]), monkeypatch)
        assert self.wait.main(["10"]) == 0
        assert len(capsys.readouterr().out.splitlines()) == 1

    def test_it_gives_up_in_time_and_keeps_the_password_to_itself(
        self, schema: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        install(FakeDriver(["connection refused"]), monkeypatch)
        assert self.wait.main(["0.05"]) == 1
        captured = capsys.readouterr()
        assert "did not get ready in 0.05 s" in captured.err
        assert "s3cret" not in captured.out + captured.err


class TestCheckDags:
    check = script("check_dags")

    def result(self, **found: Any) -> Any:
        return self.check.Result(**found)

    def test_good_dags_pass_and_are_named(self) -> None:
        found = self.result(dags=[{"dag": "b"}, {"dag": "a"}])
        assert self.check.report(found) == (0, "2 DAGs are as Airflow takes them: a, b\n")

    def test_the_last_lines_name_each_bad_file_and_its_error(self) -> None:
        problem = self.check.Problem
        found = self.result(
            problems=[
                problem("sub/one.py", "does not import: No module named 'nope'", 3, "File y"),
                problem("two.py", "does not import: SyntaxError: invalid syntax", None, "  File x"),
            ],
            warnings=[problem("three.py", "wants a value")],
        )
        code, text = self.check.report(found)
        assert code == 1
        assert text.splitlines()[-2:] == [
            "DAG file sub/one.py:3: does not import: No module named 'nope'",
            "DAG file two.py: does not import: SyntaxError: invalid syntax",
        ]
        assert "  File x" in text, "the whole traceback comes first"

    def test_its_settings_are_the_charts(self) -> None:
        config = render(REQUIRED).find("ConfigMap", "airflow-config")["data"]
        assert {name: config[name] for name in self.check.SETTINGS} == self.check.SETTINGS


class TestPrepareDatabase:
    maintenance = script("maintenance")
    kinds = script("declared_kinds")
    declared = script("sync_declared")
    versions = script("schema_versions")
    prepare = script("prepare_database")

    def test_the_password_is_in_no_text_of_the_account(self) -> None:
        account = self.prepare.Account.from_environment(ACCOUNT)
        assert account.password == "s3cret"
        assert "s3cret" not in repr(account)

    @pytest.mark.parametrize("missing", list(ACCOUNT))
    def test_a_key_that_the_secret_lacks_is_named(self, missing: str) -> None:
        rest = {key: value for key, value in ACCOUNT.items() if key != missing}
        with pytest.raises(KeyError, match=missing):
            self.prepare.Account.from_environment(rest)

    def own(self, *there: tuple[str, str, str], **wanted: str) -> Any:
        """The account that is brought up to date; each is a name, an address and whose it is."""
        names = {"kit": self.prepare.KITS_NAME, "person": ("Ada", "Lovelace")}
        existing = [
            self.prepare.Existing(number, name, mail, names[whose])
            for number, (name, mail, whose) in enumerate(there, 1)
        ]
        account = self.prepare.Account.from_environment({**ACCOUNT, **wanted})
        found = self.prepare.own_account(account, existing)
        return found and found.username

    KITS = ("admin", "a@example.org", "kit")
    ADA = ("ada", "ada@example.org", "person")

    def test_an_account_is_made_beside_those_of_people(self) -> None:
        assert self.own() is None
        assert self.own(self.ADA) is None

    def test_another_name_or_address_is_for_the_same_account(self) -> None:
        assert self.own(self.ADA, self.KITS) == "admin"
        assert self.own(self.ADA, self.KITS, ADMIN_USERNAME="alice") == "admin"
        assert self.own(self.ADA, self.KITS, ADMIN_EMAIL="x@example.org") == "admin"
        assert self.own(self.KITS, ADMIN_USERNAME="Admin") == "admin"

    def test_who_changed_their_own_first_name_is_still_known_by_the_user_name(self) -> None:
        assert self.own(("admin", "a@example.org", "person")) == "admin"

    def test_of_two_that_the_kit_made_the_named_one_counts(self) -> None:
        other = ("old", "o@example.org", "kit")
        assert self.own(other, self.KITS) == "admin"

    @pytest.mark.parametrize(
        ("wanted", "named"),
        [
            ({"ADMIN_USERNAME": "ada"}, 'adminUser: the account "ada" is a person\'s'),
            ({"ADMIN_USERNAME": "ADA"}, 'adminUser: the account "ada" is a person\'s'),
            ({"ADMIN_EMAIL": "ada@example.org"}, 'belongs to the account "ada"'),
        ],
    )
    def test_a_persons_account_is_left_alone(self, wanted: dict[str, str], named: str) -> None:
        with pytest.raises(SystemExit, match=named):
            self.own(self.ADA, self.KITS, **wanted)

    def test_the_address_of_a_person_is_not_taken_for_the_first_account_either(self) -> None:
        with pytest.raises(SystemExit, match="adminEmail"):
            self.own(self.ADA, ADMIN_EMAIL="ada@example.org")
