"""The entry scripts, run with stand-ins for the programs that they start."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.unit.images.loading import IMAGES


def stand_in(folder: Path, name: str, body: str) -> None:
    """A program NAME in `folder` that notes its arguments and input, then does `body`."""
    path = folder / name
    log = folder / "log"
    path.write_text(
        f'#!/bin/sh\nprintf "%s" "{name}" >> {log}\n'
        f'for word in "$@"; do printf " <%s>" "$word" >> {log}; done\n'
        f"echo >> {log}\n{body}\n"
    )
    path.chmod(0o755)


class TestAirflow:
    def run(self, tmp_path: Path, *words: str) -> str:
        for name in ("airflow", "python"):
            stand_in(tmp_path, name, "")
        subprocess.run(
            [IMAGES / "airflow" / "entrypoint", *words],
            env={"PATH": f"{tmp_path}:{os.environ['PATH']}"},
            check=True,
        )
        return (tmp_path / "log").read_text().strip()

    def test_a_command_of_airflow_runs_under_airflow(self, tmp_path: Path) -> None:
        assert self.run(tmp_path, "dags", "list") == "airflow <dags> <list>"

    def test_without_a_word_airflow_explains_itself(self, tmp_path: Path) -> None:
        assert self.run(tmp_path) == "airflow"

    def test_a_task_of_the_kubernetes_executor_runs_under_the_kits_script(
        self, tmp_path: Path
    ) -> None:
        workload = ("--json-string", '{"a b": 1}')
        words = ("-m", "airflow.sdk.execution_time.execute_workload", *workload)
        expected = 'python </opt/airflow/scripts/run_task.py> <--json-string> <{"a b": 1}>'
        assert self.run(tmp_path, "python", *words) == expected

    def test_any_other_program_passes_unchanged(self, tmp_path: Path) -> None:
        words = ("-m", "airflow.sdk.execution_time.other", "a b")
        expected = "python " + " ".join(f"<{word}>" for word in words)
        assert self.run(tmp_path, "python", *words) == expected

    def variables(self, secrets: Path, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [IMAGES / "airflow" / "entrypoint", "sh", "-c", *words],
            env={"PATH": os.environ["PATH"], "AERODROME_SECRETS": str(secrets)},
            capture_output=True,
            text=True,
            check=False,
        )

    def test_a_file_with_a_secret_is_a_variable(self, tmp_path: Path) -> None:
        (tmp_path / "AIRFLOW__CORE__FERNET_KEY").write_text("a 'quoted' $HOME")
        (tmp_path / "OTHER").write_text("two\nlines\n")
        done = self.variables(tmp_path, 'printf "%s|%s" "$AIRFLOW__CORE__FERNET_KEY" "$OTHER"')
        assert done.stdout == "a 'quoted' $HOME|two\nlines"

    def test_without_such_files_it_starts_as_well(self, tmp_path: Path) -> None:
        assert self.variables(tmp_path / "none", "echo started").stdout == "started\n"

    def test_a_secret_that_cannot_be_read_ends_the_start(self, tmp_path: Path) -> None:
        (tmp_path / "AIRFLOW__CORE__FERNET_KEY").mkdir()
        done = self.variables(tmp_path, "echo started")
        assert done.returncode != 0
        assert done.stdout == ""
        assert "AIRFLOW__CORE__FERNET_KEY" in done.stderr

    def test_keys_of_tokens_are_in_a_file_that_airflow_is_told_of(self, tmp_path: Path) -> None:
        show = 'cat "$AIRFLOW__API_AUTH__TRUSTED_JWKS_URL"; stat -c %a "$AIRFLOW__API_AUTH__TRUSTED_JWKS_URL"; env'
        done = subprocess.run(
            [IMAGES / "airflow" / "entrypoint", "sh", "-c", show],
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(tmp_path),
                "AERODROME_TOKEN_KEYS": '{"keys": []}',
            },
            capture_output=True,
            text=True,
            check=True,
        )
        lines = done.stdout.splitlines()
        assert lines[:2] == ['{"keys": []}', "600"]
        assert not [line for line in lines if line.startswith("AERODROME_TOKEN_KEYS")]

    def test_without_such_keys_airflow_is_told_of_none(self, tmp_path: Path) -> None:
        assert "TRUSTED_JWKS_URL" not in self.variables(tmp_path, "env").stdout

    def test_it_has_its_run_bit(self) -> None:
        """Without it a container ends with "permission denied": the report's compose file did."""
        for image in ("airflow", "postgres", "redis", "pgbouncer"):
            assert os.access(IMAGES / image / "entrypoint", os.X_OK)

    def test_its_failure_is_the_containers(self) -> None:
        done = subprocess.run(
            [IMAGES / "airflow" / "entrypoint", "sh", "-c", "exit 7"], check=False
        )
        assert done.returncode == 7


