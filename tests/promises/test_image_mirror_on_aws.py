"""An environment whose images come from a mirror: refused by name where the mirror lacks something, and from its first `up` to
its `down` without a word of a public registry. The mirror itself stays as it is."""

import json
import re
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from cli.cloud.catalogue import find
from cli.cloud.resource import Search
from infra.contract.naming import branch_environment
from infra.contract.public_images import BASE_ARGUMENT, NODES, bases, everything, needed
from tests.promises.whole_kit import ECR, IMAGE, WholeKit, new_kit, resources_of
from tests.unit.sandbox.aws.conftest import registry

__all__ = ["registry"]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

DEV = ("--env", "dev")
MIRROR, OTHER = f"{ECR}/mirror", f"{ECR}/other/place"
ON = {
    "imageMirror": MIRROR,
    "rancherEnabled": "false",
    "monitoring": "metrics",
}
HOSTS = "|".join(sorted({re.escape(one.registry) for one in everything()}))
PUBLIC = re.compile(rf"(?<!{re.escape(MIRROR)}/)(?<!{re.escape(OTHER)}/)\b({HOSTS})/")
"""A public registry's name, anywhere but in a mirror."""

ONLY_IMAGES = re.compile(
    r"^docker-build:index:Image \S+ (buildArgs(\.BASE_IMAGE)?|registries|tags)$"
    r"|:Release \S+ (values\.(\w+\.)*image\.(digest|tag|repository)|resourceNames\S*)$"
)
"""What may change with the mirror."""


@pytest.fixture(scope="module")
def kit(tmp_path_factory: pytest.TempPathFactory, registry: str) -> Iterator[WholeKit]:
    with new_kit(tmp_path_factory.mktemp("mirror") / "kit", registry) as made:
        yield made


NEEDED = {
    one.name
    for one in needed(
        {"tenancy": "dedicated", "grafana": True, "taskNodes": False, **ON}.__getitem__
    )
    if one.pulled_by == NODES
}
VERSION = re.compile(r"(:[^/:@]+)?(@.*)?$")
"""The end of an image's name."""


def fill(kit: WholeKit, mirror: str, *left_out: str) -> None:
    """As a user does, by the commands that the kit shows."""
    shown = kit.done("image", "public", "--mirror", mirror, "--commands")
    lines = [line for line in shown.splitlines() if not any(name in line for name in left_out)]
    subprocess.run(["sh", "-e"], input="\n".join(lines), text=True, env=kit.variables, check=True)


def mirrors(kit: WholeKit) -> dict[str, Any]:
    """All that ECR says of what is in the mirrors, with the images."""
    found = kit.client("ecr").describe_repositories()["repositories"]
    return {
        one["repositoryName"]: (one, kit.images(one["repositoryName"]))
        for one in found
        if one["repositoryName"].startswith(("mirror/", "other/"))
    }


def from_mirror(kit: WholeKit, mirror: str, stack: str = "dev", builds: int = 4) -> None:
    """Nothing that is deployed, or built, comes from elsewhere."""
    repositories = kit.client("ecr").describe_repositories()["repositories"]
    own = {
        one["repositoryUri"]
        for one in repositories
        if one["repositoryName"].startswith("aerodrome-dev-")
    }
    outside = {one for one in kit.pulled() if one.partition("@")[0] not in own}
    of_nodes = [one for one in kit.public() if one.name in NEEDED]
    assert {VERSION.sub("", one) for one in outside} == {one.place(mirror) for one in of_nodes}
    # As exactly as it is pinned.
    assert all(any(one.startswith(each.reference(mirror)) for one in outside) for each in of_nodes)
    resources = kit.resources(stack)
    bases_of = [
        one["inputs"]["buildArgs"][BASE_ARGUMENT] for one in resources if one["type"] == IMAGE
    ]
    assert len(bases_of) == builds
    assert {*bases_of} == {one.reference(mirror) for one in bases().values()}
    # In whatever was told to Kubernetes and AWS, and what they said.
    for one in resources:
        found = PUBLIC.search(json.dumps([one.get("inputs"), one.get("outputs")]))
        assert not found, (one["urn"], found)


def branch(kit: WholeKit, closed: dict[str, str]) -> None:
    """On a base with a mirror: it builds on that, too, and not where the base image is missing there."""
    on = ("--branch", "feature/x", "--base", "dev")
    lost = {"repositoryName": "other/place/docker.io/library/debian"}
    kit.client("ecr").batch_delete_image(**lost, imageIds=[{"imageTag": "bookworm-slim"}])
    kit.refused(f"The mirror {OTHER} lacks debian", "up", *on, "--yes")
    # Its base runs.
    again = kit.run("up", *DEV, "--yes", "--no-proof")
    assert again.returncode == 0, again.stderr
    assert "the mirror has lost what new nodes and builds need" in again.stderr
    fill(kit, OTHER, "karpenter")
    before = kit.snapshot()
    assert kit.up(*on, **closed)["changed"]
    from_mirror(kit, OTHER, branch_environment("dev", "feature/x"), builds=1)
    assert not kit.up(*on, **closed)["changed"]
    assert before.changed(kit.snapshot()) == set()


def gone(kit: WholeKit) -> None:
    """Nothing of the environment is left, anywhere."""
    assert find(Search(kit.client, "dev")) == []
    assert kit.pods() == {}
    assert not [
        one for one in kit.folder.glob("stacks/.pulumi/stacks/**/*.json") if resources_of(one)
    ]


def test_a_mirror(kit: WholeKit) -> None:
    fill(kit, MIRROR, "grafana", "karpenter")
    kit.configure(*DEV, **ON)
    said = kit.refused(f"The mirror {MIRROR} lacks grafana", "up", *DEV, "--yes")
    assert f"./aerodrome image public --mirror {MIRROR} --commands" in said
    kit.refused(f"The mirror {MIRROR} lacks grafana", "preview", *DEV)
    fill(kit, MIRROR)
    fill(kit, OTHER, "karpenter")
    before = mirrors(kit)

    closed = {"CONTAINERS_REGISTRIES_CONF": str(kit.registries(closed=True))}
    assert kit.up(*DEV, **closed)["changed"]
    from_mirror(kit, MIRROR)
    first = kit.snapshot()
    assert not kit.up(*DEV, **closed)["changed"]
    unchanged = kit.snapshot()
    assert first.changed(unchanged) == first.replaced(unchanged) == set()

    # Back at public registries: the same images from elsewhere, and nothing else.
    kit.done("config", "rm", "imageMirror", *DEV)
    kit.up(*DEV)
    second = kit.snapshot()
    assert {one for one in first.changed(second) if not ONLY_IMAGES.search(one)} == set()
    (image,) = (one for one in kit.pulled() if "grafana" in one)
    assert image == f"grafana/grafana@{kit.grafana}"
    for one in kit.resources():
        assert MIRROR not in json.dumps(one), one["urn"]

    # And to another mirror.
    kit.configure(*DEV, imageMirror=OTHER)
    kit.up(*DEV, **closed)
    from_mirror(kit, OTHER)
    assert {one for one in second.changed(kit.snapshot()) if not ONLY_IMAGES.search(one)} == set()

    branch(kit, closed)

    kit.done("down", *DEV, "--yes", "--with-branches")
    gone(kit)
    assert mirrors(kit) == before
