"""The way back: refused while something needs what goes, and complete."""

from tests.bootstrap.conftest import Account


def test_refused_while_the_environment_is_deployed(account: Account) -> None:
    account.made()
    account.put_stack(account.environment, resources=2)
    done = account.bootstrap("--remove", "--empty-bucket")
    assert done.returncode == 2
    assert "is still deployed: 2 resource(s)" in done.stderr
    assert f"./aerodrome down --env {account.environment}" in done.stderr
    assert account.has_bucket()
    assert account.keys() == ["Enabled"]
    assert account.config_file.exists()


def test_refused_while_a_branch_has_its_secrets_encrypted_with_the_key(account: Account) -> None:
    account.made()
    branch = f"{account.environment}-fix-abc123"
    account.put_stack(branch, resources=0, environment=account.environment)
    done = account.bootstrap("--remove")
    assert done.returncode == 2
    assert f'The stack "{branch}" has its secrets encrypted' in done.stderr
    assert account.keys() == ["Enabled"]


def test_a_state_that_cannot_be_read_is_not_taken_for_empty(account: Account) -> None:
    account.made()
    key = f".pulumi/stacks/aerodrome/{account.environment}.json"
    account.root("s3").put_object(Bucket=account.bucket, Key=key, Body=b"garbage")
    done = account.bootstrap("--remove")
    assert done.returncode == 1
    assert "cannot be read" in done.stderr
    assert account.keys() == ["Enabled"]


def test_nothing_is_left_but_the_history_unless_that_is_to_go_too(account: Account) -> None:
    account.made()
    done = account.bootstrap("--remove")
    assert done.returncode == 0, done.stderr
    assert "is kept: it holds the history of the stacks" in done.stdout
    assert account.keys() == ["PendingDeletion"]
    assert account.root("kms").list_aliases()["Aliases"] == []
    assert not account.config_file.exists()
    assert account.has_bucket()
    done = account.bootstrap("--remove", "--empty-bucket")
    assert done.returncode == 0, done.stderr
    assert not account.has_bucket()
    again = account.bootstrap("--remove", "--empty-bucket")
    assert again.returncode == 0, again.stderr


def test_the_bucket_stays_while_another_environment_is_in_it(account: Account) -> None:
    account.made()
    account.put_stack("prod", resources=5)
    done = account.bootstrap("--remove", "--empty-bucket")
    assert done.returncode == 0, done.stderr
    assert "is kept: it holds the stacks of prod" in done.stdout
    assert account.has_bucket()
    assert account.keys() == ["PendingDeletion"]
