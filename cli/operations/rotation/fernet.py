"""A new Fernet key, step by step: at any moment every process reads what any other one writes (ADR 25).

    old                 as it was
    old,new             every pod learns to read the new key; all write with the old one
    new,old             all write with the new one; then every row is encrypted anew
    new                 the old one is gone, and reads nothing

The configured keys say how far it is: whoever finds a rotation under way goes on from there, on any machine.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from cli.base.errors import KitError, UserError
from cli.operations.rotation.steps import Recorded, Report, begin_or_resume, position, walk
from cli.stack.rotation import FERNET, Rotation

Counts = Mapping[str, Mapping[str, Any]]

STEPS = ("the new key for reading", "the new key for writing", "without the old key")
"""What each of the three deployments brings."""


class Installation(Recorded, Protocol):
    """The environment whose key is rotated. Each method may be interrupted, and called again."""

    def configured(self) -> str:
        """As configured."""

    def deployed(self) -> str:
        """As Airflow's pods have them."""

    def configure(self, keys: str) -> None: ...
    def retire(self, old: str) -> None:
        """The new key is of today, and the old one is kept for backups alone."""

    def deploy(self, number: int) -> None:
        """Deploys what is configured, and waits until no pod has other keys. Which of STEPS it is, from 1."""

    def count(self, other: str = "") -> Counts:
        """The rows that are encrypted, by who reads them."""

    def encrypt(self) -> Mapping[str, Any]:
        """Brings all rows under the newest key that is deployed."""

    def end(self) -> None:
        """The rotation is no longer under way."""

    def make(self) -> str:
        """A new key."""


@dataclass(frozen=True)
class Rotated:
    """What a rotation has done, and the proof."""

    began: str
    resumed: bool
    encrypted: Mapping[str, int]
    """Rows that this run has encrypted anew, by table."""

    rows: Mapping[str, int]
    """Encrypted rows, by table: the new key reads each of them."""

    old_reads: int = 0
    """Those that the old key reads."""


def rotate(installation: Installation, report: Report) -> Rotated:
    """Replaces the key, or ends a replacement that has begun. UserError before anything is changed."""

    def start() -> Rotation:
        _require_readable(installation.count())
        return Rotation.begin(installation.configured(), installation.make())

    course = begin_or_resume(installation, start, lambda it: _ended(installation, it), report)
    rotation = course.rotation
    stages = stages_of(rotation)
    at, encrypted = position(installation.configured(), stages, FERNET), {}

    def configure(keys: str) -> None:
        if keys == rotation.new:
            installation.retire(rotation.old)
        installation.configure(keys)

    for number in walk(stages, at, configure, installation.deploy):
        if number == stages.index(f"{rotation.new},{rotation.old}"):
            work = installation.encrypt()
            encrypted = dict(work["anew"])
            report(f"encrypted anew: {_numbers(encrypted)}")
            if work["encrypted"]:
                report(f"was in clear text, and is encrypted now: {_numbers(work['encrypted'])}")
    rows = _proved(installation, rotation)
    installation.end()
    return Rotated(rotation.began, course.resumed, encrypted, rows)


def stages_of(rotation: Rotation) -> list[str]:
    """The keys that are configured, one after the other."""
    old, new = rotation.old, rotation.new
    return [old, f"{old},{new}", f"{new},{old}", new]


def _ended(installation: Installation, rotation: Rotation) -> bool:
    """Whether nothing is left to do of it."""
    if not installation.configured() == installation.deployed() == rotation.new:
        return False
    counts = installation.count(rotation.old)
    return not any(one["other"] or one["encrypted"] != one["own"] for one in counts.values())


def _require_readable(counts: Counts) -> None:
    broken = [f"{table} {number}" for table, one in counts.items() for number in one["unreadable"]]
    if broken:
        raise UserError(
            "Some rows of the database cannot be read with the Fernet key that it has",
            f"By table and number: {', '.join(broken)}. No key would read them after a rotation either. Nothing was "
            "changed. Delete these rows, or give them new values in Airflow, and begin again:",
            "./aerodrome secrets rotate fernet",
        )


def _proved(installation: Installation, rotation: Rotation) -> dict[str, int]:
    """The rows by table, each read by the new key and none by the old; KitError otherwise."""
    counts = installation.count(rotation.old)
    wrong = [
        f"{table}: {one['encrypted']} encrypted, {one['own']} read by the new key, {one['other']} by the old one, "
        f"{one['clear']} in clear text"
        for table, one in counts.items()
        if one["other"] or one["clear"] or one["own"] != one["encrypted"]
    ]
    if wrong:
        raise KitError(
            "The rotation is not complete: the database has rows that are not under the new key alone",
            "\n".join(wrong),
            "./aerodrome secrets rotate fernet",
        )
    return {table: int(one["encrypted"]) for table, one in counts.items()}


def _numbers(found: Mapping[str, int]) -> str:
    return (
        ", ".join(f"{number} {table}s" for table, number in found.items())
        or "nothing was left to do"
    )
