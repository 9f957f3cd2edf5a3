"""A file that is written here and becomes an object of S3 on the way, in parts: nothing is written to a disk.

An object is there whole or not at all, because an upload counts only when it is completed.
"""

import contextlib
import os
import threading
from typing import Any, BinaryIO


class Upload:
    """A file that is written here and read by an upload in another thread."""

    def __init__(self, s3: Any, bucket: str, key: str) -> None:
        reader, writer = os.pipe()
        self._reader = _Reader(reader)
        self.file: BinaryIO = os.fdopen(writer, "wb")
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, args=(s3, bucket, key))
        self._thread.start()

    @property
    def bytes(self) -> int:
        """How many have been read so far; after `finish`, the object's size."""
        return self._reader.bytes

    def _run(self, s3: Any, bucket: str, key: str) -> None:
        try:
            s3.upload_fileobj(self._reader, bucket, key)
        except BaseException as error:
            self._error = error
        finally:
            # Whoever writes is not left waiting for somebody who reads: it gets a broken pipe.
            self._reader.close()

    def finish(self, failed: BaseException | None) -> None:
        """Completes the upload, or aborts it; raises why it failed."""
        self._reader.failed = failed
        with contextlib.suppress(BrokenPipeError):
            self.file.close()
        self._thread.join()
        if self._error and not isinstance(self._error, _Aborted):
            raise SystemExit(f"the upload failed: {self._error}")


class _Aborted(Exception):
    """What was written is not whole, so the upload must not be completed."""


class _Reader:
    """The end of a pipe; it ends in an error if what was written is not whole."""

    def __init__(self, descriptor: int) -> None:
        self._file = os.fdopen(descriptor, "rb")
        self.failed: BaseException | None = None
        self.bytes = 0

    def read(self, size: int = -1) -> bytes:
        content = self._file.read(size)
        if self.failed and (size < 0 or len(content) < size):
            raise _Aborted
        self.bytes += len(content)
        return content

    def close(self) -> None:
        self._file.close()
