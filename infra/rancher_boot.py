"""The Rancher server's first boot, as a cloud-init file. Pure.

It installs k3s, one program whose checksum is pinned beside its version, and leaves two charts for k3s to install: cert-manager and Rancher. Versions are pinned:
a server that is made again next month must be the same server. There is no password in it: user data can
be read by whoever may describe the instance, so Rancher makes one up and keeps it in its own cluster. An API
token, with which `up` registers the environment's cluster, is made there too and handed over in Secrets Manager
(`rancher_token.py`). A certificate that is given for the server is not in it either: the server reads it in Secrets Manager, too
(`contract/rancher_certificate.py`).
"""

import ast
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra import rancher_token
from infra.contract import rancher_certificate
from infra.contract.versions import K3S_SHA256, PINNED

_MANIFESTS = "/var/lib/rancher/k3s/server/manifests"
_INSTALLER = "/usr/local/sbin/install-k3s"
_K3S = "/usr/local/bin/k3s"
_UNIT = "aerodrome-rancher-token"
_CERTIFICATE_UNIT = "aerodrome-rancher-certificate"
_FOLDER = "/var/lib/aerodrome"
_SCRIPTS = "/usr/local/sbin"


@dataclass(frozen=True)
class Handover:
    """Where the server leaves the token with which its cluster is registered."""

    secret: str
    """Its ARN."""

    region: str


def user_data(
    hostname: str, handover: Handover, lets_encrypt_email: str = "", certificate: str = ""
) -> str:
    """The cloud-init file. JSON, which is YAML too, so that no value needs quoting. `certificate` is the ARN of the secret
    that has the server's."""
    values = _rancher_values(hostname, lets_encrypt_email)
    config = {
        "package_update": True,
        "write_files": [
            _file(
                "/etc/rancher/k3s/config.yaml",
                {
                    "tls-san": [hostname],
                    "write-kubeconfig-mode": "0600",
                    "secrets-encryption": True,
                },
            ),
            _file(f"{_MANIFESTS}/cert-manager.yaml", _cert_manager()),
            # With a certificate that is given, Rancher comes when that is there.
            *([] if certificate else [_file(f"{_MANIFESTS}/rancher.yaml", _rancher(values))]),
            *_k3s(),
            *_handing_over(hostname, handover),
        ],
        "runcmd": [
            ["systemctl", "daemon-reload"],
            [_INSTALLER],
            ["systemctl", "enable", "--now", f"{_UNIT}.timer"],
            # Rancher takes minutes to start, and cloud-init does not wait for it.
            ["systemctl", "start", "--no-block", f"{_UNIT}.service"],
        ],
    }
    if certificate:
        _add_certificate(config, values, handover.region, certificate)
    return "#cloud-config\n" + json.dumps(config, separators=(",", ":")) + "\n"


def _add_certificate(
    config: dict[str, Any], values: dict[str, Any], region: str, certificate: str
) -> None:
    """The script that takes the certificate from its secret, when the server starts and each hour: then it may be renewed."""
    told = {
        "secret": certificate,
        "region": region,
        "folder": _FOLDER,
        "token": f"{_SCRIPTS}/{_UNIT}",
        "chart": _rancher({}),
        "values": values | {"ingress": {"tls": {"source": "secret"}}},
    }
    script = f"{_SCRIPTS}/{_CERTIFICATE_UNIT}"
    for file in config["write_files"]:
        if file["path"] == told["token"]:
            file["content"] = _bare(file["content"])
    text = Path(rancher_certificate.__file__).read_text(encoding="utf-8")
    config["write_files"] += [
        _file(f"/etc/aerodrome/{_CERTIFICATE_UNIT.removeprefix('aerodrome-')}.json", told),
        _text(script, _bare(text), "0700"),
        *_units(_CERTIFICATE_UNIT, rancher_certificate.NEVER, "1h"),
    ]
    config["runcmd"] += [
        ["systemctl", "enable", "--now", f"{_CERTIFICATE_UNIT}.timer"],
        ["systemctl", "start", "--no-block", f"{_CERTIFICATE_UNIT}.service"],
    ]


def _bare(source: str) -> str:
    """A program without what is for its readers: AWS takes 16 KiB of user data."""
    lines = source.splitlines()
    dropped = {n for n, line in enumerate(lines) if not line.strip() or line.lstrip()[0] == "#"}
    for node in ast.walk(ast.parse(source)):
        body = getattr(node, "body", None)
        for one in body if isinstance(body, list) and len(body) > 1 else ():
            if isinstance(one, ast.Expr) and isinstance(one.value, ast.Constant):
                dropped |= set(range(one.lineno - 1, one.end_lineno or one.lineno))
    return "\n".join(line for n, line in enumerate(lines) if n not in dropped) + "\n"


