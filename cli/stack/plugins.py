"""Plugins that outlive a killed CLI: for minutes they go on with the call that they had begun.

Pulumi's own watch over their engine looks every five minutes. What they are still making cannot be
looked for yet, and a Helm release is theirs until they end. So they are ended, as the CLI was.
"""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_PROC = Path("/proc")
_PATIENCE_SECONDS = 10.0
_PAUSE_SECONDS = 1.0
"""A request that was on its way is carried out, or not, within that time."""


def end_those_of(pid: int) -> int:
    """Ends what is left of the session that a CLI led, which is gone; how many processes.

    The driver starts each CLI in a session of its own. Elsewhere than on Linux nothing is seen.
    """
    if (_PROC / str(pid)).exists():
        # Another process has the number now, and perhaps a session of its own.
        return 0
    found = list(_session(pid))
    for each in found:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(each, signal.SIGKILL)
    until = time.monotonic() + _PATIENCE_SECONDS
    while found and any(_session(pid)) and time.monotonic() < until:
        time.sleep(0.05)
    if found:
        time.sleep(_PAUSE_SECONDS)
    return len(found)


def _session(pid: int) -> Iterator[int]:
    """The living processes of a session, by the number of its leader."""
    for folder in _PROC.glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == pid and fields[0] != "Z":
            yield int(folder.name)
