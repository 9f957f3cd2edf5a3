"""A Rancher that has an address, for tests of who asks it."""

from collections.abc import Iterator

import pytest

from tests.played_rancher import PlayedRancher, playing


@pytest.fixture
def played() -> Iterator[PlayedRancher]:
    settings = {"server-url": "https://rancher.example.com", "cacerts": ""}
    with playing(settings=settings) as running:
        yield running
