"""One run of the program for all tests that only read it."""

import pytest

from tests.program.recording import SECRETS, Program, run_program

BASE = "organization/aerodrome/test"
BRANCH = {"environment": "test-x", "tenancy": "shared", "base": "test", "branch": "feature/x"}
BRANCH_SECRETS = {**SECRETS, "databasePassword": "branch/p@ssword"}


@pytest.fixture(scope="module")
def program() -> Program:
    """The program with nothing configured but what must be."""
    return run_program({"environment": "test"}, SECRETS)


@pytest.fixture(scope="module")
def shared(program: Program) -> Program:
    """A branch that stands on it, from what it tells."""
    return run_program(BRANCH, BRANCH_SECRETS, {BASE: program})
