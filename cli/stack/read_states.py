"""States that were read from a bucket, kept on this machine for as long as the bucket has the same ones.

S3 says which those are by the ETag in its list, in one call for a thousand of them; to read 200 takes a second of processor time. A
copy is as encrypted as what it was made of, and for this user alone. Whatever cannot be kept or read is asked of S3.
"""

import gzip
import hashlib
import os
import zlib
from collections.abc import Iterable
from contextlib import suppress
from typing import Final

from cli.base.paths import state_dir

FOLDER: Final = "read-states"


class ReadStates:
    """Those of one bucket, told apart by its URL."""

    def __init__(self, url: str) -> None:
        self._folder = state_dir() / FOLDER / _digest(url)

    def find(self, key: str, etag: str) -> bytes | None:
        """The object as it was when it had this ETag."""
        try:
            return gzip.decompress((self._folder / _name(key, etag)).read_bytes())
        except (OSError, EOFError, zlib.error):
            return None

    def keep(self, key: str, etag: str, content: bytes) -> None:
        with suppress(OSError):
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            # Half a file is no gzip: it is read as none.
            file = os.open(
                self._folder / _name(key, etag), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600
            )
            with os.fdopen(file, "wb") as stream:
                stream.write(gzip.compress(content, compresslevel=1))

    def forget_others(self, present: Iterable[tuple[str, str]]) -> None:
        """All but those that the bucket has now, by key and ETag."""
        names = {_name(*each) for each in present}
        with suppress(OSError):
            for file in self._folder.iterdir():
                if file.name not in names:
                    file.unlink(missing_ok=True)


def _name(key: str, etag: str) -> str:
    return _digest(f"{key}\n{etag}")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]
