"""`aerodrome sweep`: by tag, on the emulator. It takes what has expired, and nothing beside it."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from cli.app import app
from cli.base.environments import Environment
from cli.base.errors import KitError
from infra.contract.naming import tags
from tests.teardown import kit
from tests.unit.sandbox.aws.conftest import Emulator, new_emulator

TODAY = date(2027, 3, 1)


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """An emulator of its own: a sweep looks at everything in the account."""
    running = new_emulator(tmp_path_factory.mktemp("aws"))
    yield running
    running.kill()
    running.kubernetes.server.shutdown()


class Session(kit.Sandboxed):
    def environments(self) -> Any:
        return [Environment("sandbox"), *map(Environment, self.backends)]

    def today(self) -> date:
        return TODAY


@pytest.fixture
def session(alone: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Session:
    monkeypatch.setenv("AERODROME_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "of the tests")
    return Session(tmp_path, alone.client)


def _volume(alone: Emulator, environment: str, expires: str) -> str:
    wanted = tags(environment, "feature/x", expires, "sandbox") if environment else {}
    wanted = wanted or {"aerodrome:branch": "lost"}
    made = alone.client("ec2").create_volume(
        AvailabilityZone="us-east-1a",
        Size=100,
        VolumeType="gp3",
        TagSpecifications=[
            {
                "ResourceType": "volume",
                "Tags": [{"Key": key, "Value": value} for key, value in wanted.items()],
            }
        ],
    )
    return str(made["VolumeId"])


def _volumes(alone: Emulator) -> set[str]:
    return {item["VolumeId"] for item in alone.client("ec2").describe_volumes()["Volumes"]}


def _run(session: Session, *arguments: str) -> Result:
    session.console.json = False
    return CliRunner().invoke(app, ["sweep", *arguments], obj=session)


def test_what_has_expired_goes_and_nothing_else(alone: Emulator, session: Session) -> None:
    expired = _volume(alone, "sandbox-old", "2027-02-20")
    alive = _volume(alone, "sandbox-new", "2027-03-04")
    lost = _volume(alone, "", "")
    for name in ("sandbox-old", "sandbox-new"):
        session.backend(Environment(name))

    shown = _run(session, "--dry-run")
    assert shown.exit_code == 0, shown.output
    lines = {line.split()[0]: line for line in shown.stdout.splitlines() if line}
    assert lines["sandbox-old"].split()[-3:] == ["expired", "would", "go"]
    assert "8.00 USD" in lines["sandbox-old"]
    assert "stays" in lines["sandbox-new"]
    assert "it names no environment" in lines["(none)"]
    assert _volumes(alone) >= {expired, alive, lost}

    done = _run(session, "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["swept"] == [{"environment": "sandbox-old", "outcome": "gone"}]
    assert expired not in _volumes(alone)
    assert _volumes(alone) >= {alive, lost}

    unknown = _run(session, "--unknown", "--json")
    assert unknown.exit_code == 0, unknown.output
    assert json.loads(unknown.stdout)["swept"] == [{"environment": "", "outcome": "gone"}]
    assert lost not in _volumes(alone)
    assert alive in _volumes(alone)


def test_one_that_fails_does_not_keep_the_next(alone: Emulator, session: Session) -> None:
    for name in ("sandbox-one", "sandbox-two"):
        _volume(alone, name, "2027-02-20")
        session.backend(Environment(name))
    session.backends["sandbox-one"].write(resources=[["s3", "held"]])
    session.backends["sandbox-one"].refuses += [KitError("the bucket is held")] * 9
    done = _run(session, "--json")
    assert done.exit_code == 1
    swept = json.loads(done.stdout)["swept"]
    assert swept == [
        {"environment": "sandbox-one", "outcome": "failed"},
        {"environment": "sandbox-two", "outcome": "gone"},
    ]
    assert "the bucket is held" in done.stderr
