"""The base of a branch's environment: checked before anything of the branch's is created."""

from cli.base import lease
from cli.base.environments import Environment
from cli.base.errors import UserError
from cli.base.settings import DEFAULT_REGION, REGION_KEY
from cli.session import Session
from infra.contract.outputs import Outputs, refusal


def check(session: Session, name: str) -> Outputs:
    """The outputs of the base called `name`. UserError if no environment can share it now."""
    base = Environment(name)
    up = f"./aerodrome up --env {name}"
    cloud = session.cloud(base)
    cloud.unlock()
    backend = session.backend(base)
    if not cloud.holds() or not backend.deployed():
        raise UserError(
            f'The base environment "{name}" is not deployed{cloud.where}',
            "A branch's environment lives in the cluster of its base. Deploy that first:",
            up,
        )
    stays(session, name)
    outputs = backend.outputs()
    if refused := refusal(name, outputs):
        raise UserError(*refused)
    return outputs


def stays(session: Session, name: str) -> None:
    """UserError if the base called `name` is being destroyed.

    An `up` asks again when it holds its own lease. A `down` of the base holds the base's when it asks
    for those: so, of two that begin at once, at least one sees the other.
    """
    base = Environment(name)
    region = session.backend(base).plain().get(REGION_KEY, DEFAULT_REGION)
    store = session.cloud(base).lease_store(region)
    found = store.read() if store else None
    known = lease.LeaseHolder.read(found.text) if found else None
    if found is None or known is None or known.doing != "down":
        return
    if known.alive(found.age):
        raise UserError(
            f'The base environment "{name}" is being destroyed',
            f"By {known}.",
            f"./aerodrome up --env {name}",
        )
    raise UserError(
        f'The base environment "{name}" is partly destroyed',
        f"`down` did not finish: {known}.\nFinish its teardown first.",
        f"./aerodrome down --env {name}",
    )
