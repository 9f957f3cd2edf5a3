"""A task that gives memory back after a burst of requests.

MiniStack parses botocore's models (EC2's is 10 MB of JSON) at the first call to a service.
The C library keeps what that took, 30 MB, for a process that is idle most of the time.
"""

import asyncio
import ctypes
from collections.abc import Callable

SECONDS = 20.0


async def keep_small(requests: Callable[[], int]) -> None:
    """Until cancelled: tidy up after requests. `requests` counts those there were."""
    library = ctypes.CDLL(None)
    seen = 0
    while True:
        await asyncio.sleep(SECONDS)
        if requests() != seen:
            seen = requests()
            library.malloc_trim(0)
