"""Names of environments: checked in one place, used for stacks, files and messages.

An environment is a Pulumi stack. Those named `sandbox` or `sandbox-...` are deployed on
this machine; all others go to AWS. A git branch has
one of its own on a base environment; the main branch has none, it is the base itself.
"""

from dataclasses import dataclass
from pathlib import Path

from cli.base.errors import UserError
from cli.base.git import Checkout, check_branch
from cli.base.paths import ROOT, state_dir
from infra.contract.naming import ENVIRONMENT_MAX_LENGTH, ENVIRONMENT_PATTERN, branch_environment

DEFAULT = "sandbox"


@dataclass(frozen=True)
class Environment:
    """One environment, by its checked name."""

    name: str

    branch: str = ""
    """The git branch that it was chosen by; empty if it was named, or is a base."""

    base: str = ""
    """The base environment of the branch's; empty with `branch`."""

    @property
    def sandboxed(self) -> bool:
        """Whether it lives on this machine."""
        return self.name == DEFAULT or self.name.startswith(f"{DEFAULT}-")

    @property
    def config_file(self) -> Path:
        """Its configuration in Pulumi's format.

        A sandbox's is outside the checkout: it is this machine's, and its generated secrets
        have no business near git.
        """
        folder = state_dir() / "config" if self.sandboxed else ROOT
        return folder / f"Pulumi.{self.name}.yaml"

    @property
    def record_file(self) -> Path:
        """What the command line remembers of it between runs (sandbox environments only)."""
        return state_dir() / "environments" / f"{self.name}.json"


def environment(name: str) -> Environment:
    """The environment called `name`. UserError if no resource could carry that name."""
    reason = ""
    if not ENVIRONMENT_PATTERN.fullmatch(name):
        reason = (
            "A name has small letters, digits and single hyphens; it starts with a letter\n"
            "and ends with a letter or digit."
        )
    elif len(name) > ENVIRONMENT_MAX_LENGTH:
        reason = f"It has {len(name)} characters; resource names leave room for {ENVIRONMENT_MAX_LENGTH}."
    if reason:
        raise UserError(f'"{name}" is no name for an environment', reason)
    return Environment(name)


def of_branch(base: str, branch: str, checkout: Checkout) -> Environment:
    """The environment of a git branch on `base`: for a main branch `base` itself."""
    on = environment(base)
    if check_branch(branch) in checkout.main_branches():
        return on
    return Environment(branch_environment(on.name, branch), branch, on.name)


def known() -> list[str]:
    """Names of environments that have a configuration file."""
    folders = (ROOT, state_dir() / "config")
    files = [file for folder in folders for file in folder.glob("Pulumi.*.yaml")]
    names = {file.name.removeprefix("Pulumi.").removesuffix(".yaml") for file in files}
    return sorted(names | {DEFAULT})
