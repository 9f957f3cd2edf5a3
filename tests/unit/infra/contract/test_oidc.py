"""Settings of the login by an OpenID provider: bad ones are named, and a secret is not shown."""

import pytest

from tests.unit.infra.contract.test_dag_sources import problems

WHOLE = {
    "oidcIssuer": "https://login.example.org:8443/realms/team",
    "oidcClientId": "airflow",
    "oidcClientSecret": "a-secret-of-a-client",
}


def test_the_whole_of_it_is_taken_and_so_is_what_counts_for_nothing() -> None:
    assert problems("oidcClientSecret", **WHOLE) == []
    assert problems("oidcClientSecret", **{**WHOLE, "oidcIssuer": ""}) == []


@pytest.mark.parametrize("lacking", ["oidcClientId", "oidcClientSecret"])
def test_an_issuer_needs_a_client(lacking: str) -> None:
    rest = {key: value for key, value in WHOLE.items() if key != lacking}
    (text,) = problems("oidcClientSecret", **rest)
    assert text.startswith(
        f"aerodrome:{lacking} is not set, and oidcIssuer needs it: pulumi config set "
    )


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("oidcIssuer", "http://login.example.org"),
        ("oidcIssuer", "https://user:pass@login.example.org"),
        ("oidcIssuer", "https://login.example.org/?realm=team"),
        ("oidcClientId", "two words"),
        ("oidcScopes", "email groups"),
        ("oidcScopes", "openid  email"),
        ("oidcGroupsClaim", ""),
        ("oidcUserClaim", "a b"),
    ],
)
def test_bad_values_are_named(key: str, value: str) -> None:
    (text,) = problems("oidcClientSecret", **{**WHOLE, key: value})
    # What may have a password in it is not repeated.
    shown = "" if ":pass@" in value else f" is {value!r}:"
    assert text.startswith(f"aerodrome:{key}{shown} must be ")
    assert ":pass@" not in text


def test_the_clients_secret_must_be_one_and_is_not_shown() -> None:
    (text,) = problems(**WHOLE)
    assert text == (
        "aerodrome:oidcClientSecret must be a secret: pulumi config set --secret aerodrome:oidcClientSecret VALUE"
    )
    (text,) = problems("oidcClientSecret", **{**WHOLE, "oidcClientSecret": "short!!"})
    assert "short!!" not in text
