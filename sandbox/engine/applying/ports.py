"""What applying needs from providers, without a word of gRPC; `protocol.plugin` has it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from sandbox.engine.model.diff import Difference
from sandbox.engine.model.resource import State
from sandbox.errors import CloudError
from sandbox.wire.values import Properties


class ProviderGone(CloudError):
    """The plugin ended or answered nonsense: nobody knows whether the call took effect."""


@dataclass(frozen=True, slots=True)
class Checked:
    """Inputs with defaults filled in; failures are (property, reason)."""

    inputs: Properties
    failures: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """A resource after Create, Read or Update. `reasons`: it exists but is not ready."""

    id: str
    outputs: Properties
    inputs: Properties | None = None
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Invoked:
    """A function's answer."""

    result: Properties
    failures: Sequence[tuple[str, str]] = ()


class Provider(Protocol):
    """One plugin process; Check, Diff and the rest need it to be configured.

    A refusal is raised as CloudError, Unsupported or UserError; ProviderGone if the plugin
    cannot be talked to.
    """

    known: bool
    """False in a preview if its own inputs are not known yet: then it cannot be asked."""

    async def check_config(self, urn: str, olds: Properties, news: Properties) -> Checked: ...

    async def diff_config(self, old: State, news: Properties) -> Difference: ...

    async def configure(self, urn: str, id_: str, inputs: Properties) -> None: ...

    async def check(self, urn: str, olds: Properties, news: Properties, seed: bytes) -> Checked: ...

    async def diff(
        self, old: State, news: Properties, ignore_changes: Sequence[str]
    ) -> Difference: ...

    async def create(
        self,
        urn: str,
        inputs: Properties,
        *,
        timeout: float,
        preview: bool,
        token: str,
        repeated: bool = False,
    ) -> Outcome: ...

    async def read(
        self, urn: str, id_: str, inputs: Properties, outputs: Properties
    ) -> Outcome | None: ...

    async def update(
        self,
        old: State,
        news: Properties,
        *,
        ignore_changes: Sequence[str],
        timeout: float,
        preview: bool,
    ) -> Outcome: ...

    async def delete(self, state: State, *, timeout: float) -> None: ...

    async def invoke(self, token: str, arguments: Properties, *, preview: bool) -> Invoked: ...

    async def construct(self, request: Any) -> Any: ...

    async def call(self, request: Any) -> Any: ...


class Loader(Protocol):
    """Starts plugins."""

    async def load(self, package: str, version: str, urn: str) -> Provider: ...
