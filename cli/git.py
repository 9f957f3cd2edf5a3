"""Git, as far as an environment's name needs it: which branch is checked out, and which are the main ones.

It asks the `git` command, which knows worktrees, unborn branches and a repository's owner; nothing
is changed. What a branch's environment is called is decided in `cli.environments`.
"""

import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

from sandbox.errors import UserError

MAIN = frozenset({"main", "master"})
"""Main branches by convention, whatever the remote says."""

_HEADS = "refs/heads/"

# What git refuses in a branch's name (git-check-ref-format), as one pattern.
_REFUSED = re.compile(
    r"^-|^HEAD$|^$|^/|/$|//|(?:^|/)\.|\.lock(?:/|$)|\.\.|\.$|@\{|[\x00-\x20\x7f~^:?*\[\\]"
)


class NoBranch(UserError):
    """The folder is at no branch: there is no git, no repository, or a detached HEAD."""


class Checkout:
    """The git checkout that a folder is in, if it is in one."""

    def __init__(self, folder: Path, variables: Mapping[str, str] = os.environ) -> None:
        self._folder = folder
        self._variables = variables

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

    def all_branches(self) -> frozenset[str] | None:
        """The branches of this repository, here and at its remotes; None if a remote does not answer.

        The remotes are asked: what was last fetched from them may be months old.
        """
        found = set(self.branches())
        code, remotes, _ = self._git("remote")
        if code != 0:
            return None
        for remote in remotes.split():
            # Nobody is there to type a password for a question like this.
            asking = Checkout(self._folder, {**self._variables, "GIT_TERMINAL_PROMPT": "0"})
            code, out, _ = asking._git("ls-remote", "--heads", remote)
            if code != 0:
                return None
            found |= {line.partition("\t")[2].removeprefix(_HEADS) for line in out.splitlines()}
        return frozenset(found)

    def _refs(self, form: str, pattern: str) -> list[str]:
        try:
            code, out, _ = self._git("for-each-ref", f"--format={form}", pattern)
        except NoBranch:
            return []
        return out.splitlines() if code == 0 else []

    def _git(self, *arguments: str) -> tuple[int, str, str]:
        try:
            done = subprocess.run(
                ["git", *arguments],
                cwd=self._folder,
                env={**self._variables, "LC_ALL": "C"},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                check=False,
            )
        except FileNotFoundError as error:
            raise NoBranch(
                "git is not on the PATH",
                "Without it the branch is not known. Install it, or name the environment:",
            ) from error
        # A branch's name is bytes to git: those that are no text must still tell branches apart.
        out, err = (str(text, "utf-8", "backslashreplace") for text in (done.stdout, done.stderr))
        return done.returncode, out, err


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
