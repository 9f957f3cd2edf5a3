"""Locks that a Pulumi CLI leaves behind when it is killed: recognised, told and removed, never ignored.

With the state in a bucket or a folder each run of the CLI has a lock there. One of a living process,
or of another machine, is not ours to judge: Pulumi's own words then say whose it is.
"""

import os
import re
import socket

_LOCK = re.compile(r"created by (?P<user>\S+)@(?P<host>\S+) \(pid (?P<pid>\d+)\)")


def of_the_dead(said: str) -> list[str]:
    """Whose locks `said`, the CLI's words, complains of: empty unless all their processes were on this
    machine and are gone."""
    locks = list(_LOCK.finditer(said))
    if not locks or not all(_is_gone(lock["host"], int(lock["pid"])) for lock in locks):
        return []
    return [f"process {lock['pid']} of {lock['user']}" for lock in locks]


def _is_gone(host: str, pid: int) -> bool:
    if host != socket.gethostname():
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False
