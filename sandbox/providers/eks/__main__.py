"""Entry point of the plugin `pulumi-resource-eks`."""

import os
import select
import signal
import sys
import threading

from pulumi.provider import main

from sandbox.providers.eks.provider import EksProvider


def _end(*_: object) -> None:
    os._exit(0)


def _end_with(parent: int) -> None:
    """The SDK's host goes on when an engine was killed; nobody would ever end it."""
    handle = os.pidfd_open(parent)
    # The number may have gone to another process before the handle was opened.
    if os.getppid() == parent:
        select.select([handle], [], [])
    _end()


if __name__ == "__main__":
    # The engine ends its plugins with SIGINT, which would leave a traceback of the event loop.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _end)
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    main(EksProvider(), sys.argv[1:])
