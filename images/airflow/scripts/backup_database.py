"""Send a backup of Airflow's database to the bucket: the CronJob `backup` of the chart runs it.

Nothing is written to a disk on the way: the dump is compressed while it is read and uploaded in parts. A dump
that fails leaves no object, because an upload counts only when it is completed. The pod's role may add objects
to the backups' folder, and neither read nor delete them. The last line of the output is JSON.
"""

import contextlib
import hashlib
import json
import os
import sys
import threading
import time
from typing import Any, BinaryIO

from database_copy import dump
from wait_for_schema import connect

FERNET_KEY = "AIRFLOW__CORE__FERNET_KEY"
BUCKET = "BACKUP_BUCKET"
PREFIX = "BACKUP_PREFIX"
ENVIRONMENT = "BACKUP_ENVIRONMENT"


def fingerprint(fernet_key: str) -> str:
    """Tells keys apart and gives none away: a key has 256 random bits."""
    return hashlib.sha256(b"fernet key of a backup\0" + fernet_key.encode()).hexdigest()[:16]


def newest(fernet_keys: str) -> str:
    """The one that encrypts, of Airflow's list of keys."""
    return fernet_keys.split(",")[0].strip()


class Upload:
    """A file that is written here and read by an upload in another thread."""

    def __init__(self, s3: Any, bucket: str, key: str) -> None:
        reader, writer = os.pipe()
        self._reader = _Reader(reader)
        self.file: BinaryIO = os.fdopen(writer, "wb")
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, args=(s3, bucket, key))
        self._thread.start()

    def _run(self, s3: Any, bucket: str, key: str) -> None:
        try:
            s3.upload_fileobj(self._reader, bucket, key)
        except BaseException as error:
            self._error = error
        finally:
            # The dump is not left waiting for somebody who reads: it gets a broken pipe.
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
    """The dump failed, so the upload must not be completed."""


class _Reader:
    """The end of a pipe; it ends in an error if what was written is not whole."""

    def __init__(self, descriptor: int) -> None:
        self._file = os.fdopen(descriptor, "rb")
        self.failed: BaseException | None = None

    def read(self, size: int = -1) -> bytes:
        content = self._file.read(size)
        if self.failed and (size < 0 or len(content) < size):
            raise _Aborted
        return content

    def close(self) -> None:
        self._file.close()


def main() -> int:
    """No arguments: everything comes from the environment."""
    import boto3
    from airflow import __version__

    name = f"{time.strftime('%Y-%m-%dT%H-%M-%SZ', time.gmtime())}.tar.gz"
    bucket, key = os.environ[BUCKET], f"{os.environ[PREFIX].rstrip('/')}/{name}"
    about = {
        "environment": os.environ[ENVIRONMENT],
        "airflow": __version__,
        "made": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "fernet": fingerprint(newest(os.environ[FERNET_KEY])),
    }
    connection = connect()
    upload = Upload(boto3.client("s3"), bucket, key)
    failed: BaseException | None = None
    rows: dict[str, int] = {}
    try:
        rows = dump(connection, upload.file, about)
    except BaseException as error:
        failed = error
    upload.finish(failed)
    connection.close()
    if failed:
        raise failed
    done = {"uri": f"s3://{bucket}/{key}", "rows": sum(rows.values()), "tables": rows}
    sys.stdout.write(json.dumps(done) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
