"""Which branches a repository has, here and at its remotes: what `sweep` decides by. With real git."""

import os
import time
from pathlib import Path

import pytest

from cli.base.git import Checkout
from tests.unit.cli.repositories import VARIABLES, Repository


@pytest.fixture
def remote(tmp_path: Path) -> Repository:
    """A bare repository, as a host of repositories keeps it: `main` and `feature/there`."""
    work = Repository.made(tmp_path / "work")
    work.switch("feature/there")
    work.git("switch", "--quiet", "main")
    work.git("clone", "--quiet", "--bare", str(work.folder), str(tmp_path / "remote.git"))
    return Repository(tmp_path / "remote.git")


@pytest.fixture
def clone(remote: Repository, tmp_path: Path) -> Repository:
    return _cloned(remote, tmp_path / "clone")


def _cloned(remote: Repository, folder: Path, *options: str) -> Repository:
    remote.git("clone", "--quiet", *options, f"file://{remote.folder}", str(folder))
    return Repository(folder)


def _branches(repository: Repository, told: list[str] | None = None) -> frozenset[str] | None:
    tell = (told if told is not None else []).append
    return Checkout(repository.folder, VARIABLES).all_branches(tell)


def test_they_are_those_here_and_those_there(clone: Repository) -> None:
    clone.switch("only/here")
    assert _branches(clone) == {"main", "feature/there", "only/here"}


def test_what_was_made_there_since_the_last_fetch_counts(
    clone: Repository, remote: Repository
) -> None:
    remote.git("branch", "new", "main")
    assert "new" in (_branches(clone) or ())


def test_what_was_deleted_or_renamed_there_is_gone_though_a_stale_ref_is_left(
    clone: Repository, remote: Repository
) -> None:
    remote.git("branch", "--move", "feature/there", "feature/renamed")
    assert "origin/feature/there" in clone.git("branch", "--remotes")
    assert _branches(clone) == {"main", "feature/renamed"}
    remote.git("branch", "--delete", "--force", "feature/renamed")
    assert _branches(clone) == {"main"}


def test_a_branch_that_is_still_here_is_not_gone(clone: Repository, remote: Repository) -> None:
    clone.git("switch", "--quiet", "feature/there")
    remote.git("branch", "--delete", "--force", "feature/there")
    assert "feature/there" in (_branches(clone) or ())


def test_a_clone_as_a_pipeline_makes_it_sees_all_of_them(
    remote: Repository, tmp_path: Path
) -> None:
    """One commit of one branch, and no branch checked out."""
    shallow = _cloned(remote, tmp_path / "shallow", "--depth=1", "--single-branch")
    shallow.git("switch", "--quiet", "--detach")
    shallow.git("branch", "--delete", "--force", "main")
    assert Checkout(shallow.folder, VARIABLES).branches() == []
    assert _branches(shallow) == {"main", "feature/there"}


def test_worktrees_are_of_one_repository(clone: Repository, tmp_path: Path) -> None:
    clone.git("worktree", "add", "--quiet", "-b", "beside", str(tmp_path / "beside"))
    beside = Repository(tmp_path / "beside")
    assert _branches(beside) == _branches(clone) == {"main", "feature/there", "beside"}


def test_a_branch_without_a_commit_is_one(clone: Repository) -> None:
    clone.git("switch", "--quiet", "--orphan", "begun")
    assert "begun" in (_branches(clone) or ())


def test_all_remotes_are_asked(clone: Repository, tmp_path: Path) -> None:
    fork = Repository.made(tmp_path / "fork")
    fork.switch("of/the/fork")
    clone.git("remote", "add", "my-fork", str(fork.folder))
    assert _branches(clone) == {"main", "feature/there", "of/the/fork"}


def test_without_a_remote_the_branches_are_those_here(tmp_path: Path) -> None:
    alone = Repository.made(tmp_path / "alone")
    assert _branches(alone) == {"main"}


def test_names_that_are_hard_to_write(clone: Repository, remote: Repository) -> None:
    names = {"🚀/Größe", "a'b\"$;&|", "x" * 200, "v1.0%"}
    for name in names:
        remote.git("branch", name, "main")
    assert names < (_branches(clone) or frozenset())


