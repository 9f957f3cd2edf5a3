"""The lease on an environment: one `up`, `down` or `secrets rotate` at a time, whose holder is known by name.

A lease names its owner, host, process and what it does, and has a heartbeat. One whose holder is
dead is recognised, reported and taken over, never just ignored: on the same machine the process is
gone (or its number is another's now), on another one the heartbeat has stopped. Where leases lie
is the business of `cli.base.lease_stores`.
"""

import getpass
import json
import os
import secrets
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from cli.base.environments import Environment
from cli.base.errors import KitError, UserError
from cli.base.lease_stores import Entry, FileStore, Store

BEAT = 20.0
"""Seconds between two heartbeats."""

SILENCE = 120.0
"""Seconds without one after which a holder on another machine counts as dead: six were missed."""

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True)
class LeaseHolder:
    """The holder of a lease, and its purpose."""

    doing: str
    """The verb: "up", "down" or "secrets rotate"."""

    owner: str
    host: str
    boot: str
    """Tells one life of a machine from the next; empty where the system has no word for it."""

    pid: int
    started: str
    """When the process began, as the system says it: a number is given anew, a moment is not. Empty if
    it gave up what it had begun."""

    since: str
    token: str = ""
    """Tells this lease from all others."""

    base: str = ""
    """The base of the environment, if it has one: it must not be destroyed meanwhile."""

    @classmethod
    def myself(cls, doing: str, base: str = "") -> Self:
        return cls(
            doing,
            getpass.getuser(),
            socket.gethostname(),
            _boot(),
            os.getpid(),
            _started(os.getpid()),
            datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC"),
            secrets.token_hex(8),
            base,
        )

    @classmethod
    def read(cls, text: str) -> Self | None:
        """None if it is not as we write it: then nobody can say who holds it."""
        try:
            return cls(**json.loads(text))
        except (ValueError, TypeError):
            return None

    @property
    def here(self) -> bool:
        return self.host == socket.gethostname()

    def alive(self, silence: float) -> bool:
        """Whether it is still at work, as far as can be known from here."""
        if not self.started:
            return False
        if not self.here:
            return silence < SILENCE
        return self.boot == _boot() and _started(self.pid) == self.started

    def __str__(self) -> str:
        return f"process {self.pid} of {self.owner} on {self.host}, since {self.since}"


@dataclass
class Holding:
    """A lease that is held."""

    begun: bool = False
    """Whether something was done that only the same verb can end. If the block then fails, the lease
    stays, and tells the next run what it finds."""


@contextmanager
def held(
    environment: Environment,
    doing: str,
    report: Callable[[str], None],
    store: Store | None = None,
    base: str = "",
) -> Iterator[Holding]:
    """Keeps everybody else's `up` and `down` away from the environment while the block lasts.

    UserError if somebody living holds it, or if a `down` has begun and must be ended first.
    """
    store = store or FileStore(environment.name)
    mine = _take(environment, LeaseHolder.myself(doing, base), report, store)
    beating = threading.Event()
    heart = threading.Thread(target=_beat, args=(store, mine, beating), daemon=True)
    heart.start()
    holding, ended = Holding(), False
    try:
        yield holding
        ended = True
    finally:
        beating.set()
        heart.join(timeout=BEAT)
        if ended or not holding.begun:
            _release(store, mine)
        else:
            _leave(store, mine)


def holder(environment: Environment, store: Store | None = None) -> LeaseHolder | None:
    """Who is at work on the environment now; None if nobody is, or whoever was is dead."""
    found = (store or FileStore(environment.name)).read()
    if found is None:
        return None
    known = LeaseHolder.read(found.text)
    return known if known is not None and known.alive(found.age) else None


def coming_up(base: Environment, store: Store | None = None) -> list[tuple[str, LeaseHolder]]:
    """Environments that are being brought up on this one, and by whom."""
    entries = (store or FileStore(base.name)).all()
    known = [(name, LeaseHolder.read(entry.text), entry.age) for name, entry in entries.items()]
    return [
        (name, by)
        for name, by, age in known
        if by is not None and by.doing != "down" and by.base == base.name and by.alive(age)
    ]


def drop(environment: Environment) -> None:
    """Removes what a dead holder left: the environment is gone, with whatever was begun."""
    store = FileStore(environment.name)
    found = store.read()
    if found is not None and holder(environment, store) is None:
        store.remove(found.version)


def _take(
    environment: Environment, wanted: LeaseHolder, report: Callable[[str], None], store: Store
) -> LeaseHolder:
    text = json.dumps(asdict(wanted))
    while True:
        found = store.read()
        if found is not None:
            _refuse_or_tell(environment, wanted, found, report)
        if store.write(text, found.version if found else None):
            return wanted
        # Somebody was faster: who is it?


def _refuse_or_tell(
    environment: Environment, wanted: LeaseHolder, found: Entry, report: Callable[[str], None]
) -> None:
    """Reports a dead holder; UserError if it lives, or left something that has to be ended."""
    known = LeaseHolder.read(found.text)
    if known is None:
        report(f"the lease {found.place} cannot be read: it is taken over")
        return
    if not known.alive(found.age):
        if known.doing == "down" != wanted.doing:
            raise UserError(
                f'Environment "{environment.name}" is partly destroyed',
                f"`down` did not finish: {known}.\nData may be gone already: finish the teardown first.",
                f"./aerodrome down --env {environment.name}",
            )
        report(
            f"`{known.doing}` did not finish ({known}): its lease is taken over, and this run continues"
        )
        return
    where = f"its last heartbeat is {found.age:.0f} s old" if not known.here else ""
    raise UserError(
        f'`{known.doing}` is running on environment "{environment.name}"',
        "\n".join(
            part for part in (f"It is {known}.", where, "Wait until it has finished.") if part
        ),
        f"kill -INT {known.pid}" if known.here else f"ssh {known.host} kill -INT {known.pid}",
    )


def _beat(store: Store, mine: LeaseHolder, over: threading.Event) -> None:
    while not over.wait(BEAT):
        # A missed beat is no reason to stop; the next one counts as well.
        with suppress(KitError, OSError):
            found = store.read()
            if found is None or not _is(found, mine):
                # Taken over, because we were silent for too long: it is not ours to renew.
                return
            store.write(found.text, found.version)


def _release(store: Store, mine: LeaseHolder) -> None:
    # If it cannot be removed, the next one sees that its holder is dead.
    with suppress(KitError, OSError):
        found = store.read()
        if found is not None and _is(found, mine):
            store.remove(found.version)


def _leave(store: Store, mine: LeaseHolder) -> None:
    """The lease stays, and nobody holds it: the next run finds what was begun."""
    with suppress(KitError, OSError):
        found = store.read()
        if found is not None and _is(found, mine):
            store.write(json.dumps(asdict(replace(mine, started=""))), found.version)


def _is(found: Entry, holder: LeaseHolder) -> bool:
    known = LeaseHolder.read(found.text)
    return known == holder


def _boot() -> str:
    try:
        return BOOT_ID.read_text().strip()
    except OSError:
        return ""


def _started(pid: int) -> str:
    """When a process began; empty if there is no such process."""
    if Path("/proc/self/stat").exists():
        try:
            # After the command's name, which may hold anything, the 20th field.
            return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
        except (OSError, IndexError):
            return ""
    done = subprocess.run(
        ["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return done.stdout.strip()
