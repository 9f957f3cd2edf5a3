"""Temporary credentials that outlive a restart, as real ones do.

MiniStack forgets its STS sessions when it ends; pods keep their credentials for hours.
"""

import time
from typing import Any

from sandbox.aws.standin import emulator
from sandbox.aws.standin.internals import records

STATE = "sts_sessions"


def load() -> None:
    stored: dict[str, Any] = emulator.read_state(STATE) or {}
    live = records("sts").sessions
    now = time.time()
    for key, session in stored.items():
        if session["Expiration"] > now:
            live[key] = session


def save() -> None:
    """Root's own entry has no expiry; it comes from its file at each start."""
    live = records("sts").sessions
    emulator.write_state(STATE, {k: v for k, v in list(live.items()) if v.get("Expiration")})
