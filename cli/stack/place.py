"""What a cloud contributes to the driver of Pulumi: variables, and where state and configuration lie."""

import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

from cli.base.environments import Environment
from cli.base.errors import UserError
from cli.base.paths import ROOT

EXECUTABLE = "pulumi"
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

    for_runs: Callable[[Mapping[str, str]], Mapping[str, str]] = field(default=dict, repr=False)
    """The variables of a run of the program, made of the CLI's: asked when one begins."""

    create: str = ""
    """The secrets provider of a stack that begins with its first `up`; empty: bootstrap makes it."""

    @classmethod
    def of(cls, environment: Environment, variables: Mapping[str, str], state: Path | None) -> Self:
        """That of an environment. `state`: the folder of the state, if it is on this machine; elsewhere
        it is in the backend that `pulumi login`, or Pulumi's variables, chose."""
        chosen = {**variables, **QUIET}
        if state is None:
            return cls(environment.name, environment.config_file, chosen)
        chosen[BACKEND] = backend_url(state)
        return cls(
            environment.name, environment.config_file, chosen, state=state, create="passphrase"
        )

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
