"""The Rancher server's first boot."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from infra.contract.versions import PINNED
from infra.rancher_boot import user_data
from sandbox import tools

HOSTNAME = "192.0.2.7.sslip.io"


def config() -> dict[str, Any]:
    first, _, rest = user_data(HOSTNAME).partition("\n")
    assert first == "#cloud-config"
    parsed: dict[str, Any] = json.loads(rest)
    return parsed


def files() -> dict[str, Any]:
    return {file["path"]: json.loads(file["content"]) for file in config()["write_files"]}


def schema_command(user_data_text: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """What `cloud-init schema` says, run from the unpacked Debian package."""
    file = folder / "user-data"
    file.write_text(user_data_text)
    modules = tools.checkers_dir() / "debian" / "usr" / "lib" / "python3" / "dist-packages"
    return subprocess.run(
        [sys.executable, "-m", "cloudinit.cmd.main", "schema", "--config-file", str(file)],
        env={**os.environ, "PYTHONPATH": str(modules)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_cloud_init_accepts_it(tmp_path: Path) -> None:
    done = schema_command(user_data(HOSTNAME), tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Valid" in done.stdout + done.stderr


def test_cloud_init_would_tell_a_mistake(tmp_path: Path) -> None:
    done = schema_command("#cloud-config\npackages: 7\n", tmp_path)
    assert done.returncode != 0
    assert "packages" in done.stdout + done.stderr


def test_the_server_answers_to_its_name() -> None:
    found = files()
    assert found["/etc/rancher/k3s/config.yaml"]["tls-san"] == [HOSTNAME]
    chart = found["/var/lib/rancher/k3s/server/manifests/rancher.yaml"]
    assert json.loads(chart["spec"]["valuesContent"])["hostname"] == HOSTNAME


def test_lets_encrypt_vouches_for_a_name_of_ones_own(tmp_path: Path) -> None:
    def values(*email: str) -> dict[str, Any]:
        parsed = json.loads(user_data("rancher.example.org", *email).partition("\n")[2])
        path = "/var/lib/rancher/k3s/server/manifests/rancher.yaml"
        chart = next(each["content"] for each in parsed["write_files"] if each["path"] == path)
        found: dict[str, Any] = json.loads(json.loads(chart)["spec"]["valuesContent"])
        return found

    assert "letsEncrypt" not in values()
    found = values("alice@example.org")
    assert found["ingress"] == {"tls": {"source": "letsEncrypt"}}
    assert found["letsEncrypt"]["email"] == "alice@example.org"
    # The one ingress controller of k3s: from another nobody would answer.
    assert found["letsEncrypt"]["ingress"] == {"class": "traefik"}
    done = schema_command(user_data("rancher.example.org", "alice@example.org"), tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


def test_versions_are_pinned() -> None:
    assert f"INSTALL_K3S_VERSION={PINNED.k3s}" in config()["runcmd"][1]
    charts = [content for path, content in files().items() if "manifests" in path]
    assert len(charts) == 2
    assert all(chart["spec"]["version"] for chart in charts)


def test_there_is_no_password_in_what_everybody_may_read() -> None:
    assert "password" not in user_data(HOSTNAME).lower()


def test_it_fits_into_user_data() -> None:
    assert len(user_data(HOSTNAME * 4).encode()) < 16 * 1024