def test_one_remote_that_does_not_answer_leaves_it_open_and_is_named(
    clone: Repository, tmp_path: Path
) -> None:
    clone.git("remote", "add", "old", f"file://user:hunter2@{tmp_path}/moved.git")
    told: list[str] = []
    assert _branches(clone, told) is None
    assert len(told) == 1
    assert told[0].startswith(
        'the git remote "old" does not list its branches, so none counts as deleted: fatal'
    )
    assert "hunter2" not in told[0]


def test_a_remote_that_lists_nothing_is_not_believed(clone: Repository, tmp_path: Path) -> None:
    empty = Repository(tmp_path / "empty")
    empty.folder.mkdir()
    empty.git("init", "--quiet", "--bare")
    clone.git("remote", "set-url", "origin", str(empty.folder))
    told: list[str] = []
    assert _branches(clone, told) is None
    assert told[0].endswith("none counts as deleted: it has none")


def test_a_remote_that_hangs_is_given_up_with_all_that_git_started(
    clone: Repository, tmp_path: Path
) -> None:
    """It asks nobody for a password: it has no terminal."""
    ssh = tmp_path / "ssh"
    ssh.write_text(
        f"#!/bin/sh\necho $$ >{tmp_path}/pid\n(: </dev/tty) 2>/dev/null && echo tty >{tmp_path}/tty\n"
        "exec sleep 60\n"
    )
    ssh.chmod(0o755)
    clone.git("remote", "set-url", "origin", "git@example.invalid:team/dags.git")
    told: list[str] = []
    began = time.monotonic()
    checkout = Checkout(clone.folder, VARIABLES | {"GIT_SSH": str(ssh)}, 1.0)
    assert checkout.all_branches(told.append) is None
    assert time.monotonic() - began < 10
    assert told[0].endswith("no answer in 1 s")
    assert not (tmp_path / "tty").exists()
    assert _is_gone(int((tmp_path / "pid").read_text()))


def _is_gone(pid: int) -> bool:
    for _ in range(50):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        # Ended, but nobody has asked for its status yet.
        if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
            return True
        time.sleep(0.05)
    return False


def test_without_a_repository_or_git_nothing_is_known(tmp_path: Path) -> None:
    told: list[str] = []
    assert Checkout(tmp_path, VARIABLES).all_branches(told.append) is None
    assert Checkout(tmp_path, {"PATH": str(tmp_path)}).all_branches(told.append) is None
    assert [line.partition(":")[0] for line in told] == ["there is no git repository here"] * 2


@pytest.mark.parametrize(
    "address",
    [
        "https://github.com/Team/dags.git",
        "https://token:x@github.com/team/dags",
        "https://github.com:443/team/dags/",
        "git@github.com:team/dags.git",
        "ssh://git@github.com:22/team/dags.git",
    ],
)
def test_a_repository_has_one_name_however_it_is_reached(clone: Repository, address: str) -> None:
    clone.git("remote", "set-url", "origin", address)
    clone.git("remote", "add", "a-fork", "https://example.com/me/dags.git")
    names = Checkout(clone.folder, VARIABLES).repositories()
    assert names[:2] == ["github.com/team/dags", "example.com/me/dags"]


def test_one_without_a_remote_has_a_name_of_this_copy(clone: Repository, tmp_path: Path) -> None:
    clone.git("remote", "remove", "origin")
    clone.git("worktree", "add", "--quiet", "-b", "beside", str(tmp_path / "beside"))
    names = Checkout(clone.folder, VARIABLES).repositories()
    assert len(names) == 1
    assert names[0].startswith("local/")
    assert Checkout(tmp_path / "beside", VARIABLES).repositories() == names
    other = Repository.made(tmp_path / "other")
    assert Checkout(other.folder, VARIABLES).repositories() != names
    outside = tmp_path / "outside"
    outside.mkdir()
    assert Checkout(outside, VARIABLES).repositories() == []
