"""What the build refuses of images/airflow/extra, and what the entrypoint makes of its variables."""

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from tests.unit.images.loading import IMAGES

AIRFLOW = IMAGES / "airflow"
HASH = "--hash=sha256:" + "0" * 64


@pytest.fixture(scope="module")
def install_extra() -> ModuleType:
    path = AIRFLOW / "install_extra.py"
    specification = importlib.util.spec_from_file_location("install_extra", path)
    assert specification and specification.loader
    module = importlib.util.module_from_spec(specification)
    sys.modules["install_extra"] = module
    specification.loader.exec_module(module)
    return module


def run(tmp_path: Path, base: str = "", **files: str) -> subprocess.CompletedProcess[str]:
    """The script on a folder with these files; the names of files have a _ for the point."""
    folder = tmp_path / "extra"
    folder.mkdir()
    for name, text in files.items():
        (folder / name.replace("_", ".")).write_text(text)
    lock = tmp_path / "requirements.txt"
    lock.write_text(base)
    command = [sys.executable, str(AIRFLOW / "install_extra.py"), str(folder), str(lock)]
    return subprocess.run(command, capture_output=True, text=True)


def test_nothing_added_is_nothing_to_do(tmp_path: Path) -> None:
    ran = run(tmp_path)
    assert (ran.returncode, ran.stderr) == (0, "")


def test_what_was_added_here_is_in_order(install_extra: ModuleType) -> None:
    folder, base = AIRFLOW / "extra", install_extra.locked(AIRFLOW / "requirements.txt")
    assert list(install_extra.requirement_problems(folder, base)) == []
    assert list(install_extra.package_problems(folder)) == []
    assert list(install_extra.environment_problems(folder)) == []


@pytest.mark.parametrize(
    ("files", "said"),
    [
        (
            {"requirements_txt": f"pandas==1.5.3 \\\n    {HASH}\n"},
            "extra/requirements.txt wants pandas==1.5.3, but the image's own requirements.txt has pandas==2.2.1",
        ),
        (
            {"requirements_txt": "humanize\n"},
            "extra/requirements.txt: not locked with a hash: humanize",
        ),
        (
            {"requirements_txt": "humanize==1.0\n"},
            "extra/requirements.txt: not locked with a hash: humanize==1.0",
        ),
        (
            {"requirements_in": "# mine\nhumanize==1.*\n"},
            "extra/requirements.in, line 2: humanize is not in extra/requirements.txt",
        ),
        (
            {"packages_txt": "git; reboot\n"},
            "extra/packages.txt, line 1: not the name of a Debian package: git; reboot",
        ),
        ({"env": "one two\n"}, "extra/env, line 1: not KEY=value"),
        ({"env": " A=1\n"}, "extra/env, line 1: not KEY=value"),
        (
            {"env": "A=1\nAIRFLOW__CORE__EXECUTOR=LocalExecutor\n"},
            "extra/env, line 2: AIRFLOW__CORE__EXECUTOR is set by the chart",
        ),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, files: dict[str, str], said: str) -> None:
    ran = run(tmp_path, f"pandas==2.2.1 \\\n    {HASH}\n", **files)
    assert ran.returncode == 1
    assert said in ran.stderr
    assert ("./aerodrome image lock" in ran.stderr) == ("requirements" in next(iter(files)))


@pytest.mark.parametrize(
    "line",
    [
        "DB_PASSWORD=hush-hush",
        "AWS_SECRET_ACCESS_KEY=hush-hush",
        "AWS_ACCESS_KEY_ID=hush-hush",
        "AIRFLOW__CORE__FERNET_KEY=hush-hush",
        "AIRFLOW__API__SECRET_KEY=hush-hush",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN=hush-hush",
        "AIRFLOW_CONN_WAREHOUSE=hush-hush",
        "SLACK_TOKEN=hush-hush",
        "WAREHOUSE=postgresql://me:hush-hush@db/x",
    ],
)
def test_a_secret_is_refused_and_not_shown(tmp_path: Path, line: str) -> None:
    ran = run(tmp_path, env=f"{line}\n")
    assert ran.returncode == 1
    assert f"{line.partition('=')[0]} looks like a secret" in ran.stderr
    assert "hush-hush" not in ran.stdout + ran.stderr


@pytest.mark.parametrize(
    "line",
    ["TEAM=a=b c", "AIRFLOW_VAR_REGION=eu", "MAX_TOKENS=5", "URL=https://example.com/x", "E="],
)
def test_ordinary_variables_are_taken(tmp_path: Path, line: str) -> None:
    assert run(tmp_path, env=f"# mine\n\n{line}\n").returncode == 0


def test_variables_of_the_chart_are_variables_of_the_chart(install_extra: ModuleType) -> None:
    chart = AIRFLOW.parents[1] / "charts" / "airflow"
    texts = "".join(path.read_text() for path in (chart / "templates").rglob("*.*"))
    named = {name for name in install_extra.SET_BY_THE_CHART if name.startswith("AIRFLOW__")}
    assert named
    assert not {name for name in named if name not in texts}


class TestEntrypoint:
    def environment(self, tmp_path: Path, env: str, **given: str) -> dict[str, str]:
        """What a process sees that the entrypoint starts."""
        file = tmp_path / "env"
        file.write_text(env)
        script = (AIRFLOW / "entrypoint").read_text().replace("/opt/airflow/extra/env", str(file))
        (tmp_path / "entrypoint").write_text(script)
        variables = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path / "home"), **given}
        command = ["sh", str(tmp_path / "entrypoint"), "sh", "-c", "env -0"]
        ran = subprocess.run(command, env=variables, capture_output=True, text=True, check=True)
        pairs = (entry.partition("=") for entry in ran.stdout.split("\0") if entry)
        return {key: value for key, _, value in pairs}

    def test_variables_are_set(self, tmp_path: Path) -> None:
        text = "# mine\n\nTEAM=a=b $HOME `id` 'c'\nEMPTY=\nLAST=1"
        seen = self.environment(tmp_path, text)
        assert seen["TEAM"] == "a=b $HOME `id` 'c'"
        assert seen["EMPTY"] == ""
        assert seen["LAST"] == "1"

    def test_those_of_the_pod_go_first(self, tmp_path: Path) -> None:
        seen = self.environment(tmp_path, "A=file\nB=file\n", A="pod", B="")
        assert (seen["A"], seen["B"]) == ("pod", "")

    def test_home_is_made(self, tmp_path: Path) -> None:
        seen = self.environment(tmp_path, "")
        assert Path(seen["HOME"]).is_dir()

    def test_a_home_that_cannot_be_made_stops_nothing(self, tmp_path: Path) -> None:
        assert self.environment(tmp_path, "", HOME="/proc/none")["HOME"] == "/proc/none"
