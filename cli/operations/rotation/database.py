"""A new password of Airflow's database, or of Celery's queue and results, step by step: at any moment the servers let in
whoever any pod logs in as (ADR 33).

Airflow logs in as   may log in
one user             that one        as it was
one user             both            the other user gets the new password, and is tried
the other user       both            every pod logs in as the other user
the other user       that one        the password of the first one is gone, and is refused
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from cli.base.errors import KitError, UserError
from cli.operations.rotation.steps import Recorded, Report, begin_or_resume, position, walk
from cli.stack.rotation import CELERY, DATABASE, RENEWED, Rotation
from infra.contract import database_logins
from infra.contract.database_logins import Logins

STEPS = ("the new login beside the old one", "Airflow logs in anew", "without the old login")
"""What each of the three deployments brings."""

MADE = 1
"""The deployment after which the server must know the new login."""


@dataclass(frozen=True)
class TakenInTurn:
    """A password that two logins take turns with."""

    which: str
    """The rotation, as the command line calls it."""

    setting: str
    """Has both while the rotation is under way."""

    called: str
    server: str
    """Who lets in."""

    @property
    def again(self) -> str:
        return f"./aerodrome secrets rotate {self.which}"


OF_DATABASE = TakenInTurn(DATABASE, database_logins.SETTING, "password of the database", "server")
OF_CELERY = TakenInTurn(
    CELERY, database_logins.CELERY_SETTING, "password of Celery", "queue or the results' server"
)


@dataclass(frozen=True)
class DatabaseAccess:
    """What is configured: with which password Airflow logs in, and who may."""

    password: str = field(repr=False)
    logins: Logins


class DatabaseInstallation(Recorded, Protocol):
    """The environment whose password is rotated. Each method may be interrupted, and called again."""

    def configured(self) -> DatabaseAccess: ...
    def deployed(self) -> str:
        """The password with which Airflow's pods log in, or will at their next start."""

    def require_ready(self) -> None:
        """UserError if its server cannot have a second user."""

    def configure(self, access: DatabaseAccess) -> None:
        """In one write: it differs in one value from what is configured."""

    def deploy(self, number: int) -> None:
        """Deploys what is configured, and waits until no pod logs in otherwise. Which of STEPS it is, from 1."""

    def accepted(self, passwords: Mapping[str, str]) -> Mapping[str, bool]:
        """Whether the server lets in the `first` and the `second` user with these; and any other that has them."""

    def end(self) -> None:
        """The rotation is no longer under way, and the new password is of today."""

    def make(self) -> str:
        """A new password."""


@dataclass(frozen=True)
class RotatedDatabase:
    """What a rotation has done."""

    began: str
    resumed: bool
    user: str
    """By which of the two users Airflow logs in now: `first` or `second`."""


def rotate(
    installation: DatabaseInstallation, report: Report, login: TakenInTurn = OF_DATABASE
) -> RotatedDatabase:
    """Replaces the password, or ends a replacement that has begun. UserError before anything is changed."""
    installation.require_ready()
    course = begin_or_resume(
        installation,
        lambda: _start(installation, login),
        lambda it: _ended(installation, it),
        report,
    )
    rotation = course.rotation
    stages = stages_of(rotation)
    at = position(installation.configured(), stages, login.which)
    old, new = _only(stages[0].logins), _only(stages[-1].logins)
    for number in walk(stages, at, installation.configure, installation.deploy):
        if number == MADE and not all(installation.accepted(new).values()):
            # Before a pod relies on it.
            raise KitError(
                f"The {login.server} does not know the new login",
                "Airflow works with the old one. The users of a branch are made by its base: deploy that first, if it is of an "
                "older Aerodrome.",
                login.again,
            )
    _prove(installation, old, new, login)
    installation.end()
    return RotatedDatabase(rotation.began, course.resumed, *new)


def stages_of(rotation: Rotation) -> list[DatabaseAccess]:
    """What is configured, one after the other. A rotation's `old` and `new` are texts of Logins."""
    old, new = database_logins.parse(rotation.old), database_logins.parse(rotation.new)
    (before,), (after,) = old.passwords, new.passwords
    both = old.with_idle(after)
    return [
        DatabaseAccess(before, old),
        DatabaseAccess(before, both),
        DatabaseAccess(after, both),
        DatabaseAccess(after, new),
    ]


def _start(installation: DatabaseInstallation, login: TakenInTurn) -> Rotation:
    now = installation.configured()
    if now.logins.passwords != (now.password,) or now.password != installation.deployed():
        raise UserError(
            f"The configured {login.called} is not the deployed one alone",
            f"{RENEWED[login.which]} was changed, {login.setting} has two, or this configuration is older than the deployment (is "
            f"it in git?). Nothing was changed. Set what is deployed, or deploy what is set, with {login.setting} taken away:",
            "./aerodrome up",
        )
    made = installation.make()
    new = now.logins.with_idle(made).only(made)
    return Rotation.begin(now.logins.text(), new.text())


def _ended(installation: DatabaseInstallation, rotation: Rotation) -> bool:
    first, *_, last = stages_of(rotation)
    if installation.configured() != last or installation.deployed() != last.password:
        return False
    return not any(_accepted_with(installation, first.password))


def _only(logins: Logins) -> dict[str, str]:
    """The one user that may log in, with its password."""
    return {name: password for name, password in logins.by_name().items() if password}


def _accepted_with(installation: DatabaseInstallation, password: str) -> list[bool]:
    """Whether the server lets in either user with this password: one of them may never have had it."""
    found = installation.accepted(dict.fromkeys(("first", "second"), password))
    return list(found.values())


def _prove(
    installation: DatabaseInstallation,
    old: Mapping[str, str],
    new: Mapping[str, str],
    login: TakenInTurn,
) -> None:
    """KitError unless the server lets in the new login, and nobody with the old password."""
    (password,) = old.values()
    if any(_accepted_with(installation, password)):
        raise KitError(
            f"The rotation is not complete: the {login.server} accepts the old password",
            "",
            login.again,
        )
    if not all(installation.accepted(new).values()):
        raise KitError(
            f"The rotation is not complete: the {login.server} refuses the new password",
            "",
            login.again,
        )
