"""What is remembered of an environment between two runs."""

import pytest

from cli.base.environments import Environment
from cli.base.record import Record, on_sandbox, write_atomically

ENVIRONMENT = Environment("sandbox")


def test_a_record_comes_back() -> None:
    record = Record("default", "abc").proved({"run": "r1"})
    record.write(ENVIRONMENT)
    assert Record.read(ENVIRONMENT) == record


@pytest.mark.parametrize("text", ["", "{", "[]", '{"sandbox": "x"}'])
def test_an_unreadable_record_is_none(text: str) -> None:
    write_atomically(ENVIRONMENT.record_file, text)
    assert Record.read(ENVIRONMENT) is None


def test_environments_of_a_sandbox() -> None:
    Record("default").write(ENVIRONMENT)
    Record("other").write(Environment("sandbox-b"))
    assert on_sandbox(ENVIRONMENT.record_file.parent, "default") == ["sandbox"]


def test_a_failed_write_leaves_the_old_text_and_no_litter() -> None:
    write_atomically(ENVIRONMENT.record_file, "old")
    with pytest.raises(UnicodeEncodeError):
        write_atomically(ENVIRONMENT.record_file, "\ud800")
    assert ENVIRONMENT.record_file.read_text() == "old"
    assert [path.name for path in ENVIRONMENT.record_file.parent.iterdir()] == ["sandbox.json"]
