"""Environments on AWS, driven through Pulumi's Automation API. Thin: the CLI does the work."""

import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TextIO

from cli.backends import Found, Outcome
from cli.environments import ROOT, Environment
from sandbox.errors import KitError, UserError
from sandbox.wire.values import Secret

if TYPE_CHECKING:
    from pulumi.automation import Stack


class PulumiBackend:
    """One stack of the Pulumi CLI, in the backend that `pulumi login` chose."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._selected: Stack | None = None

    def preview(self, show: TextIO) -> Outcome:
        with _translated():
            done = self._stack().preview(on_output=_writer(show))
        return Outcome({str(kind): n for kind, n in done.change_summary.items()}, 0.0)

    def up(self, show: TextIO) -> Outcome:
        with _translated():
            done = self._stack().up(on_output=_writer(show))
        return Outcome(_changes(done.summary.resource_changes), 0.0, _wrapped(done.outputs))

    def destroy(self, show: TextIO) -> Outcome:
        with _translated():
            done = self._stack().destroy(on_output=_writer(show))
        return Outcome(_changes(done.summary.resource_changes), 0.0)

    def outputs(self) -> dict[str, Any]:
        with _translated():
            return _wrapped(self._stack().outputs())

    def resources(self) -> list[Found]:
        with _translated():
            deployment = self._stack().export_stack().deployment or {}
        return [
            Found(
                type=str(item["type"]),
                name=str(item["urn"]).rsplit("::", 1)[-1],
                urn=str(item["urn"]),
                id=str(item.get("id", "")),
            )
            for item in deployment.get("resources", [])
        ]

    def deployed(self) -> bool:
        return bool(self.resources())

    def forget(self) -> None:
        raise UserError(
            "The state of an environment on AWS is never thrown away from here",
            "It is what `down` needs to find the resources.",
            f"pulumi stack rm {self._environment.name}",
        )

    def config(self) -> dict[str, Any]:
        with _translated():
            values = self._stack().get_all_config()
        return {
            key: Secret(value.value) if value.secret else value.value
            for key, value in values.items()
        }

    def configured(self) -> set[str]:
        return set(self.config())

    def set_config(self, key: str, value: str, *, secret: bool) -> None:
        self._stack()
        # Not through the Automation API: it puts the value on the CLI's command line.
        done = subprocess.run(
            [
                *("pulumi", "config", "set", "--stack", self._environment.name),
                *("--secret" if secret else "--plaintext", key),
            ],
            cwd=ROOT,
            input=value,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise KitError("The Pulumi CLI failed", done.stderr.strip())

    def remove_config(self, key: str) -> None:
        with _translated():
            self._stack().remove_config(key)

    def _stack(self) -> "Stack":
        if self._selected is None:
            if shutil.which("pulumi") is None:
                raise UserError(
                    f'Environment "{self._environment.name}" needs the Pulumi CLI',
                    "Environments other than `sandbox` and `sandbox-...` are on AWS, and the\n"
                    "`pulumi` command is not on the PATH. Install it, log in, and try again.",
                    "./aerodrome up --env sandbox",
                )
            # Imported late: it loads the whole SDK.
            from pulumi import automation

            self._selected = automation.select_stack(self._environment.name, work_dir=str(ROOT))
        return self._selected


@contextmanager
def _translated() -> Iterator[None]:
    """The Automation API's errors as ours: they carry the CLI's own output."""
    try:
        yield
    except RuntimeError as error:
        from pulumi.automation import CommandError

        if not isinstance(error, CommandError):
            raise
        raise KitError("The Pulumi CLI failed", str(error).strip()) from error


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
