"""The builds and pushes, which buildah does. Used by `provider.py`.

A build runs in mount and process namespaces of its own: killed at any moment, it leaves no
process and no mount. Layers stay in the machine's cache, and so does the packed image: another
sandbox that needs the same one neither builds nor compresses it again.
"""

import contextlib
import fcntl
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from sandbox.errors import CloudError, UserError
from sandbox.instance import cache_dir
from sandbox.providers.docker_build import machine, registry
from sandbox.providers.docker_build.specification import Build

SHOWN_LINES = 30
"""How much of a failed build's output is shown."""

STORE_BYTES = 20 * 1024**3
"""How large the kept layers may grow; then all are made anew, the oldest being of no use."""

PACKED_IMAGES = 8
"""How many packed images are kept, the most recently used."""

_POLL_SECONDS = 0.2
_STEP = re.compile(r"^(?:\[\d+/\d+\] )?STEP \d+(?:/\d+)?: (.*)$")
_FAILED_STEP = re.compile(r'building at STEP "(.*?)": ')
_PULL = re.compile(r"initializing source docker://\S+?: (.*)")

# Everything that buildah makes while it runs but should not keep is on a tmpfs that only the
# build's own mount namespace sees. $1 is that folder; the rest is buildah's command line.
_SCRIPT = 'mount -t tmpfs -o mode=0700 tmpfs "$1" && shift && "$@"'


