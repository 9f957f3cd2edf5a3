"""A folder's content as a text: equal content, equal text."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from infra.content import PROJECT_ROOT, content_hash, context_hash
from sandbox.providers.docker_build.context import context_hash as of_the_provider
from sandbox.providers.docker_build.context import files


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


def test_what_reaches_no_cluster_does_not_count(tmp_path: Path) -> None:
    root = folder(tmp_path / "root", a="1")
    before = content_hash(root)
    (root / "__pycache__").mkdir()
    (root / "__pycache__" / "a.pyc").write_text("x")
    (root / "README.md").write_text("x")
    (root / ".helmignore").write_text("x")
    assert content_hash(root) == before


IMAGE = PROJECT_ROOT / "images" / "airflow"


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """A copy of images/airflow with the kinds of files that teams have beside their DAGs."""
    copy = tmp_path / "airflow"
    shutil.copytree(IMAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    (copy / "dags" / "team").mkdir()
    for name in (".airflowignore", ".sqlfluff", "README.md", "team/__init__.py", "team/.user.yml"):
        (copy / "dags" / name).write_text("1\n")
    return copy


def write(name: str) -> Callable[[Path], object]:
    def change(folder: Path) -> None:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("2\n")

    change.__name__ = name
    return change


def run_bit(folder: Path) -> None:
    (folder / "dags" / "README.md").chmod(0o755)


def other_rights(folder: Path) -> None:
    (folder / "dags" / "README.md").chmod(0o600)


def link(folder: Path) -> None:
    (folder / "dags" / "link.py").symlink_to("example_pipeline.py")


IN = [
    *map(write, ("Containerfile", "requirements.txt", "uv.txt", "install-uv", "install-airflow")),
    *map(write, ("install_extra.py", "extra/env", "extra/requirements.in", "extra/packages.txt")),
    *map(write, ("plugins/mine.py", "plugins/.hidden", "scripts/new.py", "entrypoint")),
    *map(write, ("dags/.airflowignore", "dags/.sqlfluff", "dags/README.md", "dags/team/.user.yml")),
    *map(write, ("dags/dbt/profiles.yml", "dags/team/README.md", "dags/new.py")),
    run_bit,
    other_rights,
    link,
]
OUT = [
    *map(write, ("README.md", "requirements.in", ".dockerignore-not", ".idea/x.xml", "uv.in")),
    *map(
        write, ("dags/__pycache__/a.pyc", "dags/team/a.pyc", "dags/.env", "dags/.venv/bin/python")
    ),
    *map(write, ("dags/.mypy_cache/x", "dags/.git/config", "plugins/.DS_Store")),
    lambda folder: (folder / "dags" / "empty").mkdir(),
    lambda folder: os.utime(folder / "dags" / "README.md", (1, 1)),
]


def both(folder: Path) -> tuple[str, str]:
    """What the tag says of the content, and by what the provider decides whether to build."""
    return context_hash(folder), of_the_provider(folder, folder / "Containerfile", "")


@pytest.mark.parametrize("change", IN)
def test_what_a_build_can_see_changes_the_tag(
    image: Path, change: Callable[[Path], object]
) -> None:
    tag, provider = both(image)
    change(image)
    assert both(image)[0] != tag
    assert both(image)[1] != provider


@pytest.mark.parametrize("change", OUT)
def test_what_a_build_does_not_see_changes_nothing(
    image: Path, change: Callable[[Path], object]
) -> None:
    before = both(image)
    change(image)
    assert both(image) == before


def test_hidden_files_of_dags_reach_the_image(image: Path) -> None:
    seen = {path.relative_to(image).as_posix() for path in files(image)}
    assert {"dags/.airflowignore", "dags/.sqlfluff", "dags/team/.user.yml"} <= seen
    assert ".dockerignore" not in seen


def test_a_revision_changes_the_tag(image: Path) -> None:
    assert len({context_hash(image, text) for text in ("", "1", "2026-12-01")}) == 3


def test_an_ignore_file_may_take_in_again(tmp_path: Path) -> None:
    root = folder(tmp_path / "root", a="1", b="1")
    (root / ".dockerignore").write_text("# all\n*\n!b\n")
    before = context_hash(root)
    (root / "a").write_text("2")
    assert context_hash(root) == before
    (root / "b").write_text("2")
    assert context_hash(root) != before


def test_a_rule_that_is_not_understood_is_refused(tmp_path: Path) -> None:
    root = folder(tmp_path / "root", a="1")
    (root / ".dockerignore").write_text("[ab]*\n")
    with pytest.raises(ValueError, match=r"\.dockerignore: \[ab\]\*: only names"):
        context_hash(root)
