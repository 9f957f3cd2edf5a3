"""One stack, moved by the Pulumi CLI: the same for every environment."""

import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from typing import Any, TextIO

from cli.base.errors import KitError
from cli.stack import former_state, pending, run_folder
from cli.stack.backends import NEVER, Outcome, Stop
from cli.stack.configuration import Configured
from cli.stack.display import Display
from cli.stack.events import Done, EventLog, Failed, Message, Started, Step, Summary
from cli.stack.failures import Extent

TITLES = {
    "preview": "Previewing",
    "up": "Updating",
    "refresh": "Refreshing",
    "destroy": "Destroying",
}
_UNCHANGED = ("same", "read", "refresh")


@dataclass
class _Watched:
    """What an operation's events amounted to."""

    display: Display
    changes: Mapping[str, int] = field(default_factory=dict)
    messages: list[Message] = field(default_factory=list)
    failed: list[Failed] = field(default_factory=list)
    extent: Extent = field(default_factory=Extent)
    losing: list[str] = field(default_factory=list)

    def see(self, log: EventLog) -> None:
        for event in log.new():
            self.display.show(event)
            match event:
                case Message():
                    self.messages.append(event)
                case Summary(changes=changes):
                    self.changes = changes
                case Started(step) if step.loses_data:
                    self.losing.append(f"{step.op} {step.type} {step.name}")
                case Failed(step):
                    self.failed.append(event)
                    if _changes_something(step):
                        self.extent = replace(self.extent, touched=True)
                case Done(step):
                    if _changes_something(step):
                        self.extent = Extent(done=True, touched=True)


def _changes_something(step: Step) -> bool:
    return step.op not in _UNCHANGED and not step.type.startswith("pulumi:")


class Stack(Configured):
    """One environment's stack; `cli.stack.backends.Backend` says what each method does."""

    def preview(self, show: TextIO, *, refresh: bool = False) -> Outcome:
        self._require()
        exported = self._exported() if self._is_at_work() else self._adapted(_writer(show))
        if unfinished := pending.operations(exported.get("deployment") or {}):
            show.write(
                f"{len(unfinished)} step(s) of an interrupted run are not settled; `up` settles them first\n"
            )
        options = ["--refresh"] if refresh else []
        return self._run("preview", [*options, "--diff"], show)

    def up(self, show: TextIO, *, refresh: bool = False, stop: Stop = NEVER) -> Outcome:
        self._require()
        self._settle(show)
        # Without Pulumi's own preview: whoever wants to see it first has called `preview`.
        options = ["--yes", "--skip-preview", *(["--refresh"] if refresh else [])]
        done = self._run("up", options, show, stop=stop)
        return replace(done, outputs=self.outputs())

    def refresh(self, show: TextIO, *, seconds: float | None = None) -> Outcome:
        self._require()
        self._settle(show)
        return self._run("refresh", ["--yes", "--skip-preview"], show, seconds)

    def destroy(self, show: TextIO, *, seconds: float | None = None, stop: Stop = NEVER) -> Outcome:
        if not self._there():
            return Outcome({}, 0.0)
        self._settle(show)
        return self._run("destroy", ["--yes", "--skip-preview"], show, seconds, stop)

    def _run(
        self,
        verb: str,
        options: list[str],
        show: TextIO,
        seconds: float | None = None,
        stop: Stop = NEVER,
    ) -> Outcome:
        started = time.monotonic()
        note = _writer(show)
        self._settle_lock(note)
        changes = verb != "preview"
        with self._room() if changes else nullcontext() as room, run_folder.made() as folder:
            log = EventLog(folder / "events.jsonl")
            words = [verb, *options, "--stack", self._place.stack, "--event-log", str(log.path)]
            if self._place.apart:
                words += ["--config-file", str(self._place.config_file)]
            watched = _Watched(Display(show, f"{TITLES[verb]} {self._place.stack}"))

            def look() -> bool:
                watched.see(log)
                return bool(stop()) or (room is not None and room.is_used_up())

            try:
                ended = self._program(folder).run(
                    *words,
                    *("--non-interactive", "--color", "never"),
                    seconds=seconds,
                    look=look,
                    note=note,
                )
            finally:
                watched.display.end()
        if verb == "preview" and ended.code == 0:
            show.write(_diff(ended.stdout))
        if ended.interrupted:
            raise KeyboardInterrupt
        if ended.timed_out:
            raise KitError(
                f"`pulumi {verb}` was interrupted: its timeout has passed",
                "What it has done is saved. The same command continues from there.",
            )
        retry = f"./aerodrome {'down' if verb == 'destroy' else verb} --env {self._place.stack}"
        if ended.stopped and (reason := stop()):
            raise KitError(
                f"`pulumi {verb}` was interrupted: it could not succeed any more",
                f"{reason}\nWhat it has done is saved.",
                retry,
            )
        if ended.stopped and room is not None:
            raise room.interrupted(verb)
        if ended.code != 0:
            if self._unlocked(ended, note):
                return self._run(verb, options, show, seconds, stop)
            if changes:
                self._settle_lost(watched, note)
            raise self._failure(
                verb,
                ended,
                watched.messages,
                watched.extent if changes else Extent(),
                retry,
            )
        losing = tuple(dict.fromkeys(watched.losing)) if verb == "preview" else ()
        return Outcome(watched.changes, time.monotonic() - started, losing=losing)

    def _settle(self, show: TextIO) -> None:
        """Finds out what became of the steps of an interrupted run, and takes that into the state."""
        note = _writer(show)
        self._settle_lock(note)
        if self._is_at_work():
            # The CLI says so; what it has begun is not to be taken for unfinished.
            return
        exported = self._adapted(note)
        if unfinished := pending.operations(exported.get("deployment") or {}):
            note(f"an interrupted run left {len(unfinished)} step(s) unfinished: looking for them")
            self._take(exported, exported["deployment"], note)

    def _adapted(self, note: Callable[[str], None]) -> Mapping[str, Any]:
        """The exported state; one that an older version wrote is made one that Pulumi's own providers read."""
        exported = self._exported()
        # That version wrote none but those of this machine.
        deployment = self._place.state and former_state.adapted(exported.get("deployment") or {})
        if not deployment:
            return exported
        note("the state is of an older version of Aerodrome: adapted")
        self._import({**exported, "deployment": deployment})
        return self._exported()

    def _settle_lost(self, watched: _Watched, note: Callable[[str], None]) -> None:
        """Finds out what became of the steps whose plugin died: Pulumi forgets them."""
        if not watched.failed:
            return
        exported = self._exported()
        deployment = pending.lost(
            exported.get("deployment") or {}, watched.failed, watched.messages
        )
        if deployment is not None:
            note("a plugin exited unexpectedly: looking for the resources of its unfinished steps")
            self._take(exported, deployment, note)


def _writer(show: TextIO) -> Callable[[str], None]:
    def write(text: str) -> None:
        show.write(f"  {text}\n")
        show.flush()

    return write


def _diff(text: str) -> str:
    return text if text.endswith("\n") or not text else f"{text}\n"
