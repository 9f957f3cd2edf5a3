"""What a connection through a worker comes to: answered, or to be made again with another."""

import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from cli.cloud.tunnel.way import _carry
from tests.unit.cli.cloud.test_tunnel import HOST, Setting, connect, login, setting, until_end

__all__ = ["setting"]


@dataclass
class Ends:
    """A connection between a client and a host, with what carries between them."""

    client: socket.socket
    here: socket.socket
    there: socket.socket
    host: socket.socket


@pytest.fixture
def ends() -> Iterator[Ends]:
    made = Ends(*socket.socketpair(), *socket.socketpair())
    yield made
    for each in (made.client, made.here, made.there, made.host):
        each.close()


def test_a_host_that_hangs_up_before_anything_was_said_has_not_answered(ends: Ends) -> None:
    ends.host.close()
    assert _carry(ends.here, ends.there, 10.0) == b""


def test_what_was_not_answered_is_kept_for_another(ends: Ends) -> None:
    ends.client.sendall(b"hello")
    assert _carry(ends.here, ends.there, 0.1) == b"hello"
    assert ends.host.recv(10) == b"hello"


def test_a_client_that_leaves_without_a_word_was_not_let_down(ends: Ends) -> None:
    ends.client.close()
    ends.host.shutdown(socket.SHUT_WR)
    assert _carry(ends.here, ends.there, 10.0) is None


def test_a_host_that_has_answered_once_may_hang_up(ends: Ends) -> None:
    ends.client.sendall(b"hello")
    ends.host.sendall(b"welcome")
    ends.host.shutdown(socket.SHUT_WR)
    assert _carry(ends.here, ends.there, 10.0) is None
    assert ends.client.recv(10) == b"welcome"


def test_what_is_carried_without_patience_is_over_when_it_is(ends: Ends) -> None:
    threading.Timer(0.1, ends.host.close).start()
    assert _carry(ends.here, ends.there) is None


def test_nothing_is_said_in_the_place_of_a_host_that_does_not_answer(setting: Setting) -> None:
    for worker in setting.aws.workers:
        setting.leads(worker, "closed")
    proxy = setting.tunnels._proxy("prod", setting.way.place)
    with connect(proxy.port, f"CONNECT {HOST}:443 HTTP/1.1", login(proxy)) as here:
        assert until_end(here) == b"HTTP/1.1 200 Connected\r\n\r\n"
    assert [one["Target"] for one in setting.aws.started] == ["i-1", "i-2"]
    trouble = setting.way.trouble()
    assert trouble is not None
    assert trouble.summary == "The workers of aerodrome-prod do not lead to its API"
