"""The bundle of DAG files that `aerodrome dags push` publishes in S3, with versions (ADR 20).

Below its prefix the bucket has `current`, a pointer in JSON whose `version` names an archive, and the
archives, `versions/VERSION.tar.gz`. A version is the SHA-256 of its unpacked archive, so that what arrives
is proven to be what was asked for. The dag-processor follows the pointer; a task of a run that has a version
fetches that one, whatever the pointer says by then. Pods read here and never write.

Until something is published, the bundle is the image's own folder, and has no version.
"""

import filecmp
import gzip
import hashlib
import io
import json
import os
import re
import shutil
import tarfile
import tempfile
import time
from pathlib import Path, PurePosixPath
from typing import Any

import structlog
from airflow.dag_processing.bundles.base import (
    BaseDagBundle,
    BundleVersion,
    get_bundle_tracking_file,
)
from airflow.exceptions import AirflowException

log = structlog.get_logger(__name__)

VERSION = re.compile(r"[0-9a-f]{64}")

POINTER = "current"

ORDER = 0.001
"""Seconds by which changed files are younger than the others of a version: the youngest is parsed first."""

FORGOTTEN_AFTER = 3600.0
"""Seconds for which a version that is not current any more may still be needed for a callback."""

FOLLOWING = {
    "connect_timeout": 3,
    "read_timeout": 10,
    "retries": {"mode": "standard", "total_max_attempts": 2},
}
"""Of the dag-processor: what it has stays good, it asks again soon, and its heartbeat must not wait."""

FETCHING = {
    "connect_timeout": 5,
    "read_timeout": 30,
    "retries": {"mode": "standard", "total_max_attempts": 8},
}
"""Of a task, which cannot begin without its code: S3 may be away for a minute."""


class S3DagBundle(BaseDagBundle):
    """Versions of a folder of DAG files, below a prefix of a bucket."""

    supports_versioning = True

    def __init__(
        self, *, bucket: str, prefix: str, region: str, unpublished: str, **kwargs: Any
    ) -> None:
        """`unpublished` is the folder that counts until a version is published."""
        super().__init__(**kwargs)
        if self.version and not VERSION.fullmatch(self.version):
            raise AirflowException(f"{self.version!r} is no version of DAGs: it has 64 of 0-9 a-f")
        self._bucket, self._prefix, self._region = bucket, prefix.strip("/"), region
        self._unpublished = Path(unpublished)
        self._link = self.base_dir / "current"
        self._current: str | None = None
        self._etag = ""

    @property
    def path(self) -> Path:
        if self.version:
            return self.versions_dir / self.version
        # One path for all versions: a file keeps its identity, and what waits to be parsed is read from the new one.
        return self._link

    def initialize(self) -> None:
        if self.version:
            self._fetch(self.version, FETCHING)
        else:
            self._follow(FETCHING)
        super().initialize()

    def refresh(self) -> None:
        if self.version:
            raise AirflowException("A version of DAGs does not change, so it cannot be refreshed")
        self._follow(FOLLOWING)
        # Only the dag-processor refreshes, so no task begins in a folder that goes.
        self._forget()

    def get_current_version(self) -> BundleVersion | None:
        version = self.version or self._current
        return BundleVersion(version=version) if version else None

    def _follow(self, patience: dict[str, Any]) -> None:
        """Makes the version that the pointer names the current one."""
        pointer = self._pointer(patience)
        if pointer is None:
            if not self._link.is_symlink():
                self._lead_to(self._unpublished)
            return
        version, etag = pointer
        self._lead_to(self._fetch(version, patience))
        # Last: what failed is tried again at the next look.
        self._current, self._etag = version, etag

    def _lead_to(self, folder: Path) -> None:
        """Makes a folder the current one."""
        with self.lock():
            former = self._link.readlink() if self._link.is_symlink() else None
            if former == folder:
                return
            if folder != self._unpublished:
                _touch(folder, former)
            self.base_dir.mkdir(parents=True, exist_ok=True)
            new = self._link.with_name(f".{self._link.name}-{os.getpid()}")
            new.unlink(missing_ok=True)
            new.symlink_to(folder)
            # There is no moment without it.
            new.replace(self._link)

    def _pointer(self, patience: dict[str, Any]) -> tuple[str, str] | None:
        """The version and the tag of the pointer; None if it is as it was at the last look, or there is none."""
        from botocore.exceptions import ClientError

        unchanged = {"IfNoneMatch": self._etag} if self._etag else {}
        try:
            answer = self._s3(patience).get_object(
                Bucket=self._bucket, Key=f"{self._prefix}/{POINTER}", **unchanged
            )
        except ClientError as error:
            code = error.response["ResponseMetadata"]["HTTPStatusCode"]
            if code == 404 and self._current:
                log.warning(
                    "The pointer to the current DAGs is gone: they stay", place=self._place(POINTER)
                )
            if code in (304, 404):
                return None
            raise
        version = str(json.loads(answer["Body"].read())["version"])
        if not VERSION.fullmatch(version):
            raise AirflowException(f"{self._place(POINTER)} names no version: {version!r}")
        return version, str(answer["ETag"])

    def _fetch(self, version: str, patience: dict[str, Any]) -> Path:
        """The folder of a version, which is whole if it is there."""
        folder: Path = self.versions_dir / version
        if folder.is_dir():
            return folder
        with self.lock():
            if folder.is_dir():
                return folder
            packed = self._archive(version, patience)
            self.versions_dir.mkdir(parents=True, exist_ok=True)
            new = Path(tempfile.mkdtemp(prefix=".new-", dir=self.versions_dir))
            try:
                unpack(packed, version, new)
                # As the image's own folder: a task may run as another user than its worker.
                new.chmod(0o755)
                new.rename(folder)
            finally:
                shutil.rmtree(new, ignore_errors=True)
        return folder

    def _archive(self, version: str, patience: dict[str, Any]) -> bytes:
        from botocore.exceptions import ClientError

        name = f"versions/{version}.tar.gz"
        try:
            answer = self._s3(patience).get_object(
                Bucket=self._bucket, Key=f"{self._prefix}/{name}"
            )
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] != 404:
                raise
            raise AirflowException(
                f"Version {version} of the DAGs was removed: {self._place(name)} is not there. The run has "
                "begun with it. Clear the task with the option to run it with the latest version"
            ) from error
        return bytes(answer["Body"].read())

    def _s3(self, patience: dict[str, Any]) -> Any:
        # Not at the top: Airflow's api-server loads this module and never asks S3.
        import boto3
        from botocore.config import Config

        if patience is not getattr(self, "_patience", None):
            self._patience = patience
            self._client = boto3.client("s3", region_name=self._region, config=Config(**patience))
        return self._client

    def _place(self, name: str) -> str:
        return f"s3://{self._bucket}/{self._prefix}/{name}"

    def _forget(self) -> None:
        """Removes folders that were current here. Those that a task has used are Airflow's to remove."""
        if not self._current:
            return
        long_ago = time.time() - FORGOTTEN_AFTER
        for folder in self.versions_dir.iterdir():
            used = get_bundle_tracking_file(self.name, folder.name).exists()
            if folder.name != self._current and not used and folder.stat().st_mtime < long_ago:
                shutil.rmtree(folder, ignore_errors=True)


