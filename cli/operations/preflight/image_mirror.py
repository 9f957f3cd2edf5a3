"""Whether a mirror has what an environment would pull from it: asked before anything is made.

AWS's registry is asked by its API, with the caller's rights; any other one by that of registries, without a login, as nodes
will do it. What an environment runs with already is no reason to hold it up: that it was lost is only told.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import httpx
from botocore.exceptions import ClientError

from cli.base.errors import CloudError, UserError
from cli.cloud.errors import is_gone, translated
from cli.cloud.image_content import MANIFESTS
from cli.cloud.resource import Client, everything
from cli.operations.bootstrap.requested_settings import RequestedSettings
from cli.stack.backends import Found
from cli.stack.pending import RELEASE
from infra.contract import public_images
from infra.contract.public_images import SETTING, EcrRegistry, PublicImage

TOLD: Final = ("docker-build:index:Image", RELEASE)
"""The types of the resources that are told of an image: builds of their base, and releases."""

SECONDS: Final = 20.0

_ACCEPTED: Final = ", ".join(
    (
        *MANIFESTS,
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
    )
)
_CHALLENGE: Final = re.compile(r'(\w+)="([^"]*)"')


@dataclass(frozen=True)
class MirrorRequest:
    """What is configured, and what of it the environment runs with."""

    mirror: str
    images: Sequence[PublicImage]
    deployed: frozenset[PublicImage] = frozenset()


def request(requested: RequestedSettings, resources: Sequence[Found]) -> MirrorRequest | None:
    """None without a mirror, or where it does not go with the other settings: the program names that."""
    mirror = str(requested.value(SETTING))
    if not mirror or public_images.misfit(requested.value):
        return None
    images = public_images.needed(requested.value)
    told = [json.dumps(dict(one.inputs), default=str) for one in resources if one.type in TOLD]
    deployed = (one for one in images if any(_is_told(one, mirror, text) for text in told))
    return MirrorRequest(mirror, images, frozenset(deployed))


def _is_told(image: PublicImage, mirror: str, text: str) -> bool:
    """Whether the inputs of a resource name this very version of an image there."""
    return image.place(mirror) in text and (image.digest or image.tag) in text


def check(
    client: Callable[[str], Client], asked: MirrorRequest, report: Callable[[str], None]
) -> None:
    """UserError with what is missing. `client` gives those of a region. CloudError if the registry does not say."""
    registry = public_images.ecr(asked.mirror)
    if registry:
        missing = _missing_in_ecr(client(registry.region), registry, asked)
    else:
        missing = [one for one in asked.images if not has(one, asked.mirror)]
    if lost := [one for one in missing if one in asked.deployed]:
        names = ", ".join(one.reference(asked.mirror) for one in lost)
        report(f"the mirror has lost what new nodes and builds need: {names}")
    missing = [one for one in missing if one not in asked.deployed]
    if not missing:
        return
    names = ", ".join(one.reference(asked.mirror) for one in missing)
    raise UserError(
        f"The mirror {asked.mirror} lacks {', '.join(one.name for one in missing)}",
        f"{SETTING} names it, and it does not have {names}.\nNothing was changed. What copies all of it there is shown by:",
        f"./aerodrome image public --mirror {asked.mirror} --commands",
    )


def _missing_in_ecr(
    client: Client, registry: EcrRegistry, asked: MirrorRequest
) -> list[PublicImage]:
    ecr, rules = client("ecr"), None
    missing = []
    for image in asked.images:
        repository = image.place(asked.mirror).partition("/")[2]
        wanted = {"imageDigest": image.digest} if image.digest else {"imageTag": image.tag}
        with translated(f"look for {image.reference(asked.mirror)}"):
            try:
                ecr.describe_images(
                    registryId=registry.account, repositoryName=repository, imageIds=[wanted]
                )
                continue
            except ClientError as error:
                if not is_gone(error):
                    raise
            if rules is None:
                rules = _caches(ecr, registry)
        if not any(repository.startswith(f"{one}/") for one in rules):
            missing.append(image)
    return missing


def _caches(ecr: Any, registry: EcrRegistry) -> list[str]:
    """The prefixes below which ECR itself fetches what is asked for."""
    found = everything(
        ecr,
        "describe_pull_through_cache_rules",
        "pullThroughCacheRules",
        registryId=registry.account,
    )
    return [str(one["ecrRepositoryPrefix"]) for one in found]


def has(image: PublicImage, mirror: str) -> bool:
    """Whether a registry that is not AWS's has it. CloudError if it does not say, or wants a login."""
    place = image.place(mirror)
    host, _, repository = place.partition("/")
    local = host.partition(":")[0] in ("localhost", "127.0.0.1")
    scheme = "http" if local else "https"
    url = f"{scheme}://{host}/v2/{repository}/manifests/{image.digest or image.tag}"
    try:
        with httpx.Client(timeout=SECONDS, trust_env=not local, follow_redirects=True) as client:
            headers = {"Accept": _ACCEPTED}
            answer = client.head(url, headers=headers)
            if answer.status_code == 401 and (token := _anonymous(client, answer.headers)):
                answer = client.head(url, headers={**headers, "Authorization": f"Bearer {token}"})
    except httpx.HTTPError as error:
        raise CloudError(
            f"The registry {host} does not answer", str(error) or type(error).__name__
        ) from error
    if answer.status_code == 404:
        return False
    if answer.is_error:
        raise CloudError(
            f"The registry {host} does not say whether it has {image.reference(mirror)}",
            f"It answers {answer.status_code}. Nodes have no login there.",
        )
    return True


def _anonymous(client: httpx.Client, headers: Mapping[str, str]) -> str:
    """What registries give to everybody who asks, where they want to be asked first."""
    kind, _, rest = headers.get("WWW-Authenticate", "").partition(" ")
    told = dict(_CHALLENGE.findall(rest))
    realm = told.pop("realm", "")
    if kind.lower() != "bearer" or not realm.startswith("http"):
        return ""
    answer = client.get(realm, params=told)
    if answer.is_error:
        return ""
    try:
        found = answer.json()
    except ValueError:
        return ""
    return str(found.get("token") or found.get("access_token") or "")
