"""The last lines of a terminal, drawn again several times a second below what stays."""

import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TextIO

_EVERY_SECONDS = 0.1


_SHOWN: "list[LiveLines]" = []


@contextmanager
def making_room(stream: TextIO) -> Iterator[None]:
    """For what is to stay above the lines that a stream shows now: what is written otherwise is erased with them."""
    with ExitStack() as held:
        for each in list(_SHOWN):
            if each.is_on(stream):
                held.enter_context(each.held())
                each.clear()
        yield


class LiveLines:
    """`lines` says what they are; a thread asks for them."""

    def __init__(self, stream: TextIO, lines: Callable[[], list[str]]) -> None:
        self._stream = stream
        self._lines = lines
        # Who holds them may write by way of the console.
        self._lock = threading.RLock()
        self._drawn = 0
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Show them from now on."""
        if self._thread is None:
            self._ended.clear()
            self._thread = threading.Thread(target=self._run, name="display", daemon=True)
            self._thread.start()
            _SHOWN.append(self)

    def is_on(self, stream: TextIO) -> bool:
        """Whether this is the stream that they are drawn on."""
        return self._stream is stream

    def stop(self) -> None:
        """Take them away."""
        if self._thread is not None:
            _SHOWN.remove(self)
            self._ended.set()
            self._thread.join()
            self._thread = None
        with self._lock:
            self.clear()
            self._stream.flush()

    @contextmanager
    def held(self) -> Iterator[None]:
        """They are not asked for meanwhile; `clear` makes room for what is to stay."""
        with self._lock:
            yield

    def clear(self) -> None:
        """Take them away until they are drawn next. Only while `held`."""
        if self._drawn:
            self._stream.write(f"\x1b[{self._drawn}A\r\x1b[J")
            self._drawn = 0

    def _run(self) -> None:
        while not self._ended.wait(_EVERY_SECONDS):
            with self._lock:
                self.clear()
                self._draw()

    def _draw(self) -> None:
        size = shutil.get_terminal_size()
        # A line that wraps, or one more than fit, could not be erased again.
        lines = self._lines()[-max(size.lines - 1, 1) :]
        self._stream.write("".join(f"{line[: size.columns - 1]}\n" for line in lines))
        self._stream.flush()
        self._drawn = len(lines)
