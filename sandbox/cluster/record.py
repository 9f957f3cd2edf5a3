"""The records of an instance and its init process, which `up` writes and reads again later."""

import os
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox import files
from sandbox.instance import Instance
from sandbox.layout import Layout


def save_instance(instance: Instance) -> None:
    value = {
        "name": instance.name,
        "slot": instance.slot,
        "root": str(instance.root),
        "ui_port": instance.ui_port,
    }
    files.write_json(Layout(instance).instance_file, value)


def load_instance(path: Path) -> Instance | None:
    """None if there is none."""
    value = files.read_json(path)
    if not isinstance(value, dict):
        return None
    return Instance(value["name"], value["slot"], Path(value["root"]), value["ui_port"])


@dataclass(frozen=True)
class Init:
    """The first process of a sandbox, in the host's numbers.

    A number alone would not do: after a reboot, or enough new processes, it is another's.
    """

    pid: int
    started: str
    boot: str

    @property
    def alive(self) -> bool:
        return self.boot == _boot() and _started(self.pid) == self.started

    def send(self, number: signal.Signals) -> None:
        """Signal it, if it is still the same process."""
        if not self.alive:
            return
        try:
            os.kill(self.pid, number)
        except ProcessLookupError:
            return

    def save(self, layout: Layout) -> None:
        files.write_json(layout.init_file, self.__dict__)


def observe_init(pid: int) -> Init:
    """Describe the process that has just been started."""
    return Init(pid, _started(pid) or "", _boot())


def load_init(layout: Layout) -> Init | None:
    value: Any = files.read_json(layout.init_file)
    if not isinstance(value, dict):
        return None
    return Init(value["pid"], value["started"], value["boot"])


def _started(pid: int) -> str | None:
    """When the process started, in ticks since boot; None if it ended (a zombie has too)."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in ("Z", "X") else fields[19]


def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
