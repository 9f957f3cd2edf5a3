"""`--values`: the files are found before anything is done, and later runs keep them."""

import os
from pathlib import Path

import pytest

from cli.base import values_files
from cli.base.errors import UserError
from tests.unit.cli.conftest import Run
from tests.unit.cli.fakes import FakeSession

KEY = "aerodrome:valuesFiles"
FILE = "values/common.yaml"


@pytest.fixture
def session(folders: Path) -> FakeSession:
    return FakeSession(folders)


def test_up_keeps_the_files_and_preview_does_not(session: FakeSession, run: Run) -> None:
    assert run("up", "--env", "sandbox").exit_code == 0
    backend = session.fake_backends["sandbox"]
    assert KEY not in backend.values
    assert run("preview", "--env", "sandbox", "--values", FILE).exit_code == 0
    assert KEY not in backend.values
    assert run("up", "--env", "sandbox", "--values", FILE, "--values", FILE).exit_code == 0
    assert backend.values[KEY] == f'["{FILE}", "{FILE}"]'
    assert run("up", "--env", "sandbox").exit_code == 0
    assert backend.values[KEY] == f'["{FILE}", "{FILE}"]'


def test_files_that_the_program_refuses_are_not_kept(session: FakeSession, run: Run) -> None:
    assert run("up", "--env", "sandbox").exit_code == 0
    backend = session.fake_backends["sandbox"]
    backend.error = UserError("The program failed; nothing was changed")
    assert run("up", "--env", "sandbox", "--values", FILE).exit_code == 2
    assert KEY not in backend.values
    backend.values[KEY] = '["before.yaml"]'
    assert run("up", "--env", "sandbox", "--values", FILE).exit_code == 2
    assert backend.values[KEY] == '["before.yaml"]'


def test_a_file_that_is_not_there_ends_it_before_anything_is_done(
    session: FakeSession, run: Run
) -> None:
    result = run("up", "--env", "sandbox", "--values", "values/none.yaml")
    assert result.exit_code == 2
    assert 'The values file "values/none.yaml" cannot be read' in result.stderr
    assert not session.fake_backends["sandbox"].calls
    assert not session.fake_backends["sandbox"].values


def test_paths_are_those_from_the_project_wherever_the_command_is_called(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "a.yaml").touch()
    monkeypatch.chdir(tmp_path / "deep")
    assert values_files.from_project([Path("a.yaml")], tmp_path) == ["deep/a.yaml"]
    assert values_files.from_project([tmp_path / "deep/a.yaml"], tmp_path) == ["deep/a.yaml"]


def test_what_the_program_could_not_read_is_refused(tmp_path: Path) -> None:
    project = tmp_path / "project"
    (project / "folder.yaml").mkdir(parents=True)
    os.mkfifo(project / "fifo.yaml")
    (project / "values.yml").touch()
    (tmp_path / "outside.yaml").touch()
    for file, told in (
        (project / "folder.yaml", "is no regular file"),
        (project / "fifo.yaml", "is no regular file"),
        (project / "values.yml", "does not end in .yaml"),
        (tmp_path / "outside.yaml", "is not in the project's folder"),
        (project / ".." / "outside.yaml", "is not in the project's folder"),
    ):
        with pytest.raises(UserError, match=told):
            values_files.from_project([file], project)
