"""The paths of what set-up built or installed: folders named by content hash.

A folder's hash covers everything that decides what is in it, so a second checkout finds
what the first one built, and a changed input never meets an old result. Standard library
only: set-up runs before there is a Python environment.
"""

import hashlib
import platform
import re
import sys
from functools import cache
from pathlib import Path

from sandbox.errors import UserError
from sandbox.instance import cache_dir

ROOT = Path(__file__).resolve().parent.parent
GO_MODULE = ROOT / "sandbox" / "cluster" / "gomodule"
LANGUAGE_HOST = GO_MODULE / "language-host"
PROVIDER_MODULE = ROOT / "sandbox" / "pulumi" / "kubernetes_provider"
CHECKERS_MODULE = ROOT / "sandbox" / "setup" / "gomodule"
TELEGRAF_MODULE = ROOT / "images" / "telegraf" / "source"
SHIPPER_MODULE = ROOT / "images" / "shipper" / "source"
ELASTICSEARCH_IMAGE = ROOT / "images" / "elasticsearch"
KARPENTER_MODULE = ROOT / "sandbox" / "setup" / "karpenter_module"
COMPOSE_MODULE = ROOT / "sandbox" / "setup" / "compose_module"
INGRESS_MODULE = ROOT / "sandbox" / "setup" / "ingress_module"
SESSION_PLUGIN_MODULE = ROOT / "sandbox" / "setup" / "session_plugin_module"
REQUIREMENTS = ROOT / "requirements"

OWN_PROGRAMS = ("kube", "coredns", "pause")
"""Folders of GO_MODULE with the main packages that the cluster runs on."""

_GO_VERSIONS = (GO_MODULE / "go.mod", GO_MODULE / "go.sum")

KUBERNETES_PROGRAMS = (
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kubelet",
    "kube-proxy",
    "kubectl",
)

UNPACKED_PACKAGES = (
    "etcd-server",
    "etcd-client",
    "containerd",
    "runc",
    "docker-registry",
    "containernetworking-plugins",
)
"""Debian packages that are unpacked beside the tools, not installed: installed, they would
start services of their own, or take the place of Docker's."""

CHECKER_PACKAGES = (
    *("cloud-init", "postgresql-15", "redis-tools", "libjemalloc2", "liblzf1"),
    *("pgbouncer", "libc-ares2", "libevent-2.1-7", "influxdb"),
    *("podman", "conmon", "netavark", "aardvark-dns"),
)
"""Unpacked for the tests. Installed, cloud-init would configure the machine at its next start, PostgreSQL would
start a server, and Podman a socket; libjemalloc2 and liblzf1 are what Redis is linked with, libc-ares2 and libevent what PgBouncer is."""

BASE_SUITE = "bookworm"
BASE_PACKAGES = ("ca-certificates",)
"""What the Debian base image has beyond debootstrap's minbase."""


def digest(*parts: str | Path) -> str:
    """A short hash of texts and of files' names and contents (folders: all files in them)."""
    state = hashlib.sha256()
    for part in parts:
        if isinstance(part, str):
            state.update(f"text {part}\0".encode())
            continue
        files = sorted(f for f in part.rglob("*") if f.is_file()) if part.is_dir() else [part]
        for file in files:
            state.update(f"file {file.name}\0".encode())
            state.update(file.read_bytes())
    return state.hexdigest()[:16]


def kubernetes_version() -> str:
    """Like v1.36.3: go.mod is the one place that says it."""
    return module_version("k8s.io/kubernetes")


def sdk_version(package: str) -> str:
    """Of a Python package that the kit runs on: requirements/kit.txt is the one place that says it."""
    found = re.search(
        rf"^{package}==([\w.]+)", (REQUIREMENTS / "kit.txt").read_text(), re.MULTILINE
    )
    if found is None:
        raise UserError(f"requirements/kit.txt does not lock {package}")
    return found.group(1)


