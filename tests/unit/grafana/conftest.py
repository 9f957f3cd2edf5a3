"""A real InfluxDB, set up as the chart sets it up, for the tests of a file."""

from collections.abc import Iterator

import pytest

from tests.unit.images.metrics_pipeline import Pipeline, running


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    """With Telegraf before it."""
    with running(tmp_path_factory.mktemp("metrics")) as found:
        yield found
