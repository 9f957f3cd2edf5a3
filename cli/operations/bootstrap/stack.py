"""The Pulumi stack: its place in the bucket, its secrets provider, its configuration and secrets.

The Pulumi CLI does it, so that `pulumi up -s NAME` finds everything as if a person had typed it.
"""

import json
import os
import re
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass

from cli.base.environments import Environment
from cli.base.errors import KitError, UserError
from cli.base.paths import ROOT
from cli.base.settings import qualified
from cli.operations.bootstrap.requested_settings import RequestedSettings
from cli.operations.bootstrap.state_bucket import StateBucket
from cli.stack import stack_config
from cli.stack.backends import Backend
from cli.stack.command import Cli
from cli.stack.place import EXECUTABLE, QUIET
from infra.contract.settings import NAMESPACE

BACKEND_VARIABLE = "PULUMI_BACKEND_URL"
PROFILE_VARIABLE = "AWS_PROFILE"
STACKS = f".pulumi/stacks/{NAMESPACE}/"
"""Where Pulumi keeps a project's stacks in a bucket."""


@dataclass(frozen=True)
class Kept:
    """A stack as its file in the bucket tells of it."""

    name: str
    resources: int
    secrets_provider: str


@dataclass(frozen=True)
class StackLocation:
    """Where the stack is kept, and what encrypts its secrets: Pulumi's URLs."""

    backend: str
    secrets_provider: str


@contextmanager
def acting_as(
    profile: str | None, backend: str, variables: MutableMapping[str, str] = os.environ
) -> Iterator[None]:
    """Lets the Pulumi CLI, which we start, use the same credentials, and this backend whatever the
    user's login is."""
    ours = {BACKEND_VARIABLE: backend} | ({PROFILE_VARIABLE: profile} if profile else {})
    before = {name: variables.get(name) for name in ours}
    variables.update(ours)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del variables[name]
            else:
                variables[name] = value


def check_login(backend: str, variables: MutableMapping[str, str] = os.environ) -> None:
    """UserError if a variable sends Pulumi elsewhere: it would win over the login that we write."""
    other = variables.get(BACKEND_VARIABLE)
    if other and other != backend:
        raise UserError(
            f"{BACKEND_VARIABLE} sends Pulumi to {other}",
            f"The stack will be in {backend}. Unset the variable; bootstrap logs in.",
            f"unset {BACKEND_VARIABLE}",
        )


def kept(bucket: StateBucket) -> list[Kept]:
    """The project's stacks in the bucket."""
    return [
        _kept(key.removeprefix(STACKS).removesuffix(".json"), content)
        for key, content in bucket.read(STACKS)
        if key.endswith(".json")
    ]


def _kept(name: str, content: bytes) -> Kept:
    try:
        latest = json.loads(content)["checkpoint"].get("latest") or {}
        provider = (latest.get("secrets_providers") or {}).get("state") or {}
        return Kept(name, len(latest.get("resources") or []), str(provider.get("url", "")))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        # Not as Pulumi writes it today: whoever removes things must not take it for empty.
        raise KitError(
            f'The state of the stack "{name}" cannot be read',
            f"{error}\nPulumi can show it:",
            f"pulumi stack export -s {name}",
        ) from error


class StackMaker:
    """Creates the stack of an environment, and removes it."""

    def __init__(self, environment: Environment, place: StackLocation) -> None:
        self._environment = environment
        self._place = place

    def login(self) -> None:
        """From now on the user's own `pulumi` commands find the stack too."""
        self._pulumi("login", self._place.backend)

    def ensure(self, there: Kept | None) -> list[str]:
        """The stack with its secrets provider. What was made; nothing if all was there."""
        provider = self._provider_in_file()
        if there is None:
            if provider:
                raise _foreign_file(self._environment, provider)
            return self._init()
        if provider == self._place.secrets_provider:
            return []
        if provider:
            raise _foreign_file(self._environment, provider)
        if there.resources:
            # A fresh clone: what was deployed knows its configuration.
            self._pulumi("config", "refresh", "--force")
            return ["configuration, from what is deployed"]
        # A run was cut short between the stack and its file: nothing depends on either.
        self.remove()
        return self._init()

    def _init(self) -> list[str]:
        self._pulumi("stack", "init", "--secrets-provider", self._place.secrets_provider)
        return ["stack"]

    def remove(self) -> None:
        """The stack, which must be empty, and its history."""
        self._pulumi("stack", "rm", "--yes", "--preserve-config")

    def _provider_in_file(self) -> str:
        """What the configuration file says encrypts its secrets. Read as text: it may hold anything."""
        try:
            text = self._environment.config_file.read_text()
        except FileNotFoundError:
            return ""
        found = re.search(r"^secretsprovider:\s*(\S+)", text, re.MULTILINE)
        if found:
            return found[1].strip("'\"")
        return "passphrase" if re.search(r"^encryptionsalt:", text, re.MULTILINE) else ""

    def _pulumi(self, *arguments: str) -> None:
        chosen = () if arguments[0] == "login" else ("--stack", self._environment.name)
        cli = Cli(EXECUTABLE, {**os.environ, **QUIET}, ROOT)
        done = cli.run(*arguments, *chosen, "--non-interactive")
        if done.code != 0:
            raise KitError(
                f"`pulumi {' '.join(arguments[:2])}` failed",
                done.failure_text
                + "\nWhat was made until here stays; the same command continues from here.",
            )


def _foreign_file(environment: Environment, provider: str) -> UserError:
    return UserError(
        f"{environment.config_file.name} belongs to another stack",
        f"Its secrets are encrypted with {provider}, which is not what this account has for\n"
        f'"{environment.name}". Are these the right account and region? If the file is a leftover, move it away.',
        f"mv {environment.config_file.name} {environment.config_file.name}.old",
    )


def configure(
    backend: Backend, environment: Environment, requested: RequestedSettings, fixed: dict[str, str]
) -> list[str]:
    """Adds what the stack's configuration lacks, and what the command line asks for. The keys."""
    have = backend.configured()
    plain = fixed | {qualified("environment"): environment.name}
    changes = {key: value for key, value in plain.items() if key not in have}
    changes |= {
        key: value
        for key, value in requested.given.items()
        if requested.configured.get(key) != value
    }

    def lost(secret: str) -> UserError:
        return UserError(
            f"The stack lacks the secret {secret}",
            f'Environment "{environment.name}" is deployed with it; a new one would not fit. What was\n'
            "deployed last has it:",
            f"pulumi config refresh --force -s {environment.name}",
        )

    return stack_config.add(backend, have, changes, lost)
