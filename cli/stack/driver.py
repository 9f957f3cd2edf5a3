"""One stack, moved by the Pulumi CLI: the same for every environment.

What only needs the state is read from its file where that is on this machine; everything that
changes something is the CLI's work.
"""

import json
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self, TextIO

from cli import config_file, passphrase
from cli.backends import Found, Outcome
from cli.environments import ROOT, Environment
from cli.exported import without_cluster
from cli.record import write_atomically
from cli.stack import checkpoint, failures, former_state, locks, pending, plugins, run_folder
from cli.stack.command import Cli, Ended
from cli.stack.display import Display
from cli.stack.events import Done, EventLog, Failed, Message, Step, Summary
from cli.stack.failures import Extent
from cli.stack.outputs import Outputs, marked
from cli.stack.place import HOME, Place
from cli.stack.room import COMMAND as ROOM_COMMAND
from cli.stack.room import Room, kept
from cli.values import Secret
from sandbox.errors import KitError, UserError

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

    def see(self, log: EventLog) -> None:
        for event in log.new():
            self.display.show(event)
            match event:
                case Message():
                    self.messages.append(event)
                case Summary(changes=changes):
                    self.changes = changes
                case Failed(step):
                    self.failed.append(event)
                    if _changes_something(step):
                        self.extent = replace(self.extent, touched=True)
                case Done(step):
                    if _changes_something(step):
                        self.extent = Extent(done=True, touched=True)


def _changes_something(step: Step) -> bool:
    return step.op not in _UNCHANGED and not step.type.startswith("pulumi:")


