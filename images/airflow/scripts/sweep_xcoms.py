"""Delete the large XComs whose DAG run is gone. A CronJob of the chart runs it.

A task that is cleared deletes its own XComs before it runs again. When a run is deleted, in the UI, by
`airflow db clean` or with its DAG, Airflow deletes the rows in its database and leaves the objects in S3:
only pods of tasks can be trusted to reach them. What this does not find, the bucket's lifecycle rule does.
"""

import os
import sys
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

from wait_for_schema import connect

FOLDER = "AIRFLOW__COMMON_IO__XCOM_OBJECTSTORAGE_PATH"

PER_CALL = 1000
"""As many objects as S3 deletes at once."""

RUNS = "select run_id from dag_run where dag_id = %s"


def bucket_and_prefix(address: str) -> tuple[str, str]:
    """Of `s3://CONNECTION@BUCKET/PREFIX`; the prefix ends with one `/`."""
    parts = urlsplit(address)
    return parts.netloc.rpartition("@")[2], f"{parts.path.strip('/')}/"


def folders(s3: Any, bucket: str, prefix: str) -> list[str]:
    """The names directly below the prefix."""
    pages = s3.get_paginator("list_objects_v2").paginate(
        Bucket=bucket, Prefix=prefix, Delimiter="/"
    )
    found = (item["Prefix"] for page in pages for item in page.get("CommonPrefixes", ()))
    return [str(name)[len(prefix) :].rstrip("/") for name in found]


def orphans(s3: Any, bucket: str, prefix: str, runs: Callable[[str], set[str]]) -> Iterator[str]:
    """The folders of runs that are gone. A run is in the database before any object of it is here, so the
    bucket is asked first."""
    for dag in folders(s3, bucket, prefix):
        stored = folders(s3, bucket, f"{prefix}{dag}/")
        known = runs(dag)
        yield from (f"{prefix}{dag}/{run}/" for run in stored if run not in known)


def empty(s3: Any, bucket: str, prefix: str) -> int:
    """Deletes what is below the prefix; how many objects there were."""
    count = 0
    pages = s3.get_paginator("list_objects_v2").paginate(
        Bucket=bucket, Prefix=prefix, PaginationConfig={"PageSize": PER_CALL}
    )
    for page in pages:
        keys = [{"Key": item["Key"]} for item in page.get("Contents", ())]
        if not keys:
            continue
        answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": keys, "Quiet": True})
        if refused := answer.get("Errors"):
            first = refused[0]
            raise SystemExit(
                f"{len(refused)} objects of s3://{bucket} stay, the first is {first['Key']}: "
                f"{first['Code']}: {first['Message']}"
            )
        count += len(keys)
    return count


def main() -> int:
    """`sweep_xcoms.py`; one line for each run of which something was deleted."""
    import boto3

    bucket, prefix = bucket_and_prefix(os.environ[FOLDER])
    s3 = boto3.client("s3")
    connection = connect()
    connection.autocommit = True

    def runs(dag: str) -> set[str]:
        with connection.cursor() as cursor:
            cursor.execute(RUNS, (dag,))
            return {row[0] for row in cursor.fetchall()}

    total = 0
    try:
        for folder in orphans(s3, bucket, prefix, runs):
            count = empty(s3, bucket, folder)
            total += count
            sys.stdout.write(f"deleted {count} XComs in s3://{bucket}/{folder}\n")
    finally:
        connection.close()
    sys.stdout.write(f"{total} XComs of deleted runs\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