class TestPostgres:
    """initdb and postgres are stand-ins; what they are told is what counts."""

    PASSWORD = 'it\'s "quoted" $HOME'

    @pytest.fixture
    def programs(self, tmp_path: Path) -> Path:
        folder = tmp_path / "bin"
        folder.mkdir()
        stand_in(
            folder, "initdb", 'mkdir -p "$2" && echo 15 > "$2/PG_VERSION" && : > "$2/pg_hba.conf"'
        )
        stand_in(folder, "postgres", f'if [ "$1" = --single ]; then cat >> {folder}/sql; fi')
        (tmp_path / "password").write_text(self.PASSWORD)
        (tmp_path / "data").mkdir()
        return folder

    def start(self, tmp_path: Path, **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [IMAGES / "postgres" / "entrypoint"],
            env={
                "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}",
                "POSTGRES_USER": "air-flow",
                "POSTGRES_DB": "metadata",
                "POSTGRES_PASSWORD_FILE": str(tmp_path / "password"),
                "POSTGRES_DATA": str(tmp_path / "data"),
                **more,
            },
            capture_output=True,
            text=True,
            check=False,
        )

    def calls(self, programs: Path, name: str) -> list[str]:
        lines = (programs / "log").read_text().splitlines()
        return [line for line in lines if line.startswith(name)]

    def test_the_first_start_makes_everything_then_serves(
        self, tmp_path: Path, programs: Path
    ) -> None:
        assert self.start(tmp_path).returncode == 0
        assert len(self.calls(programs, "initdb")) == 1
        sql = (programs / "sql").read_text()
        assert 'create role "air-flow"' in sql
        assert 'create database "metadata" owner "air-flow"' in sql
        assert "--single" not in self.calls(programs, "postgres")[-1]
        hba = (tmp_path / "data" / "15" / "pg_hba.conf").read_text()
        assert hba == "host all all all scram-sha-256\n"

    def test_the_second_start_keeps_the_data(self, tmp_path: Path, programs: Path) -> None:
        self.start(tmp_path)
        kept = tmp_path / "data" / "15" / "kept"
        kept.touch()
        assert self.start(tmp_path).returncode == 0
        assert kept.exists()
        assert len(self.calls(programs, "initdb")) == 1

    def test_a_first_start_that_was_killed_is_begun_again(
        self, tmp_path: Path, programs: Path
    ) -> None:
        half = tmp_path / "data" / "15.new"
        half.mkdir()
        (half / "rubbish").touch()
        assert self.start(tmp_path).returncode == 0
        assert (tmp_path / "data" / "15" / "PG_VERSION").exists()
        assert not (tmp_path / "data" / "15" / "rubbish").exists()

    def test_the_password_is_quoted_and_goes_through_standard_input_only(
        self, tmp_path: Path, programs: Path
    ) -> None:
        done = self.start(tmp_path)
        assert "password 'it''s \"quoted\" $HOME';" in (programs / "sql").read_text()
        assert "$HOME" not in (programs / "log").read_text()
        assert "$HOME" not in done.stdout + done.stderr

    def test_the_disk_is_not_lied_to(self, tmp_path: Path, programs: Path) -> None:
        self.start(tmp_path)
        server = self.calls(programs, "postgres")[-1]
        assert "fsync" not in server
        assert "synchronous_commit" not in server

    @pytest.mark.parametrize("missing", ["POSTGRES_USER", "POSTGRES_DB", "POSTGRES_PASSWORD_FILE"])
    def test_it_names_what_it_was_not_given(
        self, tmp_path: Path, programs: Path, missing: str
    ) -> None:
        done = self.start(tmp_path, **{missing: ""})
        assert done.returncode != 0
        assert missing in done.stderr
