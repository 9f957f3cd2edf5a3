"""ECR shows the images that lie in the sandbox's registry."""

import hashlib
import json
import urllib.request
from email.message import Message

import pytest
from botocore.exceptions import ClientError

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"


def send(
    url: str, method: str, content: bytes = b"", kind: str = "application/octet-stream"
) -> Message:
    request = urllib.request.Request(url, content, method=method, headers={"Content-Type": kind})
    with urllib.request.urlopen(request) as response:
        return response.headers


def push(registry, repository, tag, layer):
    """A tiny image with one layer; its digest."""
    parts = []
    for content in (layer, b"{}"):
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        place = send(f"{registry}/v2/{repository}/blobs/uploads/", "POST")["Location"]
        send(f"{place}&digest={digest}", "PUT", content)
        parts.append({"mediaType": LAYER, "digest": digest, "size": len(content)})
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": parts[1] | {"mediaType": "application/vnd.oci.image.config.v1+json"},
        "layers": parts[:1],
    }
    content = json.dumps(manifest).encode()
    send(f"{registry}/v2/{repository}/manifests/{tag}", "PUT", content, MANIFEST)
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


@pytest.fixture
def ecr(emulator):
    return emulator.client("ecr")


def test_pushed_images_are_described(ecr, registry):
    ecr.create_repository(repositoryName="kit/airflow")
    assert ecr.describe_images(repositoryName="kit/airflow")["imageDetails"] == []
    first = push(registry, "kit/airflow", "a", b"layer 1")
    second = push(registry, "kit/airflow", "b", b"layer two")
    assert push(registry, "kit/airflow", "c", b"layer two") == second
    found = ecr.describe_images(repositoryName="kit/airflow")["imageDetails"]
    assert {item["imageDigest"]: item["imageTags"] for item in found} == {
        first: ["a"],
        second: ["b", "c"],
    }
    assert {item["imageSizeInBytes"] for item in found} == {7, 9}
    one = ecr.describe_images(repositoryName="kit/airflow", imageIds=[{"imageTag": "a"}])
    assert one["imageDetails"][0]["imageDigest"] == first
    listed = ecr.list_images(repositoryName="kit/airflow")["imageIds"]
    assert {"imageDigest": second, "imageTag": "c"} in listed
    assert len(listed) == 3


def test_a_manifest_can_be_fetched(ecr, registry):
    ecr.create_repository(repositoryName="kit/manifest")
    digest = push(registry, "kit/manifest", "a", b"x")
    answer = ecr.batch_get_image(
        repositoryName="kit/manifest", imageIds=[{"imageDigest": digest}, {"imageTag": "none"}]
    )
    assert json.loads(answer["images"][0]["imageManifest"])["mediaType"] == MANIFEST
    assert answer["failures"][0]["failureCode"] == "ImageNotFound"


def test_an_image_that_was_not_pushed_is_not_found(ecr):
    ecr.create_repository(repositoryName="kit/empty")
    with pytest.raises(ClientError) as failure:
        ecr.describe_images(repositoryName="kit/empty", imageIds=[{"imageTag": "a"}])
    assert failure.value.response["Error"]["Code"] == "ImageNotFoundException"


def test_a_repository_with_images_goes_only_by_force(ecr, registry):
    ecr.create_repository(repositoryName="kit/full")
    push(registry, "kit/full", "a", b"x")
    with pytest.raises(ClientError) as failure:
        ecr.delete_repository(repositoryName="kit/full")
    assert failure.value.response["Error"]["Code"] == "RepositoryNotEmptyException"
    ecr.delete_repository(repositoryName="kit/full", force=True)
    ecr.create_repository(repositoryName="kit/full")
    assert ecr.describe_images(repositoryName="kit/full")["imageDetails"] == []


def test_a_tag_goes_alone_and_an_image_with_all_its_tags(ecr, registry):
    ecr.create_repository(repositoryName="kit/delete")
    shared = push(registry, "kit/delete", "a.1", b"same")
    assert push(registry, "kit/delete", "b.1", b"same") == shared
    other = push(registry, "kit/delete", "c.1", b"other")
    answer = ecr.batch_delete_image(
        repositoryName="kit/delete", imageIds=[{"imageTag": "a.1"}, {"imageTag": "none"}]
    )
    assert answer["imageIds"] == [{"imageDigest": shared, "imageTag": "a.1"}]
    assert [item["failureCode"] for item in answer["failures"]] == ["ImageNotFound"]
    listed = ecr.list_images(repositoryName="kit/delete")["imageIds"]
    assert {item["imageTag"] for item in listed} == {"b.1", "c.1"}
    ecr.batch_delete_image(repositoryName="kit/delete", imageIds=[{"imageDigest": other}])
    listed = ecr.list_images(repositoryName="kit/delete")["imageIds"]
    assert listed == [{"imageDigest": shared, "imageTag": "b.1"}]
