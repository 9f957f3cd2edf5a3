"""Runs the engine's front door and kills it before its Nth call to the file system.

`python killing_calls.py write|fsync|rename|unlink COUNT VERB ...`: just before that call the
process gets SIGKILL. Only calls of the engine itself count, once it has been imported.
"""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sandbox.engine.__main__ import main

call, count = sys.argv[1], int(sys.argv[2])
done = 0


def killing(real: Callable[..., Any]) -> Callable[..., Any]:
    def counted(*arguments: Any, **options: Any) -> Any:
        global done
        done += 1
        if done == count:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*arguments, **options)

    return counted


match call:
    case "rename":
        # What is patched here is the process that is to die, not what is tested.
        Path.replace = killing(Path.replace)  # type: ignore[method-assign]
    case "unlink":
        Path.unlink = killing(Path.unlink)  # type: ignore[method-assign]
    case "fsync":
        os.fsync = killing(os.fsync)
    case "write":
        os.write = killing(os.write)
sys.exit(main(sys.argv[3:]))
