"""Secrets are made once, and never anew while something depends on them."""

import base64
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from cli import stack_config
from cli.environments import Environment
from sandbox.errors import UserError
from cli.values import Secret
from tests.unit.cli.fakes import FakeBackend

ENVIRONMENT = Environment("sandbox")


def test_the_passphrase_file_is_the_owners_alone() -> None:
    variables: dict[str, str] = {}
    stack_config.provide_passphrase(ENVIRONMENT, variables, make=True)
    file = Path(variables[stack_config.PASSPHRASE_FILE])
    assert file.stat().st_mode & 0o777 == 0o600
    assert len(file.read_text().strip()) > 32


def test_the_passphrase_stays() -> None:
    stack_config.provide_passphrase(ENVIRONMENT, {}, make=True)
    before = stack_config.passphrase_file().read_text()
    stack_config.provide_passphrase(ENVIRONMENT, {}, make=True)
    assert stack_config.passphrase_file().read_text() == before
    assert len(list(stack_config.passphrase_file().parent.iterdir())) == 1


@pytest.mark.parametrize("name", [stack_config.PASSPHRASE, stack_config.PASSPHRASE_FILE])
def test_pulumis_own_variables_win(name: str) -> None:
    variables = {name: "given"}
    stack_config.provide_passphrase(ENVIRONMENT, variables)
    assert variables == {name: "given"}
    assert not stack_config.passphrase_file().exists()


def test_a_lost_passphrase_is_not_replaced() -> None:
    ENVIRONMENT.config_file.parent.mkdir(parents=True)
    ENVIRONMENT.config_file.write_text("encryptionsalt: v1:abc\n")
    with pytest.raises(UserError, match="is missing"):
        stack_config.provide_passphrase(ENVIRONMENT, {}, make=True)
    assert not stack_config.passphrase_file().exists()


def test_generated_secrets_are_what_airflow_takes() -> None:
    backend = FakeBackend()
    added = stack_config.complete(ENVIRONMENT, backend)
    assert {key for key in added if isinstance(backend.values[key], Secret)} == {
        f"aerodrome:{name}" for name in stack_config.SECRETS
    }
    key = backend.values["aerodrome:fernetKey"].value
    assert len(base64.urlsafe_b64decode(key)) == 32
    assert Fernet(key).decrypt(Fernet(key).encrypt(b"x")) == b"x"
    assert (
        len({secret.value for secret in backend.values.values() if isinstance(secret, Secret)}) == 5
    )


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
