"""What bootstrap makes, with nothing but the documented policy; and that it makes it once."""

import json
from typing import Any

import pytest
import yaml
from botocore.exceptions import ClientError

from tests.bootstrap.conftest import ACCOUNT, SECRETS, Account


def test_the_account_is_ready_for_pulumi_up(account: Account) -> None:
    done = account.bootstrap("--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["caller"]["account"] == ACCOUNT
    assert told["caller"]["arn"] in done.stderr
    s3, bucket = account.root("s3"), account.bucket
    assert told["backend"] == f"s3://{bucket}?region={account.region}"
    assert s3.get_bucket_location(Bucket=bucket)["LocationConstraint"] == account.region
    assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
    (rule,) = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]
    assert rule["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == "AES256"
    blocked = s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]
    assert len(blocked) == 4 and all(blocked.values())
    (lifecycle,) = s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
    assert lifecycle["NoncurrentVersionExpiration"]["NoncurrentDays"] == 90
    (statement,) = json.loads(s3.get_bucket_policy(Bucket=bucket)["Policy"])["Statement"]
    assert statement["Effect"] == "Deny"
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    kms = account.root("kms")
    key = kms.describe_key(KeyId=account.alias)["KeyMetadata"]["KeyId"]
    assert kms.get_key_rotation_status(KeyId=key)["KeyRotationEnabled"] is True
    assert account.keys() == ["Enabled"]


def test_the_stack_is_configured_and_its_secrets_are_secret(account: Account) -> None:
    account.made()
    document = yaml.safe_load(account.config_file.read_text())
    provider = f"awskms://{account.alias}?region={account.region}"
    assert document["secretsprovider"] == provider
    config = document["config"]
    assert config["aerodrome:environment"] == account.environment
    assert config["aws:region"] == account.region
    assert json.loads(config["aws:allowedAccountIds"]) == [ACCOUNT]
    assert all("secure" in config[f"aerodrome:{name}"] for name in SECRETS)
    calls = account.calls
    assert ["login", f"s3://{account.bucket}?region={account.region}", "--non-interactive"] in calls
    # The values came through standard input: a command line can be read by everybody.
    assert [
        [
            *("config", "set", "--secret", f"aerodrome:{name}"),
            *("--stack", account.environment, "--non-interactive"),
        ]
        for name in SECRETS
    ] == [call for call in calls if "--secret" in call]


def test_nobody_gets_in_without_tls(account: Account) -> None:
    account.made()
    s3 = account.own("s3")
    assert s3.list_objects_v2(Bucket=account.bucket)["KeyCount"] == 1
    s3.meta.events.register("before-sign.s3", _by_plain_http)
    with pytest.raises(ClientError, match="AccessDenied"):
        s3.list_objects_v2(Bucket=account.bucket)


def _by_plain_http(request: Any, **_: Any) -> None:
    """How the sandbox is told that a request did not come by TLS."""
    request.headers["X-Forwarded-Proto"] = "http"


def test_a_second_run_changes_nothing(account: Account) -> None:
    assert all(account.made().values())
    before = account.config_file.read_text()
    assert not any(account.made().values())
    assert account.config_file.read_text() == before


def test_what_somebody_changed_is_put_right(account: Account) -> None:
    account.made()
    s3 = account.root("s3")
    s3.put_bucket_versioning(Bucket=account.bucket, VersioningConfiguration={"Status": "Suspended"})
    s3.delete_bucket_policy(Bucket=account.bucket)
    made = account.made()
    assert made == {
        "bucket": ["policy", "versioning"],
        "key": [],
        "stack": [],
        "configuration": [],
    }


def test_settings_can_be_given_and_changed(account: Account) -> None:
    assert account.bootstrap("--set", "nodeMax=3", "--set", "spot=true").returncode == 0
    config = yaml.safe_load(account.config_file.read_text())["config"]
    assert (config["aerodrome:nodeMax"], config["aerodrome:spot"]) == ("3", "true")
    done = account.bootstrap("--set", "nodeMax=2", "--json")
    assert json.loads(done.stdout)["made"]["configuration"] == ["aerodrome:nodeMax"]


def test_a_stack_that_is_deployed_gets_its_configuration_back_in_a_fresh_clone(
    account: Account,
) -> None:
    account.made()
    document = yaml.safe_load(account.config_file.read_text())
    account.put_stack(account.environment, resources=3)
    key = f".pulumi/stacks/aerodrome/{account.environment}.json"
    s3 = account.root("s3")
    state = json.loads(s3.get_object(Bucket=account.bucket, Key=key)["Body"].read())
    state["checkpoint"]["latest"]["fake_config"] = document
    s3.put_object(Bucket=account.bucket, Key=key, Body=json.dumps(state))
    account.config_file.unlink()
    made = account.made()
    assert made["stack"] == ["configuration, from what is deployed"]
    assert made["configuration"] == []
    assert yaml.safe_load(account.config_file.read_text()) == document


def test_two_environments_share_the_bucket_and_no_key(account: Account) -> None:
    account.made()
    other = Account(**{**vars(account), "environment": f"{account.environment}-two"})
    try:
        made = other.made()
        assert made["bucket"] == []
        assert made["key"]
    finally:
        other.bootstrap("--remove")
