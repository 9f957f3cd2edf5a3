"""What the engine can do: preview, up, refresh, destroy, and to look at a stack.

The front door. Each function is one `operation`; what changes the stack holds its lock.
"""

import asyncio
import threading
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from sandbox.engine.applying.events import Listener, ignore
from sandbox.engine.config import encrypt_config, opens_config, read_config, set_config
from sandbox.engine.display import Display
from sandbox.engine.model.resource import State
from sandbox.engine.operation import Operation, stack_outputs
from sandbox.engine.patience import Patience
from sandbox.engine.requests import DeploymentFailed, Interrupted, Request, Result
from sandbox.engine.state import history as histories
from sandbox.engine.state import store as stores
from sandbox.engine.state.lock import hold
from sandbox.engine.state.secrets import Secrets
from sandbox.errors import KitError, UserError
from sandbox.wire.values import Properties

__all__ = [
    "Display",
    "DeploymentFailed",
    "Interrupted",
    "Patience",
    "Request",
    "Result",
    "change_passphrase",
    "check_unlocked",
    "destroy",
    "encrypt_config",
    "export",
    "history",
    "import_",
    "make_key",
    "opens_config",
    "outputs",
    "preview",
    "read_config",
    "refresh",
    "remove",
    "resources",
    "set_config",
    "up",
]


def preview(request: Request, on_event: Listener = ignore) -> Result:
    """What `up` would do. Changes nothing."""
    operation = Operation(request, on_event)
    return asyncio.run(operation.ended(operation.preview()))


def up(request: Request, on_event: Listener = ignore, *, skip_preview: bool = False) -> Result:
    """Make the world as the program has it."""
    operation = Operation(request, on_event)
    with hold(operation.store):
        return asyncio.run(operation.ended(operation.up(skip_preview=skip_preview)))


def refresh(request: Request, on_event: Listener = ignore) -> Result:
    """Make the state as the world is."""
    operation = Operation(request, on_event)
    with hold(operation.store):
        return asyncio.run(operation.ended(operation.refresh()))


def destroy(request: Request, on_event: Listener = ignore) -> Result:
    """Delete everything."""
    operation = Operation(request, on_event)
    with hold(operation.store):
        return asyncio.run(operation.ended(operation.destroy()))


def make_key(request: Request) -> None:
    """Begin with the key of the stack's secrets, beside whatever the caller does next.

    It takes a third of a second, and the next operation on the stack needs it. If there is something
    wrong, that operation says so.
    """

    def make(secrets: Secrets) -> None:
        with suppress(KitError):
            secrets.unlock()

    with suppress(KitError):
        operation = Operation(request, ignore)
        if salt := operation.stack_config.salt:
            secrets = Secrets(operation.passphrase, salt)
            threading.Thread(target=make, args=[secrets], daemon=True).start()


def outputs(request: Request) -> Properties:
    """The stack's outputs as of the last run; {} if there was none."""
    return stack_outputs(resources(request))


def resources(request: Request) -> list[State]:
    """What the state holds, prerequisites first."""
    return Operation(request, ignore).load().snapshot().resources


def export(request: Request) -> dict[str, Any]:
    """The state, secrets encrypted, in the form that `pulumi stack import` takes."""
    operation = Operation(request, ignore)
    ledger = operation.load()
    return {"version": 3, "deployment": stores.deployment(ledger, operation.secrets.salt)}


def import_(request: Request, document: Mapping[str, Any]) -> None:
    """Replace the state by what `export` or `pulumi stack export` gave."""
    operation = Operation(request, ignore)
    deployment = document.get("deployment")
    if document.get("version") != 3 or not isinstance(deployment, dict):
        raise UserError("This is no exported stack", "It must be JSON of version 3.")
    with hold(operation.store):
        operation.import_(deployment)


def check_unlocked(request: Request) -> None:
    """UserError if an engine is at work on the stack. Leaves nothing behind where there is none."""
    store = Operation(request, ignore).store
    if store.exists():
        with hold(store):
            pass


def remove(request: Request) -> None:
    """Forget the stack and its history. Refused while it holds resources."""
    store = Operation(request, ignore).store
    if store.exists():
        with hold(store):
            store.remove()


def history(request: Request) -> list[dict[str, Any]]:
    """What was done to the stack, the latest first, as `pulumi stack history` tells it."""
    return histories.read(Operation(request, ignore).store)


def change_passphrase(request: Request, new: str) -> int:
    """Encrypt state and configuration with another passphrase; how many secrets there were.

    Ended at any moment, it leaves everything readable with the one passphrase or with the
    other, never a part with each.
    """
    if not new:
        raise UserError("The new passphrase is empty", "Nothing was changed.")
    operation = Operation(request, ignore)
    with hold(operation.store):
        return operation.change_passphrase(new)
