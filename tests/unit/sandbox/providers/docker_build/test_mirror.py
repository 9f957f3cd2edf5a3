"""The kit's own build arguments take a base from a mirror, where nothing public can be reached: real builds, a real registry."""

import json
import shutil
import urllib.request
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from infra.contract.image_builds import build_arguments, proxy_arguments
from infra.contract.public_images import bases
from infra.contract.settings import Settings
from sandbox.errors import CloudError, UserError
from sandbox.providers.docker_build import registry
from sandbox.tools import base_image_tar
from tests.unit.images.loading import IMAGES
from tests.unit.sandbox.providers.docker_build.test_provider import ECR, create

MIRROR = f"{ECR}/mirror"
DEBIAN = bases()["redis"]


@pytest.fixture
def closed(sandbox: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """As on a machine that reaches its mirror, and Docker Hub not."""
    settings = tmp_path / "registries.conf"
    settings.write_text(
        f'[[registry]]\nprefix = "{ECR}"\nlocation = "{sandbox}"\ninsecure = true\n'
        f'[[registry]]\nprefix = "{DEBIAN.registry}"\nlocation = "{DEBIAN.registry}"\nblocked = true\n'
    )
    monkeypatch.setenv("CONTAINERS_REGISTRIES_CONF", str(settings))
    return sandbox


def build(folder: Path, tag: str, text: str, arguments: dict[str, str], **files: str) -> Any:
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        (folder / name).write_text(content)
    (folder / "Containerfile").write_text(text)
    (folder / "file").write_text(f"{folder.name}\n")
    context = {"location": str(folder)}
    return create({"context": context, "push": True, "tags": [tag], "buildArgs": arguments}).outputs


def test_a_build_has_its_base_from_the_mirror(closed: str, tmp_path: Path) -> None:
    settings = Settings(environment="dev", image_mirror=MIRROR, rancher_enabled=False)
    base = build(
        tmp_path / "base",
        f"{DEBIAN.place(MIRROR)}:{DEBIAN.tag}",
        "FROM scratch\nCOPY file /base\nLABEL from=mirror\n",
        {},
    )
    # What the image's own file says before its first step; the steps need a whole Debian.
    head = (IMAGES / "redis" / "Containerfile").read_text().partition("AS base")[0]
    text = f"{head}AS base\nCOPY file /own\n"
    with pytest.raises(CloudError, match="its base can not be pulled"):
        build(
            tmp_path / "without",
            f"{ECR}/dev/redis:0",
            text,
            build_arguments(replace(settings, image_mirror=""), "redis"),
        )
    made = build(tmp_path / "with", f"{ECR}/dev/redis:1", text, build_arguments(settings, "redis"))
    assert registry.has(registry.parse(f"{ECR}/dev/redis:1"), made["digest"])
    lower, upper = (
        layers(closed, base, "mirror/" + DEBIAN.place("")),
        layers(closed, made, "dev/redis"),
    )
    assert upper[: len(lower)] == lower
    assert len(upper) == len(lower) + 1


@pytest.fixture(scope="session")
def rootfs() -> Path:
    """The sandbox's Debian; asked for before the tests have a cache of their own."""
    try:
        return base_image_tar()
    except UserError:
        pytest.skip("set-up has not been run")


def test_a_proxy_is_known_while_it_builds_and_nowhere_in_the_image(
    rootfs: Path, sandbox: str, tmp_path: Path
) -> None:
    """No Containerfile of the kit's has an ARG for it: buildah, as BuildKit, knows these arguments by itself."""
    proxy = "http://proxy.example.com:3128"
    settings = Settings(
        environment="dev", http_proxy=proxy, https_proxy=proxy, no_proxy=(sandbox, ".example")
    )
    told = proxy_arguments(settings)
    assert len(told) == 6
    asked = " && ".join(f'test "${name}" = "{value}"' for name, value in told.items())
    folder = tmp_path / "proxied"
    text = f"FROM scratch\nADD rootfs.tar /\nRUN {asked.replace(proxy, '$(cat /asked)')}\n"
    text = text.replace("RUN ", "COPY asked /asked\nRUN ")
    folder.mkdir()
    shutil.copyfile(rootfs, folder / "rootfs.tar")
    made = build(folder, f"{ECR}/dev/proxied:1", text, told, asked=proxy)
    manifest = fetch(sandbox, f"dev/proxied/manifests/{made['digest']}")
    config = fetch(sandbox, f"dev/proxied/blobs/{manifest['config']['digest']}")
    assert "proxy.example.com" not in json.dumps([manifest, config])
    assert any("test " in one["created_by"] for one in config["history"])


def layers(address: str, image: Any, repository: str) -> list[str]:
    manifest = fetch(address, f"{repository}/manifests/{image['digest']}")
    return [str(one["digest"]) for one in manifest["layers"]]


def fetch(address: str, path: str) -> Any:
    kind = "application/vnd.oci.image.manifest.v1+json"
    request = urllib.request.Request(f"http://{address}/v2/{path}", headers={"Accept": kind})
    with urllib.request.urlopen(request) as found:
        return json.load(found)
