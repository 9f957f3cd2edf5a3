"""Secrets are made once, and never anew while something depends on them."""

import base64
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from cli.base import passphrase
from cli.base.environments import Environment
from cli.base.errors import UserError
from cli.base.values import Secret
from cli.stack import stack_config
from infra.contract.settings import SECRETS
from tests.unit.cli.fakes import FakeBackend

ENVIRONMENT = Environment("sandbox")


def test_the_passphrase_file_is_the_owners_alone() -> None:
    passphrase.provide(ENVIRONMENT, make=True)
    file = passphrase.shared_file()
    assert passphrase.file(ENVIRONMENT) == file
    assert file.stat().st_mode & 0o777 == 0o600
    assert len(file.read_text().strip()) > 32


def test_the_passphrase_stays() -> None:
    passphrase.provide(ENVIRONMENT, make=True)
    before = passphrase.shared_file().read_text()
    passphrase.provide(ENVIRONMENT, make=True)
    assert passphrase.shared_file().read_text() == before
    assert len(list(passphrase.shared_file().parent.iterdir())) == 1


@pytest.mark.parametrize("name", [passphrase.PASSPHRASE, passphrase.PASSPHRASE_FILE])
def test_pulumis_own_variables_win(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "given").touch()
    monkeypatch.setenv(name, str(tmp_path / "given"))
    passphrase.provide(ENVIRONMENT, make=True)
    assert passphrase.file(ENVIRONMENT) is None
    assert not passphrase.shared_file().exists()


def test_a_passphrase_file_of_the_users_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(passphrase.PASSPHRASE_FILE, "/nowhere/passphrase")
    with pytest.raises(UserError, match="/nowhere/passphrase cannot be read"):
        passphrase.provide(ENVIRONMENT)


def test_a_lost_passphrase_is_not_replaced() -> None:
    ENVIRONMENT.config_file.parent.mkdir(parents=True)
    ENVIRONMENT.config_file.write_text("encryptionsalt: v1:abc\n")
    with pytest.raises(UserError, match="is missing"):
        passphrase.provide(ENVIRONMENT, make=True)
    assert not passphrase.shared_file().exists()


def test_generated_secrets_are_what_airflow_takes() -> None:
    backend = FakeBackend()
    added = stack_config.complete(ENVIRONMENT, backend)
    assert {key for key in added if isinstance(backend.values[key], Secret)} == {
        f"aerodrome:{name}" for name in SECRETS
    }
    key = backend.values["aerodrome:fernetKey"].value
    assert len(base64.urlsafe_b64decode(key)) == 32
    assert Fernet(key).decrypt(Fernet(key).encrypt(b"x")) == b"x"
    assert len(
        {secret.value for secret in backend.values.values() if isinstance(secret, Secret)}
    ) == len(SECRETS)


def test_what_is_set_is_left_alone() -> None:
    backend = FakeBackend(values={"aerodrome:uiServiceType": "ClusterIP"})
    stack_config.complete(ENVIRONMENT, backend)
    assert backend.values["aerodrome:uiServiceType"] == "ClusterIP"
    assert stack_config.complete(ENVIRONMENT, backend) == []


def test_a_lost_secret_of_a_deployed_environment_is_not_replaced() -> None:
    backend = FakeBackend(there=3)
    with pytest.raises(UserError, match="lacks the secret fernetKey"):
        stack_config.complete(ENVIRONMENT, backend)
    assert backend.values == {}
