"""`aerodrome compose`: the folder that it writes, and what it refuses. The chart is rendered with the real Helm."""

import json
import socket
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from cli.base.environments import Environment
from cli.base.values import Secret
from sandbox import tools
from tests.unit.cli.conftest import Run
from tests.unit.cli.fakes import FakeSession

PORTS = ("--ui-port", "18080", "--flower-port", "15555")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "written"


def contents(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): path.read_text()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def configure(session: FakeSession, **values: Any) -> None:
    """The sandbox has a configuration with these values."""
    file = Environment("sandbox").config_file
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("config: {}\n")
    session.fake_backend.values = {f"aerodrome:{key}": value for key, value in values.items()}


def write(run: Run, folder: Path, *options: str) -> Any:
    result = run("compose", "--env", "sandbox", "--output", str(folder), *PORTS, *options)
    assert result.exit_code == 0, result.output
    return result


def refused(run: Run, folder: Path, *options: str) -> str:
    result = run("compose", "--env", "sandbox", "--output", str(folder), *PORTS, *options)
    assert result.exit_code == 2, result.output
    assert "Traceback" not in result.output
    return result.stderr


def test_the_first_run_writes_everything_and_says_how_to_start(run: Run, folder: Path) -> None:
    result = write(run, folder)
    assert {"compose.yaml", "README.md", ".gitignore"} <= contents(folder).keys()
    assert (
        f"docker compose --file {folder}/compose.yaml up --build --detach --wait" in result.stdout
    )
    assert "KubernetesExecutor, as the environment is configured, needs a Kubernetes cluster" in (
        result.stdout
    )
    assert (folder / "secrets" / "admin-password").read_text() not in result.output


def test_only_the_owner_reaches_the_secrets(run: Run, folder: Path) -> None:
    write(run, folder)
    assert stat.S_IMODE((folder / "secrets").stat().st_mode) == 0o700
    # Containers run as other users, and compose mounts the files as they are.
    assert {stat.S_IMODE(each.stat().st_mode) for each in (folder / "secrets").iterdir()} == {0o444}
    written = contents(folder)
    secrets = [text for name, text in written.items() if name.startswith("secrets/")]
    others = "".join(text for name, text in written.items() if not name.startswith("secrets/"))
    assert not [secret for secret in secrets if secret in others]


def test_a_second_run_keeps_the_secrets_and_says_what_changed(run: Run, folder: Path) -> None:
    write(run, folder)
    before = contents(folder)
    assert "nothing has changed" in write(run, folder).stdout
    assert contents(folder) == before
    result = run("compose", "--env", "sandbox", "--output", str(folder), "--ui-port", "18081")
    assert "changed: compose.yaml" in result.stdout
    after = contents(folder)
    assert {name for name in after if after[name] != before[name]} == {"compose.yaml", "README.md"}


def test_the_secrets_are_those_of_the_configuration(
    run: Run, folder: Path, session: FakeSession
) -> None:
    configure(session, adminPassword=Secret("from the stack"), adminUser="alice")
    write(run, folder)
    assert (folder / "secrets" / "admin-password").read_text() == "from the stack"
    services = yaml.safe_load((folder / "compose.yaml").read_text())["services"]
    assert services["migration"]["environment"]["ADMIN_USERNAME"] == "alice"
    assert services["flower"]["environment"]["FLOWER_USER"] == "alice"


def test_pgbouncer_is_left_out_and_that_is_said(
    run: Run, folder: Path, session: FakeSession
) -> None:
    configure(session, pgbouncer="true")
    assert "left out: PgBouncer" in write(run, folder).stdout
    written = contents(folder)
    assert "pgbouncer" not in written["compose.yaml"]
    assert "@database:5432/" in written["secrets/database-connection"]


def test_without_it_nothing_is_said_of_it(run: Run, folder: Path) -> None:
    assert "PgBouncer" not in write(run, folder).stdout


@pytest.mark.parametrize(
    ("setting", "executor"),
    [
        ("LocalExecutor", "LocalExecutor"),
        ("sequential", "LocalExecutor"),
        ("LocalExecutor,KubernetesExecutor", "LocalExecutor"),
        ("KubernetesExecutor", "CeleryExecutor"),
    ],
)
def test_the_executor_is_the_environments_as_far_as_it_needs_no_cluster(
    setting: str, executor: str, run: Run, folder: Path, session: FakeSession
) -> None:
    configure(session, executor=setting)
    write(run, folder)
    services = yaml.safe_load((folder / "compose.yaml").read_text())["services"]
    assert services["scheduler"]["environment"]["AIRFLOW__CORE__EXECUTOR"] == executor
    assert ("celery-worker" in services) == (executor == "CeleryExecutor")


