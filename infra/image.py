"""Container images: built from `images/NAME`, pushed to a repository of AWS's registry, used by digest."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws
import pulumi_docker_build as docker_build

from infra.content import PROJECT_ROOT, context_hash
from infra.contract import public_images
from infra.contract.image_builds import (
    base,
    build_arguments,
    left_out,
    owners_argument,
    packages,
    proxy_arguments,
)
from infra.registry import Repository
from infra.stack import Stack

PLATFORM = docker_build.Platform.LINUX_AMD64
"""The workers' processor."""

EXISTING = "existing"
"""The stage of every Containerfile in which there is nothing to do."""


@dataclass(frozen=True)
class ImageArgs:
    """`image` is the folder below `images/`, `repository` where it goes."""

    stack: Stack
    image: str
    repository: Repository

    @property
    def without(self) -> str:
        """The folder of its sources that the image shall not hold."""
        return left_out(self.stack.settings, self.image)

    @property
    def owners(self) -> str:
        """By which its DAG files are checked."""
        access = self.stack.access
        return owners_argument(access.owners if access else {}, self.image)


class Image(pulumi.ComponentResource):
    """One image, and the exact reference that pods use.

    ECR refuses another image under a tag that it has, so an image that is there is used and not built
    again: the build is then one of nothing, which is pushed nowhere. What this stack itself has built last
    is left as it was registered, for it to be no change.
    """

    repository_url: pulumi.Output[str]
    tag: str
    digest: pulumi.Output[str]
    ref: pulumi.Output[str]
    """REPOSITORY@DIGEST"""

    @property
    def values(self) -> dict[str, pulumi.Output[str]]:
        """What a chart's value `image` takes."""
        return {"repository": self.repository_url, "digest": self.digest}

    def __init__(
        self, name: str, args: ImageArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("aerodrome:index:Image", name, {}, opts)
        self.repository_url = args.repository.url
        # Tags are immutable, so a tag must change exactly when the content does.
        settings = args.stack.settings
        # What comes later than the first two counts only where it is given, or all images would be new.
        of_image = (packages(settings, args.image), args.owners, base(settings, args.image))
        told = filter(None, of_image)
        folder_of = PROJECT_ROOT / "images" / args.image
        content = context_hash(folder_of, settings.image_revision, args.without, *told)
        self.tag = f"{args.stack.names.image_tag_prefix}{content}"
        existing = self._existing(args)
        # Relative to the program's folder, where Pulumi starts providers: the state must not depend on
        # where somebody has the checkout.
        folder = f"../images/{args.image}"
        built = docker_build.Image(
            args.stack.names.of(args.image),
            context={"location": folder},
            dockerfile={"location": f"{folder}/Containerfile"},
            build_args=self._arguments(args),
            platforms=[PLATFORM],
            push=existing.apply(lambda digest: not digest),
            target=existing.apply(lambda digest: EXISTING if digest else None),
            exports=existing.apply(lambda digest: [{"cacheonly": {}}] if digest else None),
            # A preview changes nothing, and the repository may not exist yet.
            build_on_preview=False,
            tags=pulumi.Output.all(self.repository_url, existing).apply(
                lambda told: [] if told[1] else [f"{told[0]}:{self.tag}"]
            ),
            registries=self._logins(args),
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.digest = existing.apply(lambda digest: digest or built.digest)
        # Empty if the image was found. The next run asks for it.
        args.stack.built_tags[args.image] = existing.apply(
            lambda digest: "" if digest else self.tag
        )
        self.ref = pulumi.Output.concat(self.repository_url, "@", self.digest)
        self.register_outputs({"ref": self.ref})

    def _arguments(self, args: ImageArgs) -> pulumi.Output[dict[str, str] | None]:
        """By which proxy an image was built is no reason to build it anew, and to start its pods again: what the last run
        built keeps its arguments."""
        settings, image = args.stack.settings, args.image
        own, now = build_arguments(settings, image, args.owners), proxy_arguments(settings)
        built = pulumi.Output.all(args.stack.built_tag(image), args.stack.former_proxies(image))
        by = built.apply(lambda told: dict(told[1]) if told[0] == self.tag else now)
        args.stack.built_by[image] = by
        return by.apply(lambda found: {**own, **found} or None)

    def _existing(self, args: ImageArgs) -> pulumi.Output[str]:
        """The digest of an image that the repository has under this tag, unless this stack built it last."""
        found = aws.ecr.get_images_output(
            repository_name=args.repository.name,
            registry_id=args.repository.registry_id,
            opts=pulumi.InvokeOutputOptions(parent=self),
        )
        built = args.stack.built_tag(args.image)
        return pulumi.Output.all(found.image_ids, built).apply(
            lambda told: "" if told[1] == self.tag else _digest_of(self.tag, told[0])
        )

    def _logins(self, args: ImageArgs) -> list[docker_build.RegistryArgs]:
        """Where it goes, and where its base is. In a registry that is not AWS's, or is in another region, it is the machine that logs in."""
        repository, mirror = args.repository, public_images.ecr(args.stack.settings.image_mirror)
        address = repository.url.apply(lambda url: url.partition("/")[0])
        found = [self._login(repository.registry_id, address)]
        # Of the same account it is the same registry: one login does for both.
        if mirror and mirror.region == args.stack.place.region:
            found.append(self._login(mirror.account, mirror.host))
        return found

    def _login(
        self, account: pulumi.Input[str], address: pulumi.Input[str]
    ) -> docker_build.RegistryArgs:
        """A login for twelve hours, from AWS's own credentials."""
        token = aws.ecr.get_authorization_token_output(
            registry_id=account, opts=pulumi.InvokeOutputOptions(parent=self)
        )
        return docker_build.RegistryArgs(
            address=address,
            username=token.user_name,
            password=pulumi.Output.secret(token.password),
        )


def _digest_of(tag: str, images: Sequence[Any]) -> str:
    return next((str(one["image_digest"]) for one in images if one.get("image_tag") == tag), "")
