"""The published versions of an environment's DAG files, as they lie in its log bucket.

    PREFIX/current                   which version counts: what images/airflow/modules/aerodrome_dags.py follows
    PREFIX/versions/VERSION.tar.gz   its files
    PREFIX/versions/VERSION.json     what is known of it: its files by content, who published it and when

The pointer is written last, and only if it is still the one that was read: of two pushes at the same time one is
refused.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from cli.base.errors import CloudError, UserError
from cli.base.values import need
from cli.operations.dags.archive import Archive
from cli.operations.live import Live
from infra.contract.dag_sources import GIT, S3
from infra.contract.outputs import Outputs

SHORT = 12
"""How much of a version people get to see."""

_POINTER = "current"


@dataclass(frozen=True)
class Published:
    """What is known of a version."""

    version: str
    made: str
    by: str
    commit: str
    folder: str
    """In the project's folder, or one elsewhere by its name."""

    own: bool
    """Whether it is the folder that the image has, too: then `up` publishes what the checkout has."""

    files: Mapping[str, str]

    def data(self) -> dict[str, Any]:
        known = asdict(self)
        return {**known, "files": len(self.files)}


@dataclass(frozen=True)
class Pointer:
    """The version that counts, as it was read."""

    version: str
    tag: str


class Versions:
    """One environment's folder of versions."""

    def __init__(self, s3: Any, bucket: str, prefix: str) -> None:
        self._s3, self._bucket, self._prefix = s3, bucket, prefix.strip("/")

    def pointer(self) -> Pointer | None:
        """None before the first push."""
        answer = self._get(_POINTER)
        if answer is None:
            return None
        return Pointer(str(json.loads(answer["Body"].read())["version"]), str(answer["ETag"]))

    def known(self, version: str) -> Published | None:
        """None if there is no such version, or no more."""
        answer = self._get(f"versions/{version}.json")
        return Published(**json.loads(answer["Body"].read())) if answer else None

    def all(self) -> list[Published]:
        """The newest first."""
        found = (self.known(version) for version in self.names())
        return sorted((one for one in found if one), key=lambda one: one.made, reverse=True)

    def named(self, text: str) -> Published:
        """The version whose name begins so. UserError if there is none, or several."""
        names = [name for name in self.names() if name.startswith(text.lower())]
        if len(names) == 1 and (found := self.known(names[0])):
            return found
        reason = f"{len(names)} versions begin so." if names else "It may have been removed."
        raise UserError(f'No version "{text}" of the DAGs', reason, "./aerodrome dags versions")

    def add(self, archive: Archive, about: Published) -> None:
        """Uploads a version; nothing follows it yet."""
        content = {"ContentType": "application/gzip"}
        self._put(f"versions/{about.version}.tar.gz", archive.packed, content)
        text = json.dumps(asdict(about), sort_keys=True).encode()
        self._put(f"versions/{about.version}.json", text, {"ContentType": "application/json"})

    def point(self, about: Published, read: Pointer | None) -> None:
        """Makes a version the one that counts. UserError if another one does since `read`."""
        from botocore.exceptions import ClientError

        condition = {"IfMatch": read.tag} if read else {"IfNoneMatch": "*"}
        text = json.dumps({"version": about.version}).encode()
        try:
            self._put(_POINTER, text, {"ContentType": "application/json", **condition})
        except ClientError as error:
            # 409: somebody else is writing at this moment.
            if error.response["ResponseMetadata"]["HTTPStatusCode"] not in (404, 409, 412):
                raise
            raise UserError(
                "Somebody else has published DAGs in the meantime",
                "Nothing was changed. Look at what they did, then push again.",
                "./aerodrome dags versions",
            ) from error

    def remove(self, version: str) -> None:
        for name in (f"versions/{version}.json", f"versions/{version}.tar.gz"):
            self._s3.delete_object(Bucket=self._bucket, Key=f"{self._prefix}/{name}")

    def names(self) -> dict[str, datetime]:
        """All versions, with the time at which each was last published."""
        folder = f"{self._prefix}/versions/"
        pages = self._s3.get_paginator("list_objects_v2").paginate(
            Bucket=self._bucket, Prefix=folder
        )
        found = (item for page in pages for item in page.get("Contents", []))
        return {
            str(item["Key"]).removeprefix(folder).removesuffix(".json"): item["LastModified"]
            for item in found
            if str(item["Key"]).endswith(".json")
        }

    def _get(self, name: str) -> dict[str, Any] | None:
        from botocore.exceptions import ClientError

        try:
            answer: dict[str, Any] = self._s3.get_object(
                Bucket=self._bucket, Key=f"{self._prefix}/{name}"
            )
        except ClientError as error:
            code = error.response["ResponseMetadata"]["HTTPStatusCode"]
            if code == 404:
                return None
            raise _refused(
                f"s3://{self._bucket}/{self._prefix}/{name} cannot be read", error
            ) from error
        return answer

    def _put(self, name: str, content: bytes, more: Mapping[str, str]) -> None:
        self._s3.put_object(Bucket=self._bucket, Key=f"{self._prefix}/{name}", Body=content, **more)


def _refused(summary: str, error: Any) -> CloudError:
    return CloudError(summary, str(error), code=str(error.response["Error"].get("Code", "")))


def of(live: Live) -> Versions:
    """Of an environment. UserError if its DAGs are not published in S3."""
    prefix = live.outputs.dags_prefix
    if not prefix:
        raise _elsewhere(live)
    return Versions(live.client("s3"), need(live.outputs, Outputs.log_bucket), prefix)


def _elsewhere(live: Live) -> UserError:
    name, same = live.environment.name, live.session.same
    if live.outputs.dags == GIT:
        return UserError(
            f'"{name}" has its DAGs from a git repository',
            "Push to the branch that it follows.",
            f"./aerodrome config get gitRepository{same}",
        )
    return UserError(
        f'"{name}" has its DAGs from its image',
        "They change with `./aerodrome up`. To publish them without a new image:",
        f"./aerodrome config set dags {S3}{same} && ./aerodrome up{same}",
    )