class Stack:
    """One environment's stack; `cli.backends.Backend` says what each method does."""

    def __init__(
        self,
        place: Place,
        look: pending.Look | None = None,
    ) -> None:
        self._place = place
        self._look = look
        self._exists: bool | None = None
        self._ours: bytes | None = None
        """The configuration file as this process left it."""

    # -- the stack itself ------------------------------------------------------------------

    def create(self, secrets_provider: str = "") -> None:
        if self._there() and not self._place.config_file.exists() and not self._place.apart:
            # Made in another clone and never deployed, as by a pipeline's preview: what encrypts its
            # secrets was said in a file that is not here. It is empty, and takes none without that.
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
        ended = self._cli().run("stack", "select", "--stack", self._place.stack, *_BATCH)
        if ended.code == 0:
            if not self._place.config_file.exists() and self._history():
                # A fresh clone: what was deployed knows with what.
                self._quietly("config", "refresh", "--force")
            return True
        if "no stack named" in ended.said:
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

    # -- operations ------------------------------------------------------------------------

    @contextmanager
    def trial(self) -> Iterator[Self]:
        """For a preview: the configuration is a copy, and a stack that it takes is removed in the end."""
        if not self._place.apart:
            with self._trial_in_place():
                yield self
            return
        with tempfile.TemporaryDirectory(prefix="aerodrome-preview-") as folder:
            file = Path(folder) / self._place.config_file.name
            if self._place.config_file.exists():
                shutil.copyfile(self._place.config_file, file)
            _project_file(file.parent, self._place.project)
            place = replace(self._place, config_file=file)
            if HOME in place.variables:
                # The CLI keeps a log of each run there.
                place = place.with_variables({HOME: str(Path(folder) / "home")})
            phrase = place.variables.get(passphrase.PASSPHRASE_FILE)
            if phrase and not Path(phrase).exists():
                # What a preview generates is nobody's secret.
                lent = Path(folder) / "passphrase"
                passphrase.create(lent)
                place = place.with_variables({passphrase.PASSPHRASE_FILE: str(lent)})
            if not self._there() and place.state is not None:
                # Its base may be another stack there.
                state = Path(folder) / "state"
                stacks = Path(".pulumi") / "stacks"
                if (place.state / stacks).exists():
                    shutil.copytree(place.state / stacks, state / stacks)
                state.mkdir(exist_ok=True)
                place = place.in_state(state)
            yield type(self)(place, self._look)

    @contextmanager
    def _trial_in_place(self) -> Iterator[None]:
        before = self._content()
        had = self._there()
        self._ours = self._content()
        try:
            yield
        finally:
            if not had and self._there():
                # A stack that somebody deployed meanwhile holds resources: Pulumi refuses to remove it.
                ended = self._cli().run(
                    *("stack", "rm", "--yes", "--preserve-config", "--stack", self._place.stack),
                    *_BATCH,
                )
                self._exists = None if ended.code else False
            if self._content() == self._ours:
                self._put_back(before)

    def _content(self) -> bytes | None:
        file = self._place.config_file
        return file.read_bytes() if file.exists() else None

    def _put_back(self, content: bytes | None) -> None:
        if content is None:
            self._place.config_file.unlink(missing_ok=True)
        elif content != self._ours:
            self._place.config_file.write_bytes(content)

    def preview(self, show: TextIO, *, refresh: bool = False) -> Outcome:
        self._require()
        if not self._is_at_work():
            self._adapt(_writer(show))
        if unfinished := pending.operations(self._deployment()):
            show.write(
                f"{len(unfinished)} step(s) of an interrupted run are not settled; `up` settles them first\n"
            )
        options = ["--refresh"] if refresh else []
        return self._run("preview", [*options, "--diff"], show)

    def up(self, show: TextIO, *, refresh: bool = False) -> Outcome:
        self._require()
        self._settle(show)
        # Without Pulumi's own preview: whoever wants to see it first has called `preview`.
        options = ["--yes", "--skip-preview", *(["--refresh"] if refresh else [])]
        done = self._run("up", options, show)
        return replace(done, outputs=self.outputs())

    def refresh(self, show: TextIO) -> Outcome:
        self._require()
        self._settle(show)
        return self._run("refresh", ["--yes", "--skip-preview"], show)

    def destroy(self, show: TextIO, *, seconds: float | None = None) -> Outcome:
        if not self._there():
            return Outcome({}, 0.0)
        self._settle(show)
        return self._run("destroy", ["--yes", "--skip-preview"], show, seconds)

    def _run(
        self, verb: str, options: list[str], show: TextIO, seconds: float | None = None
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
                return room is not None and room.is_used_up()

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
                f"`pulumi {verb}` was interrupted: its time was up",
                "What it has done is saved. The same command goes on from there.",
            )
        if ended.stopped:
            raise KitError(
                "The disk is full",
                f"{self._place.state} had no room left, and `pulumi {verb}` was interrupted.\n"
                "What it has done is saved. Make room; the same command goes on from there.",
                f"{ROOM_COMMAND} {self._place.state}",
            )
        if ended.code != 0:
            if self._unlocked(ended, note):
                return self._run(verb, options, show, seconds)
            if changes:
                self._settle_lost(watched, note)
            raise self._failure(verb, ended, watched)
        return Outcome(watched.changes, time.monotonic() - started)

    def _failure(self, verb: str, ended: Ended, watched: _Watched | None = None) -> KitError:
        retry = "down" if verb == "destroy" else verb
        return failures.failure(
            verb,
            self._place.stack,
            ended,
            watched.messages if watched else (),
            extent=watched.extent if watched and verb != "preview" else Extent(),
            retry=f"./aerodrome {retry} --env {self._place.stack}"
            if verb in TITLES
            else f"pulumi {verb} --stack {self._place.stack}",
            executable=self._place.executable,
        )

    def _unlocked(self, ended: Ended, note: Callable[[str], None]) -> bool:
        """Whether only the lock of a CLI that is gone, or about to end, was in the way; then it is removed."""
        held = locks.named(ended.said)
        if any(holder.is_orphan for holder in held) and locks.await_orphans(held, note):
            return True
        gone = locks.of_the_dead(ended.said)
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

    def _settle(self, show: TextIO) -> None:
        """Finds out what became of the steps of an interrupted run, and takes that into the state."""
        note = _writer(show)
        self._settle_lock(note)
        if self._is_at_work():
            # The CLI says so; what it has begun is not to be taken for unfinished.
            return
        self._adapt(note)
        exported = self._exported()
        if unfinished := pending.operations(exported.get("deployment") or {}):
            note(f"an interrupted run left {len(unfinished)} step(s) unfinished: looking for them")
            self._take(exported, exported["deployment"], note)

    def _adapt(self, note: Callable[[str], None]) -> None:
        """Makes of a state that an older version wrote one that Pulumi's own providers read."""
        if self._place.state is None:
            # That version wrote none but those of this machine.
            return
        exported = self._exported()
        deployment = former_state.adapted(exported.get("deployment") or {})
        if deployment is not None:
            note("the state is of an older version of Aerodrome: adapted")
            self._import({**exported, "deployment": deployment})

    def _settle_lost(self, watched: _Watched, note: Callable[[str], None]) -> None:
        """Finds out what became of the steps whose plugin died: Pulumi forgets them."""
        if not watched.failed:
            return
        exported = self._exported()
        deployment = pending.lost(
            exported.get("deployment") or {}, watched.failed, watched.messages
        )
        if deployment is not None:
            note("a plugin died: looking for what it had begun")
            self._take(exported, deployment, note)

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

    # -- what is known ---------------------------------------------------------------------

    def outputs(self) -> dict[str, Any]:
        if not self._there():
            return {}
        file = self._place.checkpoint
        if file is None:
            text = self._quietly("stack", "output", "--json")
            clear = self._quietly("stack", "output", "--json", "--show-secrets")
            return marked(json.loads(text or "{}"), json.loads(clear or "{}"))
        return Outputs(
            pending.stack_outputs(self._deployment()),
            lambda: json.loads(self._quietly("stack", "output", "--json", "--show-secrets")),
        )

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

    # -- configuration ---------------------------------------------------------------------

    def config(self) -> dict[str, Any]:
        if not self._there() and not self._place.config_file.exists():
            return {}
        self._require()
        found = json.loads(self._quietly("config", "--json", "--show-secrets") or "{}")
        return {
            key: Secret(item.get("value", "")) if item.get("secret") else item.get("value", "")
            for key, item in found.items()
        }

    def configured(self) -> set[str]:
        return set(self._document())

    def plain(self) -> dict[str, str]:
        return config_file.plain(self._document())

    def _document(self) -> dict[str, Any]:
        """The configuration as it is in the file: secret values are dictionaries."""
        import yaml

        if not self._place.config_file.exists() and not self._place.apart:
            # In a fresh clone; finding the stack brings it back.
            self._there()
        try:
            return config_file.read(self._place.config_file)
        except (yaml.YAMLError, AttributeError, TypeError) as error:
            raise UserError(
                f"{self._place.config_file} is not a Pulumi configuration file", str(error)
            ) from error

    def set_config(self, key: str, value: str, *, secret: bool) -> None:
        self._require()
        kind = "--secret" if secret else "--plaintext"
        # From standard input: the list of processes shows every command line.
        self._quietly("config", "set", kind, key, given=value)
        self._ours = self._content()

    def set_plain(self, values: Mapping[str, str]) -> None:
        self._require()
        if values:
            pairs = [f"--plaintext={key}={value}" for key, value in values.items()]
            self._quietly("config", "set-all", *pairs)
            self._ours = self._content()

    def remove_config(self, key: str) -> None:
        self._require()
        self._quietly("config", "rm", key)
        self._ours = self._content()

    def change_passphrase(self, new: str, *, managed: bool) -> int:
        if self._place.checkpoint is None:
            raise UserError(
                f'The secrets of "{self._place.stack}" are not encrypted with a passphrase of this machine',
                "Pulumi's own command changes what encrypts them.",
                f"pulumi stack change-secrets-provider passphrase --stack {self._place.stack}",
            )
        self._require()
        self._settle_lock(lambda text: None)
        count = sum(1 for value in self._document().values() if isinstance(value, dict))
        environment = Environment(self._place.stack)
        passphrase.change(environment, new, self._encrypted, managed=managed)
        return count

    def _encrypted(self, new: str) -> dict[Path, str]:
        """State and configuration as they are with another passphrase: changed on copies."""
        stored = self._place.checkpoint
        assert stored is not None and self._place.state is not None
        files = (self._place.config_file, stored)
        with tempfile.TemporaryDirectory(prefix="aerodrome-passphrase-") as name:
            state = Path(name) / "state"
            copies = (Path(name) / files[0].name, state / stored.relative_to(self._place.state))
            copies[1].parent.mkdir(parents=True)
            for original, copy in zip(files, copies, strict=True):
                shutil.copyfile(original, copy)
            place = replace(self._place, config_file=copies[0]).in_state(state)
            given = f"{new}\n{new}\n"
            type(self)(place)._quietly(
                "stack", "change-secrets-provider", "passphrase", given=given
            )
            return {
                original: copy.read_text() for original, copy in zip(files, copies, strict=True)
            }

    # -- the CLI ---------------------------------------------------------------------------

    def _program(self, temporary: Path | None = None) -> Cli:
        """For what runs the program, or may; what its plugins leave in `temporary` goes with that."""
        variables = dict(self._place.variables)
        if temporary is not None:
            variables["TMPDIR"] = str(temporary)
        return Cli(self._place.executable, variables, self._place.project)

    def _cli(self) -> Cli:
        """For what needs the configuration file alone, which Pulumi looks for beside a Pulumi.yaml."""
        if not self._place.apart:
            return self._program()
        folder = self._place.config_file.parent
        _project_file(folder, self._place.project)
        return Cli(self._place.executable, self._place.variables, folder)

    def _quietly(self, *words: str, given: str = "", named: bool = True) -> str:
        """Runs a command that takes a moment; what it prints."""
        chosen = ("--stack", self._place.stack) if named else ()
        ended = self._cli().run(*words, *chosen, *_BATCH, given=given)
        if ended.code != 0 and self._unlocked(ended, lambda text: None):
            ended = self._cli().run(*words, *chosen, *_BATCH, given=given)
        if ended.code != 0:
            raise self._failure(" ".join(words[:2]), ended)
        return ended.stdout


_BATCH = ("--non-interactive",)


def _project_file(folder: Path, project: Path) -> None:
    """A Pulumi.yaml that gives the project its name where only its configuration is."""
    file = folder / "Pulumi.yaml"
    text = (project / "Pulumi.yaml").read_text() if project != ROOT else _NAME_ONLY
    if not file.exists() or file.read_text() != text:
        write_atomically(file, text)


_NAME_ONLY = "name: aerodrome\nruntime: python\n"


def _unlock(holder: locks.Holder, note: Callable[[str], None]) -> None:
    note(f"the stack was locked by {holder}, which is gone: unlocked")
    if count := plugins.end_those_of(holder.pid):
        note(f"{count} plugin(s) of it were still at work: ended")


def _writer(show: TextIO) -> Callable[[str], None]:
    def write(text: str) -> None:
        show.write(f"  {text}\n")
        show.flush()

    return write


def _diff(text: str) -> str:
    return text if text.endswith("\n") or not text else f"{text}\n"
