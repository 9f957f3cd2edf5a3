"""Whom the provider talks to, and what it says when nobody answers."""

import pytest

from sandbox.errors import UserError
from sandbox.providers.addresses import local_address
from sandbox.providers.kubernetes import kubeconfig
from sandbox.providers.kubernetes.kubeconfig import Connection
from sandbox.providers.kubernetes.transport import ApiError, Request, Transport, Unreachable
from tests.ports import free_port


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "10.213.4.2", "[::1]"])
def test_this_machine_and_its_sandboxes_are_talked_to(host: str) -> None:
    assert local_address(host, "The cluster")


@pytest.mark.parametrize("host", ["192.0.2.1", "10.214.0.1", "2001:db8::1"])
def test_nothing_else_is(host: str) -> None:
    transport = Transport(Connection(f"https://{host if ':' not in host else f'[{host}]'}:6443"))
    with pytest.raises(UserError, match="is not part of a sandbox"):
        transport.json(Request("GET", "/version"))


def test_a_server_that_is_away_is_named() -> None:
    server = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(Unreachable) as caught:
        Transport(Connection(server)).json(Request("GET", "/version"))
    assert caught.value.summary == f"The Kubernetes cluster at {server} does not answer"


def test_a_server_must_be_a_url() -> None:
    with pytest.raises(UserError, match="is not a URL"):
        Transport(Connection("somewhere"))


def test_a_refusal_carries_the_reason(api_server: str) -> None:
    transport = Transport(kubeconfig.load(api_server))
    with pytest.raises(ApiError) as caught:
        transport.json(Request("GET", "/api/v1/namespaces/nowhere"))
    assert (caught.value.status, caught.value.code) == (404, "NotFound")
    assert caught.value.summary == 'namespaces "nowhere" not found'
