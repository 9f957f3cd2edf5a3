"""One run of the program for all tests that only read it."""

from collections.abc import Iterator

import pytest

from tests.program.recording import SECRETS, Program, run_program


@pytest.fixture(scope="module")
def program() -> Iterator[Program]:
    """The program with nothing configured but what must be."""
    with pytest.MonkeyPatch.context() as patch:
        yield run_program({"environment": "test"}, SECRETS, patch)
