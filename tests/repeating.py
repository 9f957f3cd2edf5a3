"""What acts or looks again and again, beside a test, within a `with`."""

import threading
from abc import ABC, abstractmethod
from typing import Self


class Repeating(ABC):
    """Rounds in a thread, from the beginning of a `with` to its end."""

    pause = 0.2
    """Seconds between two rounds."""

    def __init__(self) -> None:
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._over.wait(self.pause):
            self.round()

    @abstractmethod
    def round(self) -> None:
        """One round. What it raises ends them all: who expects failures keeps them."""
