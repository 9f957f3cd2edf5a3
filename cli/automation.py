"""Environments on AWS, driven through Pulumi's Automation API. Thin: the CLI does the work."""

import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TextIO, TypeVar

from cli import config_file, pulumi_lock
from cli.backends import Found, Outcome
from cli.environments import ROOT, Environment
from cli.exported import without_cluster
from sandbox.errors import KitError, UserError
from sandbox.wire.values import Secret

if TYPE_CHECKING:
    from pulumi.automation import Stack

_Done = TypeVar("_Done")


class PulumiBackend:
    """One stack of the Pulumi CLI, in the backend that `pulumi login` chose."""

    def __init__(self, environment: Environment, folder: Path = ROOT) -> None:
        self._environment = environment
        self._folder = folder
        self._file = folder / environment.config_file.name
        self._selected: Stack | None = None
        self._looked = False
        self._ours: bytes | None = None
        """The configuration file as we left it."""

    def create(self, secrets_provider: str) -> None:
        if self._found() is not None and not self._file.exists():
            # Made in another clone and never deployed, as by a pipeline's preview: what encrypts its
            # secrets was said in a file that is not here. It is empty, and takes none without that.
            self.remove(config=False)
        if self._selected is None:
            from pulumi import automation

            options = automation.LocalWorkspaceOptions(secrets_provider=secrets_provider)
            with _translated():
                self._selected = automation.create_stack(
                    self._environment.name, work_dir=str(self._folder), opts=options
                )
            self._ours = self._content()

    @contextmanager
    def trial(self) -> Iterator[Self]:
        """The stack that it takes is removed in the end if there was none, and its file is as before,
        unless somebody else wrote it meanwhile."""
        before = self._content()
        had = self._found() is not None
        self._ours = self._content()
        try:
            yield self
        finally:
            # A stack that somebody deployed meanwhile holds resources: Pulumi refuses to remove it.
            with suppress(KitError):
                if not had:
                    self.remove(config=False)
            if self._content() == self._ours:
                self._put_back(before)

    def _content(self) -> bytes | None:
        return self._file.read_bytes() if self._file.exists() else None

    def _put_back(self, content: bytes | None) -> None:
        if content is None:
            self._file.unlink(missing_ok=True)
        elif content != self._ours:
            self._file.write_bytes(content)

    def preview(self, show: TextIO) -> Outcome:
        done = self._unlocked(lambda stack: stack.preview(on_output=_writer(show)), show)
        return Outcome({str(kind): n for kind, n in done.change_summary.items()}, 0.0)

    def up(self, show: TextIO) -> Outcome:
        done = self._unlocked(lambda stack: stack.up(on_output=_writer(show)), show)
        return Outcome(_changes(done.summary.resource_changes), 0.0, _wrapped(done.outputs))

    def destroy(self, show: TextIO) -> Outcome:
        done = self._unlocked(lambda stack: stack.destroy(on_output=_writer(show)), show)
        return Outcome(_changes(done.summary.resource_changes), 0.0)

    def outputs(self) -> dict[str, Any]:
        stack = self._found()
        with _translated():
            return _wrapped(stack.outputs()) if stack else {}

    def resources(self) -> list[Found]:
        stack = self._found()
        with _translated():
            deployment = (stack.export_stack().deployment if stack else None) or {}
        return [
            Found(
                type=str(item["type"]),
                name=str(item["urn"]).rsplit("::", 1)[-1],
                urn=str(item["urn"]),
                id=str(item.get("id", "")),
                created=str(item.get("created", "")),
                inputs=item.get("inputs") or {},
            )
            for item in deployment.get("resources", [])
            if not str(item["type"]).startswith("pulumi:")
        ]

    def get_ready(self) -> None:
        """Pulumi's own engine does everything by itself."""

    def deployed(self) -> bool:
        return bool(self.resources())

    def forget(self) -> None:
        raise UserError(
            "The state of an environment on AWS is never thrown away from here",
            "It is what `down` needs to find the resources.",
            f"pulumi stack rm {self._environment.name}",
        )

    def forget_in_cluster(self) -> int:
        stack = self._found()
        if stack is None:
            return 0
        with _translated():
            exported = stack.export_stack()
            exported.deployment, count = without_cluster(exported.deployment or {})
            if count:
                stack.import_stack(exported)
        return count

    def remove(self, *, config: bool) -> None:
        stack = self._found()
        if stack is None:
            return
        with _translated():
            stack.workspace.remove_stack(self._environment.name, preserve_config=not config)
        self._selected = None

    def config(self) -> dict[str, Any]:
        with _translated():
            values = self._stack().get_all_config()
        return {
            key: Secret(value.value) if value.secret else value.value
            for key, value in values.items()
        }

    def configured(self) -> set[str]:
        return set(self._document())

    def plain(self) -> dict[str, str]:
        return config_file.plain(self._document())

    def _document(self) -> dict[str, Any]:
        """The configuration as it is in the file: secret values are dictionaries."""
        import yaml

        if not self._file.exists():
            # In a fresh clone; finding the stack brings it back.
            self._found()
        try:
            return config_file.read(self._file)
        except (yaml.YAMLError, AttributeError) as error:
            raise UserError(
                f"{self._file} is not a Pulumi configuration file", str(error)
            ) from error

    def set_config(self, key: str, value: str, *, secret: bool) -> None:
        self._stack()
        # Not through the Automation API: it puts the value on the CLI's command line.
        done = subprocess.run(
            [
                *("pulumi", "config", "set", "--stack", self._environment.name),
                *("--secret" if secret else "--plaintext", key),
            ],
            cwd=self._folder,
            input=value,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise KitError("The Pulumi CLI failed", done.stderr.strip())
        self._ours = self._content()

    def remove_config(self, key: str) -> None:
        with _translated():
            self._stack().remove_config(key)

    def _unlocked(self, run: "Callable[[Stack], _Done]", show: TextIO) -> "_Done":
        """Runs it; if only the lock of a killed run is in the way, that is removed first."""
        from pulumi.automation import ConcurrentUpdateError

        stack = self._stack()
        with _translated():
            try:
                return run(stack)
            except ConcurrentUpdateError as error:
                dead = pulumi_lock.of_the_dead(str(error))
                if not dead:
                    raise
                show.write(f"the stack was locked by {', '.join(dead)}, which is gone: unlocked\n")
                stack.cancel()
                return run(stack)

    def _stack(self) -> "Stack":
        stack = self._found()
        if stack is None:
            raise UserError(
                f'There is no environment "{self._environment.name}"',
                "The place that `pulumi login` chose has no stack of that name.",
                f"./aerodrome bootstrap {self._environment.name}",
            )
        return stack

    def _found(self) -> "Stack | None":
        """The stack, with its configuration; None if there is none."""
        if not self._looked:
            if shutil.which("pulumi") is None:
                raise UserError(
                    f'Environment "{self._environment.name}" needs the Pulumi CLI',
                    "Environments other than `sandbox` and `sandbox-...` are on AWS, and the\n"
                    "`pulumi` command is not on the PATH. Install it, log in, and try again.",
                    "./aerodrome up --env sandbox",
                )
            # Imported late: it loads the whole SDK.
            from pulumi import automation

            with _translated():
                self._looked = True
                try:
                    found = automation.select_stack(
                        self._environment.name, work_dir=str(self._folder)
                    )
                except automation.StackNotFoundError:
                    return None
                if not self._file.exists() and found.info(show_secrets=False):
                    # A fresh clone: what was deployed knows with what.
                    found.refresh_config()
            self._selected = found
        return self._selected


def stacks(report: Callable[[str], None], folder: Path = ROOT) -> list[str]:
    """The names of the project's stacks; none without the Pulumi CLI, or where it is not logged in."""
    if shutil.which("pulumi") is None:
        return []
    # Imported late: it loads the whole SDK.
    from pulumi import automation

    try:
        with _translated():
            found = automation.LocalWorkspace(work_dir=str(folder)).list_stacks()
    except KitError as error:
        report(f"environments on AWS are not listed: {error.detail.splitlines()[-1]}")
        return []
    names = {stack.name.rpartition("/")[2] for stack in found}
    return sorted(name for name in names if not Environment(name).sandboxed)


@contextmanager
def _translated() -> Iterator[None]:
    """The Automation API's errors as ours: they carry the CLI's own output."""
    try:
        yield
    except Exception as error:
        # Imported late, and only then: it loads the whole SDK.
        from pulumi.automation import CommandError, InvalidVersionError

        if not isinstance(error, CommandError | InvalidVersionError):
            raise
        reason = str(error).partition(" stderr: ")[2] or str(error)
        raise KitError("The Pulumi CLI failed", reason.strip()) from error


def _writer(show: TextIO) -> Any:
    def write(text: str) -> None:
        show.write(f"{text}\n")
        show.flush()

    return write


def _changes(counts: Mapping[Any, int] | None) -> dict[str, int]:
    return {str(kind): count for kind, count in (counts or {}).items()}


def _wrapped(outputs: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: Secret(output.value) if output.secret else output.value
        for key, output in outputs.items()
    }
