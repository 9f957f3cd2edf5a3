"""S3: an environment's buckets, and its folders in its base's: task logs, versions of DAG files."""

from collections.abc import Iterator
from typing import Any

from cli.cloud.catalogue.kind import Item, Kind, by_use, named, repeat
from cli.cloud.errors import InUse, gone_is_fine, unless_gone
from cli.cloud.resource import Resource, Search, everything, pairs
from infra.contract.naming import Names, is_environment

SERVICE = "s3"
_NOBODYS = Names("", shared=True)
BRANCHES = tuple(f"{one.rstrip('/')}/" for one in (_NOBODYS.log_prefix, _NOBODYS.dags_prefix))
"""The folders under which every branch has one of its own."""

PER_CALL = 1000


def _listed(search: Search) -> list[dict[str, Any]]:
    return search.ours(SERVICE, "list_buckets", "Buckets", "Name")


def _buckets(search: Search) -> Iterator[Item]:
    for item in _listed(search):
        name = str(item["Name"])
        # NoSuchTagSet, or the bucket has just gone.
        answer = unless_gone(search.client(SERVICE).get_bucket_tagging, Bucket=name)
        tags = pairs(answer["TagSet"]) if answer else {}
        yield Item(name, f"arn:aws:s3:::{name}", tags, created=item.get("CreationDate"))


def _folders(search: Search) -> Iterator[Item]:
    """Old versions and deletion markers count: they are paid for, and keep the bucket alive."""
    s3 = search.client(SERVICE)
    for bucket in (str(item["Name"]) for item in _listed(search)):
        with gone_is_fine():
            for prefix in _prefixes(search, bucket):
                name = prefix.rstrip("/").rpartition("/")[2]
                if not is_environment(name) or search.whose({}, name) is None:
                    continue
                page = s3.list_object_versions(Bucket=bucket, Prefix=prefix, MaxKeys=1)
                if page.get("Versions") or page.get("DeleteMarkers"):
                    folder = f"{bucket}/{prefix}"
                    yield Item(folder, f"arn:aws:s3:::{folder}", near=name)


def _prefixes(search: Search, bucket: str) -> list[str]:
    if search.environment is not None:
        return [f"{folder}{search.environment}/" for folder in BRANCHES]
    s3 = search.client(SERVICE)
    return [
        str(item["Prefix"])
        for folder in BRANCHES
        for item in everything(
            s3,
            "list_object_versions",
            "CommonPrefixes",
            Bucket=bucket,
            Prefix=folder,
            Delimiter="/",
        )
    ]


def _show_folder(identifier: str) -> str:
    bucket, _, prefix = identifier.partition("/")
    return f"s3api list-object-versions --bucket {bucket} --prefix {prefix}"


def _delete_folder(search: Search, resource: Resource) -> None:
    bucket, _, prefix = resource.id.partition("/")
    empty(search.client(SERVICE), bucket, prefix)


def _delete_bucket(search: Search, resource: Resource) -> None:
    s3, bucket = search.client(SERVICE), {"Bucket": resource.id}
    empty(s3, resource.id)
    for upload in everything(s3, "list_multipart_uploads", "Uploads", **bucket):
        with gone_is_fine():
            s3.abort_multipart_upload(Key=upload["Key"], UploadId=upload["UploadId"], **bucket)
    s3.delete_bucket(**bucket)


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
        answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": doomed, "Quiet": True})
        if refused := answer.get("Errors", []):
            first = refused[0]
            raise InUse(
                f"{len(refused)} objects of s3://{bucket} stay",
                f"{first.get('Key')}: {first.get('Code')}: {first.get('Message')}",
            )
        count += len(doomed)
    return count


KINDS = (
    Kind(
        service=SERVICE,
        name="objects",
        list=_folders,
        delete=_delete_folder,
        show=_show_folder,
        price=by_use("task logs", "s3", "GB-month"),
    ),
    Kind(
        service=SERVICE,
        type="aws:s3/bucket:Bucket",
        list=_buckets,
        delete=_delete_bucket,
        show="s3api list-object-versions --bucket {id}",
        price=by_use("task logs", "s3", "GB-month"),
        recover=named(SERVICE, "head_bucket", "Bucket", "bucket"),
    ),
    *(
        Kind(type=f"aws:s3/{name[0].lower()}{name[1:]}:{name}", recover=repeat)
        for name in (
            "BucketLifecycleConfiguration",
            "BucketOwnershipControls",
            "BucketPolicy",
            "BucketPublicAccessBlock",
            "BucketServerSideEncryptionConfiguration",
            "BucketVersioning",
        )
    ),
)
