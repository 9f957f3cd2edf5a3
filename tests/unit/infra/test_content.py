"""A folder's content as a text: equal content, equal text."""

from pathlib import Path

from infra.content import content_hash


def folder(root: Path, **files: str) -> Path:
    root.mkdir()
    for name, text in files.items():
        (root / name).write_text(text)
    return root


def test_equal_content_gives_equal_text(tmp_path: Path) -> None:
    one = folder(tmp_path / "one", a="1", b="2")
    two = folder(tmp_path / "two", b="2", a="1")
    assert content_hash(one) == content_hash(two)
    assert len(content_hash(one)) == 12


def test_every_change_shows(tmp_path: Path) -> None:
    root = folder(tmp_path / "root", a="1")
    seen = {content_hash(root)}
    (root / "a").write_text("2")
    seen.add(content_hash(root))
    (root / "a").rename(root / "b")
    seen.add(content_hash(root))
    (root / "b").chmod(0o755)
    seen.add(content_hash(root))
    (root / "c").write_text("")
    seen.add(content_hash(root))
    assert len(seen) == 5


def test_what_reaches_neither_image_nor_cluster_does_not_count(tmp_path: Path) -> None:
    root = folder(tmp_path / "root", a="1")
    before = content_hash(root)
    (root / "__pycache__").mkdir()
    (root / "__pycache__" / "a.pyc").write_text("x")
    (root / "README.md").write_text("x")
    (root / ".dockerignore").write_text("x")
    assert content_hash(root) == before


def test_a_folder_that_is_left_out_does_not_count(tmp_path: Path) -> None:
    root = folder(tmp_path / "root", a="1")
    alone = content_hash(root, without="b/c")
    folder(root / "b", d="1")
    beside = content_hash(root, without="b/c")
    folder(root / "b" / "c", d="1")
    assert content_hash(root, without="b/c") == beside != alone
    assert content_hash(root) != beside