def test_dags_can_be_mounted(run: Run, folder: Path) -> None:
    write(run, folder, "--mount-dags")
    services = yaml.safe_load((folder / "compose.yaml").read_text())["services"]
    for name in ("dag-processor", "celery-worker", "scheduler"):
        assert any(
            one.endswith("images/airflow/dags:/opt/airflow/dags:ro")
            for one in services[name]["volumes"]
        )
    assert "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL" in services["dag-processor"]["environment"]


@pytest.mark.parametrize(
    "options",
    [("--executor", "CeleryExecutor"), ("--executor", "LocalExecutor"), ("--mount-dags",)],
)
def test_dockers_compose_takes_the_file(options: tuple[str, ...], run: Run, folder: Path) -> None:
    """It checks the file by compose's own schema, fills in and resolves."""
    write(run, folder, *options)
    done = subprocess.run(
        [tools.docker_compose(), "config", "--format", "json"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    project = json.loads(done.stdout)
    assert project["name"] == "aerodrome-sandbox"
    for service in project["services"].values():
        assert all(port["host_ip"] == "127.0.0.1" for port in service.get("ports", ()))
        assert Path(service["build"]["context"]).is_dir() if "build" in service else True


def test_what_somebody_else_wrote_is_left_alone(run: Run, folder: Path) -> None:
    folder.mkdir()
    (folder / "compose.yaml").write_text("services: {}\n")
    assert f"{folder}/compose.yaml: `aerodrome compose` did not write this" in refused(run, folder)
    assert contents(folder) == {"compose.yaml": "services: {}\n"}


def test_secrets_of_somebody_else_are_left_alone(run: Run, folder: Path) -> None:
    (folder / "secrets").mkdir(parents=True)
    (folder / "secrets" / "admin-password").write_text("theirs")
    assert "secrets/admin-password" in refused(run, folder)
    assert contents(folder) == {"secrets/admin-password": "theirs"}


def test_a_folder_that_git_tracks_is_refused(run: Run, folder: Path) -> None:
    folder.mkdir()
    (folder / "notes").write_text("mine")
    for words in (("init", "-q"), ("add", "notes")):
        subprocess.run(["git", "-C", folder, *words], check=True)
    assert "git tracks notes" in refused(run, folder)
    assert not (folder / "compose.yaml").exists()


def test_a_file_is_no_folder(run: Run, folder: Path) -> None:
    folder.write_text("")
    assert "is no folder" in refused(run, folder)


@pytest.mark.parametrize(
    ("options", "texts"),
    [
        (
            ("--executor", "KubernetesExecutor"),
            ("needs a Kubernetes cluster", "./aerodrome compose --executor CeleryExecutor"),
        ),
        (("--executor", "CelleryExecutor"), ("did you mean CeleryExecutor",)),
        (("--flower-port", "18080"), ("are both 18080",)),
    ],
)
def test_bad_options_are_named(
    options: tuple[str, ...], texts: tuple[str, ...], run: Run, folder: Path
) -> None:
    told = refused(run, folder, *options)
    assert all(text in told for text in texts)
    assert not folder.exists()


def test_an_environment_that_nobody_configured_is_refused(run: Run, folder: Path) -> None:
    result = run("compose", "--env", "prdo", "--output", str(folder))
    assert result.exit_code == 2
    assert 'Environment "prdo" has no configuration here' in result.stderr
    assert not folder.exists()


def test_a_bad_configuration_is_named(run: Run, folder: Path, session: FakeSession) -> None:
    configure(session, nodeMax="lots")
    assert "aerodrome:nodeMax is 'lots'" in refused(run, folder)
    assert not folder.exists()


def test_a_port_in_use_is_said_with_the_command_for_another(run: Run, folder: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        result = write(run, folder, "--ui-port", str(port))
    assert f"port {port} of api-server is in use" in result.stdout
    assert "./aerodrome compose --ui-port" in result.stdout


def test_values_that_do_not_fit_the_chart_are_refused_in_helms_words(
    run: Run, folder: Path, session: FakeSession
) -> None:
    configure(session, valuesFiles='["tests/unit/cli/operations/no_such.yaml"]')
    assert "no_such.yaml" in refused(run, folder)
    assert not folder.exists()
