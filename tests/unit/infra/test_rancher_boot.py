"""The Rancher server's first boot."""

import ast
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from infra import rancher_token
from infra.contract import rancher_certificate
from infra.contract.versions import K3S_SHA256, PINNED
from infra.rancher_boot import Handover, user_data
from sandbox import tools

UNIT = "aerodrome-rancher-token"
GIVEN = "aerodrome-rancher-certificate"
INSTALLER = "/usr/local/sbin/install-k3s"
HOSTNAME = "192.0.2.7.sslip.io"
HANDOVER = Handover(
    f"arn:aws:secretsmanager:eu-central-1:123456789012:secret:aerodrome-{'e' * 28}-rancher-token-0a1b2c3-AbCdEf",
    "eu-central-1",
)


def config() -> dict[str, Any]:
    first, _, rest = user_data(HOSTNAME, HANDOVER).partition("\n")
    assert first == "#cloud-config"
    parsed: dict[str, Any] = json.loads(rest)
    return parsed


CERTIFICATE = (
    "arn:aws:secretsmanager:eu-central-1:123456789012:secret:a/rather/long/name/of/rancher-AbCdEf"
)
OF_THE_DEFAULT = "f13349b02d70dd37e6709284ac440658515d432b6ca577ebc93b8078ae2cb3eb"
"""Of user data that gives no certificate. Another one replaces every server that runs, and its data, at the next `up`: a change
here belongs into CHANGELOG.md."""


def files() -> dict[str, Any]:
    return {
        file["path"]: json.loads(file["content"])
        for file in config()["write_files"]
        if file["content"].startswith("{")
    }


def text_of(path: str) -> str:
    parsed = json.loads(user_data(HOSTNAME, HANDOVER, "", CERTIFICATE).partition("\n")[2])
    given = [file for file in parsed["write_files"] if GIVEN in file["path"]]
    there = [*config()["write_files"], *given]
    return str(next(file["content"] for file in there if file["path"] == path))


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


def test_lets_encrypt_vouches_for_a_name_of_ones_own(tmp_path: Path) -> None:
    def values(*email: str) -> dict[str, Any]:
        parsed = json.loads(user_data("rancher.example.org", HANDOVER, *email).partition("\n")[2])
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
    done = schema_command(user_data("rancher.example.org", HANDOVER, "alice@example.org"), tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


def test_servers_without_a_certificate_of_their_own_stay_as_they_are() -> None:
    assert hashlib.sha256(user_data(HOSTNAME, HANDOVER).encode()).hexdigest() == OF_THE_DEFAULT


def test_with_a_certificate_that_is_given_the_server_gets_its_secrets_name_and_a_script(
    tmp_path: Path,
) -> None:
    host = "rancher.a-rather-long-name-of-a-department.example.org"
    text = user_data(host, HANDOVER, "", CERTIFICATE)
    assert len(text.encode()) < 16 * 1024
    done = schema_command(text, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    boot = json.loads(text.partition("\n")[2])
    found = {each["path"]: each["content"] for each in boot["write_files"]}
    # Rancher is not installed before its certificate is there: agents would learn another authority.
    assert "/var/lib/rancher/k3s/server/manifests/rancher.yaml" not in found
    told = json.loads(found[f"/etc/aerodrome/{GIVEN.removeprefix('aerodrome-')}.json"])
    assert told["secret"] == CERTIFICATE
    assert told["chart"]["spec"]["version"] == PINNED.rancher
    assert told["token"] in found
    timer = found[f"/etc/systemd/system/{GIVEN}.timer"]
    assert "OnUnitInactiveSec=1h" in timer
    assert ["systemctl", "enable", "--now", f"{GIVEN}.timer"] in boot["runcmd"]
    # Both scripts come without their comments, and do the same.
    for script, whole in ((GIVEN, rancher_certificate), (UNIT, rancher_token)):
        short = ast.parse(found[f"/usr/local/sbin/{script}"], feature_version=(3, 9))
        assert ast.dump(bare(short)) == ast.dump(bare(ast.parse(Path(whole.__file__).read_text())))


def bare(tree: ast.Module) -> ast.Module:
    """Without docstrings."""
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and len(body) > 1:
            kept = [
                one
                for one in body
                if not (isinstance(one, ast.Expr) and isinstance(one.value, ast.Constant))
            ]
            node.body = kept  # type: ignore[attr-defined]
    return tree


def test_versions_are_pinned() -> None:
    assert f"/{PINNED.k3s.replace('+', '%2B')}/k3s\n" in text_of(INSTALLER)
    charts = [content for path, content in files().items() if "manifests" in path]
    assert len(charts) == 2
    assert all(chart["spec"]["version"] for chart in charts)


def test_there_is_no_password_in_what_everybody_may_read() -> None:
    for found in files().values():
        # The script names the Secret that has one; what it is told has none.
        assert "password" not in json.dumps(found).lower()


def test_it_fits_into_user_data() -> None:
    assert len(user_data(HOSTNAME * 4, HANDOVER).encode()) < 16 * 1024


def test_the_service_runs_the_script_until_it_has_succeeded_and_each_day_again() -> None:
    unit = text_of(f"/etc/systemd/system/{UNIT}.service")
    script = f"/usr/local/sbin/{UNIT}"
    assert f"ExecStart=/usr/bin/python3 {script}\n" in unit
    assert "Restart=on-failure" in unit
    compile(text_of(script), script, "exec")
    commands = config()["runcmd"]
    assert ["systemctl", "enable", "--now", f"{UNIT}.timer"] in commands
    # A boot that waited for Rancher would be one that can hang.
    assert ["systemctl", "start", "--no-block", f"{UNIT}.service"] in commands


def test_the_units_are_such_as_systemd_takes(tmp_path: Path) -> None:
    if not shutil.which("systemd-analyze"):
        pytest.skip("there is no systemd-analyze")
    script = tmp_path / "script"
    script.write_text("")
    script.chmod(0o700)
    units = [f"{unit}.{kind}" for unit in (UNIT, GIVEN) for kind in ("service", "timer")]
    files = [tmp_path / name for name in (*units, "k3s.service")]
    for file in files:
        text = text_of(f"/etc/systemd/system/{file.name}")
        scripts = [f"/usr/bin/python3 /usr/local/sbin/{unit}" for unit in (UNIT, GIVEN)]
        for program in (*scripts, "/usr/local/bin/k3s"):
            text = text.replace(program, str(script))
        file.write_text(text)
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *files],
        capture_output=True,
        text=True,
        check=False,
    )
    mine = [line for line in done.stderr.splitlines() if any(file.name in line for file in files)]
    assert not mine


