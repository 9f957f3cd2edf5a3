"""The configuration of environments that `up` makes: once, with generated secrets.

Those are a sandbox's, and every branch's; an environment on AWS that others stand on is prepared by
bootstrap. Secrets belong to the stack: made here, kept encrypted in Pulumi's configuration file, never
made anew while something deployed depends on them. What opens them: `cli.base.passphrase`.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import date

from cli.base.environments import Environment
from cli.base.errors import UserError
from cli.base.settings import DEFAULT_REGION, REGION_KEY, qualified
from cli.stack.backends import Backend
from infra.contract.settings import SECRETS, SETTINGS
from infra.contract.tenancy import Tenancy

TENANCY_KEY = qualified("tenancy")
BASE_KEY = qualified("base")
BRANCH_KEY = qualified("branch")
REPOSITORY_KEY = qualified("repository")
ENVIRONMENT_KEY = qualified("environment")
EXPIRES_KEY = qualified("expires")
USED_KEY = qualified("used")

BRANCH_MAX_LENGTH = 255
"""Of the program's setting. It is for people only: the environment's name is made of the whole."""


@dataclass(frozen=True)
class Placement:
    """What an environment stands on, as its configuration says or will say."""

    tenancy: str = Tenancy.dedicated
    base: str = ""
    branch: str = ""
    repository: str = ""
    """That of the branch; only written down with it."""

    @property
    def shared(self) -> bool:
        return self.tenancy == Tenancy.shared

    @property
    def of_branch(self) -> bool:
        """Whether it is a branch's, and goes when nobody uses it any more."""
        return bool(self.branch) or self.shared


def placement(environment: Environment, backend: Backend, tenancy: str | None = None) -> Placement:
    """What is configured, or else what was asked for, or else what suits how it was chosen."""
    plain = backend.plain()
    have = plain.get(TENANCY_KEY, Tenancy.dedicated if plain.get(ENVIRONMENT_KEY) else "")
    if have and tenancy not in (None, have):
        raise UserError(
            f'Environment "{environment.name}" is {have}, not {tenancy}',
            "One can not become the other. Take it down first; its configuration goes with it.",
            f"./aerodrome down --env {environment.name}",
        )
    chosen = have or tenancy or (Tenancy.shared if environment.base else Tenancy.dedicated)
    base = plain.get(BASE_KEY) or environment.base
    if chosen == Tenancy.shared and not base:
        raise UserError(
            f'Environment "{environment.name}" has no base to share',
            "A git branch's environment stands on its base; one that was named stands alone.",
            "./aerodrome up --branch BRANCH --tenancy shared",
        )
    branch = plain.get(BRANCH_KEY) or environment.branch[:BRANCH_MAX_LENGTH]
    return Placement(chosen, base if chosen == Tenancy.shared else "", branch)


def complete(
    environment: Environment,
    backend: Backend,
    on: Placement = Placement(),
    region: str = DEFAULT_REGION,
    settings: Mapping[str, str] = {},
) -> list[str]:
    """Adds what an environment's configuration lacks; the keys that were added. `settings`: those of its cloud."""
    have = backend.configured()
    plain = _plain(environment, on, settings) | {REGION_KEY: region}

    def lost(secret: str) -> UserError:
        return UserError(
            f"{environment.config_file} lacks the secret {secret}",
            f'Environment "{environment.name}" is deployed with it; a new one would not fit.\n'
            "Put the file back, or take the environment down first.",
            f"./aerodrome down --env {environment.name}",
        )

    return add(backend, have, {key: plain[key] for key in plain if key not in have}, lost)


def add(
    backend: Backend,
    have: Collection[str],
    plain: Mapping[str, str],
    lost: Callable[[str], UserError],
) -> list[str]:
    """Sets plain values, and makes up the secrets that are not among the keys in `have`; the keys.

    What is deployed keeps its secrets: if it lacks one that it needs, `lost` is raised.
    """
    missing = [name for name in SECRETS if qualified(name) not in have]
    needed = [name for name in missing if SETTINGS[name].required]
    if needed and backend.deployed():
        raise lost(needed[0])
    backend.set_plain(plain)
    for name in missing:
        backend.set_config(qualified(name), SECRETS[name](), secret=True)
    return [*plain, *map(qualified, missing)]


def _plain(environment: Environment, on: Placement, settings: Mapping[str, str]) -> dict[str, str]:
    values = {"tenancy": Tenancy.shared, "base": on.base} if on.shared else {}
    values["environment"] = environment.name
    if on.branch:
        values["branch"] = on.branch
    if on.branch and on.repository:
        values["repository"] = on.repository[:BRANCH_MAX_LENGTH]
    values |= settings
    return {qualified(key): value for key, value in values.items()}


def keep(backend: Backend, expires: str, day: date) -> bool:
    """Writes down a use on `day`, and until when that keeps the environment. Whether that is news."""
    wanted = {EXPIRES_KEY: expires, USED_KEY: day.isoformat()}
    have = backend.plain()
    news = {key: value for key, value in wanted.items() if have.get(key) != value}
    backend.set_plain(news)
    return bool(news)
