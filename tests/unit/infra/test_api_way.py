"""Whether the program waits for the way to a cluster's API: asked of what plays a proxy."""

import asyncio
import json
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

import pulumi
import pytest

from infra import api_way

KUBECONFIG = json.dumps({"clusters": [{"cluster": {"server": "https://api.invalid"}}]})
WAITS = "Preference-Applied: wait=300\r\n"


@dataclass
class PlayedProxy:
    """Answers each connection with the same words."""

    answer: str = ""
    asked: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.server = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self.server.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                here, _ = self.server.accept()
            except OSError:
                return
            with here:
                self.asked.append(here.recv(10_000).decode())
                here.sendall(self.answer.encode())


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[PlayedProxy]:
    made = PlayedProxy()
    for name in ("HTTPS_PROXY", "NO_PROXY", "no_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("https_proxy", f"http://me:a%40b@{made.address}")
    yield made
    made.server.close()


def reach() -> None:
    asyncio.run(api_way._reach("aerodrome-dev", KUBECONFIG))


def test_it_says_that_it_waits_to_the_proxy_that_clients_take(proxy: PlayedProxy) -> None:
    proxy.answer = f"HTTP/1.1 200 Connected\r\n{WAITS}\r\n"
    reach()
    (asked,) = proxy.asked
    line, *headers = asked.split("\r\n")
    assert line == "CONNECT api.invalid:443 HTTP/1.1"
    assert "Prefer: wait=300" in headers
    assert "Proxy-Authorization: Basic bWU6YUBi" in headers


def test_the_reason_of_a_proxy_that_has_waited_ends_the_run(proxy: PlayedProxy) -> None:
    proxy.answer = f"HTTP/1.1 503 No worker\r\n{WAITS}\r\nNo worker is online\n    aws look"
    with pytest.raises(pulumi.RunError) as failed:
        reach()
    assert str(failed.value) == (
        "The Kubernetes API of aerodrome-dev is not reached: No worker is online\n    aws look"
    )


@pytest.mark.parametrize("answer", ["HTTP/1.1 503 No\r\n\r\nA page", "HTTP/1.1 403 No\r\n\r\n", ""])
def test_the_words_of_other_proxies_are_left_to_the_provider(
    proxy: PlayedProxy, answer: str
) -> None:
    proxy.answer = answer
    reach()
    assert len(proxy.asked) == 1


def test_hosts_that_need_no_proxy_are_not_asked_for(
    proxy: PlayedProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "invalid")
    monkeypatch.setenv("no_proxy", ".invalid")
    reach()
    monkeypatch.setenv("no_proxy", "")
    monkeypatch.setenv("https_proxy", "")
    reach()
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:1")
    reach()
    assert proxy.asked == []
