"""The script with which the Rancher server takes its certificate, run as it is; `aws`, `k3s` and the token's script are small
programs that write down what they are asked."""

import base64
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from infra.contract import rancher_certificate
from infra.rancher_boot import Handover, user_data
from tests import own_certificates as own

HOST = "rancher.example.org"
ARN = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:rancher-certificate-AbCdEf"
PRIVATE = own.authority("An authority of one's own")
BELOW = own.authority("One below it", PRIVATE)
LEAF = own.server(HOST, BELOW)

AWS = """#!/bin/sh
echo "$*" >> "{folder}/asked"
cat "{folder}/content"
"""
K3S = """#!/bin/sh
echo "$*" >> "{folder}/commands"
case "$*" in
*apply*) [ ! -e "{folder}/broken" ] || exit 1; cat > "{folder}/applied" ;;
*patch*) : > "{folder}/cacerts" ;;
*get*) cat "{folder}/cacerts" ;;
esac
"""


def given(
    leaf: own.Own = LEAF, *chain: own.Own, authority: own.Own | None = PRIVATE
) -> dict[str, str]:
    parts = chain or (BELOW,)
    found = {"certificate": leaf.pem + "".join(one.pem for one in parts), "key": leaf.key_pem()}
    return found | ({"authority": authority.pem} if authority else {})


