"""Whether an image is built, or the one that its repository has is used: ECR refuses another under a tag that it has."""

from collections.abc import Mapping, Sequence
from typing import Any

from tests.program.recording import SECRETS, Program, run_program

IMAGE = "docker-build:index:Image"
IMAGES = ("airflow", "postgres")
THERE = "sha256:" + "1" * 64
CONFIG = {"environment": "test"}
CELERY = {**CONFIG, "executor": "CeleryExecutor"}
"""With Redis' image, which other parts of the program make."""


def built_tags(program: Program, images: Sequence[str] = IMAGES) -> dict[str, str]:
    return {
        image: program.one(IMAGE, image).inputs["tags"][0].rpartition(":")[2] for image in images
    }


def with_images(
    held: Mapping[str, str], config: dict[str, str] = CONFIG, **outputs: Any
) -> Program:
    """A run on repositories that hold these tags; `outputs` are what the stack's last run left."""
    images = [{"imageTag": tag, "imageDigest": THERE} for tag in held.values()]
    before = {"organization/aerodrome/test": Program([], outputs, frozenset())}
    return run_program(config, SECRETS, before, images)


IMAGE = "docker-build:index:Image"
OTHER = "sha256:" + "1" * 64


def test_it_is_used_and_nothing_is_built(program: Program) -> None:
    found = with_images(built_tags(program))
    for image in IMAGES:
        inputs = found.one(IMAGE, image).inputs
        assert inputs["push"] is False
        assert inputs.get("tags", []) == []
        assert inputs["target"] == "existing"
        assert inputs["exports"] == [{"cacheonly": {}}]
    values = found.one("kubernetes:helm.sh/v3:Release").inputs["values"]
    assert values["image"]["digest"] == THERE
    assert values["postgres"]["image"]["digest"] == THERE
    assert found.outputs["builtTags"] == {"airflow": "", "postgres": ""}


def test_the_next_run_finds_it_again(program: Program) -> None:
    tags = built_tags(program)
    first = with_images(tags)
    again = with_images(tags, builtTags=first.outputs["builtTags"])
    for image in tags:
        assert again.one(IMAGE, image).inputs == first.one(IMAGE, image).inputs


def test_what_the_stack_has_built_itself_is_no_change(program: Program) -> None:
    tags = built_tags(program)
    assert program.outputs["builtTags"] == tags
    again = with_images(tags, builtTags=tags)
    for image in tags:
        assert again.one(IMAGE, image).inputs == program.one(IMAGE, image).inputs


def test_so_it_is_with_every_image_that_the_program_makes() -> None:
    images = [*IMAGES, "redis", "pgbouncer"]
    config = {**CELERY, "pgbouncer": "true"}
    first = run_program(config, SECRETS)
    tags = built_tags(first, images)
    assert first.outputs["builtTags"] == tags
    again = with_images(tags, config, builtTags=tags)
    for image in images:
        assert again.one(IMAGE, image).inputs == first.one(IMAGE, image).inputs


def test_other_images_of_the_repository_change_nothing(program: Program) -> None:
    beside = with_images({"airflow": "test.000000000000"})
    assert built_tags(beside) == built_tags(program)


def test_a_revision_builds_from_the_ground_up(program: Program) -> None:
    revised = run_program({**CONFIG, "imageRevision": "2026-12-01"}, SECRETS)
    for image in IMAGES:
        built = revised.one(IMAGE, image).inputs
        assert built["buildArgs"] == {"REVISION": "2026-12-01"}
        assert built["tags"] != program.one(IMAGE, image).inputs["tags"]


def test_another_proxy_builds_nothing_anew_and_is_that_of_the_next_build() -> None:
    config = {**CONFIG, "rancherEnabled": "false", "httpsProxy": "http://one.example.com:3128"}
    first = run_program(config, SECRETS)
    left = {key: first.outputs[key] for key in ("builtTags", "builtBy")}
    tags = built_tags(first)
    changed = {**config, "httpsProxy": "http://other.example.com:3128"}
    again = with_images(tags, changed, **left)
    for image in IMAGES:
        built = again.one(IMAGE, image).inputs
        assert built["buildArgs"]["HTTPS_PROXY"] == "http://one.example.com:3128"
        assert built == first.one(IMAGE, image).inputs
    assert again.outputs["builtBy"] == left["builtBy"]
    # Without any, too.
    plain = {key: value for key, value in config.items() if key != "httpsProxy"}
    assert with_images(tags, plain, **left).one(IMAGE, "airflow").inputs["buildArgs"]
    # Other content is built, by the proxy of now.
    anew = with_images(tags, {**changed, "imageRevision": "2026-12-01"}, **left)
    for image in IMAGES:
        built = anew.one(IMAGE, image).inputs
        assert built["buildArgs"]["HTTPS_PROXY"] == "http://other.example.com:3128"
        assert built["tags"] != first.one(IMAGE, image).inputs["tags"]