def module_version(module: str) -> str:
    """Of a Go module that the sandbox's programs are built from, like v3.276.0."""
    text = (GO_MODULE / "go.mod").read_text()
    found = re.search(rf"^\s*{re.escape(module)} (v\S+)", text, re.MULTILINE)
    if found is None:
        raise UserError(f"sandbox/cluster/gomodule/go.mod does not require {module}")
    return found.group(1)


def _python() -> str:
    return f"{sys.implementation.name} {platform.python_version()} {sys.base_prefix}"


@cache
def tools_dir() -> Path:
    """Programs of the sandbox: Kubernetes, CoreDNS, Helm, etcd, containerd, runc, registry."""
    programs = (GO_MODULE / name for name in OWN_PROGRAMS)
    inputs = digest(*_GO_VERSIONS, *programs, *UNPACKED_PACKAGES, platform.machine())
    return cache_dir() / "tools" / inputs


@cache
def pulumi_dir() -> Path:
    """Pulumi's CLI and its language host, where the machine has no CLI of its own."""
    return cache_dir() / "pulumi" / digest(*_GO_VERSIONS, LANGUAGE_HOST, platform.machine())


@cache
def kubernetes_plugin_dir() -> Path:
    """Pulumi's provider for Kubernetes, where the machine's own CLI does not have it."""
    inputs = digest(PROVIDER_MODULE, sdk_version("pulumi-kubernetes"), platform.machine())
    return cache_dir() / "kubernetes-plugin" / inputs


@cache
def aws_cli_dir() -> Path:
    """The Python environment of the AWS CLI."""
    return cache_dir() / "aws-cli" / digest(REQUIREMENTS / "aws.txt", _python())


@cache
def sandbox_version() -> str:
    """Of all that a running sandbox executes: its programs, environments and its own code."""
    code = (
        file
        for folder in ("aws", "cluster", "registry")
        for file in sorted((ROOT / "sandbox" / folder).rglob("*.py"))
    )
    built = (tools_dir(), ministack_dir(), environment_dir())
    return digest(*(folder.name for folder in built), *code)


def aws_cli_path() -> Path:
    """A folder with nothing but `aws` in it, for a PATH."""
    return aws_cli_dir() / "path"


@cache
def checkers_dir() -> Path:
    """Files of CHECKER_PACKAGES."""
    return cache_dir() / "checkers" / digest(*CHECKER_PACKAGES, platform.machine())


@cache
def actionlint_dir() -> Path:
    """The checker of GitHub's workflow files."""
    return cache_dir() / "actionlint" / digest(CHECKERS_MODULE, platform.machine())


@cache
def ministack_dir() -> Path:
    """The Python environment of the AWS emulator."""
    return cache_dir() / "ministack" / digest(REQUIREMENTS / "ministack.txt", _python())


@cache
def environment_dir() -> Path:
    """The Python environment of the kit itself; a checkout's `.venv` leads to it."""
    return cache_dir() / "python" / digest(REQUIREMENTS / "dev.txt", _python())


@cache
def uv_dir() -> Path:
    """The environment that holds uv, the installer of the others."""
    return cache_dir() / "uv" / digest(REQUIREMENTS / "uv.txt", _python())


@cache
def go_dir() -> Path:
    """The environment that holds PyPI's Go toolchain; only there if the machine has none."""
    return cache_dir() / "go" / digest(REQUIREMENTS / "go.txt", _python())


@cache
def compose_dir() -> Path:
    """Docker's compose program."""
    return cache_dir() / "compose" / digest(COMPOSE_MODULE, platform.machine())


@cache
def telegraf_dir() -> Path:
    """Telegraf, as its image's build makes it."""
    return cache_dir() / "telegraf" / digest(TELEGRAF_MODULE, platform.machine())


@cache
def shipper_dir() -> Path:
    """The log shipper, as its image's build makes it."""
    return cache_dir() / "shipper" / digest(SHIPPER_MODULE, platform.machine())


@cache
def karpenter_dir() -> Path:
    """Karpenter's charts and definitions, as its module has them."""
    return cache_dir() / "karpenter" / digest(KARPENTER_MODULE)


