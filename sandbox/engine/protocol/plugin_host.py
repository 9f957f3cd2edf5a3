"""Finds and starts plugins, and keeps them for the whole operation.

A plugin is configured once in its life. Providers that would be configured alike share a
process: two versions of a package, or the same provider in preview and update.
"""

import asyncio
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from sandbox.engine.protocol.plugin import Plugin
from sandbox.engine.protocol.plugin_process import PluginProcess, PluginSettings
from sandbox.errors import Unsupported
from sandbox.wire.values import Properties


@dataclass(slots=True)
class PluginHost:
    """An `applying.ports.Loader`."""

    settings: PluginSettings
    _processes: list[PluginProcess] = field(default_factory=list)

    def start_early(self, packages: Mapping[str, int]) -> None:
        """Start as many plugins as the last run needed, while the program is still importing
        its libraries."""
        for package, count in packages.items():
            if self._executable(package) is not None:
                for _ in range(count - len(self._usable(package))):
                    self._start(package)

    async def next_pass(self, engine_address: str) -> None:
        """The plugins stay, and learn the engine's new address."""
        self.settings = replace(self.settings, engine_address=engine_address)
        self._processes = [process for process in self._processes if process.usable]
        await asyncio.gather(*(p.greet(engine_address) for p in self._processes))

    async def load(self, package: str, version: str, urn: str) -> Plugin:
        usable = self._usable(package)
        process = usable[0] if usable else self._start(package)
        await process.wait_until_started()
        return Plugin(package, process, self)

    def process_for(self, package: str, configuration: Properties) -> PluginProcess:
        """A process that is, or from now on may be, configured like that."""
        usable = self._usable(package)
        for process in usable:
            if process.configuration == configuration:
                return process
        for process in usable:
            if process.configuration is None:
                break
        else:
            process = self._start(package)
        process.configuration = configuration
        return process

    def _usable(self, package: str) -> list[PluginProcess]:
        return [p for p in self._processes if p.package == package and p.usable]

    def _executable(self, package: str) -> str | None:
        name = f"pulumi-resource-{package}"
        return shutil.which(name, path=self.settings.environment.get("PATH", ""))

    def _start(self, package: str) -> PluginProcess:
        executable = self._executable(package)
        if executable is None:
            raise Unsupported(
                f"There is no provider plugin for the package {package}",
                f"No executable pulumi-resource-{package} is on the PATH.",
            )
        process = PluginProcess(package, self.settings, executable)
        self._processes.append(process)
        process.start()
        return process

    async def close(self) -> None:
        await asyncio.gather(*(process.stop() for process in self._processes))
        self._processes.clear()

    def kill(self) -> None:
        """At once, with whatever they have started."""
        for process in self._processes:
            process.kill()


def search_path(folders: Sequence[Path], path: str) -> str:
    """PATH with these folders first."""
    return os.pathsep.join([*map(str, folders), *([path] if path else [])])
