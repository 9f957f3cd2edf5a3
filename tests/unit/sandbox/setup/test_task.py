"""A folder named by its content is complete, or not there; a log says how far a build is."""

from pathlib import Path

import pytest

from sandbox.setup.task import Log, made_whole


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


def test_a_log_counts_the_packages_that_a_build_names(tmp_path: Path) -> None:
    log = Log(tmp_path / "build.log")
    log.run(["echo", "something else"])
    assert log.progress() == ""
    log.expect(2000)
    log.run(["printf", "go: downloading a v1\\n# a package with a warning\\na/b\\nc/d\\n"])
    assert log.progress() == "2 of 2,000 packages"
    # A package that was named twice, say: never more than all.
    log.expect(1)
    log.run(["printf", "a\\nb\\n"])
    assert log.progress() == "1 of 1 packages"
