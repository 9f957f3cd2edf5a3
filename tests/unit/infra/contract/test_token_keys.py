"""Whose tokens Airflow accepts while the key that signs them is replaced."""

import base64
import json

import pytest

from infra.contract import token_keys
from infra.contract.configuration import SettingsError, load
from tests.unit.infra.contract.test_settings import MINIMAL, SECRETS, full

OLD, NEW = "old-0123456789abcdef0123456789abcdef", "new-0123456789abcdef0123456789abcdef"


def problems(accepted: str) -> list[str]:
    secret = [f"aerodrome:{key}" for key in (*SECRETS, "acceptedJwtSecrets")]
    try:
        load(full(**MINIMAL, acceptedJwtSecrets=accepted), secret)
    except SettingsError as error:
        return error.problems
    return []


def test_the_one_that_signs_must_be_among_them() -> None:
    own = SECRETS["jwtSecret"]
    assert problems(token_keys.joined([own, NEW])) == []
    (text,) = problems(token_keys.joined([OLD, NEW]))
    assert "does not have the value of aerodrome:jwtSecret" in text
    assert NEW not in text


@pytest.mark.parametrize("text", [f"{NEW}\nshort", "\n"])
def test_each_is_as_long_as_a_key(text: str) -> None:
    assert "at least 32 characters, one a line" in problems(text)[0]


def test_a_set_names_each_key_and_the_first_one_twice() -> None:
    keys = json.loads(token_keys.key_set([OLD, NEW]))["keys"]
    names = [one["kid"] for one in keys]
    assert names == [token_keys.UNNAMED, token_keys.key_id(OLD), token_keys.key_id(NEW)]
    found = [base64.urlsafe_b64decode(one["k"] + "==").decode() for one in keys]
    assert found == [OLD, OLD, NEW]
    assert token_keys.secrets_of(token_keys.key_set([OLD, NEW])) == (OLD, NEW)


def test_a_name_tells_keys_apart_and_nothing_else() -> None:
    assert token_keys.key_id(OLD) != token_keys.key_id(NEW)
    assert token_keys.key_id(OLD) not in OLD
