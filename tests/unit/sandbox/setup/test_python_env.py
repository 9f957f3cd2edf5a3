"""The checkout's link to its environment."""

from pathlib import Path

from sandbox.setup.python_env import linked, make_link


def test_a_link_is_made_and_moved(tmp_path: Path) -> None:
    link, old, new = tmp_path / ".venv", tmp_path / "old", tmp_path / "new"
    old.mkdir()
    new.mkdir()
    make_link(link, old)
    assert linked(link, old)
    make_link(link, new)
    assert linked(link, new)
    assert not linked(link, old)


def test_a_folder_in_the_links_place_is_moved_not_lost(tmp_path: Path) -> None:
    link, target = tmp_path / ".venv", tmp_path / "target"
    target.mkdir()
    link.mkdir()
    (link / "mine").write_text("kept")
    make_link(link, target)
    assert linked(link, target)
    kept = list(tmp_path.glob(".venv.before-set-up.*/mine"))
    assert [f.read_text() for f in kept] == ["kept"]


def test_a_link_to_what_is_gone_does_not_count(tmp_path: Path) -> None:
    link = tmp_path / ".venv"
    link.symlink_to(tmp_path / "gone")
    assert not linked(link, tmp_path / "gone")
