"""Finds and starts plugins, and keeps them for the whole operation."""

import asyncio
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from sandbox.engine.protocol.plugin import Plugin
from sandbox.engine.protocol.plugin_process import PluginSettings
from sandbox.errors import Unsupported


@dataclass(slots=True)
class PluginHost:
    """Starts plugins, keeps them for the operation's next pass, and ends them all."""

    settings: PluginSettings
    _plugins: list["Plugin"] = field(default_factory=list)
    _idle: dict[str, "Plugin"] = field(default_factory=dict)
    """Those of an earlier pass, by their provider's URN."""

    _early: dict[str, asyncio.Task["Plugin"]] = field(default_factory=dict)

    def start_early(self, providers: Mapping[str, str]) -> None:
        """Start what the last run needed (packages by the provider's URN), while the program
        is still importing its libraries."""
        for urn, package in providers.items():
            if urn not in self._idle and self._executable(package) is not None:
                self._early[urn] = asyncio.create_task(self._start(package))

    def next_pass(self, engine_address: str) -> None:
        """The plugins stay; what they were configured with may serve once more."""
        self.settings = replace(self.settings, engine_address=engine_address)
        for plugin in self._plugins:
            if plugin.usable and plugin.urn:
                self._idle[plugin.urn] = plugin

    async def load(self, package: str, version: str, urn: str) -> "Plugin":
        plugin = self._idle.pop(urn, None)
        if plugin is not None:
            await plugin.handshake(self.settings.engine_address)
            return plugin
        early = self._early.pop(urn, None)
        plugin = await (early if early is not None else self._start(package))
        plugin.urn = urn
        return plugin

    def _executable(self, package: str) -> str | None:
        name = f"pulumi-resource-{package}"
        return shutil.which(name, path=self.settings.environment.get("PATH", ""))

    async def _start(self, package: str) -> "Plugin":
        executable = self._executable(package)
        if executable is None:
            raise Unsupported(
                f"There is no provider plugin for the package {package}",
                f"No executable pulumi-resource-{package} is on the PATH.",
            )
        plugin = Plugin(package, self.settings, executable)
        self._plugins.append(plugin)
        await plugin.start()
        return plugin

    async def close(self) -> None:
        await asyncio.gather(*self._early.values(), return_exceptions=True)
        await asyncio.gather(*(plugin.stop() for plugin in self._plugins))
        self._plugins.clear()

    def kill(self) -> None:
        """At once, with whatever they have started."""
        for plugin in self._plugins:
            plugin.kill()


def search_path(folders: Sequence[Path], path: str) -> str:
    """PATH with these folders first."""
    return os.pathsep.join([*map(str, folders), *([path] if path else [])])
