"""Where things are printed."""

import io
import json
import threading

from cli.base.console import Console
from cli.base.errors import CloudError, UserError
from cli.base.live_lines import LiveLines


def _console() -> tuple[Console, io.StringIO, io.StringIO]:
    out, err = io.StringIO(), io.StringIO()
    return Console(out, err), out, err


def test_results_and_progress_go_separate_ways() -> None:
    console, out, err = _console()
    console.note("progress")
    console.result({"a": 1}, lambda: console.line("result"))
    assert out.getvalue() == "result\n"
    assert err.getvalue() == "progress\n"


def test_json_replaces_the_result() -> None:
    console, out, _ = _console()
    console.json = True
    console.result({"a": 1}, lambda: console.line("result"))
    assert json.loads(out.getvalue()) == {"a": 1}


def test_text_comes_out_as_it_is() -> None:
    console, out, _ = _console()
    text = "[bold]not markup[/bold] :smile: " + "x" * 300
    console.line(text)
    assert out.getvalue() == f"{text}\n"


def test_a_table_has_aligned_columns() -> None:
    console, out, _ = _console()
    console.table(("a", "bb"), [("long", "1"), ("s", "2")])
    assert out.getvalue() == "a     bb\nlong  1\ns     2\n"


def test_without_a_terminal_the_answer_is_no() -> None:
    console, _, err = _console()
    assert console.confirm("Really?") is False
    assert err.getvalue() == ""


def test_an_error_is_shown_in_full() -> None:
    console, _, err = _console()
    console.failed(UserError("What", "why\nand more", "next"))
    assert err.getvalue() == "error: What\n  why\n  and more\n\n    next\n"


def test_a_failure_as_json_says_what_was_done_before_it() -> None:
    class Stopped(CloudError):
        def done(self) -> dict[str, object]:
            return {"changes": {"create": 2}}

    out = io.StringIO()
    console = Console(out, io.StringIO())
    console.json = True
    console.failed(Stopped("No room", "The disk is full.", "df", code="ENOSPC"))
    assert json.loads(out.getvalue()) == {
        "result": "failed",
        "changes": {"create": 2},
        "error": {
            "code": "Stopped",
            "summary": "No room",
            "detail": "The disk is full.",
            "command": "df",
            "cloudCode": "ENOSPC",
        },
    }


def test_a_verb_that_deploys_says_that_it_succeeded() -> None:
    out = io.StringIO()
    console = Console(out, io.StringIO())
    console.json, console.verb = True, "up"
    console.result({"changes": {}}, lambda: None)
    assert json.loads(out.getvalue()) == {"result": "succeeded", "changes": {}}


def _screen(text: str) -> list[str]:
    """What a terminal shows after it: lines, and the one sequence that erases some."""
    lines: list[str] = []
    while text:
        if text.startswith("\x1b["):
            up, _, text = text[2:].partition("A\r\x1b[J")
            del lines[-int(up) :]
        else:
            line, _, text = text.partition("\n")
            lines.append(line)
    return lines


class _Terminal(io.StringIO):
    """Tells when something has been drawn."""

    def __init__(self) -> None:
        super().__init__()
        self.drawn = threading.Event()

    def flush(self) -> None:
        self.drawn.set()


def test_a_line_of_progress_stays_above_the_lines_that_are_drawn_again() -> None:
    terminal = _Terminal()
    console = Console(io.StringIO(), terminal)
    live = LiveLines(terminal, lambda: ["under way", "1 done"])
    live.start()
    for text in ("one", "another"):
        terminal.drawn.clear()
        assert terminal.drawn.wait(10)
        console.report(text)
    live.stop()
    assert _screen(terminal.getvalue()) == ["  one", "  another"]
