"""The only module that prints.

One rule: results go to standard output, everything else (progress, questions, errors) to
standard error. With `--json` the result is one JSON document; progress looks the same.
NO_COLOR is honoured by rich; without a terminal there is neither colour nor animation.
"""

import json
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from cli.base.errors import KitError, UserError
from cli.base.live_lines import making_room

if TYPE_CHECKING:
    from rich.console import Console as Rich

_DEPLOYING = ("up", "preview", "down", "upgrade")


class Console:
    """What a person, or a program that asked for JSON, sees."""

    def __init__(self, out: TextIO | None = None, err: TextIO | None = None) -> None:
        self._out_stream = out
        self._err_stream = err
        self.json = False
        self.verb = ""
        """What was asked for; a verb that deploys tells how it ended in its JSON."""

    @property
    def stdout(self) -> TextIO:
        # Looked up late: test runners and shells put their own streams in place.
        return self._out_stream or sys.stdout

    @property
    def stderr(self) -> TextIO:
        return self._err_stream or sys.stderr

    @property
    def interactive(self) -> bool:
        """Whether somebody is there to answer questions."""
        return self.stderr.isatty() and sys.stdin.isatty()

    def _rich(self, stream: TextIO) -> "Rich":
        # Imported late: help texts and shell completion do without.
        from rich.console import Console as Rich

        # Without a terminal nothing may be wrapped: logs and grep want whole lines.
        width = None if stream.isatty() else 10_000
        return Rich(file=stream, width=width, highlight=False, soft_wrap=True)

    def _print(self, stream: TextIO, text: str, style: str) -> None:
        with making_room(stream):
            # markup off: a log line with [brackets] must come out as it is.
            self._rich(stream).print(text, style=style, markup=False, emoji=False)

    def result(self, data: Any, show: Callable[[], None]) -> None:
        """The outcome of a verb: `data` as JSON if that was asked for, else what `show` says."""
        if self.json:
            if self.verb in _DEPLOYING:
                data = {"result": "succeeded", **data}
            print(json.dumps(data, indent=2, default=str), file=self.stdout, flush=True)
        else:
            show()

    def line(self, text: str = "", style: str = "") -> None:
        """A line of the result."""
        self._print(self.stdout, text, style)

    def table(self, headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Part of the result as columns, two spaces apart."""
        texts = [list(headings), *[[str(cell) for cell in row] for row in rows]]
        widths = [max(len(row[column]) for row in texts) for column in range(len(headings))]
        for number, row in enumerate(texts):
            cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
            self.line("  ".join(cells).rstrip(), "bold" if number == 0 else "")

    def note(self, text: str = "", style: str = "") -> None:
        """A line of progress."""
        self._print(self.stderr, text, style)

    def report(self, text: str) -> None:
        """A line of progress inside a phase."""
        self.note(f"  {text}", "dim")

    def confirm(self, question: str) -> bool:
        """Asks on the terminal; no terminal means no."""
        if not self.interactive:
            return False
        print(f"{question} [y/N] ", end="", file=self.stderr, flush=True)
        return sys.stdin.readline().strip().lower() in ("y", "yes")

    def agree(self, question: str, detail: str, command: str) -> None:
        """UserError with these if the answer is no, or if there is no terminal to ask on."""
        if not self.confirm(question):
            raise UserError("Cancelled", detail, command)

    def failed(self, error: KitError) -> None:
        """What, why and the next command; as JSON too if that was asked for."""
        self.note(f"error: {error.summary}", "bold red")
        for text in error.detail.splitlines():
            self.note(f"  {text}")
        if error.command:
            self.note()
            self.note(f"    {error.command}", "bold")
        if self.json:
            self._json_error(error.data(), error.done())

    def bug(self, error: BaseException, log: Path | None, debug: bool) -> None:
        """A failure that nobody foresaw. The traceback is for us, not for the user."""
        summary = f"this is a bug in aerodrome: {type(error).__name__}: {error}"
        self.note(f"error: {summary}", "bold red")
        if debug:
            traceback.print_exception(error, file=self.stderr)
        elif log is not None:
            self.note(f"  Please report it, with the file {log}")
        else:
            self.note(
                "  Please report it, with what the same command says after: aerodrome --debug"
            )
        if self.json:
            self._json_error(KitError(summary, str(log or "")).data() | {"code": "Bug"}, {})

    def misused(self, message: str) -> None:
        """Wrong usage for a program that asked for JSON; what people see of it is typer's."""
        self._json_error(UserError(message).data(), {})

    def _json_error(self, error: Mapping[str, Any], done: Mapping[str, Any]) -> None:
        document = {"result": "failed", **done, "error": dict(error)}
        print(json.dumps(document, indent=2), file=self.stdout, flush=True)
