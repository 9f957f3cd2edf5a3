"""Builds the sandbox's Go programs, and gathers the unpacked ones beside them."""

import re
import shutil
import subprocess
from pathlib import Path

from sandbox import tools
from sandbox.setup import debian, python_env
from sandbox.setup.task import Log, made_whole

_WANTED_GO = (1, 26)


def go_on_path() -> str | None:
    """The machine's own `go`, if it is new enough for the module."""
    go = shutil.which("go")
    if go is None:
        return None
    version = subprocess.run([go, "version"], capture_output=True, text=True, check=False).stdout
    found = re.search(r"go(\d+)\.(\d+)", version)
    new_enough = found is not None and (int(found[1]), int(found[2])) >= _WANTED_GO
    return go if new_enough else None


def go_program() -> str:
    """The Go toolchain to build with: the machine's, or PyPI's."""
    return go_on_path() or str(tools.go_dir() / "bin" / "go")


def make_go(log: Log) -> None:
    """Installs PyPI's Go toolchain."""
    python_env.make_environment(log, tools.go_dir(), "go.txt")


def build(log: Log) -> None:
    """Kubernetes, Helm, CoreDNS and pause; etcd, containerd, runc, registry and CNI beside them."""
    with made_whole(tools.tools_dir()) as folder:
        _build_kubernetes(log, folder)
        _compile(log, folder / "helm", "helm.sh/helm/v3/cmd/helm")
        _compile(log, folder / "coredns", "./coredns")
        _compile(log, folder / "pause", "./pause")
        _gather_unpacked(log, folder)


def _build_kubernetes(log: Log, folder: Path) -> None:
    version = tools.kubernetes_version()
    major, minor, _ = version.removeprefix("v").split(".")
    about = "k8s.io/component-base/version"
    stamps = {"gitVersion": version, "gitMajor": major, "gitMinor": minor}
    flags = " ".join(f"-X {about}.{key}={value}" for key, value in stamps.items())
    _compile(log, folder / "kube", "./kube", flags)
    for name in tools.KUBERNETES_PROGRAMS:
        (folder / name).symlink_to("kube")


def build_actionlint(log: Log) -> None:
    """The checker of workflow files. PyPI's package of it is no wheel: it would fetch a program without a
    hash."""
    with made_whole(tools.actionlint_dir()) as folder:
        package = "github.com/rhysd/actionlint/cmd/actionlint"
        _compile(log, folder / "actionlint", package, module=tools.CHECKERS_MODULE)


def _compile(
    log: Log, output: Path, package: str, flags: str = "", *, module: Path = tools.GO_MODULE
) -> None:
    log.run(
        [
            go_program(),
            "build",
            "-ldflags",
            f"-s -w {flags}".strip(),
            "-o",
            output,
            package,
        ],
        cwd=module,
        env={"CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOFLAGS": "-mod=readonly"},
    )


def _gather_unpacked(log: Log, folder: Path) -> None:
    unpacked = folder / "debian"
    debian.unpack(log, tools.UNPACKED_PACKAGES, unpacked)
    for place in ("usr/bin", "usr/sbin"):
        for program in sorted((unpacked / place).glob("*")):
            link = folder / program.name
            if not link.exists():
                link.symlink_to(program.relative_to(folder))
    (folder / "cni").symlink_to("debian/usr/lib/cni")
