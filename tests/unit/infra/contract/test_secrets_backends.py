"""Folders of secrets: whatever environments are called, none may read another's. And the key's setting."""

import itertools
from fnmatch import fnmatchcase

import pytest

from infra.contract.naming import RANCHER_TOKEN, Names, branch_environment
from infra.contract.secrets_backends import folder, of_branches
from infra.contract.settings import SETTINGS

BASES = ("a", "prod", "prod-2", "prod-x", "branches", "aerodrome", "aerodrome-branches", "test")
PLACES = {
    **{base: folder(base) for base in BASES},
    **{
        f"{name} on {base}": folder(name, base)
        for base in BASES
        # Also what nobody would make: a branch with the name of its base, or of another environment.
        for name in (*BASES, branch_environment(base, "x"))
    },
}


def test_no_folder_matches_what_another_may_read() -> None:
    for one, other in itertools.permutations(PLACES, 2):
        assert not fnmatchcase(f"{PLACES[other]}/variables/x", f"{PLACES[one]}/*"), (one, other)


def test_no_folder_has_the_token_of_ranchers_server_in_it() -> None:
    """Its administrator's rights are not a task's."""
    for base in BASES:
        name = f"{Names(base).of(RANCHER_TOKEN)}-0a1b2c3-AbCdEf"
        assert not [place for place in PLACES.values() if fnmatchcase(name, f"{place}/*")]


def test_branches_of_a_base_are_not_those_of_another() -> None:
    for one, other in itertools.permutations(BASES, 2):
        assert not fnmatchcase(f"{folder('x', other)}/variables/x", f"{of_branches(one)}/*")
        assert not fnmatchcase(f"{folder(other)}/variables/x", f"{of_branches(one)}/*")


@pytest.mark.parametrize(
    "text",
    [
        "alias/mine",
        "0a1b2c3d-0000-4000-8000-000000000000",
        "arn:aws:kms:us-east-1:1:key/x",
        "arn:aws:kms:us-east-1:123456789012:alias/mine",
        "*",
    ],
)
def test_what_is_no_keys_arn_is_refused(text: str) -> None:
    _, problem = SETTINGS["secretsBackendKey"].parse(text)
    assert problem == "must be the ARN of a KMS key, arn:aws:kms:REGION:ACCOUNT:key/ID"


def test_a_service_that_is_none_is_refused_with_the_one_that_was_meant() -> None:
    _, problem = SETTINGS["secretsBackend"].parse("secretmanager")
    assert problem is not None
    assert "none, secretsmanager, parameterstore" in problem
    assert "secretsmanager" in problem.partition("parameterstore")[2]


def test_a_multi_region_key_is_taken() -> None:
    arn = f"arn:aws:kms:eu-west-1:123456789012:key/mrk-{'0' * 32}"
    assert SETTINGS["secretsBackendKey"].parse(arn) == (arn, None)
