"""Where DAG files come from: what the settings accept, and what they need of one another."""

import pytest

from infra.contract.configuration import SettingsError, load
from infra.contract.settings import SECRETS as MAKERS
from tests.unit.infra.contract.test_settings import MINIMAL, SECRETS, full

KEY = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaA==\n-----END OPENSSH PRIVATE KEY-----\n"
HOSTS = "git.example ssh-ed25519 AAAAC3NzaC1lZDI1NTE5\n[git.example]:2222 ssh-rsa AAAA=="
SSH = {"gitRepository": "git@git.example:team/dags.git", "gitKnownHosts": HOSTS}


def problems(*more_secrets: str, **keys: str) -> list[str]:
    secret = [f"aerodrome:{key}" for key in (*SECRETS, *more_secrets)]
    try:
        load(full(**MINIMAL, **keys), secret)
    except SettingsError as error:
        return error.problems
    return []


@pytest.mark.parametrize("source", ["image", "s3"])
def test_a_source_without_a_repository_needs_nothing(source: str) -> None:
    assert problems(dags=source) == []


@pytest.mark.parametrize(
    "keys",
    [
        {"gitRepository": "https://git.example/team/dags"},
        {"gitRepository": "https://git.example:8443/team/dags.git", "gitToken": "glpat-x"},
        {**SSH, "gitKey": KEY},
        {**SSH, "gitRepository": "ssh://git@git.example:2222/team/dags.git", "gitKey": KEY},
    ],
)
def test_a_repository_with_what_its_protocol_needs_is_accepted(keys: dict[str, str]) -> None:
    assert problems("gitToken", "gitKey", dags="git", **keys) == []


def test_a_repository_is_needed_and_named() -> None:
    (text,) = problems(dags="git")
    assert text.startswith("aerodrome:gitRepository is not set, and dags git needs it")


def test_over_ssh_key_and_host_are_needed() -> None:
    found = problems(dags="git", gitRepository=SSH["gitRepository"])
    assert [one.split()[0] for one in found] == ["aerodrome:gitKey", "aerodrome:gitKnownHosts"]


def test_the_login_of_the_other_protocol_is_refused() -> None:
    (text,) = problems("gitKey", dags="git", gitRepository="https://git.example/x", gitKey=KEY)
    assert "does not use it: pulumi config rm aerodrome:gitKey" in text


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("dags", "svn"),
        ("gitRepository", "https://user:s3cret@git.example/dags"),
        ("gitRepository", "http://git.example/dags"),
        ("gitRepository", "file:///etc"),
        ("gitRepository", "--upload-pack=x"),
        ("gitRef", "-x"),
        ("gitFolder", "../up"),
        ("gitFolder", "/top"),
        ("gitKnownHosts", "not a key"),
        ("gitUser", "a b"),
    ],
)
def test_bad_values_are_named(key: str, value: str) -> None:
    (text,) = problems(**{key: value})
    # What may have a password in it is not repeated.
    shown = "" if "s3cret" in value else " is"
    assert text.startswith(f"aerodrome:{key}{shown} ")
    assert "s3cret" not in text


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("gitToken", "two s3crets"),
        ("gitKey", "no s3cret key"),
        ("gitKey", KEY.replace("OPENSSH", "ENCRYPTED")),
    ],
)
def test_a_bad_secret_is_named_and_not_shown(key: str, value: str) -> None:
    (text,) = problems("gitToken", "gitKey", **{key: value})
    assert text.startswith(f"aerodrome:{key} must be")
    assert value not in text


def test_a_login_must_be_a_secret_and_is_never_made_up() -> None:
    (text,) = problems(gitToken="glpat-x")
    assert text == (
        "aerodrome:gitToken must be a secret: pulumi config set --secret aerodrome:gitToken VALUE"
    )
    assert not {"gitToken", "gitKey"} & set(MAKERS)
