"""A run that is cut short anywhere is finished by the next one, and leaves nothing twice."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.bootstrap.conftest import SECRETS, Account
from tests.bootstrap.meddler import Meddler

KILLED = -9

# Some ten whole runs in one test.
pytestmark = pytest.mark.timeout(900)


@pytest.fixture
def meddler(account: Account) -> Iterator[Meddler]:
    between = Meddler(account.emulator.url)
    yield between
    between.close()


def _killed(account: Account, meddler: Meddler) -> str:
    """A run whose process is killed right after its first change. The change; empty if there was none."""
    meddler.at, meddler.changes = 1, []
    arguments = (account.environment, "--region", account.region, "--yes")
    process = account.start(*arguments, AWS_ENDPOINT_URL=meddler.url)
    meddler.victim = lambda: process.pid
    process.communicate(timeout=280)
    # The run of Pulumi that it had started lives on: what that still writes is not the next run's.
    while _at_work(meddler.url):
        time.sleep(0.05)
    meddler.at = 0
    assert process.returncode == (KILLED if meddler.changes else 0), meddler.changes
    return "".join(meddler.changes)


def _at_work(endpoint: str) -> bool:
    """Whether a process is there that was given this endpoint of AWS."""
    for environ in Path("/proc").glob("[0-9]*/environ"):
        try:
            if f"AWS_ENDPOINT_URL={endpoint}".encode() in environ.read_bytes().split(b"\0"):
                return True
        except OSError:
            # It has ended, or is somebody else's.
            continue
    return False


def _whole(account: Account) -> None:
    """Everything is there, and once."""
    assert account.has_bucket()
    versioning = account.root("s3").get_bucket_versioning(Bucket=account.bucket)
    assert versioning["Status"] == "Enabled"
    assert account.keys() == ["Enabled"]
    account.root("kms").describe_key(KeyId=account.alias)
    document = yaml.safe_load(account.config_file.read_text())
    assert "secretsprovider" in document
    assert all("secure" in document["config"][f"aerodrome:{name}"] for name in SECRETS)


def test_killed_after_each_change_in_the_account(account: Account, meddler: Meddler) -> None:
    """Each run settles what the last one left, and gets exactly one change further."""
    assert account.bootstrap(AWS_ENDPOINT_URL=meddler.url).returncode == 0
    changes = list(meddler.changes)
    assert [each for each in changes if each.startswith("Create")] == ["CreateKey", "CreateAlias"]
    account.wipe()
    assert list(iter(lambda: _killed(account, meddler), "")) == changes
    _whole(account)


def test_killed_during_calls_of_the_pulumi_cli(account: Account) -> None:
    account.made()
    calls = account.calls
    init = next(n for n, call in enumerate(calls) if call[:2] == ["stack", "init"])
    # The plain keys, and one in the midst of the secrets.
    sets = [n for n, call in enumerate(calls) if "".join(call[:2]).startswith("configset")]
    account.wipe()
    for number in (init - 1, init, sets[0], sets[-3]):
        words = json.dumps(calls[number])
        assert account.bootstrap(FAKE_PULUMI_DIE=words).returncode == KILLED, words
    account.made()
    _whole(account)
    for call in (calls[init], *(each for each in calls if "--secret" in each)):
        assert account.calls.count(call) == 1, "made twice"


def test_a_stack_without_its_file_is_made_again(account: Account) -> None:
    account.made()
    account.config_file.unlink()
    made = account.made()
    assert made["stack"] == ["stack"]
    _whole(account)


def test_credentials_that_expire_half_way(account: Account, meddler: Meddler) -> None:
    meddler.expire = True
    for change in (1, 4, 3):
        meddler.at, meddler.changes = change, []
        done = account.bootstrap(AWS_ENDPOINT_URL=meddler.url)
        assert done.returncode == 2, done.stderr
        assert "The AWS credentials have expired" in done.stderr
        assert "run the same command: it continues from here" in done.stderr
        assert "aws sso login" in done.stderr
    account.made()
    _whole(account)


def test_removal_that_is_killed_is_finished_by_the_next(account: Account, meddler: Meddler) -> None:
    account.made()
    for change in (1, 2):
        meddler.at, meddler.changes = change, []
        arguments = (account.environment, "--region", account.region, "--yes", "--remove")
        process = account.start(*arguments, AWS_ENDPOINT_URL=meddler.url)
        meddler.victim = lambda process=process: process.pid
        process.communicate(timeout=280)
        assert process.returncode == KILLED, meddler.changes
    assert account.bootstrap("--remove", "--empty-bucket").returncode == 0
    assert not account.has_bucket()
    assert account.keys() == ["PendingDeletion"]
    assert not account.config_file.exists()
