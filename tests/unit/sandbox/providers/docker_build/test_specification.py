"""An Image's arguments: what is done, what has no effect, what is refused."""

from pathlib import Path
from typing import Any

import pytest

from sandbox.errors import Unsupported, UserError
from sandbox.providers.docker_build import specification
from sandbox.providers.docker_build.specification import build_of, refuse_unsupported, relevant
from sandbox.wire.values import UNKNOWN


@pytest.mark.parametrize(
    "inputs",
    [
        {"push": True, "tags": ["x"], "labels": {}, "registries": [{"password": "p"}]},
        {"cacheFrom": [{"registry": {"ref": "x"}}], "network": "host", "load": False},
        {"platforms": [specification._here()]},
        {"buildOnPreview": False, "exports": []},
        {"exports": [{"cacheonly": {}}]},
    ],
)
def test_taken(inputs: dict[str, Any]) -> None:
    refuse_unsupported(inputs)


@pytest.mark.parametrize(
    "inputs",
    [
        {"exports": [{"tar": {}}]},
        {"exports": [{"cacheonly": {}}, {"image": {}}]},
        {"load": True},
        {"ssh": [{}]},
        {"cacheTo": [{"registry": {}}]},
        {"builder": {"name": "x"}},
        {"exec": True},
        {"network": "none"},
        {"platforms": ["linux/s390x"]},
        {"buildOnPreview": True},
        {"whatever": 1},
    ],
)
def test_refused_by_name(inputs: dict[str, Any]) -> None:
    with pytest.raises(Unsupported, match=next(iter(inputs))):
        refuse_unsupported(inputs)


def test_named_contexts_are_refused() -> None:
    with pytest.raises(Unsupported, match=r"context\.named"):
        refuse_unsupported({"context": {"location": ".", "named": {"a": {}}}})


def test_a_new_password_is_no_change() -> None:
    old = {"push": True, "registries": [{"password": "a"}], "noCache": False}
    assert relevant(old) == relevant({"push": True, "registries": [{"password": "b"}]})


def test_secrets_can_be_left_out_of_the_comparison() -> None:
    inputs = {"secrets": {"a": "1", "b": "2"}, "ignoreSecretsInDiffCalculation": ["a"]}
    assert relevant(inputs) == {"secrets": {"b": "2"}}


def test_the_containerfile_is_found(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    build = build_of({"context": {"location": str(tmp_path)}})
    assert build.file == tmp_path / "Dockerfile"
    (tmp_path / "Containerfile").write_text("FROM scratch\n")
    assert build_of({"context": {"location": str(tmp_path)}}).file == tmp_path / "Containerfile"


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    context = {"context": {"location": str(tmp_path)}}
    with pytest.raises(UserError, match="The build's Containerfile is missing"):
        build_of(context)
    with pytest.raises(UserError, match="There is no build context nowhere"):
        build_of({"context": {"location": "nowhere"}})
    inline = context | {"dockerfile": {"inline": "FROM scratch"}}
    with pytest.raises(UserError, match="needs a tag"):
        build_of(inline | {"push": True})


def test_unknown_places() -> None:
    assert specification.places_known({"context": {"location": "."}, "tags": UNKNOWN})
    assert not specification.places_known({"context": {"location": UNKNOWN}})
    assert not specification.places_known({"dockerfile": UNKNOWN})


def test_secrets_do_not_show(tmp_path: Path) -> None:
    inline = {"dockerfile": {"inline": "FROM scratch"}, "secrets": {"key": "hush"}}
    assert "hush" not in repr(build_of(inline | {"context": {"location": str(tmp_path)}}))
