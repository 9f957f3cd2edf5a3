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

PLUGINS = tools.ROOT / "sandbox" / "bin"
"""The stand-ins for plugins that the sandbox cannot do without."""

_LANGUAGE_HOST = "pulumi-language-python"
_PATIENCE_SECONDS = 20.0


@dataclass(frozen=True)
class Pulumi:
    """A Pulumi CLI that the sandbox can use."""

    folder: Path
    version: str
    built: bool
    """Whether it is ours, built by set-up."""

    @property
    def there(self) -> bool:
        return (self.folder / "pulumi").exists()


@dataclass(frozen=True)
class Unfit:
    """A CLI on the PATH that cannot be used."""

    executable: str
    reason: str


def minimum() -> str:
    """The SDK's version: an older engine may lack what the SDK asks of it."""
    return tools.sdk_version("pulumi")


@cache
def look() -> Pulumi | Unfit | None:
    """The machine's own CLI: the first on the PATH that set-up has not built."""
    ours = tools.pulumi_dir().parent
    folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
    path = os.pathsep.join(folder for folder in folders if Path(folder).parent != ours)
    executable = shutil.which("pulumi", path=path)
    if executable is None:
        return None
    reason, version = _version_of(executable)
    if reason:
        return Unfit(executable, reason)
    if _ordered(version) < _ordered(minimum()):
        return Unfit(executable, f"version {version} is older than {minimum()}")
    beside = Path(executable).resolve().parent / _LANGUAGE_HOST
    if not beside.exists() and shutil.which(_LANGUAGE_HOST, path=path) is None:
        return Unfit(executable, f"its language host for Python, {_LANGUAGE_HOST}, is missing")
    return Pulumi(Path(executable).parent, f"v{version}", built=False)


def _version_of(executable: str) -> tuple[str, str]:
    """Why it is of no use, or its version."""
    try:
        done = subprocess.run(
            [executable, "version"],
            capture_output=True,
            text=True,
            timeout=_PATIENCE_SECONDS,
            check=False,
            env={**os.environ, "PULUMI_SKIP_UPDATE_CHECK": "true"},
        )
    except OSError as error:
        return f"it does not start: {error.strerror}", ""
    except subprocess.TimeoutExpired:
        return f"it does not say its version within {_PATIENCE_SECONDS:.0f} s", ""
    found = re.match(r"v?(\d+\.\d+\.\d+)", done.stdout.strip())
    if done.returncode != 0 or found is None:
        return "it does not say its version", ""
    return "", found.group(1)


def _ordered(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def on_path() -> Pulumi | None:
    """The machine's own, if it can be used."""
    found = look()
    return found if isinstance(found, Pulumi) else None


def find() -> Pulumi:
    """The one that is used; before set-up has run it may not be there."""
    version = tools.module_version("github.com/pulumi/pulumi/pkg/v3")
    return on_path() or Pulumi(tools.pulumi_dir(), version, built=True)


def has_kubernetes_plugin() -> bool:
    """Whether the machine's own CLI has the official kubernetes plugin, at the SDK's version."""
    home = Path(os.environ.get("PULUMI_HOME") or Path.home() / ".pulumi")
    plugin = home / "plugins" / f"resource-kubernetes-v{tools.sdk_version('pulumi-kubernetes')}"
    return on_path() is not None and (plugin / "pulumi-resource-kubernetes").exists()


def home() -> Path:
    """The folder in which a CLI that set-up has built keeps logs, and nothing that is needed again."""
    return state_dir() / "pulumi"


def environment(variables: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The variables with which `pulumi` is this one, and finds the sandbox's plugins and tools."""
    found = find()
    folders = [PLUGINS]
    if not has_kubernetes_plugin():
        folders.append(tools.kubernetes_plugin_dir())
    # Before the machine's own CLI, in whose folder there may be another `aws`.
    folders += [tools.aws_cli_path(), found.folder]
    path = [*map(str, folders), variables.get("PATH", os.defpath)]
    made = {"PATH": os.pathsep.join(path)}
    if found.built:
        # Its home is ours: no login, selected stack or plugin of the user's is in it.
        made["PULUMI_HOME"] = str(home())
        made["PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION"] = "true"
    return made
