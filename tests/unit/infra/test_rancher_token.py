"""The script with which the Rancher server hands over its token, run as it is.

Rancher's API is played; `k3s` and `aws` are two small programs on the PATH, which note what they are called with.
"""

import base64
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from infra import rancher_token
from tests.played_rancher import BOOTSTRAP, PlayedRancher, playing

HOSTNAME = "192.0.2.7.sslip.io"
AUTHORITY = "-----BEGIN CERTIFICATE-----"
Done = subprocess.CompletedProcess[str]

K3S = """#!/bin/sh
case "$*" in
*bootstrap-secret*) cat "{folder}/password" ;;
*clusterIP*) echo "{address}" ;;
esac
"""

AWS = """#!{python}
import json, pathlib, sys
words, folder = sys.argv[1:], pathlib.Path("{folder}")
with (folder / "calls").open("a") as calls:
    calls.write(json.dumps(words) + "\\n")
if "put-secret-value" in words and not (folder / "secret").exists():
    sys.exit("An error occurred (ResourceNotFoundException) when calling PutSecretValue")
file = pathlib.Path(words[words.index("--secret-string") + 1].removeprefix("file://"))
assert file.stat().st_mode & 0o077 == 0, "others may read the secret"
(folder / "secret").write_text(file.read_text())
"""


@pytest.fixture
def played() -> Iterator[PlayedRancher]:
    with playing(settings={"server-url": "", "cacerts": AUTHORITY}) as running:
        yield running


@pytest.fixture
def folder(tmp_path: Path, played: PlayedRancher) -> Path:
    address = played.url.removeprefix("http://")
    (tmp_path / "bin").mkdir()
    for name, text in (("k3s", K3S), ("aws", AWS)):
        program = tmp_path / "bin" / name
        text = text.replace("{folder}", str(tmp_path)).replace("{address}", address)
        program.write_text(text.replace("{python}", sys.executable))
        program.chmod(0o700)
    (tmp_path / "password").write_text(base64.b64encode(BOOTSTRAP.encode()).decode())
    settings = {
        "hostname": HOSTNAME,
        "secret": "aerodrome/dev/rancher-token",
        "region": "eu-central-1",
        "tags": {"aerodrome:environment": "dev"},
        "folder": str(tmp_path / "state"),
    }
    (tmp_path / "settings.json").write_text(json.dumps(settings))
    return tmp_path


@pytest.fixture
def run(folder: Path) -> Callable[[], Done]:
    def go() -> Done:
        return subprocess.run(
            [sys.executable, "-P", rancher_token.__file__],
            env={
                "PATH": f"{folder / 'bin'}:{os.defpath}",
                "AERODROME_SETTINGS": str(folder / "settings.json"),
            },
            capture_output=True,
            text=True,
            check=False,
        )

    return go


def calls(folder: Path) -> list[list[str]]:
    file = folder / "calls"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def handed_over(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "secret").read_text())
    return found


def test_the_token_is_handed_over_and_works(
    run: Callable[[], Done], folder: Path, played: PlayedRancher
) -> None:
    done = run()
    assert done.returncode == 0, done.stderr
    found = handed_over(folder)
    assert found["url"] == f"https://{HOSTNAME}"
    assert found["authority"] == AUTHORITY
    assert found["token"] in played.tokens
    # Agents are told this address: without it no cluster can be registered.
    assert played.settings["server-url"] == f"https://{HOSTNAME}"
    create = calls(folder)[-1]
    assert create[create.index("--name") + 1] == "aerodrome/dev/rancher-token"
    assert json.loads(create[create.index("--tags") + 1]) == [
        {"Key": "aerodrome:environment", "Value": "dev"}
    ]


def test_neither_token_nor_password_is_in_a_log_or_a_process_list(
    run: Callable[[], Done], folder: Path
) -> None:
    done = run()
    shown = done.stdout + done.stderr + json.dumps(calls(folder))
    assert handed_over(folder)["token"] not in shown
    assert BOOTSTRAP not in shown
    assert not list((folder / "state").glob("*.json"))


def test_it_waits_for_rancher_and_goes_on(
    run: Callable[[], Done], folder: Path, played: PlayedRancher
) -> None:
    password = (folder / "password").read_text()
    (folder / "password").write_text("")
    assert run().returncode == rancher_token.LATER
    (folder / "password").write_text(password)
    played.broken = 503
    assert run().returncode == rancher_token.LATER
    assert not calls(folder)
    played.broken = 0
    assert run().returncode == 0


def test_a_secret_that_is_there_gets_the_new_value(run: Callable[[], Done], folder: Path) -> None:
    (folder / "secret").write_text("of a former server")
    assert run().returncode == 0
    assert handed_over(folder)["token"]
    assert not [words for words in calls(folder) if "create-secret" in words]


def test_it_is_done_once(run: Callable[[], Done], folder: Path, played: PlayedRancher) -> None:
    assert run().returncode == 0
    before = len(played.tokens)
    assert run().returncode == 0
    assert len(played.tokens) == before


def test_a_password_that_was_changed_is_no_reason_to_try_for_ever(
    run: Callable[[], Done], folder: Path
) -> None:
    (folder / "password").write_text(base64.b64encode(b"another").decode())
    done = run()
    assert done.returncode == rancher_token.NEVER
    assert "was changed" in done.stderr