def unpack(packed: bytes, version: str, folder: Path) -> None:
    """Unpacks an archive, if its content is that version's. AirflowException if not, before anything is written."""
    plain = gzip.decompress(packed)
    found = hashlib.sha256(plain).hexdigest()
    if found != version:
        raise AirflowException(f"The archive of version {version} of the DAGs is another: {found}")
    with tarfile.open(fileobj=io.BytesIO(plain), mode="r:") as archive:
        members = archive.getmembers()
        for member in members:
            if problem := _unsafe(member):
                raise AirflowException(
                    f"Version {version} of the DAGs is refused: {member.name} {problem}"
                )
        archive.extractall(folder, members=members)


def _unsafe(member: tarfile.TarInfo) -> str:
    """Why an entry is none of a folder of DAGs; empty if it is one. Python 3.11.2 has no filter for it."""
    if not _inside(PurePosixPath(member.name)):
        return "lies outside of the folder"
    if member.issym():
        target = PurePosixPath(member.name).parent / member.linkname
        outside = PurePosixPath(member.linkname).is_absolute() or not _inside(target)
        return "links out of the folder" if outside else ""
    return "" if member.isreg() or member.isdir() else "is neither file, folder nor link"


def _inside(path: PurePosixPath) -> bool:
    depth = 0
    for part in path.parts:
        depth += -1 if part == ".." else 1
        if depth < 0:
            return False
    return not path.is_absolute()


def _touch(folder: Path, former: Path | None) -> None:
    """Makes the dag-processor parse all files of a new version, the changed ones first."""
    now = time.time()
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink():
            old = former / path.relative_to(folder) if former else None
            same = old is not None and old.is_file() and filecmp.cmp(path, old, shallow=False)
            when = now - ORDER if same else now
            os.utime(path, (when, when))
