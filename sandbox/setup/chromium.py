"""The browser in which tests look at the UI."""

import shutil

from sandbox.setup.task import Log

_PACKAGE = "chromium-headless-shell"


def is_there() -> bool:
    return shutil.which(_PACKAGE) is not None


def install(log: Log) -> None:
    """From Debian. It starts nothing, and is no browser of the desktop's."""
    log.run(
        ["apt-get", "install", "-q", "-y", "--no-install-recommends", _PACKAGE],
        env={"DEBIAN_FRONTEND": "noninteractive"},
    )
