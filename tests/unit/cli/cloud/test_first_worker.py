"""A cluster whose first worker is yet to register: who waits for it, for how long, and what is said meanwhile."""

from functools import partial
from typing import Any

import pytest

from cli.cloud.tunnel import sessions
from cli.cloud.tunnel.listeners import Proxy
from cli.cloud.tunnel.sessions import WorkerSessions
from tests.unit.cli.cloud.test_tunnel import HOST, Setting, connect, login, setting, until_end

__all__ = ["setting"]

LOOK = "aws ssm describe-instance-information --region us-east-1"


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Connections that do not say how long they wait do not."""
    monkeypatch.setattr(sessions, "WorkerSessions", partial(WorkerSessions, patience=0.0))
    monkeypatch.setattr(sessions, "_PAUSE", 0.01)


def ask_proxy(setting: Setting, *more: str) -> str:
    """The whole answer to who wants to be connected with the API server; the connection is not used."""
    proxy: Proxy = setting.tunnels._proxy("prod", setting.way.place)
    with connect(proxy.port, f"CONNECT {HOST}:443 HTTP/1.1", login(proxy), *more) as here:
        head = here.recv(10_000)
        if head.startswith(b"HTTP/1.1 200"):
            return head.decode()
        return (head + until_end(here)).decode()


def tagged(setting: Setting, group: str) -> None:
    """The workers as instances of a node group."""
    describe = setting.aws.describe_instances

    def described(Filters: list[dict[str, Any]]) -> dict[str, Any]:
        found = describe(Filters)
        for each in found["Reservations"]:
            for one in each["Instances"]:
                one["Tags"] = [{"Key": "eks:nodegroup-name", "Value": group}]
        return found

    setting.aws.describe_instances = described  # type: ignore[method-assign]


def test_whoever_says_how_long_it_waits_waits_for_the_first_worker(setting: Setting) -> None:
    setting.aws.online, setting.aws.joins_after = [], 4
    refused = ask_proxy(setting)
    assert refused.startswith("HTTP/1.1 503 No worker of aerodrome-prod is online")
    assert setting.starts() == []
    answer = ask_proxy(setting, "Prefer: wait=60")
    assert answer == "HTTP/1.1 200 Connected\r\nPreference-Applied: wait=60\r\n\r\n"
    assert setting.aws.started[0]["Target"] == "i-2"


def test_nobody_waits_where_a_worker_is_online(setting: Setting) -> None:
    assert ask_proxy(setting, "Prefer: wait=60").startswith("HTTP/1.1 200 ")
    assert setting.reports == ["connected to aerodrome-prod through i-1"]


def test_a_wait_is_reported_again_and_again(
    setting: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "PROGRESS_SECONDS", 1.0)
    monkeypatch.setattr(sessions, "_PAUSE", 1.01)
    tagged(setting, "workers-1")
    setting.aws.online, setting.aws.joins_after = [], 2
    ask_proxy(setting, "Prefer: wait=60")
    waiting = "waiting for a worker of aerodrome-prod in AWS Systems Manager"
    first, second, *_, connected = setting.reports
    assert first == waiting
    assert second.startswith(f"{waiting}: ")
    assert second.endswith(
        " s, i-1, i-2 of the node group workers-1 run, and no session is to be had with them"
    )
    assert connected == "connected to aerodrome-prod through i-2"


def test_workers_that_never_register_are_named_with_their_node_group(setting: Setting) -> None:
    setting.aws.workers = [f"i-{number}" for number in range(1, 6)]
    setting.aws.online = []
    tagged(setting, "workers-1")
    head, _, body = ask_proxy(setting, "Prefer: wait=0").partition("\r\n\r\n")
    assert head.startswith("HTTP/1.1 503 ")
    summary, detail, command = body.splitlines()
    assert summary == "No worker of aerodrome-prod is online in AWS Systems Manager"
    assert "i-1, i-2, i-3 and 2 more of the node group workers-1 run" in detail
    assert "ssm and ssmmessages" in detail
    assert command.strip().startswith(LOOK)


def test_where_no_worker_runs_the_node_groups_are_to_be_looked_at(setting: Setting) -> None:
    setting.aws.workers = []
    answer = ask_proxy(setting, "Prefer: wait=0")
    assert "none of its workers runs" in answer
    assert answer.endswith(
        "aws eks list-nodegroups --region us-east-1 --cluster-name aerodrome-prod"
    )


def test_what_no_worker_can_put_right_is_said_at_once(setting: Setting) -> None:
    setting.aws.refused = "AccessDeniedException"
    answer = ask_proxy(setting, "Prefer: wait=600")
    assert answer.startswith("HTTP/1.1 503 AWS refuses to open a session with i-1")
    assert "ssm:StartSession" in answer


def test_a_run_that_ends_waits_for_nothing_any_more(setting: Setting) -> None:
    setting.aws.online = []

    def ended(text: str) -> None:
        for way, _ in setting.tunnels._opened.values():
            for each in way._through.values():
                each._closed.set()

    setting.tunnels._report = ended
    assert ask_proxy(setting, "Prefer: wait=600").startswith("HTTP/1.1 503 No worker")
