"""A new key of the tokens between Airflow's components, step by step: at any moment every api-server accepts what any
other process signs (ADR 32).

    signs     accepted
    old       old           as it was
    old       old, new      every api-server learns to accept the new key
    new       old, new      the new key signs; then the tasks that have tokens of the old one end, or get new ones
    new       new           the old one is gone, and its tokens are refused
"""

from dataclasses import dataclass, field
from typing import Protocol

from cli.base.errors import UserError
from cli.operations.rotation.steps import Recorded, Report, begin_or_resume, position, walk
from cli.stack.rotation import TOKENS, Rotation

STEPS = ("the new key for checking", "the new key for signing", "without the old key")
"""What each of the three deployments brings."""

SIGNED = 2
"""The deployment after which nothing signs with the old key."""


@dataclass(frozen=True)
class Keys:
    """What is configured, or deployed."""

    signing: str = field(repr=False)
    accepted: tuple[str, ...] = field(default=(), repr=False)
    """None: only the one that signs."""


class SigningInstallation(Recorded, Protocol):
    """The environment whose key is rotated. Each method may be interrupted, and called again."""

    def configured(self) -> Keys: ...
    def deployed(self) -> Keys:
        """As Airflow's pods have them, or will at their next start."""

    def require_ready(self) -> None:
        """UserError if its tokens are not signed with this key."""

    def configure(self, keys: Keys) -> None:
        """In one write: it differs in one value from what is configured."""

    def deploy(self, number: int) -> None:
        """Deploys what is configured, and waits until no pod has other keys. Which of STEPS it is, from 1."""

    def drain(self) -> int:
        """Waits until no task needs a token that was signed before; how many tasks had one."""

    def prove(self, old: str, new: str) -> None:
        """KitError unless Airflow signs with the new key, and refuses what the old one has signed."""

    def end(self) -> None:
        """The rotation is no longer under way, and the new key is of today."""

    def make(self) -> str:
        """A new key."""


@dataclass(frozen=True)
class RotatedTokens:
    """What a rotation has done."""

    began: str
    resumed: bool
    waited_for: int
    """Tasks that were at work with a token of the old key when the new one signed."""


def rotate(installation: SigningInstallation, report: Report) -> RotatedTokens:
    """Replaces the key, or ends a replacement that has begun. UserError before anything is changed."""
    installation.require_ready()
    course = begin_or_resume(
        installation,
        lambda: _start(installation),
        lambda it: installation.configured() == installation.deployed() == Keys(it.new),
        report,
    )
    rotation = course.rotation
    stages = stages_of(rotation)
    at, waited = position(installation.configured(), stages, TOKENS), 0
    for number in walk(stages, at, installation.configure, installation.deploy):
        if number == SIGNED:
            waited = installation.drain()
    installation.prove(rotation.old, rotation.new)
    installation.end()
    return RotatedTokens(rotation.began, course.resumed, waited)


def _start(installation: SigningInstallation) -> Rotation:
    configured = installation.configured()
    if configured.accepted or configured != installation.deployed():
        raise UserError(
            "The configured keys of tokens are not the deployed ones alone",
            "jwtSecret was changed, acceptedJwtSecrets is set, or this configuration is older than the deployment (is it in git?): a "
            "rotation from here would leave running tasks without a key. Nothing was changed. Set what is deployed, or "
            "deploy what is set, which ends those tasks, without acceptedJwtSecrets:",
            "./aerodrome up",
        )
    return Rotation.begin(configured.signing, installation.make())


def stages_of(rotation: Rotation) -> list[Keys]:
    """The keys that are configured, one after the other."""
    old, new = rotation.old, rotation.new
    both = (old, new)
    return [Keys(old), Keys(old, both), Keys(new, both), Keys(new)]
