"""Container images: built from `images/NAME`, pushed to a repository of AWS's registry, used by digest."""

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws
import pulumi_docker_build as docker_build

from infra.content import PROJECT_ROOT, content_hash
from infra.registry import Repository
from infra.stack import Stack

PLATFORM = docker_build.Platform.LINUX_AMD64
"""The workers' processor."""

EXAMPLE_DAGS = "dags/examples"
"""In `images/airflow`."""


@dataclass(frozen=True)
class ImageArgs:
    """`image` is the folder below `images/`, `repository` where it goes."""

    stack: Stack
    image: str
    repository: Repository

    @property
    def without(self) -> str:
        """The folder of its sources that the image shall not hold; its Containerfile takes it away."""
        wanted = self.image != "airflow" or self.stack.settings.example_dags
        return "" if wanted else EXAMPLE_DAGS


class Image(pulumi.ComponentResource):
    """One image, and the exact reference that pods use."""

    repository_url: pulumi.Output[str]
    tag: str
    digest: pulumi.Output[str]
    ref: pulumi.Output[str]
    """REPOSITORY@DIGEST"""

    def __init__(
        self, name: str, args: ImageArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("aerodrome:index:Image", name, {}, opts)
        self.repository_url = args.repository.url
        # Tags are immutable, so a tag must change exactly when the content does.
        content = content_hash(PROJECT_ROOT / "images" / args.image, args.without)
        self.tag = f"{args.stack.names.image_tag_prefix}{content}"
        # Relative to the program's folder, where Pulumi starts providers: the state must not depend on
        # where somebody has the checkout.
        folder = f"../images/{args.image}"
        built = docker_build.Image(
            args.stack.names.of(args.image),
            context={"location": folder},
            dockerfile={"location": f"{folder}/Containerfile"},
            build_args={"WITHOUT": args.without} if args.without else None,
            platforms=[PLATFORM],
            push=True,
            # A preview changes nothing, and the repository may not exist yet.
            build_on_preview=False,
            tags=[self.repository_url.apply(lambda url: f"{url}:{self.tag}")],
            registries=[self._login(args.repository)],
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.digest = built.digest
        self.ref = pulumi.Output.concat(self.repository_url, "@", built.digest)
        self.register_outputs({"ref": self.ref})

    def _login(self, repository: Repository) -> docker_build.RegistryArgs:
        """A login for twelve hours, from AWS's own credentials."""
        token = aws.ecr.get_authorization_token_output(
            registry_id=repository.registry_id, opts=pulumi.InvokeOutputOptions(parent=self)
        )
        return docker_build.RegistryArgs(
            address=repository.url.apply(lambda url: url.partition("/")[0]),
            username=token.user_name,
            password=pulumi.Output.secret(token.password),
        )
