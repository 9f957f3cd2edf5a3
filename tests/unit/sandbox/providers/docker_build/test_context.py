"""The context's hash: what counts and what does not."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from sandbox.providers.docker_build.context import Ignored, context_hash, files


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "dags").mkdir()
    (tmp_path / "Containerfile").write_text("FROM scratch\n")
    (tmp_path / "dags" / "one.py").write_text("print(1)\n")
    (tmp_path / "dags" / "one.pyc").write_text("compiled")
    (tmp_path / ".dockerignore").write_text("# compiled\n**/*.pyc\n")
    return tmp_path


def hashed(folder: Path) -> str:
    return context_hash(folder, folder / "Containerfile", "")


CHANGES: list[Callable[[Path], object]] = [
    lambda folder: (folder / "dags" / "one.py").write_text("print(2)\n"),
    lambda folder: (folder / "dags" / "one.py").chmod(0o755),
    lambda folder: (folder / "dags" / "one.py").rename(folder / "dags" / "two.py"),
    lambda folder: (folder / "Containerfile").write_text("FROM other\n"),
    lambda folder: (folder / "link").symlink_to("dags"),
    lambda folder: (folder / ".dockerignore").write_text(""),
]


@pytest.mark.parametrize("change", CHANGES)
def test_what_a_build_can_see_counts(folder: Path, change: Callable[[Path], object]) -> None:
    before = hashed(folder)
    change(folder)
    assert hashed(folder) != before


def test_times_and_ignored_files_do_not_count(folder: Path) -> None:
    before = hashed(folder)
    (folder / "dags" / "one.pyc").write_text("compiled again")
    (folder / "dags" / "two.pyc").write_text("another")
    os.utime(folder / "dags" / "one.py", (1, 1))
    (folder / "empty").mkdir()
    assert hashed(folder) == before


def test_an_inline_recipe_counts(folder: Path) -> None:
    assert context_hash(folder, None, "FROM a") != context_hash(folder, None, "FROM b")


def test_files_come_in_a_fixed_order(folder: Path) -> None:
    names = [path.relative_to(folder).as_posix() for path in files(folder)]
    assert names == [".dockerignore", "Containerfile", "dags/one.py"]


RULES = [
    (["*.md"], "README.md", True),
    (["*.md"], "docs/README.md", False),
    (["**/*.md"], "docs/deep/README.md", True),
    (["**/*.md"], "README.md", True),
    (["docs"], "docs/README.md", True),
    (["docs/"], "docs/README.md", True),
    (["/docs"], "docs/README.md", True),
    (["docs/*"], "docs/README.md", True),
    (["docs", "!docs/keep.md"], "docs/keep.md", False),
    (["!keep.md", "*.md"], "keep.md", True),
    (["a?c"], "abc", True),
    (["a[bx]c"], "axc", True),
    (["a.c"], "abc", False),
    (["**/.*"], "deep/.git/config", True),
    (["**/__pycache__"], "a/__pycache__/b.pyc", True),
]


@pytest.mark.parametrize(("patterns", "path", "ignored"), RULES)
def test_ignore_rules(patterns: list[str], path: str, ignored: bool) -> None:
    assert Ignored(patterns).matches(path) is ignored
