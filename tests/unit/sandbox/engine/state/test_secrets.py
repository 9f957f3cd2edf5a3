"""Pulumi's passphrase encryption."""

import base64
from concurrent.futures import ThreadPoolExecutor

import pytest

from sandbox.engine.state import secrets
from sandbox.engine.state.secrets import Secrets
from sandbox.errors import UserError


def test_what_is_encrypted_can_be_decrypted_with_the_salt_line() -> None:
    first = Secrets("x")
    ciphertext = first.encrypt("hush")
    assert "hush" not in ciphertext
    version, nonce, text = ciphertext.split(":")
    assert version == "v1"
    assert len(base64.b64decode(nonce)) == 12
    assert len(base64.b64decode(text)) == len("hush") + 16
    assert Secrets("x", first.salt).decrypt(ciphertext) == "hush"


def test_the_same_text_is_never_the_same_ciphertext() -> None:
    secrets = Secrets("x")
    assert secrets.encrypt("hush") != secrets.encrypt("hush")


def test_a_wrong_passphrase_is_noticed_by_the_salt_line_alone() -> None:
    salt_owner = Secrets("x")
    salt_owner.unlock()
    with pytest.raises(UserError, match="Wrong passphrase"):
        Secrets("y", salt_owner.salt).check()


def test_no_passphrase() -> None:
    with pytest.raises(UserError, match="PULUMI_CONFIG_PASSPHRASE"):
        Secrets(None).check()


@pytest.mark.parametrize("salt", ["nonsense", "v2:a:b", "v1:"])
def test_a_damaged_salt_line(salt: str) -> None:
    with pytest.raises(UserError, match="salt is damaged"):
        Secrets("x", salt).unlock()


def test_a_ciphertext_of_another_key() -> None:
    with pytest.raises(UserError, match="cannot be decrypted"):
        Secrets("x").decrypt("v1:AAAAAAAAAAAAAAAA:AAAAAAAAAAAAAAAAAAAAAAAAAAAA")


def test_those_who_need_the_same_key_at_once_get_it() -> None:
    owner = Secrets("two at once")
    ciphertext = owner.encrypt("hush")
    salt = owner.salt
    secrets._keys.clear()
    with ThreadPoolExecutor() as pool:
        texts = pool.map(lambda _: Secrets("two at once", salt).decrypt(ciphertext), range(4))
    assert list(texts) == ["hush"] * 4
    assert len(secrets._keys) == 1
