"""One run of the program for all tests that only read it."""

from collections.abc import Iterator

import pytest

from tests.program.recording import SECRETS, Program, run_program

BASE = "organization/aerodrome/test"
BRANCH = {"environment": "test-x", "rung": "shared", "base": "test", "branch": "feature/x"}
BRANCH_SECRETS = {**SECRETS, "databasePassword": "branch/p@ssword"}


@pytest.fixture(scope="module")
def program() -> Iterator[Program]:
    """The program with nothing configured but what must be."""
    with pytest.MonkeyPatch.context() as patch:
        yield run_program({"environment": "test"}, SECRETS, patch)


@pytest.fixture(scope="module")
def shared(program: Program) -> Iterator[Program]:
    """A branch that stands on it, from what it tells."""
    with pytest.MonkeyPatch.context() as patch:
        yield run_program(BRANCH, BRANCH_SECRETS, patch, {BASE: program})
