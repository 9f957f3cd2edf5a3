"""`up` on AWS in an account that bootstrap did not prepare: nowhere is a place for its lease."""

from pathlib import Path

import pytest

from cli.base.environments import Environment
from tests.unit.cli.conftest import Run
from tests.unit.cli.fakes import FakeBackend, FakeSession


class Session(FakeSession):
    def lease_store(self, environment: Environment, region: str) -> None:
        """As `cli.cloud.lease_bucket` says where there is no bucket."""


@pytest.fixture
def session(folders: Path) -> Session:
    made = Session(folders)
    made.fake_backends["dev"] = FakeBackend(there=5)
    return made


def test_it_is_told_once_that_only_pulumis_lock_is_there(run: Run) -> None:
    done = run("up", "--env", "dev", "--yes", "--no-proof")
    assert done.exit_code == 0, done.output
    assert done.stderr.count("only Pulumi's own lock keeps a second run away") == 1
