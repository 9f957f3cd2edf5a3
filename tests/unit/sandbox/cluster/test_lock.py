"""One command at a time changes a sandbox."""

import contextlib
import os
import threading
from pathlib import Path

import pytest

from sandbox.cluster.lock import choosing_a_network, held
from sandbox.errors import UserError


def test_a_second_holder_is_told_about_the_first(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with held(path, "sandbox up"), pytest.raises(UserError) as caught, held(path, "sandbox down"):
        pass
    assert f"Process {os.getpid()} (sandbox up) holds" in caught.value.detail
    assert "UTC" in caught.value.detail


def test_a_patient_one_waits_for_the_first(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    first = contextlib.ExitStack()
    first.enter_context(held(path, "sandbox up"))
    ender = threading.Timer(0.3, first.close)
    ender.start()
    with held(path, "sandbox up", patience=30.0):
        assert path.exists()
    ender.join()


def test_free_again_after_use_and_after_a_failure(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "lock"
    with pytest.raises(ValueError, match="inside"), held(path, "one"):
        raise ValueError("inside")
    with held(path, "two"):
        assert path.exists()
    assert not path.exists()


def test_a_removed_file_is_no_lock(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with held(path, "down"):
        path.unlink()
        with held(path, "up"):
            assert path.exists()


def test_networks_are_chosen_one_at_a_time() -> None:
    with choosing_a_network():
        pass
    with choosing_a_network():
        pass
