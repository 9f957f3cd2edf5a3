"""One set of versions that fit each other, and a word on each that would not."""

import dataclasses

import pytest

from infra.contract.settings import SETTINGS
from infra.contract.versions import PINNED, managed, misfits, unmanaged


def test_the_pinned_set_fits_itself_and_the_default_of_kubernetes() -> None:
    assert misfits(PINNED) == []
    assert unmanaged(SETTINGS["kubernetesVersion"].default) == ""


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"k3s": "v1.33.4+k3s1"}, "k3s is v1.33.4+k3s1: Rancher on k3s 2.15 takes"),
        ({"rancher": "2.12.1"}, "Rancher is 2.12.1, and what is known is known of 2.15"),
        ({"cert_manager": "v1.18.2"}, "cert-manager is v1.18.2"),
        ({"k3s": "v1.36.3+k3s1"}, "k3s is v1.36.3+k3s1, and its checksum is not pinned"),
    ],
)
def test_another_version_of_one_needs_another_line_of_all(
    changed: dict[str, str], named: str
) -> None:
    (misfit,) = misfits(dataclasses.replace(PINNED, **changed))
    assert named in misfit


def test_a_kubernetes_that_nobody_takes_is_named_for_each() -> None:
    found = misfits(dataclasses.replace(PINNED, k3s="v1.37.0+k3s1"))
    assert ["Rancher on k3s" in found[0], "cert-manager 1.21 takes" in found[1]] == [True, True]


def test_versions_are_compared_as_numbers() -> None:
    assert unmanaged("1.100")
    assert unmanaged("1.4")
    assert list(managed()) == ["1.34", "1.35", "1.36"]
