"""One stack as the Pulumi CLI and its state know it: whether it is there, what is in it, and who has locked it.

What only needs the state is read from its file where that is on this machine; everything that
changes something is the CLI's work.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from pathlib import Path
from typing import Any

from cli.base.errors import KitError, UserError
from cli.base.paths import ROOT
from cli.base.record import write_atomically
from cli.stack import checkpoint, failures, locks, pending, plugins
from cli.stack.backends import Found
from cli.stack.command import Cli, Ended
from cli.stack.events import Message
from cli.stack.exported import without_cluster
from cli.stack.failures import Extent
from cli.stack.outputs import StoredOutputs, marked
from cli.stack.place import Place
from cli.stack.room import Room, kept
from infra.contract.outputs import Outputs


class Known:
    """What does not need its program to run."""

    def __init__(
        self,
        place: Place,
        look: pending.Look | None = None,
    ) -> None:
        self._place = place
        self._look = look
        self._stored: Callable[[str], dict[str, Any]] | None = None
        self._exists: bool | None = None
        self._ours: bytes | None = None
        """The configuration file as this process left it."""

    def read_by(self, stored: Callable[[str], dict[str, Any]]) -> None:
        """For looking only: the state is what `stored` has of it, read once and without a run of the CLI."""
        self._stored = cache(stored)
        self._exists = True

    def create(self, secrets_provider: str = "") -> None:
        if self._there() and not self._place.config_file.exists() and not self._place.apart:
            # Made in another clone and never deployed, as by a pipeline's preview: what encrypts its
            # secrets was named in a file that is not here. It is empty, and takes none without that.
            self.remove(config=False)
        if not self._there():
            self._init(secrets_provider or self._place.create)
            self._exists = True
        self._ours = self._content()

    def _init(self, secrets_provider: str) -> None:
        if self._place.state is not None:
            self._place.state.mkdir(parents=True, exist_ok=True)
        self._quietly(
            *("stack", "init", self._place.stack, "--secrets-provider", secrets_provider),
            named=False,
        )

    def _there(self) -> bool:
        if self._exists is None:
            file = self._place.checkpoint
            self._exists = file.exists() if file else self._selectable()
        return self._exists

    def _selectable(self) -> bool:
        ended = self._cli().run("stack", "select", "--stack", self._place.stack, *BATCH)
        if ended.code == 0:
            if not self._place.config_file.exists() and self._history():
                # A fresh clone: what was deployed knows with what.
                self._quietly("config", "refresh", "--force")
            return True
        if "no stack named" in ended.failure_text:
            return False
        raise self._failure("stack select", ended)

    def _require(self) -> None:
        if self._there():
            return
        if self._place.create:
            self.create()
            return
        raise UserError(
            f'There is no environment "{self._place.stack}"',
            "The place that `pulumi login` chose has no stack of that name.",
            f"./aerodrome bootstrap {self._place.stack}",
        )

    def remove(self, *, config: bool) -> None:
        if self._there():
            self._quietly("stack", "rm", "--yes", "--preserve-config")
            self._exists = False
        if config:
            self._place.config_file.unlink(missing_ok=True)

    def forget(self) -> None:
        if self._place.state is None:
            raise UserError(
                "The state of an environment on AWS is never thrown away from here",
                "It is what `down` needs to find the resources.",
                f"pulumi stack rm {self._place.stack}",
            )
        if self._there():
            self._settle_lock(lambda text: None)
            self._quietly("stack", "rm", "--yes", "--force", "--preserve-config")
            self._exists = False

    def forget_in_cluster(self) -> int:
        if not self._there():
            return 0
        exported = self._exported()
        deployment, count = without_cluster(exported.get("deployment") or {})
        if count:
            # What else is unfinished would be forgotten in the import.
            self._take(exported, deployment, lambda text: None)
        return count

    def outputs(self) -> Outputs:
        if not self._there():
            return Outputs({})
        file = self._place.checkpoint
        if file is None and self._stored is None:
            text = self._quietly("stack", "output", "--json")
            clear = self._quietly("stack", "output", "--json", "--show-secrets")
            return Outputs(marked(json.loads(text or "{}"), json.loads(clear or "{}")))
        stored = StoredOutputs(
            pending.stack_outputs(self._deployment()),
            lambda: json.loads(self._quietly("stack", "output", "--json", "--show-secrets")),
        )
        return Outputs(stored)

    def resources(self) -> list[Found]:
        return [
            Found(
                type=str(item.get("type", "")),
                name=str(item["urn"]).rsplit("::", 1)[-1],
                urn=str(item["urn"]),
                id=str(item.get("id", "")),
                created=str(item.get("created", "")),
                inputs=item.get("inputs") or {},
            )
            for item in self._deployment().get("resources") or ()
            if not str(item.get("type", "")).startswith("pulumi:")
        ]

    def deployed(self) -> bool:
        return bool(self.resources())

    def history(self) -> list[dict[str, Any]]:
        """What was done to the stack, the latest first. Numbered, which Pulumi's file backend does not do."""
        runs = self._history() if self._there() else []
        return [
            {**run, "version": run.get("version") or number}
            for run, number in zip(runs, range(len(runs), 0, -1), strict=True)
        ]

    def _history(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(
            self._quietly("stack", "history", "--json") or "[]"
        )
        return found

    def _deployment(self) -> dict[str, Any]:
        if not self._there():
            return {}
        deployment: dict[str, Any] = self._exported().get("deployment") or {}
        return deployment

    def _exported(self) -> dict[str, Any]:
        """As `pulumi stack export` has it."""
        if self._stored is not None:
            return self._stored(self._place.stack)
        file = self._place.checkpoint
        if file is None:
            exported: dict[str, Any] = json.loads(self._quietly("stack", "export"))
            return exported
        return checkpoint.read(file, self._place.stack)

    def _import(self, exported: Mapping[str, Any]) -> None:
        with self._room():
            self._quietly("stack", "import", given=json.dumps(exported))

    def _room(self) -> AbstractContextManager[Room | None]:
        """For the state, where that is on this machine."""
        return nullcontext() if self._place.state is None else kept(self._place.state)

    def _take(
        self,
        exported: Mapping[str, Any],
        deployment: Mapping[str, Any],
        note: Callable[[str], None],
    ) -> None:
        settled = pending.settle(deployment, self._look or pending.nowhere)
        for line in settled.lines():
            note(line)
        self._import({**exported, "deployment": settled.deployment})

    def _unlocked(self, ended: Ended, note: Callable[[str], None]) -> bool:
        """Whether only the lock of a CLI that is gone, or about to end, was in the way; then it is removed."""
        held = locks.named(ended.failure_text)
        if any(holder.is_orphan for holder in held) and locks.await_orphans(held, note):
            return True
        gone = locks.of_the_dead(ended.failure_text)
        for holder in gone:
            _unlock(holder, note)
        if gone:
            self._quietly("cancel", "--yes")
        return bool(gone)

    def _settle_lock(self, note: Callable[[str], None]) -> None:
        """Removes the lock of a CLI that is gone, where locks are files of this machine.

        One that is about to end, for who started it was killed, is waited for.
        """
        if self._place.state is None:
            return
        locks.await_orphans(locks.in_folder(self._place.state, self._place.stack).values(), note)
        for file in self._place.state.glob(".pulumi/**/*.attrs"):
            # Of a CLI that was started by hand, without our address of the backend.
            if file.stat().st_size == 0:
                file.unlink(missing_ok=True)
        for holder in locks.remove_of_the_dead(self._place.state, self._place.stack):
            _unlock(holder, note)

    def _is_at_work(self) -> bool:
        state = self._place.state
        return state is not None and bool(locks.in_folder(state, self._place.stack))

    def _failure(
        self,
        verb: str,
        ended: Ended,
        messages: Sequence[Message] = (),
        extent: Extent = Extent(),
        retry: str = "",
    ) -> KitError:
        return failures.failure(
            verb,
            self._place.stack,
            ended,
            messages,
            extent=extent,
            retry=retry or f"pulumi {verb} --stack {self._place.stack}",
            executable=self._place.executable,
        )

    def _program(self, temporary: Path | None = None) -> Cli:
        """For what runs the program, or may; what its plugins leave in `temporary` goes with that."""
        variables = dict(self._place.variables)
        if temporary is not None:
            variables = dict(self._place.for_runs(variables))
            variables["TMPDIR"] = str(temporary)
        return Cli(self._place.executable, variables, self._place.project)

    def _cli(self) -> Cli:
        """For what needs the configuration file alone, which Pulumi looks for beside a Pulumi.yaml."""
        if not self._place.apart:
            return self._program()
        folder = self._place.config_file.parent
        project_file(folder, self._place.project)
        return Cli(self._place.executable, self._place.variables, folder)

    def _quietly(self, *words: str, given: str = "", named: bool = True) -> str:
        """Runs a command that takes a moment; what it prints."""
        chosen = ("--stack", self._place.stack) if named else ()
        ended = self._cli().run(*words, *chosen, *BATCH, given=given)
        if ended.code != 0 and self._unlocked(ended, lambda text: None):
            ended = self._cli().run(*words, *chosen, *BATCH, given=given)
        if ended.code != 0:
            raise self._failure(" ".join(words[:2]), ended)
        return ended.stdout

    def _content(self) -> bytes | None:
        file = self._place.config_file
        return file.read_bytes() if file.exists() else None


BATCH = ("--non-interactive",)


def project_file(folder: Path, project: Path) -> None:
    """A Pulumi.yaml that gives the project its name where only its configuration is."""
    file = folder / "Pulumi.yaml"
    text = (project / "Pulumi.yaml").read_text() if project != ROOT else _NAME_ONLY
    if not file.exists() or file.read_text() != text:
        write_atomically(file, text)


_NAME_ONLY = "name: aerodrome\nruntime: python\n"


def _unlock(holder: locks.LockOwner, note: Callable[[str], None]) -> None:
    note(f"the stack was locked by {holder}, which is gone: unlocked")
    if count := plugins.end_those_of(holder.pid):
        note(f"{count} plugin(s) of it were still running: stopped")
