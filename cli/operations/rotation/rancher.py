"""A new access key of Rancher's user in IAM, step by step: Rancher has a key that works at any moment.

keys                        what happens
the old one                 as it was
both                        somebody gives Rancher the new one; the rotation goes on when AWS has seen it used
both, the old deactivated   what still uses the old one is refused, and could be helped by activating it again
the new one                 the old one is deleted
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from cli.base.errors import KitError, UserError
from cli.operations.rotation.steps import Recorded, Report, begin_or_resume, position, walk
from cli.stack.rotation import RANCHER, Rotation
from infra.contract.rancher_keys import RancherKeys

STEPS: Final = ("a new key beside the old one", "the old key deactivated", "without the old key")
"""What each of the three deployments brings."""

MADE, DEACTIVATED = 1, 2
"""The deployment after which somebody must hand over the new key, and the one after which the old one must not work."""

MOST_KEYS: Final = 2
"""AWS's limit for a user."""

AGAIN: Final = "./aerodrome secrets rotate rancher"


class KeysInstallation(Recorded, Protocol):
    """The environment whose key is rotated. Each method may be interrupted, and called again."""

    def configured(self) -> RancherKeys: ...
    def deployed(self) -> Mapping[int, str]:
        """The ids of the keys that its stack has, by number."""

    def require_ready(self) -> None:
        """UserError if it has no Rancher."""

    def configure(self, keys: RancherKeys) -> None:
        """In one write."""

    def deploy(self, number: int) -> None:
        """Deploys what is configured. Which of STEPS it is, from 1."""

    def there(self) -> Mapping[str, bool]:
        """Whether they work, by the ids of all keys that AWS knows of Rancher's user."""

    def handed_over(self, key: str) -> bool:
        """Whether Rancher has this key: AWS has seen it used, or somebody says so."""

    def end(self) -> None:
        """The rotation is no longer under way, and the new key is of today."""


@dataclass(frozen=True)
class RotatedRancherKey:
    """What a rotation has done."""

    began: str
    resumed: bool
    key: str
    """The new one's id."""


def rotate(installation: KeysInstallation, report: Report) -> RotatedRancherKey:
    """Replaces the key, or goes on where a replacement is. UserError before anything is changed; KitError when it is the
    turn of whoever gives Rancher the new key."""
    installation.require_ready()
    course = begin_or_resume(
        installation, lambda: _start(installation), lambda it: _ended(installation, it), report
    )
    rotation = course.rotation
    stages = stages_of(rotation)
    at = position(installation.configured(), stages, RANCHER)
    new, old = stages[MADE].current, stages[MADE].former
    for number in walk(stages, at, installation.configure, installation.deploy):
        deployed = installation.deployed()
        if number == MADE:
            _require_handed_over(installation, deployed[new])
        elif number == DEACTIVATED and installation.there().get(deployed[old], False):
            raise KitError("The rotation is not complete: the old key still works", "", AGAIN)
    key = installation.deployed()[new]
    if dict(installation.there()) != {key: True}:
        raise KitError(
            "The rotation is not complete: Rancher's user has not the new key alone",
            f"It has {', '.join(sorted(installation.there())) or 'none'}. One that was made by hand is yours to delete.",
            AGAIN,
        )
    installation.end()
    return RotatedRancherKey(rotation.began, course.resumed, key)


def stages_of(rotation: Rotation) -> list[RancherKeys]:
    """What is configured, one after the other. A rotation's `old` and `new` are texts of RancherKeys."""
    old, new = RancherKeys.parse(rotation.old), RancherKeys.parse(rotation.new)
    return [
        old,
        RancherKeys(new.current, old.current, former_works=True),
        RancherKeys(new.current, old.current, former_works=False),
        new,
    ]


def _start(installation: KeysInstallation) -> Rotation:
    now, deployed = installation.configured(), installation.deployed()
    if now.former or set(deployed) != {now.current}:
        raise UserError(
            "The configured access key of Rancher is not the deployed one alone",
            "rancherKeys was changed, or this configuration is older than the deployment (is it in git?). Nothing was changed. "
            "Deploy what is set, or set what is deployed:",
            "./aerodrome up",
        )
    others = set(installation.there()) - set(deployed.values())
    if len(others) + len(deployed) >= MOST_KEYS:
        raise UserError(
            "Rancher's user in IAM has no room for another access key",
            f"AWS allows {MOST_KEYS}, and it has {', '.join(sorted(others))} beside that of its stack, made by somebody else. Nothing "
            "was changed. Delete it:",
            f"aws iam delete-access-key --access-key-id {min(others)} --user-name USER",
        )
    return Rotation.begin(now.text(), RancherKeys(now.current + 1).text())


def _ended(installation: KeysInstallation, rotation: Rotation) -> bool:
    last = stages_of(rotation)[-1]
    return installation.configured() == last and set(installation.deployed()) == {last.current}


def _require_handed_over(installation: KeysInstallation, key: str) -> None:
    if installation.handed_over(key):
        return
    raise KitError(
        f"Rancher has not used its new access key {key} yet",
        "Both keys work. Give it to Rancher (Cluster Management, Cloud Credentials): `./aerodrome outputs --show-secrets` has both halves, "
        "as rancherAccessKeyId and rancherSecretAccessKey. Then run the command again. AWS needs some minutes, at times hours, to tell that a "
        "key was used; who knows that Rancher has it says so:",
        f"{AGAIN} --handed-over",
    )
