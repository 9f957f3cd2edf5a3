"""The script with which the Rancher server hands over its token, run as it is.

Rancher's API is played; Secrets Manager is the emulator's, asked by AWS's own command line with the rights of the server's
policy. `k3s` is a small program on the PATH.
"""

import base64
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from infra import policies, rancher_token
from sandbox import tools
from tests.played_rancher import BOOTSTRAP, PlayedRancher, playing
from tests.unit.infra.contract import test_rancher_certificate as of_certificate
from tests.unit.sandbox.aws.conftest import REGION, Emulator, new_emulator, registry

__all__ = ["registry"]

HOSTNAME = "192.0.2.7.sslip.io"
AUTHORITY = "-----BEGIN CERTIFICATE-----"
Done = subprocess.CompletedProcess[str]

K3S = """#!/bin/sh
case "$*" in
*bootstrap-secret*) cat "{folder}/password" ;;
*clusterIP*) echo "{address}" ;;
esac
"""

AWS = """#!/bin/sh
echo "$*" >> "{folder}/calls"
end() { if [ -e "{folder}/$1" ]; then rm "{folder}/$1"; kill -9 $PPID; exit 1; fi; }
end kill-before
"{aws}" "$@"
code=$?
end kill-after
exit $code
"""


@pytest.fixture(scope="module")
def emulator(registry: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    running = new_emulator(tmp_path_factory.mktemp("aws"), registry)
    yield running
    running.kill()
    running.kubernetes.server.shutdown()


class Server:
    """The machine: its files, its rights, and its Rancher."""

    def __init__(self, folder: Path, emulator: Emulator, played: PlayedRancher) -> None:
        self.folder, self.played = folder, played
        self.aws = emulator.client("secretsmanager")
        self.arn = self.aws.create_secret(Name=f"aerodrome-{folder.name}-rancher-token")["ARN"]
        key = emulator.user(folder.name, json.loads(policies.write_secret(self.arn)))
        self.mine = emulator.client("secretsmanager", **key)
        (folder / "bin").mkdir()
        address = played.url.removeprefix("http://")
        known = {"folder": folder, "address": address, "aws": tools.aws_cli_path() / "aws"}
        for name, text in (("k3s", K3S), ("aws", AWS)):
            for word, value in known.items():
                text = text.replace(f"{{{word}}}", str(value))
            (folder / "bin" / name).write_text(text)
            (folder / "bin" / name).chmod(0o700)
        self.password(BOOTSTRAP)
        settings = {
            "hostname": HOSTNAME,
            "secret": self.arn,
            "region": REGION,
            "folder": str(folder / "state"),
        }
        (folder / "settings.json").write_text(json.dumps(settings))
        self.variables = {
            "PATH": f"{folder / 'bin'}:{os.defpath}",
            "HOME": str(folder),
            "AERODROME_SETTINGS": str(folder / "settings.json"),
            "AWS_ENDPOINT_URL": emulator.url,
            "AWS_ACCESS_KEY_ID": key["id"],
            "AWS_SECRET_ACCESS_KEY": key["secret"],
        }

    def password(self, text: str) -> None:
        (self.folder / "password").write_text(base64.b64encode(text.encode()).decode())

    def run(self, *arguments: str) -> Done:
        return subprocess.run(
            [sys.executable, "-P", rancher_token.__file__, *arguments],
            env=self.variables,
            capture_output=True,
            text=True,
            check=False,
        )

    def killed(self, when: str) -> None:
        (self.folder / f"kill-{when}").touch()
        assert self.run().returncode == -signal.SIGKILL

    @property
    def kept(self) -> Path:
        return self.folder / "state" / "rancher-token"

    @property
    def handed_over(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(
            self.aws.get_secret_value(SecretId=self.arn)["SecretString"]
        )
        return found

    @property
    def calls(self) -> str:
        file = self.folder / "calls"
        return file.read_text() if file.exists() else ""

    def assert_one_token_that_works(self) -> None:
        """What is handed over is kept for the renewal, and the only one of the script's that Rancher has."""
        assert list(self.played.tokens) == [self.handed_over["token"]] == [self.kept.read_text()]


@pytest.fixture
def played() -> Iterator[PlayedRancher]:
    with playing(settings={"server-url": "", "cacerts": AUTHORITY}) as running:
        yield running


@pytest.fixture
def server(tmp_path: Path, emulator: Emulator, played: PlayedRancher) -> Server:
    return Server(tmp_path, emulator, played)


def test_the_token_is_handed_over_and_works_and_a_second_run_does_nothing(server: Server) -> None:
    done = server.run()
    assert done.returncode == 0, done.stderr
    found, played = server.handed_over, server.played
    assert found["url"] == f"https://{HOSTNAME}"
    assert found["authority"] == AUTHORITY
    server.assert_one_token_that_works()
    # Agents are told this address: without it no cluster can be registered.
    assert played.settings["server-url"] == f"https://{HOSTNAME}"
    # Neither is in a log, a process list, or a file that others read.
    shown = done.stdout + done.stderr + server.calls
    assert found["token"] not in shown
    assert BOOTSTRAP not in shown
    assert [file.name for file in server.kept.parent.iterdir()] == [server.kept.name]
    assert server.kept.stat().st_mode & 0o077 == 0
    asked = len(played.asked)
    assert server.run().returncode == 0
    assert (server.handed_over, len(played.asked)) == (found, asked)


def test_the_server_may_write_its_secret_and_nothing_else(server: Server) -> None:
    other = server.aws.create_secret(Name=f"other-{server.folder.name}", SecretString="x")["ARN"]
    for operation, arguments in (
        ("get_secret_value", {"SecretId": server.arn}),
        ("put_secret_value", {"SecretId": other, "SecretString": "mine"}),
        ("create_secret", {"Name": "mine", "SecretString": "x"}),
        ("delete_secret", {"SecretId": server.arn}),
        ("list_secrets", {}),
    ):
        with pytest.raises(ClientError, match="AccessDenied"):
            getattr(server.mine, operation)(**arguments)
    server.mine.put_secret_value(SecretId=server.arn, SecretString="{}")


def test_the_server_reads_the_certificate_that_it_is_given_and_nothing_else(
    tmp_path: Path, emulator: Emulator
) -> None:
    """The other script, with AWS's own command line and the rights of the server's role."""
    machine, owner = of_certificate.Server(tmp_path), emulator.client("secretsmanager")
    content = of_certificate.given()
    text = json.dumps(content)
    arn = owner.create_secret(Name=f"given-{tmp_path.name}", SecretString=text)["ARN"]
    other = owner.create_secret(Name=f"others-{tmp_path.name}", SecretString="x")["ARN"]
    key = emulator.user(f"given-{tmp_path.name}", json.loads(policies.read_secret(arn)))
    mine = emulator.client("secretsmanager", **key)
    for operation, arguments in (
        ("get_secret_value", {"SecretId": other}),
        ("put_secret_value", {"SecretId": arn, "SecretString": "mine"}),
        ("describe_secret", {"SecretId": arn}),
    ):
        with pytest.raises(ClientError, match="AccessDenied"):
            getattr(mine, operation)(**arguments)
    (machine.folder / "bin" / "aws").unlink()
    (machine.folder / "bin" / "aws").symlink_to(tools.aws_cli_path() / "aws")
    told = json.loads((machine.folder / "settings.json").read_text())
    told |= {"secret": arn, "region": REGION}
    (machine.folder / "settings.json").write_text(json.dumps(told))
    aws = {
        "HOME": str(tmp_path),
        "AWS_ENDPOINT_URL": emulator.url,
        "AWS_ACCESS_KEY_ID": key["id"],
        "AWS_SECRET_ACCESS_KEY": key["secret"],
    }
    done = machine.run("", **aws)
    assert done.returncode == 0, done.stderr
    assert machine.secret("tls-rancher-ingress")["tls.key"] == content["key"]


def test_it_waits_for_rancher_and_goes_on(server: Server) -> None:
    server.password("")
    assert server.run().returncode == rancher_token.LATER
    server.password(BOOTSTRAP)
    server.played.broken = 503
    assert server.run().returncode == rancher_token.LATER
    assert not server.calls
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        assert server.handed_over
    server.played.broken = 0
    assert server.run().returncode == 0


@pytest.mark.parametrize("when", ["before", "after"])
def test_killed_around_the_handing_over_it_goes_on(server: Server, when: str) -> None:
    server.killed(when)
    assert not server.kept.exists()
    assert server.run().returncode == 0
    server.assert_one_token_that_works()


def test_an_old_token_is_renewed_without_the_first_password(server: Server) -> None:
    assert server.run().returncode == 0
    former = server.handed_over["token"]
    server.password("changed by somebody")
    os.utime(server.kept, (0, 0))
    # A kill on the way leaves the former one in use, or the new one handed over.
    server.killed("after")
    assert server.run().returncode == 0
    assert server.handed_over["token"] != former
    server.assert_one_token_that_works()


def test_now_replaces_a_young_one(server: Server) -> None:
    assert server.run().returncode == 0
    former = server.handed_over["token"]
    assert server.run("--now").returncode == 0
    assert server.handed_over["token"] != former


def test_a_password_that_was_changed_is_no_reason_to_try_for_ever(server: Server) -> None:
    server.password("changed by somebody")
    done = server.run()
    assert done.returncode == rancher_token.NEVER
    assert "was changed" in done.stderr
    # What it says: a token of the administrator's, made by hand.
    by_hand = server.played._post_tokens("", {}, {"description": "by hand"})[1]["token"]
    server.kept.write_text(by_hand)
    assert server.run("--now").returncode == 0
    assert server.handed_over["token"] not in (by_hand, "")
    assert by_hand in server.played.tokens
