"""What is said of a checkpoint before there is a key to read all of it."""

from pathlib import Path
from typing import Any

from sandbox.engine.state.store import StackStore, Stored


def provider(package: str, name: str, **inputs: str) -> dict[str, Any]:
    type_ = f"pulumi:providers:{package}"
    urn = f"urn:pulumi:dev::shop::{type_}::{name}"
    return {"urn": urn, "type": type_, "custom": True, "id": "1", "inputs": inputs}


def owned(by: dict[str, Any], *, custom: bool = True) -> dict[str, Any]:
    urn = "urn:pulumi:dev::shop::a:b:C::c"
    return {"urn": urn, "type": "a:b:C", "custom": custom, "provider": f"{by['urn']}::1"}


def stored(folder: Path, *resources: dict[str, Any]) -> Stored:
    return Stored(StackStore(folder, "shop", "dev"), "", {"resources": list(resources)})


def test_providers_that_differ_in_more_than_their_version_count_apart(tmp_path: Path) -> None:
    found = stored(
        tmp_path,
        provider("aws", "one", version="1", region="a"),
        provider("aws", "two", version="2", region="a"),
        provider("aws", "three", version="2", region="b"),
        provider("kubernetes", "four"),
    )
    assert found.providers() == {"aws": 2, "kubernetes": 1}


def test_owners_are_the_providers_of_something_in_the_cloud(tmp_path: Path) -> None:
    aws, kubernetes, eks = provider("aws", "a"), provider("kubernetes", "b"), provider("eks", "c")
    found = stored(tmp_path, aws, kubernetes, eks, owned(aws), owned(eks, custom=False))
    assert found.providers(only_owners=True) == {"aws": 1}