@pytest.mark.parametrize("module", [rancher_token, rancher_certificate])
def test_the_script_runs_with_the_servers_python(module: ModuleType) -> None:
    """Amazon Linux 2023 has 3.9, which evaluates annotations unless it is told not to."""
    script = Path(str(module.__file__))
    ast.parse(script.read_text(), feature_version=(3, 9))
    rules = ("--isolated", "--target-version=py39", "--select=FA102,F,PLE")
    done = subprocess.run(
        [Path(sys.executable).parent / "ruff", "check", *rules, script],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def install(folder: Path, program: bytes, checksum: str = "") -> subprocess.CompletedProcess[str]:
    """The installer as it is, with the release in a file."""
    (folder / "release").write_bytes(program)
    (folder / "bin").mkdir(exist_ok=True)
    systemctl = folder / "bin" / "systemctl"
    systemctl.write_text(f'#!/bin/sh\necho "$*" >> "{folder}/started"\n')
    systemctl.chmod(0o700)
    text = text_of(INSTALLER).replace("/usr/local/bin/", f"{folder}/")
    text = re.sub(r"https://\S+", f"file://{folder}/release", text)
    script = folder / "install"
    script.write_text(text.replace(K3S_SHA256[PINNED.k3s], checksum) if checksum else text)
    path = f"{folder / 'bin'}:{os.environ['PATH']}"
    return subprocess.run(
        ["sh", script], env={"PATH": path}, capture_output=True, text=True, check=False
    )


def test_only_the_very_program_that_is_pinned_is_installed(tmp_path: Path) -> None:
    done = install(tmp_path, b"another program")
    assert done.returncode == 1, done.stderr
    assert not list(tmp_path.glob("k3s*"))
    assert not (tmp_path / "started").exists()
    for _ in range(2):
        right = hashlib.sha256(b"the program").hexdigest()
        assert install(tmp_path, b"the program", right).returncode == 0
        assert (tmp_path / "k3s").read_bytes() == b"the program"
        assert os.access(tmp_path / "kubectl", os.X_OK)
        assert "enable --now --no-block k3s.service" in (tmp_path / "started").read_text()


def test_nothing_that_is_downloaded_is_run_before_its_checksum_is_compared() -> None:
    assert [INSTALLER] in config()["runcmd"]
    assert not [words for words in config()["runcmd"] if words[0] in ("sh", "bash", "curl", "env")]
    lines = text_of(INSTALLER).splitlines()
    steps = [
        next(n for n, line in enumerate(lines) if word in line)
        for word in ("curl", "sha256sum", "mv ")
    ]
    assert steps == sorted(steps)
