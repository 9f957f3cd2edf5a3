"""Git, as far as an environment's name needs it: which branch is checked out, and which are the main ones.

It asks the `git` command, which knows worktrees, unborn branches and a repository's owner; nothing
is changed. What a branch's environment is called is decided in `cli.base.environments`.
"""

import hashlib
import os
import re
import signal
import subprocess
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from cli.base.errors import UserError

MAIN = frozenset({"main", "master"})
"""Main branches by convention, whatever the remote says."""

ASKING = 60.0
"""Seconds that a remote may take to tell its branches."""

_HEADS = "refs/heads/"

# `https://user:token@host:443/owner/name.git`, `git@host:owner/name.git` or a folder.
_URL = re.compile(
    r"^(?:(?P<scheme>[a-z+]+)://)?(?:[^@/]*@)?(?P<place>.*?)(?:\.git)?/*$", re.IGNORECASE
)

# What git refuses in a branch's name (git-check-ref-format), as one pattern.
_REFUSED = re.compile(
    r"^-|^HEAD$|^$|^/|/$|//|(?:^|/)\.|\.lock(?:/|$)|\.\.|\.$|@\{|[\x00-\x20\x7f~^:?*\[\\]"
)


class NoBranch(UserError):
    """The folder is at no branch: there is no git, no repository, or a detached HEAD."""


