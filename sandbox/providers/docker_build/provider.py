"""The docker-build provider: one resource type, Image.

Whether anything is to be built is decided by a hash of the context, so a run in which
nothing changed starts no program at all.
"""

import threading
from collections.abc import Mapping
from typing import Any

from sandbox.errors import CloudError, Unsupported
from sandbox.providers import contract
from sandbox.providers.docker_build import registry
from sandbox.providers.docker_build.buildah import Buildah
from sandbox.providers.docker_build.context import context_hash
from sandbox.providers.docker_build.specification import (
    TYPE,
    build_of,
    file_of,
    folder_of,
    places_known,
    refuse_unsupported,
    relevant,
)
from sandbox.wire.values import UNKNOWN, Properties

_ARGUMENTS = frozenset({"host", "registries", "version", "pluginDownloadURL"})


class DockerBuildProvider(contract.Provider):
    """Images of the sandbox's registry."""

    package = "docker-build"
    version = "0.0.22"

    def __init__(self) -> None:
        self._cancelled = threading.Event()
        self._buildah = Buildah(self._cancelled)

    def check_config(self, request: contract.CheckRequest) -> contract.CheckResult:
        for key, value in request.news.items():
            if key == "host" and value:
                raise Unsupported(
                    "The sandbox's docker-build provider does not know the argument host",
                    "It builds on this machine, with buildah.",
                )
            if key not in _ARGUMENTS and not key.startswith("__"):
                raise Unsupported(
                    f"The sandbox's docker-build provider does not know the argument {key}"
                )
        return contract.CheckResult(request.news)

    def check(self, request: contract.CheckRequest) -> contract.CheckResult:
        self._expect_image(request.type)
        inputs = {key: value for key, value in request.news.items() if value is not None}
        refuse_unsupported(inputs)
        failures = []
        if not isinstance(inputs.get("push", False), bool) and inputs["push"] is not UNKNOWN:
            failures.append(contract.CheckFailure("push", "must be true or false"))
        for tag in inputs.get("tags") or () if inputs.get("tags") is not UNKNOWN else ():
            if tag is not UNKNOWN:
                registry.parse(str(tag))
        if places_known(inputs):
            folder_of(inputs)
            file_of(inputs)
        return contract.CheckResult(inputs, failures)

    def diff(self, request: contract.DiffRequest) -> contract.DiffResult:
        self._expect_image(request.type)
        changes = contract.changed_keys(relevant(request.old_inputs), relevant(request.news))
        asked = bool(request.news.get("pull") and request.news.get("push"))
        now = _hash(request.news)
        if asked or now is UNKNOWN or now != request.old_outputs.get("contextHash"):
            changes.append("contextHash")
        return contract.DiffResult(changes=changes)

    def create(self, request: contract.CreateRequest) -> contract.CreateResult:
        self._expect_image(request.type)
        outputs = self._build(request.name, request.inputs, request.preview)
        identifier = outputs["digest"] or request.name
        return contract.CreateResult("" if request.preview else identifier, outputs)

    def update(self, request: contract.UpdateRequest) -> Properties:
        self._expect_image(request.type)
        name = request.urn.rpartition("::")[2]
        return self._build(name, request.inputs, request.preview)

    def read(self, request: contract.ReadRequest) -> contract.ReadResult | None:
        """Gone if the registry has it under none of its tags any more."""
        self._expect_image(request.type)
        digest = request.outputs.get("digest")
        if digest is None:
            raise Unsupported(
                "The sandbox's docker-build provider does not import images",
                "An image's inputs can not be told from the image.",
            )
        same = contract.ReadResult(request.id, request.inputs, request.outputs)
        if not request.inputs.get("push"):
            return same
        tags = [registry.parse(str(tag)) for tag in request.inputs.get("tags") or ()]
        try:
            return same if any(registry.has(tag, str(digest)) for tag in tags) else None
        except CloudError:
            # A registry that does not answer says nothing about the image.
            return same

    def delete(self, request: contract.DeleteRequest) -> None:
        """Nothing: images leave the registry with their repository."""
        self._expect_image(request.type)

    def cancel(self) -> None:
        self._cancelled.set()

    def _expect_image(self, token: str) -> None:
        if token != TYPE:
            raise self._refuse("resource type", token)

    def _build(self, name: str, inputs: Properties, preview: bool) -> Properties:
        outputs = {**inputs, "contextHash": _hash(inputs)}
        if preview:
            return {**outputs, "digest": UNKNOWN, "ref": UNKNOWN}
        build = build_of(inputs)
        for tag in build.tags if build.push else ():
            # Before a build of minutes, not after it.
            registry.address(registry.parse(tag))
        digest = self._buildah.build(name, build)
        # As for the real provider, an image that stays in the cache has no digest.
        outputs["digest"] = digest = "" if inputs.get("exports") else digest
        if build.tags and digest:
            outputs["ref"] = registry.parse(build.tags[0]).with_digest(digest)
        return outputs


def _hash(inputs: Mapping[str, Any]) -> Any:
    if not places_known(inputs):
        return UNKNOWN
    file, inline = file_of(inputs)
    return context_hash(folder_of(inputs), file, inline)
