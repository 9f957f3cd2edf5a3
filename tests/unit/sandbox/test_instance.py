"""Where things are kept: root's in the system's folder, everybody else's at home."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.instance import state_dir


@pytest.fixture
def anybody(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Not root, for as long as the test takes."""
    monkeypatch.delenv("AERODROME_STATE", raising=False)
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    monkeypatch.setenv("HOME", "/anybody")
    before = os.geteuid()
    if before == 0:
        os.seteuid(65534)
    yield
    os.seteuid(before)


def test_who_is_not_root_keeps_leases_at_home(anybody: None) -> None:
    assert state_dir() == Path("/anybody/.local/state/aerodrome")


def test_the_desktops_own_folder_counts(anybody: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "/anybody/state")
    assert state_dir() == Path("/anybody/state/aerodrome")


def test_the_variable_counts_first(anybody: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AERODROME_STATE", "/srv/aerodrome")
    assert state_dir() == Path("/srv/aerodrome")
