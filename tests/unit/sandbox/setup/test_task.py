"""A folder named by its content is complete, or not there."""

from pathlib import Path

import pytest

from sandbox.setup.task import made_whole


class Killed(BaseException):
    """Stands for the end of the process."""


def test_a_folder_gets_its_name_when_it_is_complete(tmp_path: Path) -> None:
    target = tmp_path / "abc"
    with made_whole(target) as folder:
        (folder / "file").write_text("content")
        assert not target.exists()
    assert (target / "file").read_text() == "content"


def test_what_a_killed_run_left_is_made_anew(tmp_path: Path) -> None:
    target = tmp_path / "abc"
    with pytest.raises(Killed), made_whole(target) as folder:
        (folder / "half").write_text("")
        raise Killed
    assert not target.exists()
    with made_whole(target) as folder:
        assert list(folder.iterdir()) == []
    assert target.is_dir()
