"""Pulumi's CLI with its engine: the machine's own if it is recent enough, else one built from its Go module.

Standard library only: set-up runs before there is a Python environment.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from sandbox import tools
from sandbox.instance import state_dir

MINIMUM = (3, 272, 0)
"""The SDK's version in requirements/kit.in: an older engine may lack what the SDK asks of it."""

PLUGINS = tools.ROOT / "sandbox" / "bin"
"""The stand-ins for plugins that the sandbox cannot do without."""

_PATIENCE_SECONDS = 20.0


@dataclass(frozen=True)
class Pulumi:
    """A Pulumi CLI."""

    folder: Path
    version: str
    built: bool
    """Whether it is ours, with the kubernetes provider beside it."""


@dataclass(frozen=True)
class Unfit:
    """A CLI on the PATH that cannot be used."""

    executable: str
    reason: str


@cache
def look() -> Pulumi | Unfit | None:
    """What the PATH has of Pulumi."""
    executable = shutil.which("pulumi")
    if executable is None:
        return None
    if Path(executable).parent == tools.pulumi_dir():
        return Pulumi(tools.pulumi_dir(), _built_version(), built=True)
    try:
        done = subprocess.run(
            [executable, "version"],
            capture_output=True,
            text=True,
            timeout=_PATIENCE_SECONDS,
            check=False,
            env={**os.environ, "PULUMI_SKIP_UPDATE_CHECK": "true"},
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return Unfit(executable, f"it does not start ({error})")
    found = re.match(r"v?(\d+)\.(\d+)\.(\d+)", done.stdout.strip())
    if done.returncode != 0 or found is None:
        return Unfit(executable, "it does not say its version")
    version = tuple(int(part) for part in found.groups())
    text = ".".join(map(str, version))
    if version < MINIMUM:
        return Unfit(executable, f"version {text} is older than {'.'.join(map(str, MINIMUM))}")
    beside = Path(executable).resolve().parent / "pulumi-language-python"
    if not beside.exists() and shutil.which("pulumi-language-python") is None:
        return Unfit(executable, "its language host for Python, pulumi-language-python, is missing")
    return Pulumi(Path(executable).parent, f"v{text}", built=False)


def on_path() -> Pulumi | None:
    """The machine's own, if it can be used."""
    found = look()
    return found if isinstance(found, Pulumi) and not found.built else None


def find() -> Pulumi:
    """The one that is used."""
    return on_path() or Pulumi(tools.pulumi_dir(), _built_version(), built=True)


def _built_version() -> str:
    return tools.module_version("github.com/pulumi/pulumi/pkg/v3")


def environment(variables: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The variables with which `pulumi` is this one, and finds the sandbox's plugins and tools."""
    found = find()
    folders = [
        str(PLUGINS),
        str(found.folder),
        str(tools.aws_cli_path()),
        variables.get("PATH", os.defpath),
    ]
    made = {"PATH": os.pathsep.join(folders)}
    if found.built:
        # Its home is ours: no login, selected stack or plugin of the user's is in it.
        made["PULUMI_HOME"] = str(state_dir() / "pulumi")
        made["PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION"] = "true"
    return made
