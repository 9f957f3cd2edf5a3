"""An environment under rotation whose configuration is a file, and a process that dies at any of its steps."""

import json
import os
import signal
import traceback
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from cli.stack.rotation import Rotation


@dataclass
class OnDisk:
    """What the installations of all rotations share; each call that changes something is written down."""

    file: Path
    kill_at: int = 0
    """The call at whose beginning the process dies; 0: none."""

    calls: list[str] = field(default_factory=list)

    def state(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.file.read_text())
        return found

    def write(self, **changes: Any) -> None:
        self.file.write_text(json.dumps({**self.state(), **changes}))

    def called(self, name: str) -> None:
        self.calls.append(name)
        if len(self.calls) == self.kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    def under_way(self) -> Rotation | None:
        self.called("under_way")
        record = self.state().get("record")
        return Rotation(**record) if record else None

    def begin(self, begun: Rotation) -> None:
        self.called("begin")
        self.write(record=asdict(begun))

    def end(self) -> None:
        self.called("end")
        self.write(record=None)

    def today(self) -> date:
        return datetime.now(UTC).date()

    def age_record(self, days: int) -> None:
        """The rotation that is under way has begun so many days ago."""
        began = datetime.now(UTC) - timedelta(days=days)
        record = self.state()["record"]
        self.write(record={**record, "began": began.strftime("%Y-%m-%dT%H:%M:%SZ")})


def in_a_process(work: Callable[[], object]) -> int:
    """The status with which it ended: a signal is negative."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            work()
            status = 0
        except BaseException:
            # Nobody else says why.
            traceback.print_exc()
        finally:
            os._exit(status)
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status)
