"""What the image's scripts change in their process, which is all tests' here, is put back."""

import os
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="module", autouse=True)
def options_of_libpq() -> Iterator[None]:
    """`prepare_database.py` sets them for all of its connections; PgBouncer refuses them."""
    before = os.environ.get("PGOPTIONS")
    yield
    if before is None:
        os.environ.pop("PGOPTIONS", None)
    else:
        os.environ["PGOPTIONS"] = before
