"""A stand-in for crane: `copy FROM TO`, as it is, from registry to registry.

All registries of the world are one here, CRANE_REGISTRY: ECR's repositories by their own names, those of public registries
below PUBLIC (`tests.promises.whole_kit`).
"""

import json
import os
import re
import sys
import urllib.request
from typing import Any

REGISTRY = os.environ["CRANE_REGISTRY"]
PUBLIC = os.environ["CRANE_PUBLIC"]
ECR = re.compile(r"\d{12}\.dkr\.ecr\.[a-z0-9-]+\.amazonaws\.com/(.+)")


def place(reference: str) -> tuple[str, str]:
    """A repository here, and the tag or digest in it."""
    name, _, version = reference.rpartition("@" if "@" in reference else ":")
    own = ECR.fullmatch(name)
    return (own[1] if own else f"{PUBLIC}/{name}"), version


def ask(method: str, url: str, content: bytes | None = None, **headers: str) -> Any:
    request = urllib.request.Request(url, content, headers, method=method)
    return urllib.request.urlopen(request)


def main(verb: str, source: str, target: str) -> None:
    assert verb == "copy"
    (here, version), (there, tag) = place(source), place(target)
    kinds = "application/vnd.oci.image.manifest.v1+json"
    with ask("GET", f"{REGISTRY}/v2/{here}/manifests/{version}", Accept=kinds) as found:
        manifest, kind = found.read(), found.headers["Content-Type"]
    for blob in (json.loads(manifest)["config"], *json.loads(manifest)["layers"]):
        with ask("GET", f"{REGISTRY}/v2/{here}/blobs/{blob['digest']}") as found:
            content = found.read()
        with ask("POST", f"{REGISTRY}/v2/{there}/blobs/uploads/", b"") as begun:
            way = begun.headers["Location"]
        octets = {"Content-Type": "application/octet-stream"}
        ask("PUT", f"{way}&digest={blob['digest']}", content, **octets).close()
    form = {"Content-Type": kind}
    ask("PUT", f"{REGISTRY}/v2/{there}/manifests/{tag}", manifest, **form).close()


main(*sys.argv[1:])
