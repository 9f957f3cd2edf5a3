"""Which provider serves whom: those of this run by URN, those of the last by reference.

Explicit providers are resources of the program. Default ones are made here when a resource
names none: one for each package and version, `default_7_51_1`, with the stack's `PACKAGE:*`
configuration as inputs.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping

from sandbox.engine.applying.ports import Loader, Provider
from sandbox.engine.model import urn as urns
from sandbox.engine.model.resource import Goal, State
from sandbox.errors import UserError
from sandbox.wire.values import Properties, Secret

BUILT_IN = "pulumi"
"""The package of the engine's own resources and functions; it has no plugin."""

Register = Callable[[Goal], Awaitable[State]]


class Providers:
    """The providers of one pass."""

    def __init__(
        self,
        loader: Loader,
        project: str,
        stack: str,
        config: Mapping[str, str],
        secret_keys: frozenset[str],
    ) -> None:
        self._loader = loader
        self._project = project
        self._stack = stack
        self._config = config
        self._secret_keys = secret_keys
        self._by_reference: dict[str, Provider] = {}
        self._defaults: dict[tuple[str, str], asyncio.Task[State]] = {}
        self._revived: dict[str, asyncio.Task[Provider]] = {}

    async def load(self, urn: str, version: str) -> Provider:
        """A plugin for the provider `urn`, not configured yet."""
        return await self._loader.load(urns.package_of(urns.type_of(urn)), version, urn)

    def add(self, state: State, provider: Provider) -> None:
        """It is configured: from now on it can be asked."""
        self._by_reference[f"{state.urn}::{state.id}"] = provider

    def get(self, reference: str) -> Provider:
        """The provider of this run that `reference` (URN::ID) means."""
        found = self._by_reference.get(reference)
        if found is None:
            raise UserError(f"Unknown provider {reference}", "No resource of that URN is known.")
        return found

    async def default(self, package: str, version: str, register: Register) -> str:
        """The reference of the default provider, which is registered on first use."""
        key = (package, version)
        if key not in self._defaults:
            goal = self._default_goal(package, version)
            self._defaults[key] = asyncio.ensure_future(register(goal))
        state = await asyncio.shield(self._defaults[key])
        return f"{state.urn}::{state.id}"

    def _default_goal(self, package: str, version: str) -> Goal:
        suffix = "_" + re.sub(r"[.+-]", "_", version) if version else ""
        name = f"default{suffix}"
        type_ = urns.PROVIDER_PREFIX + package
        inputs: Properties = {}
        prefix = f"{package}:"
        for key, value in self._config.items():
            if key.startswith(prefix):
                inputs[key.removeprefix(prefix)] = (
                    Secret(value) if key in self._secret_keys else value
                )
        if version:
            inputs["version"] = version
        urn = urns.make(self._stack, self._project, "", type_, name)
        return Goal(urn, type_, name, custom=True, inputs=inputs)

    async def revive(self, state: State) -> Provider:
        """A provider as the last run left it: for deletions, refreshes and repairs."""
        reference = f"{state.urn}::{state.id}"
        found = self._by_reference.get(reference)
        if found is not None:
            return found
        if reference not in self._revived:
            self._revived[reference] = asyncio.ensure_future(self._revive(state))
        return await asyncio.shield(self._revived[reference])

    async def _revive(self, state: State) -> Provider:
        version = state.inputs.get("version", "")
        provider = await self.load(state.urn, str(version))
        await provider.configure(state.urn, state.id, state.inputs)
        self._by_reference[f"{state.urn}::{state.id}"] = provider
        return provider
