"""Sandbox environments, deployed by the embedded engine. The only place that calls it.

Loading the engine takes a third of a second: this module is imported by the session when a
verb needs it, never by a help text.
"""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import Any, Self, TextIO

from cli import config_file, stack_config
from cli.backends import Found, Outcome
from cli.environments import ROOT, Environment
from cli.record import write_atomically
from cli.session import Sandbox
from cli.settings import qualified
from sandbox.engine import operations
from sandbox.engine.operations import Request, Result
from sandbox.instance import state_dir
from sandbox.wire.values import Secret

_STACK = "pulumi:pulumi:Stack"
_PROVIDER = "pulumi:providers:"
_EMPTY = {"version": 3, "deployment": {"resources": []}}


class EmbeddedBackend:
    """One stack of the embedded engine, on one sandbox."""

    def __init__(self, environment: Environment, sandbox: Sandbox | None) -> None:
        self._file = environment.config_file
        request = Request(
            project_dir=ROOT,
            stack=environment.name,
            state_dir=state_dir() / "stacks",
            config_file=self._file,
        )
        # Without a sandbox nothing asks the cloud: only the state and configuration are read.
        if sandbox is not None:
            # A session token of the user's own AWS account does not fit the sandbox's keys.
            variables = {**sandbox.environment(), "AWS_SESSION_TOKEN": ""}
            request = replace(request, environment=variables)
        self._request = request

    def create(self, secrets_provider: str) -> None:
        """A stack of this machine begins with its first `up`."""

    @contextmanager
    def trial(self) -> Iterator[Self]:
        """With a copy of the configuration: what a preview generates is nobody's secret."""
        with tempfile.TemporaryDirectory(prefix="aerodrome-preview-") as folder:
            file = Path(folder) / self._file.name
            if self._file.exists():
                shutil.copyfile(self._file, file)
            made = copy(self)
            made._file = file
            made._request = replace(self._request, config_file=file)
            yield made

    def preview(self, show: TextIO) -> Outcome:
        return _outcome(operations.preview(self._request, operations.Display(show, diff=True)))

    def up(self, show: TextIO) -> Outcome:
        return _outcome(operations.up(self._request, operations.Display(show)))

    def destroy(self, show: TextIO) -> Outcome:
        return _outcome(operations.destroy(self._request, operations.Display(show)))

    def outputs(self) -> dict[str, Any]:
        return dict(operations.outputs(self._request))

    def resources(self) -> list[Found]:
        return [
            Found(
                state.type,
                state.urn.rsplit("::", 1)[-1],
                state.urn,
                str(state.id or ""),
                str(state.created or ""),
                state.inputs,
            )
            for state in operations.resources(self._request)
            if state.type != _STACK and not state.type.startswith(_PROVIDER)
        ]

    def get_ready(self) -> None:
        operations.make_key(self._request)

    def deployed(self) -> bool:
        return bool(operations.resources(self._request))

    def forget(self) -> None:
        operations.import_(self._request, _EMPTY)

    def forget_in_cluster(self) -> int:
        # With its cluster the whole sandbox is gone: then everything is forgotten.
        return 0

    def remove(self, *, config: bool) -> None:
        operations.remove(self._request)
        if config:
            self._file.unlink(missing_ok=True)

    def history(self) -> list[dict[str, Any]]:
        """What was done to the stack, the latest first."""
        return operations.history(self._request)

    def change_passphrase(self, new: str) -> int:
        """Encrypt state and configuration anew; how many secrets there were."""
        return operations.change_passphrase(self._request, new)

    def config(self) -> dict[str, Any]:
        found = operations.read_config(
            ROOT, self._request.stack, self._file, stack_config.passphrase()
        )
        return {
            key: Secret(value) if key in found.secret_keys else value
            for key, value in found.values.items()
        }

    def configured(self) -> set[str]:
        return set(self._document())

    def plain(self) -> dict[str, str]:
        return config_file.plain(self._document())

    def _document(self) -> dict[str, Any]:
        """The configuration as it is in the file: secret values are dictionaries."""
        import yaml

        try:
            return config_file.read(self._file)
        except (yaml.YAMLError, AttributeError, TypeError):
            # Not as Pulumi writes it: the engine says what is wrong with it.
            return self.config()

    def set_config(self, key: str, value: str, *, secret: bool) -> None:
        operations.set_config(
            ROOT,
            self._request.stack,
            self._file,
            key,
            value,
            secret=secret,
            passphrase=stack_config.passphrase(),
        )

    def remove_config(self, key: str) -> None:
        import yaml

        document = yaml.safe_load(self._file.read_text())
        kept = {name: v for name, v in document["config"].items() if qualified(str(name)) != key}
        document["config"] = kept
        write_atomically(self._file, yaml.safe_dump(document, sort_keys=False))


def _outcome(result: Result) -> Outcome:
    changes = {str(op): count for op, count in result.changes.items()}
    return Outcome(changes, result.seconds, dict(result.outputs))
