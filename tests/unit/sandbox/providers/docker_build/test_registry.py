"""Image names and where they lead."""

import pytest

from sandbox.errors import CloudError, UserError
from sandbox.providers.docker_build import registry
from sandbox.providers.docker_build.registry import ADDRESS_VARIABLE, Reference

ECR = "000000000000.dkr.ecr.us-east-1.amazonaws.com"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"{ECR}/demo/airflow:1", Reference(ECR, "demo/airflow", "1")),
        ("127.0.0.1:5000/a:b", Reference("127.0.0.1:5000", "a", "b")),
        ("localhost/a", Reference("localhost", "a", "latest")),
    ],
)
def test_names(text: str, expected: Reference) -> None:
    assert registry.parse(text) == expected


@pytest.mark.parametrize("text", ["debian:bookworm", "library/debian", "debian"])
def test_short_names_are_refused(text: str) -> None:
    with pytest.raises(UserError, match="names no registry"):
        registry.parse(text)


def test_ecr_is_the_sandboxs_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    reference = registry.parse(f"{ECR}/demo/airflow:1")
    monkeypatch.setenv(ADDRESS_VARIABLE, "10.213.0.2:5000")
    assert registry.address(reference) == "10.213.0.2:5000"
    assert reference.with_digest("sha256:1") == f"{ECR}/demo/airflow@sha256:1"


def test_without_a_sandbox_ecr_leads_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(ADDRESS_VARIABLE, raising=False)
    with pytest.raises(UserError, match=f"Where the images of {ECR} go is not known"):
        registry.address(registry.parse(f"{ECR}/demo:1"))


def test_registries_elsewhere_are_never_pushed_to() -> None:
    with pytest.raises(UserError, match="is not part of a sandbox"):
        registry.address(registry.parse("192.0.2.1:5000/a:b"))


def test_what_is_there_and_what_is_not(registry_address: str) -> None:
    reference = registry.parse(f"{registry_address}/nothing:1")
    assert not registry.has(reference, "sha256:" + "0" * 64)


def test_a_registry_that_is_away_is_named() -> None:
    with pytest.raises(CloudError, match=r"The registry at 127\.0\.0\.1:9 does not answer"):
        registry.has(registry.parse("127.0.0.1:9/a:b"), "sha256:1")