class Buildah:
    """The builds of one provider process. Safe across threads."""

    def __init__(self, cancelled: threading.Event) -> None:
        self._cancelled = cancelled
        self._root = cache_dir() / "buildah"

    def build(self, name: str, build: Build) -> str:
        """Build and, if asked, push to every tag; the digest that the registry knows.

        Without a push it is the digest of the image's configuration.
        """
        with self._workplace() as scratch:
            identifier = scratch / "image-id"
            output = self._run(scratch, _build_arguments(build, scratch, identifier), build)
            if output.code != 0:
                raise _failure(name, output.text)
            image = identifier.read_text().strip()
            digest = image
            for tag in build.tags if build.push else ():
                digest = self._push(scratch, name, image, registry.parse(tag))
            return digest

    def export(self, name: str, build: Build, target: str) -> None:
        """Build, and copy the image to `target`, as skopeo names places: for whoever has no registry."""
        with self._workplace() as scratch:
            identifier = scratch / "image-id"
            output = self._run(scratch, _build_arguments(build, scratch, identifier), build)
            if output.code != 0:
                raise _failure(name, output.text)
            packed = self._packed(scratch, name, identifier.read_text().strip())
            copied = self._execute(
                scratch, [_program("skopeo"), "copy", "--quiet", f"oci:{packed}", target]
            )
            if copied.code != 0:
                raise CloudError(
                    f"The image {name} could not be copied to {target}",
                    _last_lines(copied.text),
                    operation="copy",
                )

    def _push(self, scratch: Path, name: str, image: str, tag: registry.Reference) -> str:
        packed = self._packed(scratch, name, image)
        refused = _refusal(tag, _digest_of(packed))
        written = scratch / "digest"
        target = f"docker://{registry.address(tag)}/{tag.repository}:{tag.tag}"
        options = ["--dest-tls-verify=false", "--preserve-digests", "--quiet"]
        arguments = ["copy", *options, "--digestfile", str(written), f"oci:{packed}", target]
        if not refused:
            output = self._execute(scratch, [_program("skopeo"), *arguments])
            refused = _last_lines(output.text) if output.code != 0 else ""
        if refused:
            raise CloudError(
                f"The image {name} could not be pushed to {tag.name}:{tag.tag}",
                refused,
                operation="push",
            )
        return written.read_text().strip()

    def _packed(self, scratch: Path, name: str, image: str) -> Path:
        """The image as files that only have to be sent: an OCI layout in the cache."""
        folder = self._root / "packed" / image.rpartition(":")[2]
        if folder.is_dir():
            # The order of use decides which ones are kept.
            os.utime(folder)
            return folder
        part = scratch / "packed"
        # zstd: packed once and unpacked in every sandbox, it costs less than no compression,
        # for the store has to make the layers' tars either way and there is less to write.
        options = ["--compression-format", "zstd", "--quiet"]
        output = self._run(scratch, ["push", *options, image, f"oci:{part}"])
        if output.code != 0:
            raise CloudError(
                f"The image {name} could not be packed", _last_lines(output.text), operation="push"
            )
        folder.parent.mkdir(exist_ok=True)
        with contextlib.suppress(OSError):
            # Another build of the same image may have been quicker: its files are the same.
            part.rename(folder)
        kept = sorted(folder.parent.iterdir(), key=lambda f: f.stat().st_mtime, reverse=True)
        for old in kept[PACKED_IMAGES:]:
            shutil.rmtree(old, ignore_errors=True)
        return folder

    @contextlib.contextmanager
    def _workplace(self) -> Iterator[Path]:
        """A folder for one build's files, and the right to use the store meanwhile."""
        self._root.mkdir(parents=True, exist_ok=True)
        with (self._root / "lock").open("a") as lock:
            self._tidy(lock.fileno())
            fcntl.flock(lock, fcntl.LOCK_SH)
            with tempfile.TemporaryDirectory(prefix="build-", dir=self._root) as scratch:
                yield Path(scratch)

    def _tidy(self, lock: int) -> None:
        """Remove what killed builds left, if no build is under way."""
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        for left in self._root.glob("build-*"):
            shutil.rmtree(left, ignore_errors=True)
        if _stored_bytes(self._root / "storage") > STORE_BYTES:
            shutil.rmtree(self._root / "storage", ignore_errors=True)
        # Their working containers are known to the store, which alone may remove them.
        record = self._root / "storage" / "overlay-containers" / "containers.json"
        with contextlib.suppress(OSError, ValueError):
            if json.loads(record.read_text()):
                with tempfile.TemporaryDirectory(prefix="build-", dir=self._root) as scratch:
                    self._run(Path(scratch), ["rm", "--all"])

    def _run(
        self, scratch: Path, arguments: Sequence[str], build: Build | None = None
    ) -> "_Output":
        """One buildah command on the store; the secrets of `build` are there for it."""
        transient = scratch / "run"
        buildah = [_program("buildah"), "--root", str(self._root / "storage")]
        buildah += ["--runroot", str(transient / "store"), "--storage-driver", "overlay"]
        secrets: dict[str, int] = {}
        try:
            for key, value in (build.secrets if build else {}).items():
                secrets[key] = _in_memory(value)
            hidden = [
                argument
                for key, handle in secrets.items()
                for argument in ("--secret", f"id={key},src=/proc/self/fd/{handle}")
            ]
            command = [*buildah, arguments[0], *hidden, *arguments[1:]]
            environment = build.arguments if build else {}
            return self._execute(scratch, command, environment, list(secrets.values()))
        finally:
            for handle in secrets.values():
                os.close(handle)

    def _execute(
        self,
        scratch: Path,
        command: Sequence[str],
        environment: Mapping[str, str] = {},
        handles: Sequence[int] = (),
    ) -> "_Output":
        if self._cancelled.is_set():
            raise _cancelled()
        transient = scratch / "run"
        transient.mkdir(exist_ok=True)
        isolated = [*_isolation(), "sh", "-c", _SCRIPT, "sh", str(transient), *command]
        with (scratch / "output").open("w+b") as output:
            process = subprocess.Popen(
                isolated,
                env={**os.environ, **environment, "TMPDIR": str(scratch)},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                pass_fds=handles,
                start_new_session=True,
            )
            code = self._finish(process)
            output.seek(0)
            return _Output(code, output.read().decode(errors="replace"))

    def _finish(self, process: subprocess.Popen[bytes]) -> int:
        while True:
            try:
                return process.wait(timeout=_POLL_SECONDS)
            except subprocess.TimeoutExpired:
                if self._cancelled.is_set():
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait()
                    raise _cancelled() from None


