"""Each secret that can be replaced, as one result: one of them, or all, one after the other."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

from cli.base.environments import Environment
from cli.base.phases import Phases
from cli.operations import live
from cli.operations.live import Live
from cli.operations.rotation import applicable, encryption, operation
from cli.operations.rotation.database import RotatedDatabase
from cli.session import Session
from cli.stack import rotation
from cli.stack.rotation import RENEWED, RotationOfAll

_RotateLogin = Callable[[Session, Environment, Phases], RotatedDatabase]


@dataclass(frozen=True)
class Renewed:
    """One secret that was replaced."""

    key: str
    phases: Phases
    data: Mapping[str, Any]
    """For programs."""

    proof: tuple[str, ...]
    """For people."""


@dataclass(frozen=True)
class AllRenewed:
    """What a rotation of all has done."""

    began: str
    resumed: bool
    before: tuple[str, ...]
    """Those that an interrupted run had replaced."""

    rotated: tuple[Renewed, ...]


def _fernet(session: Session, environment: Environment) -> Renewed:
    phases = Phases(session.console, total=operation.PHASES[rotation.FERNET])
    done = operation.fernet_key(session, environment, phases)
    rows = ", ".join(f"{n} {encryption.called(table)}" for table, n in done.rows.items())
    data = {
        "began": done.began,
        "resumed": done.resumed,
        "encryptedAnew": dict(done.encrypted),
        "rows": dict(done.rows),
        "readByOldKey": done.old_reads,
    }
    proof = f"proof: the new Fernet key reads {rows or 'no rows: there are none'}"
    return Renewed(
        RENEWED[rotation.FERNET], phases, data, (proof, "the old one reads none of them")
    )


def _tokens(session: Session, environment: Environment) -> Renewed:
    phases = Phases(session.console, total=operation.PHASES[rotation.TOKENS])
    done = operation.token_key(session, environment, phases)
    data = {
        "began": done.began,
        "resumed": done.resumed,
        "tasksWaitedFor": done.waited_for,
        "oldKeyRefused": True,
    }
    proof = "proof: Airflow signs tokens with the new key"
    return Renewed(
        RENEWED[rotation.TOKENS],
        phases,
        data,
        (proof, "and refuses one that the old key has signed"),
    )


def _login(
    name: str,
    rotate: _RotateLogin,
    proof: tuple[str, str],
    session: Session,
    environment: Environment,
) -> Renewed:
    phases = Phases(session.console, total=operation.PHASES[name])
    done = rotate(session, environment, phases)
    data = {
        "began": done.began,
        "resumed": done.resumed,
        "user": done.user,
        "oldPasswordRefused": True,
    }
    return Renewed(RENEWED[name], phases, data, proof)


_database = partial(
    _login,
    rotation.DATABASE,
    operation.database_password,
    (
        "proof: the database's server lets Airflow in with the new password",
        "and nobody with the old one",
    ),
)
_celery = partial(
    _login,
    rotation.CELERY,
    operation.celery_password,
    (
        "proof: Celery's queue and the database of its results take the new password",
        "and neither takes the old one",
    ),
)


def rancher(session: Session, environment: Environment, *, handed_over: bool = False) -> Renewed:
    phases = Phases(session.console, total=operation.PHASES[rotation.RANCHER])
    done = operation.rancher_key(session, environment, phases, handed_over=handed_over)
    data = {"began": done.began, "resumed": done.resumed, "key": done.key, "oldKeyDeleted": True}
    proof = f"proof: Rancher's user has the key {done.key}"
    return Renewed(RENEWED[rotation.RANCHER], phases, data, (proof, "and the old one is gone"))


def _simple(name: str, session: Session, environment: Environment) -> Renewed:
    phases = Phases(session.console, total=1)
    operation.simple(session, environment, name, phases)
    return Renewed(RENEWED[name], phases, {}, (f"{RENEWED[name]} is replaced and deployed",))


RUN: Final[Mapping[str, Callable[[Session, Environment], Renewed]]] = {
    rotation.FERNET: _fernet,
    rotation.TOKENS: _tokens,
    rotation.DATABASE: _database,
    rotation.CELERY: _celery,
    rotation.RANCHER: rancher,
    **{name: partial(_simple, name) for name in operation.SIMPLE},
}


def _left_out(found: Live) -> dict[str, str]:
    """Those that this environment cannot replace while Airflow works, each with the reason."""
    reasons = {name: applicable.hindrance(found, name) for name in RENEWED}
    return {name: reason for name, reason in reasons.items() if reason}


def rotate(session: Session, environment: Environment) -> AllRenewed:
    """Replaces each, or those that an interrupted run has left. Each holds the environment's lease by itself."""
    deployed = live.of(session, environment)
    backend, left_out = deployed.backend, _left_out(deployed)
    found = rotation.all_under_way(backend)
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    state = found or RotationOfAll(now)
    if found:
        session.console.report(f"the rotation of all that began {found.began} is continued")
    rotated = []
    for number, name in enumerate(RENEWED, start=1):
        if name in state.done:
            continue
        if reason := left_out.get(name):
            session.console.report(f"{RENEWED[name]} stays as it is: {reason}")
            continue
        session.console.note(f"{RENEWED[name]} ({number} of {len(RENEWED)})", "bold")
        rotated.append(RUN[name](session, environment))
        # After the first: nothing is under way if that is refused.
        state = RotationOfAll(state.began, (*state.done, name))
        rotation.remember_all(backend, state)
    rotation.forget(backend, rotation.ALL)
    return AllRenewed(state.began, found is not None, found.done if found else (), tuple(rotated))
