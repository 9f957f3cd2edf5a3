"""AWS's own session-manager-plugin, started by the kit as for users, before what plays Systems Manager and a worker's agent; a real
kube-apiserver is at the other end.
"""

import concurrent.futures
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cli.base.errors import KitError
from cli.cloud.tunnel import plugin as plugin_program
from cli.cloud.tunnel import sessions, way
from cli.cloud.tunnel.plugin import checked_plugin
from infra.contract.api_endpoints import DOCUMENT
from sandbox import tools
from sandbox.errors import UserError
from tests.played_agent import TERMINATE, Session, SystemsManager
from tests.unit.cli.cloud.test_tunnel import HOST, Setting, alive, ask


class RealSetting(Setting):
    """The way to one cluster with AWS's plugin on the PATH."""

    def __init__(self, folder: Path, kubeconfig: str, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__(folder, kubeconfig, monkeypatch)
        try:
            program = tools.session_manager_plugin()
        except UserError:
            pytest.skip("set-up has not been run with --for-tests")
        place = folder / "bin" / plugin_program.PLUGIN
        place.unlink()
        place.symlink_to(program)
        self.manager = SystemsManager(folder)
        self.aws.meta.endpoint_url = self.manager.url
        self.targets = {"i-1": self.real.port or 0, "i-2": self.real.port or 0}
        start = self.aws.start_session

        def started(**request: Any) -> dict[str, Any]:
            answer = start(**request)
            name = answer["SessionId"]
            target = self.targets[request["Target"]]
            self.manager.sessions[name] = Session(
                answer["TokenValue"], request["Parameters"], target
            )
            return {**answer, "StreamUrl": self.manager.stream_url(name)}

        monkeypatch.setattr(self.aws, "start_session", started)
        # Its own socket is there, and the name of one has a hundred letters at most.
        self.temporary = Path(tempfile.mkdtemp(prefix="plugin-"))
        self.environ |= {
            # The authority is of the tests, and the login nobody's.
            "SSL_CERT_FILE": str(self.manager.authority),
            "AWS_CA_BUNDLE": str(self.manager.authority),
            "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE",
            "AWS_SECRET_ACCESS_KEY": "none",
            "AWS_EC2_METADATA_DISABLED": "true",
            "HOME": str(folder),
            "TMPDIR": str(self.temporary),
        }
        for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL"):
            self.environ.pop(name, None)

    def plugin(self) -> Any:
        """The process of the session that is open."""
        return self._one().process

    def output(self) -> str:
        """What it has printed."""
        output = self._one().output
        output.seek(0)
        return str(output.read().decode())

    def _one(self) -> Any:
        ((made, _),) = self.tunnels._opened.values()
        (found,) = made._through.values()
        return found._open


@pytest.fixture
def setting(
    tmp_path: Path, api_server: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[RealSetting]:
    made = RealSetting(tmp_path, api_server, monkeypatch)
    yield made
    made.tunnels.close()
    made.manager.close()
    shutil.rmtree(made.temporary)


def until(true: Any) -> None:
    give_up = time.monotonic() + 30
    while not true():
        assert time.monotonic() < give_up
        time.sleep(0.02)


def test_its_version_is_read_as_it_prints_it(setting: RealSetting) -> None:
    found = checked_plugin(setting.environ)
    assert found == str(setting.folder / "bin" / plugin_program.PLUGIN)
    printed = subprocess.run([found, "--version"], capture_output=True, text=True, check=True)
    assert tuple(int(part) for part in printed.stdout.split(".")[:3]) >= plugin_program.OLDEST


def test_the_client_reaches_the_server_through_it(setting: RealSetting) -> None:
    assert ask(setting.client()) == "default"
    assert ask(setting.client()) == "default"
    (channel,) = setting.manager.channels
    (first,) = setting.manager.opened
    assert first["TokenValue"] == "token-1"
    assert first["ClientVersion"] == channel.client
    (request,) = setting.aws.started
    assert request["DocumentName"] == DOCUMENT
    assert request["Parameters"]["host"] == [HOST]
    # It signs with the login that the kit has.
    (signed,) = setting.manager.signed
    assert signed.startswith("AWS4-HMAC-SHA256 Credential=AKIAEXAMPLE/")
    process = setting.plugin()
    arguments = Path(f"/proc/{process.pid}/cmdline").read_text()
    assert "token-1" not in arguments
    # Nor has what it starts with the variable, once it has read it.
    assert setting.reports == ["connected to aerodrome-prod through i-1"]


def test_many_connections_at_once_share_a_session(setting: RealSetting) -> None:
    client = setting.client()
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert set(pool.map(lambda _: ask(client), range(32))) == {"default"}
        big = [client.text("/openapi/v2") for _ in range(2)]
    assert len(setting.manager.channels) == 1
    assert big[0] == big[1]
    assert len(big[0]) > 1_000_000


def test_it_ends_with_the_run_and_leaves_nothing(setting: RealSetting) -> None:
    assert ask(setting.client()) == "default"
    process = setting.plugin()
    (channel,) = setting.manager.channels
    setting.tunnels.close()
    assert not alive(process.pid)
    assert setting.aws.ended == ["me-1"]
    assert list(setting.temporary.iterdir()) == []
    until(lambda: channel.flags == [TERMINATE])


def test_it_ends_when_its_session_does_and_another_is_opened(setting: RealSetting) -> None:
    assert ask(setting.client()) == "default"
    process = setting.plugin()
    setting.manager.end(setting.manager.channels[0], "it was idle")
    assert process.wait(30) == 0
    assert "it was idle" in setting.output()
    assert ask(setting.client()) == "default"
    assert [one["Target"] for one in setting.aws.started] == ["i-1", "i-2"]


def test_a_channel_that_breaks_after_its_session_is_over_makes_another(
    setting: RealSetting,
) -> None:
    assert ask(setting.client()) == "default"
    process = setting.plugin()
    setting.manager.cut(setting.manager.channels[0])
    # It asks Systems Manager for a token, and gets none.
    assert process.wait(30) == 0
    assert setting.manager.resumed == ["me-1"]
    assert ask(setting.client()) == "default"
    assert [one["Target"] for one in setting.aws.started] == ["i-1", "i-2"]


def test_a_plugin_that_has_lost_its_channel_for_good_is_given_up(
    setting: RealSetting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It goes on listening, and answers nobody."""
    assert ask(setting.client()) == "default"
    monkeypatch.setattr(way, "ANSWER_SECONDS", 3.0)
    setting.manager.unavailable = True
    setting.manager.cut(setting.manager.channels[0])
    until(lambda: setting.manager.resumed)
    assert setting.plugin().poll() is None
    setting.manager.unavailable = False
    assert ask(setting.client()) == "default"
    assert [one["Target"] for one in setting.aws.started] == ["i-1", "i-2"]
    assert setting.aws.ended == ["me-1"]


def test_a_worker_that_does_not_reach_the_server_is_given_up(setting: RealSetting) -> None:
    # On this port nobody listens.
    setting.targets["i-1"] = 1
    assert ask(setting.client()) == "default"
    assert [one["Target"] for one in setting.aws.started] == ["i-1", "i-2"]
    assert setting.aws.ended == ["me-1"]


def test_workers_that_lead_nowhere_are_named_with_what_the_plugin_says(
    setting: RealSetting,
) -> None:
    setting.targets = {"i-1": 1, "i-2": 1}
    with pytest.raises(KitError, match="The workers of aerodrome-prod do not lead to") as failed:
        ask(setting.client())
    assert f"{HOST}:443 does not answer" in failed.value.detail
    assert "Connection to destination port failed, check SSM Agent logs." in failed.value.detail


def test_a_plugin_that_was_killed_is_started_again(setting: RealSetting) -> None:
    assert ask(setting.client()) == "default"
    os.kill(setting.plugin().pid, signal.SIGKILL)
    assert ask(setting.client()) == "default"
    assert len(setting.manager.channels) == 2


def test_a_channel_that_cannot_be_opened_is_named(
    setting: RealSetting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The plugin says nothing of it, and goes on for ever."""
    monkeypatch.setattr(sessions, "LISTENS_SECONDS", 3.0)
    setting.manager.refuses = True
    with pytest.raises(KitError, match="does not connect to i-1") as failed:
        ask(setting.client())
    assert "ssmmessages" in failed.value.detail
    assert "Starting session with SessionId: me-1" in failed.value.detail
    assert setting.aws.ended[:1] == ["me-1"]
