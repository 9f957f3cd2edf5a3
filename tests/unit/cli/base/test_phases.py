"""What the table of a long verb's times adds up."""

import pytest

from cli.base.console import Console
from cli.base.phases import Phases


@pytest.fixture
def phases() -> Phases:
    return Phases(Console(), total=3)


def test_waiting_counts_where_it_belongs(phases: Phases) -> None:
    """Times are compared with one another only: how long anything takes is the machine's affair."""
    with phases.phase("first"):
        pass
    alone = phases.times[0][1]
    with phases.longer():
        sum(range(10_000))
    assert phases.times[0][1] > alone
    with phases.between("tasks end"):
        pass
    with phases.phase("second"):
        pass
    assert [name for name, _ in phases.times] == ["first", "tasks end", "second"]
    assert phases.seconds == sum(seconds for _, seconds in phases.times)


def test_what_fails_has_a_time_too(phases: Phases) -> None:
    with phases.phase("first"):
        pass
    with pytest.raises(KeyError), phases.longer():
        raise KeyError
    with pytest.raises(KeyError), phases.between("tasks end"):
        raise KeyError
    assert [name for name, _ in phases.times] == ["first", "tasks end"]


def test_only_phases_have_numbers(phases: Phases, capsys: pytest.CaptureFixture[str]) -> None:
    with phases.phase("first"):
        pass
    with phases.between("tasks end"):
        pass
    with phases.phase("second"):
        pass
    said = capsys.readouterr().err
    assert "[1/3] first" in said
    assert "[2/3] second" in said
