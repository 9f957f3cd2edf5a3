"""S3: an environment's buckets, and its folder of task logs in its base's."""

from collections.abc import Iterator
from typing import Any

from cli.cloud.errors import InUse, gone_is_fine, unless_gone
from cli.cloud.resource import Resource, Search, everything, moment, pairs
from infra.contract.naming import PREFIX, Names, is_environment

SERVICE = "s3"
BRANCHES = f"{Names('', shared=True).log_prefix.rstrip('/')}/"
"""The folder under which every branch has one of its own."""

PER_CALL = 1000


def find(search: Search) -> Iterator[Resource]:
    s3 = search.client(SERVICE)
    marked = set(search.tagged_names(SERVICE, ""))
    for item in everything(s3, "list_buckets", "Buckets"):
        name = str(item["Name"])
        if not name.startswith(f"{PREFIX}-") and name not in marked:
            continue
        tags = _tags(s3, name)
        environment = search.whose(tags)
        if environment is not None:
            yield Resource(
                service=SERVICE,
                kind="",
                id=name,
                arn=f"arn:aws:s3:::{name}",
                environment=environment,
                show=search.command(f"s3api list-object-versions --bucket {name}"),
                tags=tags,
                created=moment(item.get("CreationDate")),
            )
        yield from _folders(search, name)


def _tags(s3: Any, bucket: str) -> dict[str, str]:
    # NoSuchTagSet, or the bucket has just gone.
    answer = unless_gone(s3.get_bucket_tagging, Bucket=bucket)
    return pairs(answer["TagSet"]) if answer else {}


def _folders(search: Search, bucket: str) -> Iterator[Resource]:
    """Old versions and deletion markers count: they are paid for, and keep the bucket alive."""
    s3 = search.client(SERVICE)
    own = f"{BRANCHES}{search.environment}/" if search.environment is not None else ""
    with gone_is_fine():
        for prefix in [own] if own else _prefixes(s3, bucket):
            name = prefix.removeprefix(BRANCHES).rstrip("/")
            environment = search.whose({}, name) if is_environment(name) else None
            if environment is None or not _has_versions(s3, bucket, prefix):
                continue
            yield Resource(
                service=SERVICE,
                kind="objects",
                id=f"{bucket}/{prefix}",
                arn=f"arn:aws:s3:::{bucket}/{prefix}",
                environment=environment,
                show=search.command(
                    f"s3api list-object-versions --bucket {bucket} --prefix {prefix}"
                ),
            )


def _prefixes(s3: Any, bucket: str) -> list[str]:
    found = everything(
        s3, "list_object_versions", "CommonPrefixes", Bucket=bucket, Prefix=BRANCHES, Delimiter="/"
    )
    return [str(item["Prefix"]) for item in found]


def _has_versions(s3: Any, bucket: str, prefix: str) -> bool:
    page = s3.list_object_versions(Bucket=bucket, Prefix=prefix, MaxKeys=1)
    return bool(page.get("Versions") or page.get("DeleteMarkers"))


def delete(search: Search, resource: Resource) -> None:
    s3 = search.client(SERVICE)
    if resource.kind == "objects":
        bucket, _, prefix = resource.id.partition("/")
        empty(s3, bucket, prefix)
        return
    empty(s3, resource.id)
    for upload in everything(s3, "list_multipart_uploads", "Uploads", Bucket=resource.id):
        with gone_is_fine():
            s3.abort_multipart_upload(
                Bucket=resource.id, Key=upload["Key"], UploadId=upload["UploadId"]
            )
    s3.delete_bucket(Bucket=resource.id)


def empty(s3: Any, bucket: str, prefix: str = "") -> int:
    """Deletes every version of everything under `prefix`; how many there were."""
    count = 0
    pages = s3.get_paginator("list_object_versions").paginate(
        Bucket=bucket, Prefix=prefix, PaginationConfig={"PageSize": PER_CALL}
    )
    for page in pages:
        doomed = [
            {"Key": item["Key"], "VersionId": item["VersionId"]}
            for item in (*page.get("Versions", ()), *page.get("DeleteMarkers", ()))
        ]
        if not doomed:
            continue
        refused = s3.delete_objects(Bucket=bucket, Delete={"Objects": doomed, "Quiet": True}).get(
            "Errors", []
        )
        if refused:
            first = refused[0]
            raise InUse(
                f"{len(refused)} objects of s3://{bucket} stay",
                f"{first.get('Key')}: {first.get('Code')}: {first.get('Message')}",
            )
        count += len(doomed)
    return count
