"""Secrets Manager: a secret without a value has none, and a policy names one by its ARN."""

import pytest
from botocore.exceptions import ClientError


def test_a_secret_that_is_made_without_a_value_has_none(emulator):
    secrets = emulator.client("secretsmanager")
    made = secrets.create_secret(Name="empty")
    assert "VersionId" not in made
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        secrets.get_secret_value(SecretId="empty")
    assert secrets.list_secret_version_ids(SecretId="empty")["Versions"] == []
    secrets.put_secret_value(SecretId="empty", SecretString="x")
    assert secrets.get_secret_value(SecretId=made["ARN"])["SecretString"] == "x"


def test_one_that_is_made_with_a_value_has_it(emulator):
    secrets = emulator.client("secretsmanager")
    assert secrets.create_secret(Name="full", SecretString="x")["VersionId"]
    assert secrets.get_secret_value(SecretId="full")["SecretString"] == "x"
