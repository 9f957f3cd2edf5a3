"""Real git repositories for tests, made by git itself, without the user's own settings."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Self

VARIABLES = {
    **{name: value for name, value in os.environ.items() if not name.startswith("GIT_")},
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": "Test",
    "GIT_AUTHOR_EMAIL": "test@example.com",
    "GIT_COMMITTER_NAME": "Test",
    "GIT_COMMITTER_EMAIL": "test@example.com",
}


@dataclass(frozen=True)
class Repository:
    """One checkout."""

    folder: Path

    @classmethod
    def made(cls, folder: Path) -> Self:
        """With one commit on `main`."""
        folder.mkdir()
        made = cls(folder)
        made.git("init", "--quiet", "--initial-branch=main")
        made.git("commit", "--quiet", "--allow-empty", "--message=Begin")
        return made

    def git(self, *arguments: str) -> str:
        return subprocess.run(
            ["git", *arguments],
            cwd=self.folder,
            env=VARIABLES,
            capture_output=True,
            text=True,
            check=True,
        ).stdout

    def switch(self, branch: str) -> None:
        """To a new branch."""
        self.git("switch", "--quiet", "--create", branch)
