"""With a mirror nothing of an environment comes from a public registry any more."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from infra.contract import public_images
from infra.contract.grafana import IMAGE as GRAFANA
from infra.contract.public_images import DOCKER_HUB, ECR_PUBLIC
from tests.charts.rendering import render_exactly
from tests.program.recording import ROOT, SECRETS, Program, run_program

IMAGE = "docker-build:index:Image"
RELEASE = "kubernetes:helm.sh/v3:Release"
PUBLIC = re.compile(
    rf"(?<!/mirror/)({re.escape(DOCKER_HUB)}|{re.escape(ECR_PUBLIC)}|quay\.io|ghcr\.io|registry\.k8s\.io|gcr\.io|mirror\.gcr\.io)/"
)
"""Anywhere but in the mirror."""

CONFIG = {
    "environment": "test",
    "rancherEnabled": "false",
    "monitoring": "all",
    "taskNodes": "true",
    "executor": "CeleryExecutor,KubernetesExecutor",
    "pgbouncer": "true",
}
MIRROR = "123456789012.dkr.ecr.eu-north-1.amazonaws.com/mirror"


@pytest.fixture(scope="module")
def mirrored() -> Program:
    return run_program({**CONFIG, "imageMirror": MIRROR}, SECRETS)


@pytest.fixture(scope="module")
def plain() -> Program:
    return run_program(CONFIG, SECRETS)


def texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for one in value.values():
            yield from texts(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from texts(one)


def public(program: Program) -> set[str]:
    found = {text for one in program.resources for text in texts(dict(one.inputs))}
    return {text for text in found if PUBLIC.search(text)}


def test_nothing_that_is_registered_names_a_public_registry(
    mirrored: Program, plain: Program
) -> None:
    assert public(mirrored) == set()
    # Or the search would find nothing anyway.
    assert f"oci://{ECR_PUBLIC}/karpenter/karpenter" in public(plain)


def test_every_build_is_told_its_base(mirrored: Program, plain: Program) -> None:
    built = mirrored.of_type(IMAGE)
    assert len(built) == 8
    for one in built:
        image = one.name.removeprefix("aerodrome-test-").removeprefix("test-")
        base = public_images.bases()[image].reference(MIRROR)
        assert base.endswith("/mirror/docker.io/library/debian:bookworm-slim")
        assert one.inputs["buildArgs"]["BASE_IMAGE"] == base
        (before,) = (each for each in plain.of_type(IMAGE) if each.name == one.name)
        assert "BASE_IMAGE" not in (before.inputs.get("buildArgs") or {})
        # A tag of ECR's cannot be pushed again: with another base it is another one.
        assert one.inputs["tags"] != before.inputs["tags"]


def test_grafana_keeps_its_digest(mirrored: Program, plain: Program) -> None:
    def image(program: Program) -> str:
        release = program.one(RELEASE, "-monitoring").inputs
        values, name = dict(release["values"]), release["name"]
        rendered = render_exactly(values, name, "monitoring", ROOT / "charts" / "monitoring")
        pod = rendered.find("Deployment", "monitoring-grafana")["spec"]["template"]["spec"]
        return str(pod["containers"][0]["image"])

    assert image(mirrored) == f"{MIRROR}/docker.io/grafana/grafana@{GRAFANA['digest']}"
    assert image(plain) == f"grafana/grafana@{GRAFANA['digest']}"


def test_karpenter_and_its_charts_come_from_the_mirror(mirrored: Program, plain: Program) -> None:
    for name in ("karpenter", "karpenter-crd"):
        chart = mirrored.one(RELEASE, f"-{name}").inputs["chart"]
        assert chart == f"oci://{MIRROR}/public.ecr.aws/karpenter/{name}"
    controller = mirrored.one(RELEASE, "-karpenter").inputs["values"]["controller"]
    # Tag and digest are those that the chart has.
    assert controller["image"] == {"repository": f"{MIRROR}/public.ecr.aws/karpenter/controller"}
    assert "image" not in plain.one(RELEASE, "-karpenter").inputs["values"]["controller"]


@pytest.mark.parametrize(
    ("mirror", "hosts"),
    [
        (MIRROR, [MIRROR.partition("/")[0]]),
        # The machine's own login counts, which nobody can take over to another region.
        ("123456789012.dkr.ecr.us-east-1.amazonaws.com", []),
        ("registry.example.com/mirror", []),
        ("", []),
    ],
)
def test_the_build_logs_in_where_its_base_is(mirror: str, hosts: list[str]) -> None:
    config = {"environment": "test", "rancherEnabled": "false", "imageMirror": mirror}
    for one in run_program(config, SECRETS).of_type(IMAGE):
        _, *more = one.inputs["registries"]
        assert [each["address"] for each in more] == hosts


def test_a_branch_builds_with_its_own_setting() -> None:
    base = run_program({"environment": "base"}, SECRETS)
    config = {"environment": "b", "tenancy": "shared", "base": "base", "imageMirror": MIRROR}
    program = run_program(config, SECRETS, {"organization/aerodrome/base": base})
    (image,) = program.of_type(IMAGE)
    assert image.inputs["buildArgs"]["BASE_IMAGE"].startswith(f"{MIRROR}/docker.io/")
