"""The watch loop of the sandbox's controllers: on any event, everything is reconciled.

So they need no memory of what was before, and a change that was missed is seen with the next.
"""

import contextlib
import http.client
import ssl
import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from sandbox.cluster.api import Api, ApiError

_WATCH_SECONDS = 300
_RETRY_SECONDS = 1.0

Act = Callable[[list[list[dict[str, Any]]]], None]


def forever(api: Api, paths: Sequence[str], act: Act) -> None:
    """Calls `act` with the objects of each path, at first and after every change of any of them."""
    changed = threading.Event()
    for path in paths:
        threading.Thread(target=_watch, args=(api, path, changed), daemon=True).start()
    while True:
        changed.wait()
        changed.clear()
        try:
            act([api.get(path)["items"] for path in paths])
        except (OSError, ApiError) as error:
            sys.stderr.write(f"again in {_RETRY_SECONDS} s: {error}\n")
            time.sleep(_RETRY_SECONDS)
            changed.set()


def _watch(api: Api, path: str, changed: threading.Event) -> None:
    while True:
        with contextlib.suppress(OSError, ssl.SSLError, http.client.HTTPException, ApiError):
            version = api.get(f"{path}?limit=1")["metadata"]["resourceVersion"]
            changed.set()
            for _ in api.watch(path, version, _WATCH_SECONDS):
                changed.set()
        time.sleep(_RETRY_SECONDS)
