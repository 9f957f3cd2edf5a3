"""ECR's view of the images that really lie in the sandbox's registry.

Repositories, their settings and policies are MiniStack's. Pushes go straight to the registry,
so MiniStack knows no image; what programs ask about images is answered from the registry.
"""

import asyncio
import json
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sandbox.aws.standin import emulator
from sandbox.aws.standin.call import Call, Handler, json_answer
from sandbox.aws.standin.emulator import Answer
from sandbox.aws.standin.internals import records

MANIFEST_TYPES = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
TIMEOUT = 10.0
"""Seconds."""


@dataclass(frozen=True)
class Image:
    """One manifest, and the tags that lead to it."""

    digest: str
    media_type: str
    manifest: str
    size: int
    tags: tuple[str, ...]


@dataclass(frozen=True)
class Registry:
    """The registry's HTTP API. Plain HTTP, no password."""

    url: str

    def images(self, repository: str) -> list[Image]:
        """All tagged images of a repository; none if nothing was ever pushed."""
        try:
            listed, _ = self._get(f"/v2/{repository}/tags/list")
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return []
            raise
        found: dict[str, Image] = {}
        for tag in sorted(json.loads(listed).get("tags") or []):
            image = self._image(repository, tag)
            known = found.get(image.digest)
            tags = (*known.tags, tag) if known else (tag,)
            found[image.digest] = Image(
                image.digest, image.media_type, image.manifest, image.size, tags
            )
        return list(found.values())

    def delete(self, repository: str, digest: str) -> None:
        request = urllib.request.Request(
            f"{self.url}/v2/{repository}/manifests/{digest}", method="DELETE"
        )
        with urllib.request.urlopen(request, timeout=TIMEOUT):
            pass

    def untag(self, repository: str, image: Image, tag: str) -> None:
        """Takes one tag away. The registry only deletes whole images: the others are put again."""
        self.delete(repository, image.digest)
        for other in image.tags:
            if other != tag:
                request = urllib.request.Request(
                    f"{self.url}/v2/{repository}/manifests/{other}",
                    image.manifest.encode(),
                    method="PUT",
                    headers={"Content-Type": image.media_type},
                )
                with urllib.request.urlopen(request, timeout=TIMEOUT):
                    pass

    def _image(self, repository: str, tag: str) -> Image:
        content, headers = self._get(f"/v2/{repository}/manifests/{tag}")
        parsed = json.loads(content)
        parts = [*parsed.get("layers", []), *parsed.get("manifests", [])]
        size = sum(part["size"] for part in parts)
        kind = headers["Content-Type"]
        return Image(headers["Docker-Content-Digest"], kind, content, size, ())

    def _get(self, path: str) -> tuple[str, Any]:
        request = urllib.request.Request(self.url + path)
        request.add_header("Accept", ", ".join(MANIFEST_TYPES))
        with urllib.request.urlopen(request, timeout=TIMEOUT) as response:
            return response.read().decode(), response.headers


def handler(inner: Handler, registry: Registry) -> Handler:
    async def answer(call: Call) -> Answer:
        body = call.json()
        name = str(body.get("repositoryName", ""))
        action = ACTIONS.get(call.action)
        deletes = call.action == "BatchDeleteImage"
        if call.action == "DescribePullThroughCacheRules":
            # There are none: whoever makes one is refused.
            return json_answer({"pullThroughCacheRules": []})
        if name not in records("ecr").repositories:
            return await inner(call)
        if call.action == "GetDownloadUrlForLayer":
            return _download_url(body, registry)
        if not (action or deletes):
            return await inner(call)
        try:
            if deletes:
                return await asyncio.to_thread(_batch_delete, body, registry)
            images = await asyncio.to_thread(registry.images, name)
            if call.action == "DeleteRepository" and body.get("force"):
                for image in images:
                    await asyncio.to_thread(registry.delete, name, image.digest)
        except OSError as error:
            return emulator.error("ServerException", f"The registry: {error}", 500)
        found = action(body, images) if action else None
        return await inner(call) if found is None else found

    return answer


