"""The list of what comes from public registries: where each is in a mirror, and what may be called one."""

import re
from pathlib import Path

import pytest
import yaml

from infra.contract import public_images
from infra.contract.public_images import BUILD, GRAFANA, KARPENTER, KARPENTER_CHARTS, EcrRegistry
from sandbox import tools
from sandbox.errors import UserError
from sandbox.registry.images import BASE
from tests.unit.images.loading import IMAGES
from tests.unit.infra.contract.test_contacts import problems

WITHOUT_RANCHER = {"rancherEnabled": "false"}


@pytest.mark.parametrize(
    "value",
    [
        "registry.example.com",
        "registry.example.com/mirror",
        "registry.example.com:5000/team/mirror_1",
        "localhost:5000",
        "123456789012.dkr.ecr.eu-north-1.amazonaws.com/mirror",
    ],
)
def test_a_registry_with_or_without_a_prefix(value: str) -> None:
    assert problems(imageMirror=value, **WITHOUT_RANCHER) == []


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("https://registry.example.com", "must be without a scheme"),
        ("alice@registry.example.com/x", "must be without a user"),
        ("registry.example.com/Mirror", "must be HOST/PREFIX in lower case"),
        ("registry.example.com/mirror/", "must be HOST/PREFIX"),
        ("registry.example.com/mirror:1", "must be HOST/PREFIX"),
        # Container runtimes take it for a path of Docker Hub.
        ("mirror/images", "must be HOST/PREFIX"),
    ],
)
def test_what_is_none_is_refused(value: str, words: str) -> None:
    (text,) = problems(imageMirror=value, **WITHOUT_RANCHER)
    assert text.startswith("aerodrome:imageMirror is ")
    assert words in text


def test_a_password_in_it_is_not_repeated() -> None:
    (text,) = problems(imageMirror="alice:hunter2@registry.example.com", **WITHOUT_RANCHER)
    assert "must be without a user" in text
    assert "hunter2" not in text


def test_ranchers_own_images_are_not_in_it() -> None:
    (text,) = problems(imageMirror="registry.example.com")
    assert "./aerodrome config set rancherEnabled false" in text
    assert problems(imageMirror="registry.example.com", tenancy="shared", base="main") == []


def test_every_image_of_the_kits_has_a_base_in_the_list() -> None:
    folders = {file.parent.name for file in IMAGES.glob("*/Containerfile")}
    assert set(public_images.bases()) == folders
    (base,) = {one.reference() for one in public_images.everything() if one.pulled_by == BUILD}
    assert base == BASE


def test_no_stage_of_a_build_has_another_one() -> None:
    for file in IMAGES.glob("*/Containerfile"):
        text = file.read_text()
        stages = set(re.findall(r"^FROM .* AS (\S+)$", text, re.MULTILINE))
        taken = {line.split()[1] for line in text.splitlines() if line.startswith("FROM ")}
        taken |= set(re.findall(r"^COPY .*--from=(\S+)", text, re.MULTILINE))
        assert taken <= stages | {"scratch", "${BASE_IMAGE}"}, file


def test_karpenters_chart_takes_its_image_from_there() -> None:
    try:
        charts = tools.karpenter()
    except UserError:
        pytest.skip("set-up has not been run for the tests")
    values = yaml.safe_load((charts / "karpenter" / "values.yaml").read_text())
    assert values["controller"]["image"]["repository"] == KARPENTER.place("")
    assert {folder.name for folder in charts.iterdir()} == {
        Path(one.repository).name for one in KARPENTER_CHARTS
    }


def test_names_in_a_mirror_are_below_their_registrys() -> None:
    mirrored = GRAFANA.reference("registry.example.com/mirror")
    assert mirrored == f"registry.example.com/mirror/docker.io/grafana/grafana@{GRAFANA.digest}"
    assert GRAFANA.reference() == f"docker.io/grafana/grafana@{GRAFANA.digest}"
    assert len({one.place("r.example") for one in public_images.everything()}) == 5


def test_which_mirror_is_of_aws() -> None:
    host = "123456789012.dkr.ecr.eu-north-1.amazonaws.com"
    assert public_images.ecr(f"{host}/m") == EcrRegistry(host, "123456789012", "eu-north-1")
    assert public_images.ecr(host) is not None
    assert public_images.ecr("public.ecr.aws/x") is None
    assert public_images.ecr("") is None
