"""What is told to the user while something is waited for. The plugin's start gives it a voice."""

from collections.abc import Callable

Tell = Callable[[str], None]
About = Callable[[str], Tell]
"""By a resource's URN: how to tell about it."""


def nobody(_message: str) -> None:
    """Where nobody listens."""


def silently(_urn: str) -> Tell:
    return nobody