class Server:
    """The machine, with what user data has put there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        boot = json.loads(
            user_data(HOST, Handover(f"{ARN[:-7]}-token-AbCdEf", "eu-central-1"), "", ARN)
            .partition("\n")[2]
        )  # fmt: skip
        files = {one["path"]: one["content"] for one in boot["write_files"]}
        (folder / "bin").mkdir()
        for name, text in (("aws", AWS), ("k3s", K3S)):
            (folder / "bin" / name).write_text(text.replace("{folder}", str(folder)))
            (folder / "bin" / name).chmod(0o700)
        (folder / "bin" / "python3").symlink_to(sys.executable)
        self.script = folder / "script"
        self.script.write_text(files["/usr/local/sbin/aerodrome-rancher-certificate"])
        told = json.loads(files["/etc/aerodrome/rancher-certificate.json"])
        token = folder / "token"
        token.write_text(
            f"import sys; open({str(folder / 'token-runs')!r}, 'a').write(sys.argv[1])"
        )
        told |= {"folder": str(folder / "state"), "token": str(token)}
        (folder / "settings.json").write_text(json.dumps(told))

    def run(self, content: Any, **variables: str) -> subprocess.CompletedProcess[str]:
        text = content if isinstance(content, str) else json.dumps(content)
        (self.folder / "content").write_text(text)
        return subprocess.run(
            [sys.executable, "-P", self.script],
            env={
                "PATH": f"{self.folder / 'bin'}:{os.defpath}",
                "AERODROME_SETTINGS": str(self.folder / "settings.json"),
                # The authorities that everybody knows; none here.
                "SSL_CERT_FILE": str(self.folder / "roots"),
                **variables,
            },
            capture_output=True,
            text=True,
            check=False,
        )

    @property
    def applied(self) -> dict[str, dict[str, Any]]:
        items = json.loads((self.folder / "applied").read_text())["items"]
        return {f"{one['kind']}/{one['metadata']['name']}": one for one in items}

    @property
    def values(self) -> dict[str, Any]:
        text = self.applied["HelmChart/rancher"]["spec"]["valuesContent"]
        found: dict[str, Any] = json.loads(text)
        return found

    def secret(self, name: str) -> dict[str, str]:
        data = self.applied[f"Secret/{name}"]["data"]
        return {key: base64.b64decode(text).decode() for key, text in data.items()}

    def ran(self, name: str) -> str:
        file = self.folder / name
        return file.read_text() if file.exists() else ""


@pytest.fixture
def server(tmp_path: Path) -> Server:
    return Server(tmp_path)


def test_rancher_comes_with_the_certificate_and_the_key_is_nowhere_else(server: Server) -> None:
    done = server.run(content := given())
    assert done.returncode == 0, done.stderr
    # As Rancher's documentation has it (Adding TLS Secrets; Chart options).
    pair = {"tls.crt": content["certificate"], "tls.key": content["key"]}
    assert server.secret("tls-rancher-ingress") == pair
    assert server.applied["Secret/tls-rancher-ingress"]["type"] == "kubernetes.io/tls"
    assert server.secret("tls-ca") == {"cacerts.pem": content["authority"]}
    values = server.values
    assert values["ingress"] == {"tls": {"source": "secret"}}
    assert (values["hostname"], values["privateCA"]) == (HOST, True)
    # A namespace before what is in it.
    assert next(iter(server.applied)) == "Namespace/cattle-system"
    # One certificate that is there needs no other token: the server makes its first one by itself.
    assert not server.ran("token-runs")
    line = content["key"].splitlines()[1]
    for shown in (done.stderr, done.stdout, server.ran("asked"), server.ran("commands")):
        assert line not in shown
    kept = [file for file in (server.folder / "state").iterdir() if line in file.read_text()]
    assert not kept


def test_a_certificate_that_everybody_trusts_brings_no_authority(server: Server) -> None:
    (server.folder / "roots").write_text(PRIVATE.pem)
    assert server.run(given(authority=None)).returncode == 0
    assert "Secret/tls-ca" not in server.applied
    assert not {"privateCA", "extraEnv"} & server.values.keys()


def test_a_renewed_one_of_the_same_authority_is_handed_in_and_nothing_restarts(
    server: Server,
) -> None:
    assert server.run(given()).returncode == 0
    before = server.values
    renewed = own.server(HOST, BELOW)
    assert server.run(given(renewed)).returncode == 0
    assert server.secret("tls-rancher-ingress")["tls.key"] == renewed.key_pem()
    assert server.values == before
    assert not server.ran("token-runs")


def test_another_authority_restarts_rancher_and_is_handed_over_when_rancher_shows_it(
    server: Server,
) -> None:
    assert server.run(given()).returncode == 0
    before, other = server.values, own.authority("Another")
    content = given(own.server(HOST, other), other, authority=other)
    (server.folder / "cacerts").write_text(PRIVATE.pem)
    # systemd tries again until Rancher has restarted.
    assert server.run(content).returncode == rancher_certificate.LATER
    assert server.values["extraEnv"] != before["extraEnv"]
    assert not server.ran("token-runs")
    (server.folder / "cacerts").write_text(other.pem.rstrip())
    for _ in range(2):
        assert server.run(content).returncode == 0
    # Once: the kit learns the authority with the token.
    assert server.ran("token-runs") == "--now"


def test_from_an_authority_of_ones_own_to_one_that_everybody_trusts(server: Server) -> None:
    assert server.run(given()).returncode == 0
    (server.folder / "roots").write_text(PRIVATE.pem)
    (server.folder / "cacerts").write_text(PRIVATE.pem)
    assert server.run(given(authority=None)).returncode == 0
    assert "patch settings.management.cattle.io/cacerts" in server.ran("commands")
    assert server.ran("token-runs") == "--now"


BAD = {
    "no JSON": "certificate",
    "no object": [1],
    "no key": {"certificate": LEAF.pem},
    "another's key": given() | {"key": BELOW.key_pem()},
    "a passphrase": given() | {"key": LEAF.key_pem("secret")},
    "another host": given(own.server("other.example.org", BELOW)),
    "expired": given(own.server(HOST, BELOW, days=-1)),
    "not yet": given(own.server(HOST, BELOW, from_days=1)),
    "an incomplete chain": given() | {"certificate": LEAF.pem},
    "an authority that nobody knows": given(authority=None),
    "no certificate": given() | {"certificate": "none"},
    "no authority": given() | {"authority": "none"},
}


@pytest.mark.parametrize("content", BAD.values(), ids=BAD)
def test_a_bad_one_never_replaces_a_good_one(server: Server, content: Any) -> None:
    assert server.run(given()).returncode == 0
    before, commands = server.ran("applied"), server.ran("commands")
    done = server.run(content)
    # Not tried again until the next hour.
    assert done.returncode == rancher_certificate.NEVER, done.stderr
    assert "is not taken" in done.stderr
    assert "PRIVATE KEY" not in done.stderr
    assert (server.ran("applied"), server.ran("commands")) == (before, commands)


def test_a_cluster_that_does_not_answer_yet_is_asked_again(server: Server) -> None:
    (server.folder / "broken").touch()
    assert server.run(given()).returncode == rancher_certificate.LATER
    (server.folder / "broken").unlink()
    assert server.run(given()).returncode == 0


def test_it_tells_how_long_a_certificate_lasts() -> None:
    left = rancher_certificate.seconds_left(HOST, given(own.server(HOST, BELOW, days=7)))
    assert 6.9 * 86400 < left < 7 * 86400
