"""Runs the engine's front door and kills it at one line of the journal.

`python killing.py COUNT before|after VERB ...`: just before or just after line COUNT is
written, the process gets SIGKILL, as from `kill -9` at that moment.
"""

import os
import signal
import sys

from sandbox.engine.__main__ import main
from sandbox.engine.state import journal

count = int(sys.argv[1])
when = sys.argv[2]
written = 0
append = journal.Journal.append


def killing_append(self: journal.Journal, record: journal.Record) -> None:
    global written
    written += 1
    if written == count and when == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    append(self, record)
    if written == count:
        os.kill(os.getpid(), signal.SIGKILL)


journal.Journal.append = killing_append  # type: ignore[method-assign]
sys.exit(main(sys.argv[3:]))
