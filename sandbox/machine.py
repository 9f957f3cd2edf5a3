"""The entry point of the sandbox: up, down, status. Used by the command line and by tests.

`up` may be called in any situation: nothing there, all running, killed half-way, after a
reboot. It finds out which, does what is missing, and returns a sandbox that works.
"""

import contextlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from sandbox import pulumi, tools
from sandbox.cluster import checks, leftovers
from sandbox.cluster.condition import ProcessStatus, Status, observe
from sandbox.cluster.leftovers import Leftover
from sandbox.cluster.lock import held
from sandbox.cluster.progress import Progress, step
from sandbox.cluster.record import load_init, load_instance
from sandbox.errors import KitError, UserError
from sandbox.instance import REGION, Instance, state_dir
from sandbox.layout import Layout

__all__ = [
    "Leftover",
    "ProcessStatus",
    "Progress",
    "Sandbox",
    "Status",
    "down",
    "get",
    "status",
    "up",
]

DEFAULT = "default"


@dataclass(frozen=True)
class Sandbox:
    """A sandbox that is up."""

    instance: Instance

    @property
    def kubeconfig(self) -> Path:
        """Of the cluster's administrator, for use from the host."""
        return self.instance.admin_kubeconfig

    def environment(self) -> dict[str, str]:
        """The variables that the engine, its providers, helm and kubectl need to work on this sandbox."""
        keys = json.loads(self.instance.aws_credentials.read_text())
        path = os.environ.get("PATH", os.defpath)
        return {
            "AWS_ENDPOINT_URL": self.instance.aws_url,
            "AWS_ACCESS_KEY_ID": keys["access_key_id"],
            "AWS_SECRET_ACCESS_KEY": keys["secret_access_key"],
            "AWS_REGION": REGION,
            # boto3 reads only this one, the newer SDKs only the other.
            "AWS_DEFAULT_REGION": REGION,
            "KUBECONFIG": str(self.kubeconfig),
            "AERODROME_ECR_ADDRESS": self.instance.registry,
            "CONTAINERS_REGISTRIES_CONF": str(Layout(self.instance).registries_config),
            **pulumi.environment({"PATH": f"{tools.tools_dir()}:{path}"}),
        }


UP_PATIENCE_SECONDS = 300.0
"""Two environments of one sandbox may be brought up at the same moment: the second waits for the first to
have started it."""


def up(name: str = DEFAULT, *, report: Callable[[Progress], None], ui_port: int = 8080) -> Sandbox:
    """Bring the sandbox up, or see that it is. A running one keeps its UI port.

    One that was started from another version of its code or programs is started anew, and keeps what it holds.
    """
    checks.check_name(name)
    checks.check_root()
    with _locked(name, "sandbox up", UP_PATIENCE_SECONDS):
        root = _root(name)
        known = load_instance(root / "instance.json")
        if known is not None and _running(known):
            if not _current(known):
                ui_port = known.ui_port
                report(Progress("It runs another version of Aerodrome: started anew", "done"))
            elif _repaired(known, report):
                return Sandbox(known)
        from sandbox.cluster import starting, stopping

        if known is not None:
            stopping.stop(Layout(known), lambda progress: None)
        return Sandbox(starting.start(root, name, ui_port, report))


def down(name: str = DEFAULT, *, report: Callable[[Progress], None]) -> list[Leftover]:
    """Take the sandbox away with all that it held. Returns what is left: nothing, if all went well."""
    from sandbox.cluster import stopping

    checks.check_name(name)
    checks.check_root()
    with _locked(name, "sandbox down"):
        root = _root(name)
        # Killed before it could write down what it is, it had made nothing but its folder.
        instance = load_instance(root / "instance.json") or Instance(name, -1, root)
        layout = Layout(instance)
        if root.exists():
            stopping.stop(layout, report)
            stopping.remove_folder(layout, report)
            # The CLI's logs of each run; what it needs again it makes again.
            shutil.rmtree(pulumi.home(), ignore_errors=True)
        with step(report, "Look for leftovers"):
            return leftovers.find(instance)


def status(name: str = DEFAULT) -> Status:
    """The status of the sandbox. Changes nothing, takes no lock."""
    checks.check_name(name)
    checks.check_root()
    return observe(name, load_instance(_root(name) / "instance.json"))


def get(name: str = DEFAULT) -> Sandbox:
    """The sandbox, which must be running."""
    known = load_instance(_root(name) / "instance.json")
    if known is None or not _running(known):
        raise UserError(
            f"Sandbox {name!r} is not running", "Start it first:", "./aerodrome sandbox up"
        )
    return Sandbox(known)


def _repaired(instance: Instance, report: Callable[[Progress], None]) -> bool:
    """Wait until all of a running sandbox works. False if it ended meanwhile.

    Its init may have been killed a moment ago: it stays visible until the last of its
    processes is gone, and only then can the sandbox be started anew.
    """
    if Layout(instance).complete_file.exists() and observe(instance.name, instance).healthy:
        return True
    from sandbox.cluster import starting

    try:
        starting.finish(Layout(instance), report)
    except KitError:
        if _running(instance):
            raise
        return False
    return True


def _current(instance: Instance) -> bool:
    """Whether it was started from what `up` would start now."""
    file = Layout(instance).version_file
    return file.exists() and file.read_text() == tools.sandbox_version()


def _running(instance: Instance) -> bool:
    init = load_init(Layout(instance))
    return init is not None and init.alive


def _root(name: str) -> Path:
    # The sandbox's processes have another working folder.
    return (state_dir() / "sandbox" / name).absolute()


@contextlib.contextmanager
def _locked(name: str, command: str, patience: float = 0.0) -> Iterator[None]:
    """Hold the sandbox's lock; at the end remove the folders above it if nothing is in them."""
    try:
        with held(state_dir() / "sandbox" / f".{name}.lock", command, patience):
            yield
    finally:
        for folder in (state_dir() / "sandbox", state_dir()):
            with contextlib.suppress(OSError):
                folder.rmdir()
