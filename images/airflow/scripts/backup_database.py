"""Send a backup of Airflow's database to the bucket: the CronJob `backup` of the chart runs it.

Nothing is written to a disk on the way: the dump is compressed while it is read and uploaded in parts. A dump
that fails leaves no object, because an upload counts only when it is completed. The pod's role may add objects
to the backups' folder, and neither read nor delete them. The last line of the output is JSON.
"""

import hashlib
import json
import os
import sys
import time
from collections.abc import Mapping
from typing import Any

import maintenance
from database_copy import dump
from object_upload import Upload
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


def send(s3: Any, bucket: str, key: str, about: Mapping[str, str]) -> dict[str, int]:
    """The database as one object. The rows of each table."""
    connection = connect()
    upload = Upload(s3, bucket, key)
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
    return rows


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
    with maintenance.at_work():
        rows = send(boto3.client("s3"), bucket, key, about)
    done = {"uri": f"s3://{bucket}/{key}", "rows": sum(rows.values()), "tables": rows}
    sys.stdout.write(json.dumps(done) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
