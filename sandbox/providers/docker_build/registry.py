"""Image names, where in the sandbox they lead to, and whether an image is there.

Used by `provider.py` and `buildah.py`. ECR's host names are kept in everything that the
program sees; only the connection goes to the sandbox's registry.
"""

import http.client
import os
import re
from dataclasses import dataclass

from sandbox.errors import CloudError, UserError
from sandbox.providers.addresses import local_address

ADDRESS_VARIABLE = "AERODROME_ECR_ADDRESS"

_ECR = re.compile(r"\d{12}\.dkr\.ecr\.[a-z0-9-]+\.amazonaws\.com(\.cn)?")
_TIMEOUT_SECONDS = 10.0
_MANIFESTS = ", ".join(
    (
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.docker.distribution.manifest.v2+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
    )
)


@dataclass(frozen=True)
class Reference:
    """HOST/REPOSITORY:TAG."""

    host: str
    repository: str
    tag: str

    @property
    def name(self) -> str:
        return f"{self.host}/{self.repository}"

    def with_digest(self, digest: str) -> str:
        """The reference for pods: exactly this image, by the name that the program knows."""
        return f"{self.name}@{digest}"


def parse(text: str) -> Reference:
    """UserError unless `text` names a registry: short names would mean Docker's own."""
    path, _, tag = text.rpartition(":") if ":" in text.rpartition("/")[2] else (text, "", "latest")
    host, _, repository = path.partition("/")
    if not repository or not ("." in host or ":" in host or host == "localhost"):
        raise UserError(
            f"The image tag {text!r} names no registry", "It has to be HOST/REPOSITORY:TAG."
        )
    return Reference(host, repository, tag)


def address(reference: Reference) -> str:
    """HOST:PORT of the registry that stands in for the reference's."""
    if _ECR.fullmatch(reference.host):
        found = os.environ.get(ADDRESS_VARIABLE, "")
        if not found:
            raise UserError(
                f"Where the images of {reference.host} go is not known",
                f"The sandbox says so in {ADDRESS_VARIABLE}, which is not set.",
                "./aerodrome sandbox up",
            )
    else:
        found = reference.host
    host, _, port = found.rpartition(":") if ":" in found else (found, "", "443")
    local = local_address(host, f"The registry {reference.host}")
    return f"[{local}]:{port}" if ":" in local else f"{local}:{port}"


def has(reference: Reference, digest: str) -> bool:
    """Whether the registry has the image. CloudError if it does not answer."""
    return digest_of(reference, digest) is not None


def refusal(reference: Reference, digest: str) -> str:
    """In ECR's words, why an image can not get this tag; empty if it can.

    The registry itself would give a tag to another image. ECR does not where tags are immutable, as in the kit's
    repositories.
    """
    known = digest_of(reference, reference.tag) if _ECR.fullmatch(reference.host) else None
    if known in (None, digest):
        return ""
    return (
        f"tag invalid: The image tag '{reference.tag}' already exists in the '{reference.repository}' "
        "repository and cannot be overwritten because the repository is immutable."
    )


def digest_of(reference: Reference, name: str) -> str | None:
    """The digest that the registry has under a tag or digest. CloudError if it does not answer."""
    where = address(reference)
    connection = http.client.HTTPConnection(where, timeout=_TIMEOUT_SECONDS)
    try:
        path = f"/v2/{reference.repository}/manifests/{name}"
        connection.request("HEAD", path, headers={"Accept": _MANIFESTS})
        answer = connection.getresponse()
        status, digest = answer.status, answer.headers["Docker-Content-Digest"]
    except (http.client.HTTPException, OSError) as error:
        raise CloudError(f"The registry at {where} does not answer", str(error)) from error
    finally:
        connection.close()
    if status not in (http.client.OK, http.client.NOT_FOUND):
        raise CloudError(f"The registry at {where} answered with status {status}")
    return digest if status == http.client.OK else None
