"""The configuration of environments that `up` makes: once, with generated secrets.

Those are a sandbox's, and every branch's; an environment on AWS that others stand on is prepared by
bootstrap. Secrets belong to the stack: made here, kept encrypted in Pulumi's configuration file, never
made anew while something deployed depends on them. What opens them: `cli.base.passphrase`.
"""

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date

from cli.base.environments import Environment
from cli.base.errors import UserError
from cli.base.settings import DEFAULT_REGION, REGION_KEY, qualified
from cli.stack import rotation
from cli.stack.backends import Backend
from infra.contract import proxies, public_images
from infra.contract.settings import SECRETS, SETTINGS
from infra.contract.tenancy import Tenancy

TENANCY_KEY = qualified("tenancy")
BASE_KEY = qualified("base")
BRANCH_KEY = qualified("branch")
ENVIRONMENT_KEY = qualified("environment")
EXPIRES_KEY = qualified("expires")
USED_KEY = qualified("used")
VALUES_KEY = qualified("valuesFiles")

WITH_BASE = ((public_images.SETTING,), (proxies.HTTP, proxies.HTTPS, proxies.EXCEPTIONS))
"""What a branch has as its base has it, unless one of the same group is its own: without it nothing can be built, or nobody
be asked, in that network, and a pipeline's branch has no configuration before its first `up`."""

BRANCH_MAX_LENGTH = 255
"""Of the program's setting. It is for people only: the environment's name is made of the whole."""


@dataclass(frozen=True)
class Placement:
    """The tenancy and base of an environment, as its configuration has or will have them."""

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
            "One can not become the other. Destroy it first; its configuration goes with it.",
            f"./aerodrome down --env {environment.name}",
        )
    chosen = have or tenancy or (Tenancy.shared if environment.base else Tenancy.dedicated)
    base = plain.get(BASE_KEY) or environment.base
    if chosen == Tenancy.shared and not base:
        raise UserError(
            f'Environment "{environment.name}" has no base to share',
            "A git branch's environment shares its base's cluster; one that was named is dedicated.",
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
            "Put the file back, or destroy the environment first.",
            f"./aerodrome down --env {environment.name}",
        )

    return add(backend, have, {key: plain[key] for key in plain if key not in have}, lost)


def with_base(own: Set[str], base: Mapping[str, str]) -> dict[str, str]:
    """The settings that a branch with these keys takes from its base's configuration."""
    lacking = (key for keys in WITH_BASE if not own & {*map(qualified, keys)} for key in keys)
    return {key: base[qualified(key)] for key in lacking if base.get(qualified(key))}


def check_place(
    environment: Environment, refusal: Callable[[str, str], str], plain: Mapping[str, str]
) -> None:
    """UserError for the first setting whose value the environment's cloud refuses."""
    for full, value in plain.items():
        key = full.partition(":")[2]
        if reason := refusal(key, value):
            raise UserError(
                f'Environment "{environment.name}" cannot have {key} {value}',
                reason,
                f"./aerodrome config rm {key} --env {environment.name}",
            )


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
    rotation.note_made(backend, missing)
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


@contextmanager
def values_unless_refused(backend: Backend, files: Sequence[str] | None) -> Iterator[None]:
    """Writes down which files with values of the chart the environment has, for this run and those after it.

    A run that is refused, and so has changed nothing, leaves the configuration as it was. None: as configured.
    """
    if files is None:
        yield
        return
    before = backend.plain().get(VALUES_KEY)
    wanted = json.dumps(list(files))
    if before != wanted:
        backend.set_plain({VALUES_KEY: wanted})
    try:
        yield
    except UserError:
        if before is None:
            backend.remove_config(VALUES_KEY)
        elif before != wanted:
            backend.set_plain({VALUES_KEY: before})
        raise


def keep(backend: Backend, expires: str, day: date) -> bool:
    """Records a use on `day` and the expiry that follows from it. Returns whether that changed anything."""
    wanted = {EXPIRES_KEY: expires, USED_KEY: day.isoformat()}
    have = backend.plain()
    changed = {key: value for key, value in wanted.items() if have.get(key) != value}
    backend.set_plain(changed)
    return bool(changed)