def _delete_repository(body: dict[str, Any], images: list[Image]) -> Answer | None:
    if not images or body.get("force"):
        return None
    name = body["repositoryName"]
    return emulator.error(
        "RepositoryNotEmptyException",
        f"The repository with name '{name}' in registry with id '{emulator.account()}' cannot be "
        "deleted because it still contains images",
    )


def _list_images(_body: dict[str, Any], images: list[Image]) -> Answer:
    return json_answer(
        {
            "imageIds": [
                {"imageDigest": image.digest, "imageTag": tag}
                for image in images
                for tag in image.tags
            ]
        }
    )


def _describe_images(body: dict[str, Any], images: list[Image]) -> Answer:
    wanted = body.get("imageIds") or [{"imageDigest": image.digest} for image in images]
    found = [(asked, _find(asked, images)) for asked in wanted]
    missing = [asked for asked, image in found if image is None]
    if missing:
        return emulator.error(
            "ImageNotFoundException",
            f"The image with imageId {missing[0]} does not exist within the repository with name "
            f"'{body['repositoryName']}'",
        )
    details = [
        {
            "registryId": emulator.account(),
            "repositoryName": body["repositoryName"],
            "imageDigest": image.digest,
            "imageTags": list(image.tags),
            "imageSizeInBytes": image.size,
            "imageManifestMediaType": image.media_type,
        }
        for _, image in found
        if image is not None
    ]
    return json_answer({"imageDetails": details})


def _batch_get_image(body: dict[str, Any], images: list[Image]) -> Answer:
    found = [(asked, _find(asked, images)) for asked in body.get("imageIds", [])]
    return json_answer(
        {
            "images": [
                {
                    "registryId": emulator.account(),
                    "repositoryName": body["repositoryName"],
                    "imageId": {"imageDigest": image.digest, **asked},
                    "imageManifest": image.manifest,
                    "imageManifestMediaType": image.media_type,
                }
                for asked, image in found
                if image is not None
            ],
            "failures": [_not_found(asked) for asked, image in found if image is None],
        }
    )


def _download_url(body: dict[str, Any], registry: Registry) -> Answer:
    """AWS' leads to S3, signed; here it is the registry's own. Whether there is such a layer is seen there."""
    digest = body.get("layerDigest", "")
    url = f"{registry.url}/v2/{body['repositoryName']}/blobs/{digest}"
    return json_answer({"downloadUrl": url, "layerDigest": digest})


def _batch_delete(body: dict[str, Any], registry: Registry) -> Answer:
    """By tag only that tag, by digest the image with all of them."""
    name = body["repositoryName"]
    deleted, failures = [], []
    for asked in body.get("imageIds", []):
        image = _find(asked, registry.images(name))
        if image is None:
            failures.append(_not_found(asked))
        elif "imageTag" in asked:
            registry.untag(name, image, asked["imageTag"])
            deleted.append({"imageDigest": image.digest, "imageTag": asked["imageTag"]})
        else:
            registry.delete(name, image.digest)
            deleted += [{"imageDigest": image.digest, "imageTag": tag} for tag in image.tags]
    return json_answer({"imageIds": deleted, "failures": failures})


def _not_found(asked: dict[str, str]) -> dict[str, Any]:
    return {
        "imageId": asked,
        "failureCode": "ImageNotFound",
        "failureReason": "Requested image not found",
    }


def _find(asked: dict[str, str], images: list[Image]) -> Image | None:
    for image in images:
        if image.digest == asked.get("imageDigest") or asked.get("imageTag") in image.tags:
            return image
    return None


ACTIONS: dict[str, Callable[[dict[str, Any], list[Image]], Answer | None]] = {
    "BatchGetImage": _batch_get_image,
    "DeleteRepository": _delete_repository,
    "DescribeImages": _describe_images,
    "ListImages": _list_images,
}
