"""Structured log lines become text."""

from cli.base.log_lines import lines, readable

ERROR = {"exc_type": "ValueError", "exc_value": "no", "frames": [{"filename": "f", "lineno": 1}]}


def test_entries_of_the_api() -> None:
    content = [{"timestamp": "t", "level": "info", "event": "hello"}, {"event": "x"}, "plain"]
    assert list(lines(content)) == ["t info hello", "x", "plain"]


def test_lines_of_a_file() -> None:
    text = '{"timestamp":"t","event":"hello"}\nplain\n[1]\n{broken\n'
    assert list(readable(text)) == ["t hello", "plain", "[1]", "{broken"]
    assert list(lines(text)) == list(readable(text))


def test_exceptions() -> None:
    content = [{"event": "e", "error_detail": [ERROR]}, {"event": "e", "error_detail": "odd"}]
    assert list(lines(content)) == ["e", "  f:1 in None", "  ValueError: no", "e", "  odd"]
    content = [{"event": "e", "exception": [ERROR]}]
    assert list(lines(content)) == ["e", "  f:1 in None", "  ValueError: no"]