def _k3s() -> list[dict[str, str]]:
    """The program, which only runs if it is the very one, and its service, as k3s's documentation has it. Amazon Linux's SELinux
    only warns (permissive), and k3s's policy package is not in its repositories."""
    release = PINNED.k3s.replace("+", "%2B")
    install = f"""#!/bin/sh
set -eu
new={_K3S}.new
curl -fsSL --proto =https,file --retry 5 -o $new https://github.com/k3s-io/k3s/releases/download/{release}/k3s
echo "{K3S_SHA256[PINNED.k3s]}  $new" | sha256sum -c - || {{ rm $new; exit 1; }}
chmod 755 $new
mv $new {_K3S}
ln -sf k3s {Path(_K3S).with_name("kubectl")}
systemctl enable --now --no-block k3s.service
"""
    service = f"""[Unit]
Description=Lightweight Kubernetes
After=network-online.target
Wants=network-online.target

[Service]
Type=notify
KillMode=process
Delegate=yes
LimitNOFILE=1048576
LimitNPROC=infinity
LimitCORE=infinity
TasksMax=infinity
TimeoutStartSec=0
Restart=always
RestartSec=5
ExecStartPre=-/sbin/modprobe br_netfilter
ExecStartPre=-/sbin/modprobe overlay
ExecStart={_K3S} server

[Install]
WantedBy=multi-user.target
"""
    return [
        _text(_INSTALLER, install, "0700"),
        _text("/etc/systemd/system/k3s.service", service, "0644"),
    ]


def _handing_over(hostname: str, handover: Handover) -> list[dict[str, str]]:
    """The script that makes the token, what it is told, and the service that runs it until it has succeeded, each day
    again: it renews what is old, and what a former run has not got done."""
    told = {
        "hostname": hostname,
        "secret": handover.secret,
        "region": handover.region,
        "folder": _FOLDER,
    }
    script = f"{_SCRIPTS}/{_UNIT}"
    return [
        _file("/etc/aerodrome/rancher-token.json", told),
        _text(script, Path(rancher_token.__file__).read_text(encoding="utf-8"), "0700"),
        *_units(
            _UNIT,
            rancher_token.NEVER,
            "1d",
            service="Hand over the token with which the cluster is registered",
            timer="Renew the token with which the cluster is registered",
        ),
    ]


def _units(
    name: str, never: int, again: str, *, service: str = "", timer: str = ""
) -> list[dict[str, str]]:
    """The service that runs a script until it has succeeded, or has ended with `never`, and the timer that runs it again.
    `service` and `timer` describe them, where user data has room for that."""
    described = f"Description={service}\n" if service else ""
    runs = f"""[Unit]
{described}After=network-online.target k3s.service
Wants=network-online.target
StartLimitIntervalSec=0

[Service]
Type=oneshot
Environment=PATH=/usr/local/bin:/usr/bin:/bin HOME=/root
ExecStart=/usr/bin/python3 {_SCRIPTS}/{name}
UMask=0077
Restart=on-failure
RestartSec=20
RestartPreventExitStatus={never}
"""
    described = f"[Unit]\nDescription={timer}\n\n" if timer else ""
    comes = f"""{described}[Timer]
OnBootSec=1min
OnUnitInactiveSec={again}

[Install]
WantedBy=timers.target
"""
    return [
        _text(f"/etc/systemd/system/{name}.service", runs, "0644"),
        _text(f"/etc/systemd/system/{name}.timer", comes, "0644"),
    ]


def _cert_manager() -> dict[str, Any]:
    return _helm_chart(
        "cert-manager",
        repo="https://charts.jetstack.io",
        version=PINNED.cert_manager,
        namespace="cert-manager",
        values={"crds": {"enabled": True}},
    )


def _rancher_values(hostname: str, lets_encrypt_email: str) -> dict[str, Any]:
    # The ingress controller that is to answer Let's Encrypt's question: the one that k3s brings.
    vouched = {
        "ingress": {"tls": {"source": "letsEncrypt"}},
        "letsEncrypt": {"email": lets_encrypt_email, "ingress": {"class": "traefik"}},
    }
    # One node runs one copy.
    return {"hostname": hostname, "replicas": 1, **(vouched if lets_encrypt_email else {})}


def _rancher(values: dict[str, Any]) -> dict[str, Any]:
    return _helm_chart(
        "rancher",
        repo="https://releases.rancher.com/server-charts/stable",
        version=PINNED.rancher,
        namespace="cattle-system",
        values=values,
    )


def _helm_chart(
    chart: str, *, repo: str, version: str, namespace: str, values: dict[str, Any]
) -> dict[str, Any]:
    """k3s's own resource for "install this chart"."""
    return {
        "apiVersion": "helm.cattle.io/v1",
        "kind": "HelmChart",
        "metadata": {"name": chart, "namespace": "kube-system"},
        "spec": {
            "chart": chart,
            "repo": repo,
            "version": version,
            "targetNamespace": namespace,
            "createNamespace": True,
            "valuesContent": json.dumps(values),
        },
    }


def _file(path: str, content: dict[str, Any]) -> dict[str, str]:
    return _text(path, json.dumps(content), "0600")


def _text(path: str, content: str, permissions: str) -> dict[str, str]:
    return {"path": path, "owner": "root:root", "permissions": permissions, "content": content}