@cache
def ingress_dir() -> Path:
    """Traefik, and controllers of cert-manager with its definitions."""
    return cache_dir() / "ingress" / digest(INGRESS_MODULE, platform.machine())


@cache
def karpenter_programs_dir() -> Path:
    """Karpenter's controller and kwok, which plays its machines."""
    return cache_dir() / "karpenter-programs" / digest(KARPENTER_MODULE, platform.machine())


@cache
def session_manager_plugin_dir() -> Path:
    """AWS's session-manager-plugin."""
    return (
        cache_dir() / "session-manager-plugin" / digest(SESSION_PLUGIN_MODULE, platform.machine())
    )


@cache
def elasticsearch_dir() -> Path:
    """Elasticsearch, as its image's build fetches it."""
    script, checksum = (
        ELASTICSEARCH_IMAGE / name for name in ("fetch-distribution", "distribution.sha256")
    )
    return cache_dir() / "elasticsearch" / digest(script, checksum)


@cache
def base_image_dir() -> Path:
    """Holds rootfs.tar, the Debian base of the images."""
    inputs = digest(BASE_SUITE, *BASE_PACKAGES, platform.machine())
    return cache_dir() / "rootfs" / inputs


def base_image_tar() -> Path:
    """The Debian base as an uncompressed tar of its root folder."""
    return _existing(base_image_dir() / "rootfs.tar")


def tool(name: str) -> Path:
    """One program of `tools_dir`. UserError if set-up has not run."""
    return _existing(tools_dir() / name)


def actionlint() -> Path:
    """The checker of GitHub's workflow files."""
    return _existing(actionlint_dir() / "actionlint")


def docker_compose() -> Path:
    """Docker's compose, for the tests of compose files."""
    return _existing(compose_dir() / "docker-compose", "python3 -m sandbox.setup --for-tests")


def telegraf() -> Path:
    """Telegraf, for the tests of its chart's settings."""
    return _existing(telegraf_dir() / "telegraf", "python3 -m sandbox.setup --for-tests")


def shipper() -> Path:
    """The log shipper, for the tests of its chart's settings."""
    return _existing(shipper_dir() / "shipper", "python3 -m sandbox.setup --for-tests")


def karpenter() -> Path:
    """The folder of Karpenter's charts, for the tests of what the program tells them."""
    return _existing(karpenter_dir() / "charts", "python3 -m sandbox.setup --for-tests")


def ingress() -> Path:
    """The folder of `traefik`, of cert-manager's `certificates`, and of its `crds`, for the tests of the UI over HTTPS."""
    return _existing(ingress_dir(), "python3 -m sandbox.setup --for-tests")


def karpenter_program(name: str) -> Path:
    """`controller`, which is Karpenter, `kwok`, or `stages`, the folder of what kwok makes nodes and pods do."""
    return _existing(karpenter_programs_dir() / name, "python3 -m sandbox.setup --for-tests")


def session_manager_plugin() -> Path:
    """AWS's program that carries a session of Systems Manager, for the tests of the way to a private API."""
    folder = session_manager_plugin_dir()
    return _existing(folder / "session-manager-plugin", "python3 -m sandbox.setup --for-tests")


def elasticsearch() -> Path:
    """The folder of Elasticsearch, for the tests of its chart's settings."""
    return _existing(elasticsearch_dir() / "elasticsearch", "python3 -m sandbox.setup --for-tests")


def cni_plugins() -> Path:
    """The folder of the CNI plugins."""
    return _existing(tools_dir() / "cni")


def ministack_python() -> Path:
    """The Python that runs the AWS emulator."""
    return _existing(ministack_dir() / "bin" / "python")


def _existing(path: Path, command: str = "make setup") -> Path:
    if not path.exists():
        raise UserError(
            f"{path.name} is not on this machine yet",
            "Set-up builds and installs what the sandbox needs, once.",
            command,
        )
    return path
