"""The folders in which the command line keeps what outlives a run.

`sandbox.instance` computes the same two; tests/unit/test_paths.py compares them.
"""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
"""The checkout: where Pulumi.yaml is."""


def state_dir() -> Path:
    """The folder of sandbox environments' stacks and configurations, and of leases: AERODROME_STATE.

    A sandbox takes root. Whoever is not keeps only leases on environments in AWS, at home.
    """
    if given := os.environ.get("AERODROME_STATE"):
        return Path(given)
    if os.geteuid() == 0:
        return Path("/var/lib/aerodrome")
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state") / "aerodrome"


def cache_dir() -> Path:
    """The folder of what was computed once for all checkouts, by content hash: AERODROME_CACHE."""
    return Path(os.environ.get("AERODROME_CACHE") or Path.home() / ".cache" / "aerodrome")