class Checkout:
    """The git checkout that a folder is in, if it is in one."""

    def __init__(
        self, folder: Path, variables: Mapping[str, str] = os.environ, patience: float = ASKING
    ) -> None:
        self._folder = folder
        self._variables = variables
        self._patience = patience

    def branch(self) -> str:
        """The branch that is checked out, also one without a commit. NoBranch if there is none."""
        code, out, err = self._git("symbolic-ref", "--quiet", "HEAD")
        if code == 0 and out.startswith(_HEADS):
            return out.removeprefix(_HEADS).rstrip("\n")
        if code in (0, 1):
            raise NoBranch(
                "No git branch is checked out",
                f"The HEAD of {self._folder} is detached: it is at a commit, not at a branch.\n"
                "Check a branch out (`git switch BRANCH`), or name the branch or the environment:",
            )
        if "not a git repository" in err:
            raise NoBranch(
                f"{self._folder} is not in a git repository",
                "Without one there is no branch to have an environment. Name the environment:",
            )
        raise NoBranch(
            f"Git does not tell the branch of {self._folder}",
            f"{err.strip()}\nOr name the environment:",
        )

    def main_branches(self) -> frozenset[str]:
        """Branches whose environment is the base itself: `main`, `master`, and the remotes' own."""
        defaults = set()
        for line in self._refs("%(refname) %(symref)", "refs/remotes/*/HEAD"):
            head, _, target = line.partition(" ")
            defaults.add(target.removeprefix(head.removesuffix("HEAD")))
        return MAIN | (defaults - {""})

    def branches(self) -> list[str]:
        """The local branches; none if there is no repository."""
        return [line.removeprefix(_HEADS) for line in self._refs("%(refname)", _HEADS)]

    def all_branches(self, tell: Callable[[str], None]) -> frozenset[str] | None:
        """The branches of this repository, here and at its remotes; None if not all could be asked.

        The remotes are asked: what was last fetched from them may be months old. One that says
        nothing is reported: whoever deletes what has no branch must not take silence for absence.
        """
        found = set(self.branches())
        with suppress(NoBranch):
            # The one that is checked out may have no commit yet.
            found.add(self.branch())
        remotes = self._remotes()
        if remotes is None:
            tell("there is no git repository here: no environment counts as one without a branch")
            return None
        for remote in remotes:
            theirs, reason = self._branches_of(remote)
            if not theirs:
                tell(
                    f'the git remote "{remote}" does not list its branches, so none counts as deleted: {reason}'
                )
                return None
            found |= theirs
        return frozenset(found)

    def commit(self) -> str:
        """The commit that the folder is at, with a `+` if it has files that differ from it; empty if there is none."""
        code, out, _ = self._answer("rev-parse", "--verify", "--quiet", "HEAD")
        if code:
            return ""
        _, changed, _ = self._answer("status", "--porcelain", "--", ".")
        return f"{out.strip()}{'+' if changed.strip() else ''}"

    def repositories(self) -> list[str]:
        """Names under which this repository is known, like `github.com/owner/name`: the address of
        `origin`, those of its other remotes, and last a name that only this copy of it has."""
        names = sorted(self._remotes() or [], key=lambda name: name != "origin")
        found = [_place(self._git("ls-remote", "--get-url", name)[1].strip()) for name in names]
        code, folder, _ = self._answer("rev-parse", "--path-format=absolute", "--git-common-dir")
        if code == 0:
            found.append(f"local/{hashlib.sha256(folder.strip().encode()).hexdigest()[:12]}")
        return found

    def _remotes(self) -> list[str] | None:
        code, remotes, _ = self._answer("remote")
        return remotes.splitlines() if code == 0 else None

    def _branches_of(self, remote: str) -> tuple[set[str], str]:
        """A remote's branches; if there are none, why."""
        # Nobody is there to type a password for a question like this.
        asking = Checkout(self._folder, {**self._variables, "GIT_TERMINAL_PROMPT": "0"})
        code, out, err = asking._git("ls-remote", "--heads", "--", remote, seconds=self._patience)
        if code != 0:
            return set(), _reason(err)
        return {
            line.partition("\t")[2].removeprefix(_HEADS) for line in out.splitlines()
        }, "it has none"

    def _refs(self, form: str, pattern: str) -> list[str]:
        code, out, _ = self._answer("for-each-ref", f"--format={form}", pattern)
        return out.splitlines() if code == 0 else []

    def _answer(self, *arguments: str) -> tuple[int, str, str]:
        """As `_git`, where it is no failure that there is no git."""
        try:
            return self._git(*arguments)
        except NoBranch as error:
            return 127, "", error.summary

    def _git(self, *arguments: str, seconds: float | None = None) -> tuple[int, str, str]:
        try:
            process = subprocess.Popen(
                ["git", *arguments],
                cwd=self._folder,
                env={**self._variables, "LC_ALL": "C"},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                # Without a terminal ssh cannot ask for a password either; and what git starts, ends
                # with it.
                start_new_session=True,
            )
        except FileNotFoundError as error:
            raise NoBranch(
                "git is not on the PATH",
                "Without it the branch is not known. Install it, or name the environment:",
            ) from error
        with process:
            try:
                output = process.communicate(timeout=seconds)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                output = process.communicate()[0], f"no answer in {seconds:.0f} s".encode()
            except BaseException:
                os.killpg(process.pid, signal.SIGKILL)
                raise
        # A branch's name is bytes to git: those that are no text must still tell branches apart.
        out, err = (str(text, "utf-8", "backslashreplace") for text in output)
        return process.returncode, out, err


def _place(url: str) -> str:
    """What an address has in common with the others of the same repository: no protocol, user or port."""
    found = _URL.match(url)
    assert found is not None, "the pattern takes everything"
    place = found["place"]
    if found["scheme"]:
        place = re.sub(r"^([^/:]*):\d+/", r"\1/", place)
    return place.replace(":", "/").strip("/").lower()


def _reason(output: str) -> str:
    """Git's reason in one line, without what a URL may hold for its host alone."""
    lines = output.strip().splitlines() or ["it gave no reason"]
    return re.sub(
        r"://[^@/\s]+@", "://", next((x for x in lines if x.startswith("fatal:")), lines[-1])
    )


def check_branch(name: str) -> str:
    """`name`, if git could have a branch called so. UserError otherwise."""
    if _REFUSED.search(name):
        raise UserError(
            f'"{name}" is no name for a git branch',
            "Git refuses it: no spaces or any of ~^:?*[\\, no `..`, no `@{`, no part that is empty,\n"
            "starts with a dot or ends with `.lock`, and no `-` at its beginning.",
            "git branch --list",
        )
    return name