class _Output:
    """The exit code and output of a command."""

    def __init__(self, code: int, text: str) -> None:
        self.code = code
        self.text = text


def _digest_of(layout: Path) -> str:
    """Of the one image in an OCI layout: what a registry will call it."""
    index = json.loads((layout / "index.json").read_text())
    return str(index["manifests"][0]["digest"])


def _refusal(tag: registry.Reference, digest: str) -> str:
    try:
        return registry.refusal(tag, digest)
    except CloudError as error:
        return str(error)


def _cancelled() -> CloudError:
    return CloudError("The build was cancelled")


def _build_arguments(build: Build, scratch: Path, identifier: Path) -> list[str]:
    arguments = ["bud", "--layers", "--force-rm", "--isolation", "chroot", "--network", "host"]
    # No name: buildah reads the id of what it committed back by name, and would report, and
    # have pushed, what another build gave that name in between.
    arguments += ["--iidfile", str(identifier)]
    for mount in machine.mounts(scratch):
        arguments += ["--volume", f"{mount.source}:{mount.target}:ro"]
    # A name without a value: buildah takes the value from its environment.
    arguments += [part for key in build.arguments for part in ("--build-arg", key)]
    arguments += [p for key, value in build.labels.items() for p in ("--label", f"{key}={value}")]
    arguments += [part for host in build.add_hosts for part in ("--add-host", host)]
    if build.target:
        arguments += ["--target", build.target]
    if build.no_cache:
        arguments.append("--no-cache")
    if build.pull:
        arguments.append("--pull=always")
    file = build.file
    if file is None:
        file = scratch / "Containerfile"
        file.write_text(build.inline)
    return [*arguments, "--file", str(file), str(build.context)]


def _stored_bytes(storage: Path) -> int:
    """The size by the store's own record: counting the files themselves takes seconds."""
    try:
        layers = json.loads((storage / "overlay-layers" / "layers.json").read_text())
        return sum(int(layer.get("diff-size") or 0) for layer in layers)
    except (OSError, ValueError):
        return 0


def _isolation() -> list[str]:
    """Own mounts and processes, all gone when this process is, however it ends."""
    guard = [_program("setpriv"), "--pdeathsig", "KILL"]
    namespaces = ["--mount", "--propagation", "private", "--pid", "--mount-proc"]
    return [*guard, _program("unshare"), *namespaces, "--fork", "--kill-child=KILL"]


def _program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise UserError(f"The program {name} is missing", "Images are built with it.", "make setup")
    return found


def _in_memory(content: str) -> int:
    handle = os.memfd_create("secret", 0)
    os.fchmod(handle, 0o600)
    os.write(handle, content.encode())
    return handle


def _failure(name: str, text: str) -> CloudError | UserError:
    """The step that failed first, then what was printed last."""
    steps = [found.group(1) for line in text.splitlines() if (found := _STEP.match(line))]
    # Buildah may have begun with another stage by then: its last line has the step that failed.
    steps += [found.group(1) for line in text.splitlines() if (found := _FAILED_STEP.search(line))]
    missing = _PULL.search(text)
    if missing and steps:
        return CloudError(
            f"The image {name} can not be built: its base can not be pulled: {steps[-1]}",
            missing.group(1),
            operation="build",
        )
    where = f" at the step: {steps[-1]}" if steps else ""
    # A step fails because of what is in the build context: the user's to put right.
    return UserError(f"The image {name} can not be built{where}", _last_lines(text))


def _last_lines(text: str) -> str:
    lines = [line.rstrip() for line in text.splitlines() if line.strip()]
    return "\n".join(lines[-SHOWN_LINES:])
