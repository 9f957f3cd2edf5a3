"""A repository on GitHub, as AWS sees it: what the tokens of its workflows say of where they come from.

`docs/pipeline.md` tells which workflow has which role. Pure functions; the roles are in `pipeline_roles`.
"""

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass

from cli.base.errors import UserError

HOST = "token.actions.githubusercontent.com"
AUDIENCE = "sts.amazonaws.com"
"""Whom the tokens are for: AWS' own action asks for that."""

ENVIRONMENTS = ("aerodrome-branches", "aerodrome-teardown")
"""GitHub's environments in which the workflows deploy and destroy."""

SUBJECTS: Mapping[str, tuple[str, ...]] = {
    "preview": ("pull_request",),
    "deploy": tuple(f"environment:{name}" for name in ENVIRONMENTS),
}
"""By the role's purpose: how a token's subject ends, after the repository."""

_OWNER = r"(?P<owner>[A-Za-z0-9][A-Za-z0-9_-]{0,38})(@(?P<owner_id>\d+))?"
_NAME = r"(?P<name>[A-Za-z0-9._-]{1,100})(@(?P<id>\d+))?"
_IDENTIFIERS = r"gh api repos/OWNER/REPO --jq '\"\(.owner.login)@\(.owner.id)/\(.name)@\(.id)\"'"


@dataclass(frozen=True)
class Repository:
    """One repository; with the numbers of owner and repository where its tokens have them."""

    claim: str
    """As its tokens call it: `OWNER/REPO`, or `OWNER@1/REPO@2`."""

    name: str
    """`OWNER/REPO`."""

    def subjects(self, purpose: str) -> list[str]:
        """The subjects of the tokens that get the role for `purpose`."""
        return [f"repo:{self.claim}:{end}" for end in SUBJECTS[purpose]]


def repository(text: str) -> Repository:
    """UserError if it is not the name of exactly one repository."""
    found = re.fullmatch(f"{_OWNER}/{_NAME}", text)
    if found is None or found["name"] in (".", ".."):
        hint = (
            "Roles are for one repository each: a pattern would let others in."
            if "*" in text or "?" in text
            else "It looks like team/airflow: no address, and no .git."
        )
        raise UserError(
            f'"{text}" is no repository on GitHub', f"--github takes OWNER/REPO. {hint}"
        )
    if bool(found["owner_id"]) is not bool(found["id"]):
        raise UserError(
            f'"{text}" has one number of two',
            "Tokens of repositories made since July 2026 have the number of the owner and that of the\n"
            "repository; older ones have neither. This prints both:",
            _IDENTIFIERS,
        )
    name = found["name"].removesuffix(".git")
    if name != found["name"]:
        raise UserError(
            f'"{text}" ends in .git', "--github takes the repository's name: OWNER/REPO."
        )
    return Repository(text, f"{found['owner']}/{name}")


def set_up_commands(repository: Repository, variables: Mapping[str, str]) -> list[str]:
    """What somebody who administers the repository has to run: its variables, and its environments."""
    sets = [
        f"gh variable set {name} --repo {repository.name} --body {shlex.quote(value)}"
        for name, value in variables.items()
    ]
    makes = [
        f"gh api --silent --method PUT repos/{repository.name}/environments/{name}"
        for name in ENVIRONMENTS
    ]
    return [*sets, *makes]
