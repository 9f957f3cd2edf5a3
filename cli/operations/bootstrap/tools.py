"""The programs that a deployment to AWS calls: which are there, and whether they are new enough."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

from cli.base.errors import UserError
from cli.cloud.tunnel.plugin import INSTALL, OLDEST, PLUGIN

PATIENCE_SECONDS = 30
"""Some of these programs look for a newer version of themselves first."""

Version = tuple[int, ...]


@dataclass(frozen=True)
class Tool:
    """One program: what it is for, and how to get it."""

    name: str
    command: Sequence[str]
    """Prints the version."""

    minimum: Version
    why: str
    install: str


SESSIONS = Tool(
    PLUGIN,
    (PLUGIN, "--version"),
    OLDEST,
    "leads to a Kubernetes API that is reached from inside its VPC only (endpointAccess)",
    INSTALL,
)


def needed(kubernetes_version: str, *, sessions: bool = False) -> tuple[Tool, ...]:
    """What a deployment calls, whose cluster will have that version; `sessions`: and is reached through its workers."""
    major, minor = (int(part) for part in kubernetes_version.split("."))
    return (
        Tool(
            "pulumi",
            ("pulumi", "version"),
            # The first that knows `toolchain`, which Pulumi.yaml names.
            (3, 128, 0),
            "deploys the program",
            "https://www.pulumi.com/docs/install/",
        ),
        Tool(
            "aws",
            ("aws", "--version"),
            # What pulumi-eks asks for.
            (2, 7, 0),
            "logs Pulumi and kubectl in to the cluster",
            "https://docs.aws.amazon.com/cli/latest/userguide/getting-started-install.html",
        ),
        Tool(
            "docker buildx",
            ("docker", "buildx", "version"),
            (0, 10, 0),
            "builds the images",
            "https://docs.docker.com/engine/install/ (the package docker-buildx-plugin)",
        ),
        Tool(
            "docker's daemon",
            ("docker", "version", "--format", "{{.Server.Version}}"),
            (20, 10, 0),
            "runs the builds",
            "https://docs.docker.com/engine/install/ (start it, and be in the group docker)",
        ),
        Tool(
            "kubectl",
            ("kubectl", "version", "--client"),
            # Kubernetes promises that one minor version beside the cluster's works.
            (major, minor - 1, 0),
            "asks the cluster, for logs, status and teardown",
            "https://kubernetes.io/docs/tasks/tools/",
        ),
        Tool(
            "helm",
            ("helm", "version", "--short"),
            (3, 14, 0),
            "shows and repairs the release that Airflow is",
            "https://helm.sh/docs/intro/install/",
        ),
        *((SESSIONS,) if sessions else ()),
    )


@dataclass(frozen=True)
class InstalledTool:
    """What came out of looking for a tool. `problem` is empty if it will do."""

    name: str
    version: str
    problem: str = ""
    why: str = ""
    install: str = ""

    def data(self) -> dict[str, str]:
        return asdict(self)


def look(tools: Iterable[Tool]) -> list[InstalledTool]:
    """Every tool, looked for on the PATH."""
    return [_look(tool) for tool in tools]


def check(found: Iterable[InstalledTool]) -> None:
    """UserError that names every tool that is missing, too old or broken."""
    wrong = [tool for tool in found if tool.problem]
    if wrong:
        raise UserError(
            f"A deployment to AWS needs {len(wrong)} thing(s) that this machine lacks",
            "\n".join(
                f"{tool.name}: {tool.problem}; it {tool.why}\n    {tool.install}" for tool in wrong
            ),
        )


def _look(tool: Tool) -> InstalledTool:
    version, problem = _try(tool)
    return InstalledTool(tool.name, version, problem, tool.why, tool.install)


def _try(tool: Tool) -> tuple[str, str]:
    """A tool's version, and what is wrong with it."""
    line = " ".join(tool.command)
    if shutil.which(tool.command[0]) is None:
        return "", f"`{tool.command[0]}` is not on the PATH"
    try:
        done = subprocess.run(
            tool.command,
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE_SECONDS,
            stdin=subprocess.DEVNULL,
            env={**os.environ, "PULUMI_SKIP_UPDATE_CHECK": "true"},
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return "", f"`{line}` failed ({error})"
    if done.returncode != 0:
        output = (done.stderr.strip() or done.stdout.strip() or "no output").splitlines()
        return "", f"`{line}` failed ({output[-1].strip()})"
    version = _version(done.stdout + done.stderr)
    if not version:
        return "", f"`{line}` prints no version"
    text = ".".join(map(str, version))
    if version < tool.minimum:
        return text, f"version {text} is older than {'.'.join(map(str, tool.minimum))}"
    return text, ""


def _version(text: str) -> Version:
    """The first `1.2` or `1.2.3` in what a program says of itself."""
    found = re.search(r"(\d+)\.(\d+)(?:\.(\d+))?", text)
    return tuple(int(part) for part in found.groups(default="0")) if found else ()
