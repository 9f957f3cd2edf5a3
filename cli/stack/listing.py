"""The stacks that there are on AWS: those of the backend that `pulumi login` chose."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

from cli.base.environments import Environment
from cli.base.paths import ROOT
from cli.stack.command import Cli
from cli.stack.place import EXECUTABLE, QUIET


def stacks(report: Callable[[str], None], folder: Path = ROOT) -> list[str]:
    """The names of the project's stacks; none without the Pulumi CLI, or where it is not logged in."""
    executable = shutil.which(EXECUTABLE)
    if executable is None:
        return []
    ended = Cli(executable, {**os.environ, **QUIET}, folder).run(
        "stack", "ls", "--json", "--non-interactive"
    )
    if ended.code != 0:
        reason = (
            ended.failure_text.splitlines()[-1]
            if ended.failure_text
            else "the Pulumi CLI gave no reason"
        )
        report(f"environments on AWS are not listed: {reason}")
        return []
    names = {str(stack["name"]).rpartition("/")[2] for stack in json.loads(ended.stdout or "[]")}
    return sorted(name for name in names if not Environment(name).sandboxed)
