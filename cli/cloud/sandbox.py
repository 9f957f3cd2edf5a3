"""The sandbox's front door, and the one module that imports the sandbox: without it, AWS works as before.

What the sandbox raises becomes an error of the command line here.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

from cli.base.errors import KitError, UserError


class Instance(Protocol):
    """Where one sandbox is: `sandbox.instance.Instance`."""

    @property
    def name(self) -> str: ...
    @property
    def ui_port(self) -> int: ...
    @property
    def node_address(self) -> str: ...
    @property
    def api_url(self) -> str: ...
    @property
    def aws_url(self) -> str: ...
    @property
    def registry(self) -> str: ...
    @property
    def pki(self) -> Path: ...
    @property
    def admin_kubeconfig(self) -> Path: ...
    @property
    def logs(self) -> Path: ...


class Sandbox(Protocol):
    """A sandbox that is up: `sandbox.machine.Sandbox`."""

    @property
    def instance(self) -> Instance: ...
    def environment(self) -> dict[str, str]:
        """Variables with which programs find its AWS and its Kubernetes."""


class Progress(Protocol):
    """A step of the sandbox's work: `sandbox.machine.Progress`."""

    @property
    def step(self) -> str: ...
    @property
    def state(self) -> str: ...
    @property
    def seconds(self) -> float: ...
    @property
    def detail(self) -> str: ...


Report = Callable[[Progress], None]


class Machine:
    """What this machine can do with a sandbox. UserError where the checkout has none."""

    def is_here(self) -> bool:
        """Whether the checkout has a sandbox."""
        return find_spec("sandbox") is not None

    def up(self, name: str, *, report: Report, ui_port: int) -> Sandbox:
        """Starts it, or sees that it works. A running one keeps its UI port."""
        with _translated():
            from sandbox import machine

            return machine.up(name, report=report, ui_port=ui_port)

    def down(self, name: str, *, report: Report) -> Sequence[Any]:
        """Removes it with all that it held. Returns what is left: `sandbox.machine.Leftover`."""
        with _translated():
            from sandbox import machine

            return machine.down(name, report=report)

    def status(self, name: str) -> Any:
        """Its status: `sandbox.machine.Status`."""
        with _translated():
            from sandbox import machine

            return machine.status(name)

    def get(self, name: str) -> Sandbox:
        """The sandbox, which must be up."""
        with _translated():
            from sandbox import machine

            return machine.get(name)

    def tools_environment(self) -> dict[str, str]:
        """What leads to the Pulumi CLI and its plugins, whether the sandbox is up or not."""
        with _translated():
            from sandbox import pulumi

            return pulumi.environment()

    def tool(self, name: str) -> str:
        """The path of a program that set-up has built."""
        with _translated():
            from sandbox import tools

            return str(tools.tool(name))

    def checks(self, ui_port: int, *, sandbox_up: bool) -> Sequence[Any]:
        """What `up` needs of this machine: `sandbox.doctor.Check`."""
        with _translated():
            from sandbox import doctor

            return doctor.checks(ui_port, sandbox_up=sandbox_up)

    def ui_node_port(self) -> int:
        """The node's port that the sandbox leads to from this machine's loopback."""
        with _translated():
            from sandbox.instance import UI_NODE_PORT

            return UI_NODE_PORT


@contextmanager
def _translated() -> Iterator[None]:
    try:
        from sandbox.errors import KitError as SandboxError
    except ModuleNotFoundError as error:
        raise UserError(
            "This checkout has no sandbox",
            "The folder sandbox/ is missing. Environments in AWS do not need it.",
            "git checkout -- sandbox",
        ) from error
    try:
        yield
    except SandboxError as error:
        kind = UserError if error.exit_code == UserError.exit_code else KitError
        raise kind(error.summary, error.detail, error.command) from error


def identity(instance: Instance) -> str:
    """Tells one life of a sandbox from the next: each has a certificate authority of its own."""
    return hashlib.sha256((instance.pki / "ca.crt").read_bytes()).hexdigest()[:16]
