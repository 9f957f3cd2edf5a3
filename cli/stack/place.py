"""What a cloud contributes to the driver of Pulumi: variables, and where state and configuration lie."""

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

from cli.base.environments import Environment
from cli.base.errors import UserError
from cli.base.passphrase import PASSPHRASE_FILE
from cli.base.paths import ROOT, state_dir

EXECUTABLE = "pulumi"
UNSET = (
    "AWS_PROFILE",
    "AWS_SESSION_TOKEN",
    "AWS_CONFIG_FILE",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_ROLE_ARN",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "PULUMI_ACCESS_TOKEN",
    "PULUMI_IGNORE_AMBIENT_PLUGINS",
)
"""Variables of the user's own account and login, which must not reach a sandbox."""

QUIET = {
    "PULUMI_SKIP_UPDATE_CHECK": "true",
    # The event log is an option of the CLI for its own Automation API, behind this switch.
    "PULUMI_DEBUG_COMMANDS": "true",
}


BACKEND = "PULUMI_BACKEND_URL"
HOME = "PULUMI_HOME"


def backend_url(state: Path) -> str:
    """Pulumi's file backend in a folder.

    Without the metadata that it would write beside each file: it is not written in one step, and a CLI
    that is killed in between leaves a stack that no later one can load.
    """
    return f"file://{state}?metadata=skip"


@dataclass(frozen=True)
class Place:
    """Where one stack is, and how the CLI reaches it."""

    stack: str
    config_file: Path
    variables: Mapping[str, str] = field(repr=False)
    """All of the CLI's environment variables."""

    project: Path = ROOT
    """The folder of the program's Pulumi.yaml."""

    state: Path | None = None
    """The folder of the state, if it is on this machine: then it is read without the CLI."""

    create: str = ""
    """The secrets provider of a stack that begins with its first `up`; empty: bootstrap makes it."""

    @property
    def executable(self) -> str:
        """UserError if there is no Pulumi CLI."""
        found = shutil.which(EXECUTABLE, path=self.variables.get("PATH", os.defpath))
        if found is None:
            raise UserError(
                f'Environment "{self.stack}" needs the Pulumi CLI',
                "The `pulumi` command is not on the PATH. Install it, log in, and try again. An\n"
                "environment on this machine, `sandbox`, is set up with its own.",
                "make setup" if self.state else "./aerodrome up --env sandbox",
            )
        return found

    @property
    def checkpoint(self) -> Path | None:
        """The file of the state, as Pulumi's file backend names it; None if it is elsewhere."""
        if self.state is None:
            return None
        return self.state / ".pulumi" / "stacks" / "aerodrome" / f"{self.stack}.json"

    def with_variables(self, more: Mapping[str, str]) -> Self:
        return replace(self, variables={**self.variables, **more})

    def in_state(self, state: Path) -> Self:
        """The same stack in another folder of states."""
        moved = self.with_variables({BACKEND: backend_url(state)})
        return replace(moved, state=state)

    @property
    def apart(self) -> bool:
        """Whether the configuration file is elsewhere than beside Pulumi.yaml."""
        return self.config_file.parent != self.project


def on_aws(environment: Environment, project: Path = ROOT) -> Place:
    """In the backend that `pulumi login`, or Pulumi's variables, chose."""
    file = project / environment.config_file.name
    return Place(environment.name, file, {**os.environ, **QUIET}, project)


def in_sandbox(
    environment: Environment, passphrase_file: Path | None, sandbox: Mapping[str, str]
) -> Place:
    """In a folder of this machine. `sandbox`: variables that lead to its cloud and to the tools.

    `passphrase_file` is None where Pulumi's own variables of the user name the passphrase.
    """
    state = state_dir() / "stacks"
    variables = {key: value for key, value in os.environ.items() if key not in UNSET}
    variables |= sandbox
    variables |= QUIET
    variables[BACKEND] = backend_url(state)
    if passphrase_file is not None:
        variables[PASSPHRASE_FILE] = str(passphrase_file)
    return Place(
        environment.name, environment.config_file, variables, state=state, create="passphrase"
    )
