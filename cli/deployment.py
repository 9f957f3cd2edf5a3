"""`up` of an environment, phase by phase: sandbox, deployment, proof. Verbs call this; it calls
the backends. How an environment goes is in `cli.teardown`.
"""

from dataclasses import dataclass, field
from typing import Any

from cli import stack_config
from cli.backends import Backend, Outcome, need
from cli.environments import Environment
from cli.phases import Phases
from cli.record import Record, identity
from cli.session import Sandbox, Session
from sandbox.errors import UserError
from sandbox.instance import UI_NODE_PORT, Instance


@dataclass(frozen=True)
class Deployed:
    """What `up` leaves behind."""

    outcome: Outcome
    url: str
    node_url: str = ""
    proof: dict[str, Any] = field(default_factory=dict)
    proved_now: bool = False


def urls(instance: Instance) -> tuple[str, str]:
    """The UI on this machine's loopback, and on the sandbox's own address."""
    return (
        f"http://localhost:{instance.ui_port}",
        f"http://{instance.node_address}:{UI_NODE_PORT}",
    )


def running(session: Session) -> Sandbox:
    """The sandbox, which must be up."""
    sandbox = find(session)
    if sandbox is None:
        raise UserError(
            f'The sandbox "{session.sandbox_name}" is not up',
            "The environment lives in it.",
            "./aerodrome up",
        )
    return sandbox


def find(session: Session) -> Sandbox | None:
    """The sandbox if it is up."""
    try:
        sandbox: Sandbox = session.machine().get(session.sandbox_name)
    except UserError:
        return None
    return sandbox


def deploy(
    session: Session, environment: Environment, phases: Phases, *, prove_again: bool
) -> Deployed:
    """Brings a sandbox environment up."""
    stack_config.provide_passphrase(environment, make=True)
    with phases.phase("sandbox"):
        sandbox: Sandbox = session.machine().up(
            session.sandbox_name, report=session.step, ui_port=session.ui_port
        )
    backend = session.backend(environment, sandbox)
    record = _current(session, environment, sandbox, backend)
    with phases.phase("deployment"):
        stack_config.complete(environment, backend)
        outcome = backend.up(session.console.stderr)
    url, node_url = urls(sandbox.instance)
    if not (outcome.changed or prove_again or not record.proof):
        return Deployed(outcome, url, node_url, record.proof)
    record = record.proved({})
    record.write(environment)
    with phases.phase("proof"):
        proof = proved(session, sandbox, outcome.outputs, backend)
    record.proved(proof).write(environment)
    return Deployed(outcome, url, node_url, proof, proved_now=True)


def proved(session: Session, sandbox: Sandbox, outputs: Any, backend: Backend) -> dict[str, Any]:
    """One DAG run, seen green."""
    from cli import task_logs
    from cli.airflow import PATIENCE
    from cli.proof import prove

    password = need(backend.config(), "aerodrome:adminPassword")
    logs = task_logs.from_outputs(session.client(sandbox)("s3"), outputs)
    url, _ = urls(sandbox.instance)
    with session.airflow(url, need(outputs, "adminUser"), password, PATIENCE) as airflow:
        return prove(airflow, logs, session.console.report).data()


def _current(
    session: Session, environment: Environment, sandbox: Sandbox, backend: Backend
) -> Record:
    """The environment's record; a state that tells of an earlier sandbox is forgotten."""
    now = identity(sandbox.instance)
    record = Record.read(environment)
    if record is not None and record.identity == now:
        return record
    if backend.deployed():
        backend.forget()
        session.console.report("the sandbox is a new one: the state of the old one is forgotten")
    record = Record(session.sandbox_name, now)
    record.write(environment)
    return record
