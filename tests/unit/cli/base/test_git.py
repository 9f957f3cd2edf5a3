"""Which branch is checked out, asked of real repositories."""

import subprocess
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cli.base.errors import UserError
from cli.base.git import Checkout, NoBranch, check_branch
from tests.unit.cli.repositories import VARIABLES, Repository

ODD = [
    "feature/login",
    "a/b/c/d",
    "Größe/ändern",
    "🚀",
    "🚀/🎉",
    "'\"$;&|",
    "%$#!",
    "a" * 200 + "/" + "b" * 99,
    "v1.0",
    "HEAD2",
]


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository.made(tmp_path / "checkout")


def _branch(folder: Path) -> str:
    return Checkout(folder, VARIABLES).branch()


@pytest.mark.parametrize("name", ODD)
def test_the_branch_is_the_one_that_is_checked_out(repository: Repository, name: str) -> None:
    repository.switch(name)
    assert _branch(repository.folder) == name
    assert check_branch(name) == name


def test_a_folder_inside_the_checkout_will_do(repository: Repository) -> None:
    inside = repository.folder / "images" / "airflow"
    inside.mkdir(parents=True)
    assert _branch(inside) == "main"


def test_a_branch_without_a_commit(tmp_path: Path) -> None:
    unborn = Repository(tmp_path)
    unborn.git("init", "--quiet", "--initial-branch=begun")
    assert _branch(tmp_path) == "begun"


def test_a_worktree_has_a_branch_of_its_own(repository: Repository, tmp_path: Path) -> None:
    repository.git("worktree", "add", "--quiet", "-b", "beside", str(tmp_path / "beside"))
    assert _branch(tmp_path / "beside") == "beside"
    assert _branch(repository.folder) == "main"


def test_a_name_that_is_no_text_still_tells_branches_apart(repository: Repository) -> None:
    for raw in (b"caf\xe9", b"caf\xe8"):
        (repository.folder / ".git" / "HEAD").write_bytes(b"ref: refs/heads/" + raw + b"\n")
        assert _branch(repository.folder) == f"caf\\x{raw[-1]:x}"


def test_a_detached_head_has_none(repository: Repository) -> None:
    repository.git("switch", "--quiet", "--detach")
    with pytest.raises(NoBranch, match="No git branch is checked out") as caught:
        _branch(repository.folder)
    assert "detached" in caught.value.detail
    assert caught.value.exit_code == 2


def test_a_folder_without_a_repository_has_none(tmp_path: Path) -> None:
    with pytest.raises(NoBranch, match="is not in a git repository"):
        _branch(tmp_path)


def test_without_git_there_is_none(tmp_path: Path) -> None:
    with pytest.raises(NoBranch, match="git is not on the PATH"):
        Checkout(tmp_path, {"PATH": str(tmp_path)}).branch()
    assert Checkout(tmp_path, {"PATH": str(tmp_path)}).main_branches() == {"main", "master"}


def test_what_git_says_of_a_broken_repository_is_passed_on(repository: Repository) -> None:
    (repository.folder / ".git" / "config").write_text("[broken")
    with pytest.raises(NoBranch, match="does not tell the branch") as caught:
        _branch(repository.folder)
    assert "bad config" in caught.value.detail


def test_main_and_master_are_main_branches(repository: Repository) -> None:
    assert Checkout(repository.folder, VARIABLES).main_branches() == {"main", "master"}


def test_so_is_what_a_remote_says(repository: Repository, tmp_path: Path) -> None:
    repository.switch("team/trunk")
    repository.git("clone", "--quiet", str(repository.folder), str(tmp_path / "clone"))
    clone = Checkout(tmp_path / "clone", VARIABLES)
    assert clone.main_branches() == {"main", "master", "team/trunk"}


def test_branches_are_listed(repository: Repository, tmp_path: Path) -> None:
    repository.switch("feature/x")
    assert Checkout(repository.folder, VARIABLES).branches() == ["feature/x", "main"]
    assert Checkout(tmp_path, VARIABLES).branches() == []


def _git_takes(name: str) -> bool:
    done = subprocess.run(
        ["git", "check-ref-format", "--branch", name],
        env=VARIABLES,
        cwd="/",
        capture_output=True,
        check=False,
    )
    return done.returncode == 0


@given(
    st.text(st.sampled_from("ab./-@{}~^:?*[\\ lock\t\x7féA🚀"), max_size=12).filter(
        # `@{-1}` is not a name to git but the branch before: a question, not a branch.
        lambda name: "@{-" not in name
    )
)
@example("HEAD")
@example("a.lock/b")
@example("")
@settings(max_examples=500, deadline=None)
def test_what_is_taken_is_what_git_takes(name: str) -> None:
    try:
        check_branch(name)
        taken = True
    except UserError as error:
        assert f'"{name}"' in error.summary
        taken = False
    assert taken is _git_takes(name)
