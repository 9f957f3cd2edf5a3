"""Ports in use are named with their owner."""

import os
import socket

import pytest

from sandbox.cluster import ports
from sandbox.errors import UserError


@pytest.fixture
def taken():
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        yield listening.getsockname()[1]


def test_names_the_process_that_listens(taken: int) -> None:
    owner = ports.owner(taken)
    assert owner is not None
    assert owner.pid == os.getpid()
    assert "python" in owner.command


def test_a_free_port_has_no_owner(taken: int) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        assert ports.owner(unused.getsockname()[1]) is None


def test_a_port_in_use_is_refused_with_its_owner(taken: int) -> None:
    with pytest.raises(UserError) as caught:
        ports.listen_on_loopback(taken)
    assert caught.value.summary == f"Port {taken} is in use"
    assert f"process {os.getpid()} (" in caught.value.detail


def test_a_free_port_is_listened_on_at_loopback_only(taken: int) -> None:
    with ports.listen_on_loopback(0) as listening:
        host, port = listening.getsockname()
        assert host == "127.0.0.1"
        socket.create_connection((host, port), timeout=5).close()
