"""AWS's own program that carries what goes through a session of Systems Manager: whether it is here, and new enough."""

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from typing import Final

from cli.base.errors import UserError

PLUGIN: Final = "session-manager-plugin"
INSTALL: Final = (
    "https://docs.aws.amazon.com/systems-manager/latest/userguide/"
    "session-manager-working-with-install-plugin.html"
)
OLDEST: Final = (1, 2, 536)
"""The first version that takes a session from a variable, by its release notes; the aws command line counts 1.2.497 as the last
that does not."""


def checked_plugin(environ: Mapping[str, str] = os.environ) -> str:
    """The program's path. UserError if it is missing or too old."""
    found = shutil.which(PLUGIN, path=environ.get("PATH", os.defpath))
    if found is None:
        raise UserError(
            f"{PLUGIN} is not on the PATH",
            "The Kubernetes API is reached from inside the VPC only (endpointAccess), and from here through AWS Systems Manager, "
            f"which takes AWS's plugin. How to install it: {INSTALL}",
            f"{PLUGIN} --version",
        )
    done = subprocess.run(
        [found, "--version"],
        env=dict(environ),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    version = tuple(int(part) for part in re.findall(r"\d+", done.stdout)[:3])
    if version < OLDEST:
        shown = done.stdout.strip() or "of an unknown version"
        raise UserError(
            f"{PLUGIN} is too old: {shown}",
            f"{'.'.join(map(str, OLDEST))} is the first that gets a session's token where nobody else sees it. {INSTALL}",
            f"{PLUGIN} --version",
        )
    return found
