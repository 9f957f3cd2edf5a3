"""What environments have from public registries, with how it gets into a registry of one's own."""

from collections.abc import Iterator
from typing import Any

from cli.base.errors import UserError
from infra.contract import public_images
from infra.contract.public_images import PublicImage


def listed(mirror: str = "", *, commands: bool = False) -> list[dict[str, Any]]:
    """By image: where it is, who pulls it, what for; with a mirror its place there, and the commands that bring it there."""
    if problem := public_images.check(mirror):
        raise UserError(
            "--mirror is no registry with a prefix", f"It {problem}.", "./aerodrome image public"
        )
    if commands and not mirror:
        raise UserError(
            "Nobody knows where to copy to",
            "Name the mirror.",
            "./aerodrome image public --mirror HOST/PREFIX --commands",
        )
    return [_data(one, mirror) for one in public_images.everything()]


def _data(image: PublicImage, mirror: str) -> dict[str, Any]:
    more = {"mirrored": image.reference(mirror), "commands": list(_commands(image, mirror))}
    return {
        "name": image.name,
        "ref": image.reference(),
        "tag": image.tag,
        "digest": image.digest,
        "purpose": image.purpose,
        "pulledBy": image.pulled_by,
        "neededWith": image.needed_with,
        **(more if mirror else {}),
    }


def _commands(image: PublicImage, mirror: str) -> Iterator[str]:
    """They may be run again. The tag is for people, and keeps what a registry would tidy away without one."""
    place = image.place(mirror)
    if ecr := public_images.ecr(mirror):
        region, repository = f"--region {ecr.region}", place.partition("/")[2]
        yield (
            f"aws ecr describe-repositories {region} --repository-names {repository} >/dev/null 2>&1 "
            f"|| aws ecr create-repository {region} --repository-name {repository} >/dev/null"
        )
    yield f"crane copy {image.reference()} {place}:{image.tag}"
