"""The Rancher server's first boot."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from infra.contract.versions import PINNED
from infra.rancher_boot import Handover, user_data
from sandbox import tools

HOSTNAME = "192.0.2.7.sslip.io"
HANDOVER = Handover(
    "aerodrome/dev/rancher-token",
    "eu-central-1",
    {"aerodrome:environment": "e" * 30, "aerodrome:branch": "b" * 256},
)


def config() -> dict[str, Any]:
    first, _, rest = user_data(HOSTNAME, HANDOVER).partition("\n")
    assert first == "#cloud-config"
    parsed: dict[str, Any] = json.loads(rest)
    return parsed


def files() -> dict[str, Any]:
    return {
        file["path"]: json.loads(file["content"])
        for file in config()["write_files"]
        if file["content"].startswith("{")
    }


def text_of(path: str) -> str:
    return str(next(file["content"] for file in config()["write_files"] if file["path"] == path))


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
    done = schema_command(user_data(HOSTNAME, HANDOVER), tmp_path)
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


def test_versions_are_pinned() -> None:
    assert f"INSTALL_K3S_VERSION={PINNED.k3s}" in config()["runcmd"][1]
    charts = [content for path, content in files().items() if "manifests" in path]
    assert len(charts) == 2
    assert all(chart["spec"]["version"] for chart in charts)


def test_there_is_no_password_in_what_everybody_may_read() -> None:
    for found in files().values():
        # The script names the Secret that has one; what it is told has none.
        assert "password" not in json.dumps(found).lower()


def test_it_fits_into_user_data() -> None:
    assert len(user_data(HOSTNAME * 4, HANDOVER).encode()) < 16 * 1024


def test_the_service_runs_the_script_until_it_has_succeeded() -> None:
    unit = text_of("/etc/systemd/system/aerodrome-rancher-token.service")
    script = "/usr/local/sbin/aerodrome-rancher-token"
    assert f"ExecStart=/usr/bin/python3 {script}\n" in unit
    assert "Restart=on-failure" in unit
    compile(text_of(script), script, "exec")
    commands = config()["runcmd"]
    assert ["systemctl", "enable", "aerodrome-rancher-token.service"] in commands
    # A boot that waited for Rancher would be one that can hang.
    assert ["systemctl", "start", "--no-block", "aerodrome-rancher-token.service"] in commands


def test_the_service_is_one_that_systemd_takes(tmp_path: Path) -> None:
    if not shutil.which("systemd-analyze"):
        pytest.skip("there is no systemd-analyze")
    file = tmp_path / "aerodrome-rancher-token.service"
    unit = text_of("/etc/systemd/system/aerodrome-rancher-token.service")
    script = tmp_path / "script"
    script.write_text("")
    script.chmod(0o700)
    file.write_text(unit.replace("/usr/bin/python3 /usr/local/sbin", f"{script} /usr/local/sbin"))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", file],
        capture_output=True,
        text=True,
        check=False,
    )
    mine = [line for line in done.stderr.splitlines() if file.name in line and "k3s" not in line]
    assert not mine
