"""Where a Rancher is, and who asks it: bad input is named before anything is asked."""

from pathlib import Path

import pytest

from cli.base.errors import UserError
from cli.operations.rancher.access import access, checked_url

TOKEN = "token-abcde:notasecret0123456789"


@pytest.mark.parametrize(
    "url",
    [
        "https://rancher.example.com",
        "https://rancher.example.com/",
        "https://rancher.example.com:8443/rancher",
        "http://127.0.0.1:8080",
    ],
)
def test_an_address_of_a_rancher_is_taken(url: str) -> None:
    assert checked_url(url) == url.rstrip("/")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "rancher.example.com",
        "https://",
        "https://rancher.example.com:port",
        "https://rancher.example.com/?a=b",
        "https://rancher.example.com/#a",
        "https://ran cher.example.com",
        "ftp://rancher.example.com",
        "http://rancher.example.com",
        "https://[::1",
    ],
)
def test_what_is_no_address_is_named(url: str) -> None:
    with pytest.raises(UserError, match="is no address of a Rancher"):
        checked_url(url)


def test_a_password_in_the_address_is_refused_and_not_repeated() -> None:
    with pytest.raises(UserError) as caught:
        checked_url("https://admin:sesame@rancher.example.com")
    assert "sesame" not in str(caught.value)


def test_the_token_comes_from_a_file_before_the_variable(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(f"{TOKEN}\n")
    variables = {"RANCHER_TOKEN": "token-other:0123456789"}
    assert access("https://a.example.com", file, variables).token == TOKEN
    assert access("https://a.example.com", None, variables).token == "token-other:0123456789"


@pytest.mark.parametrize(
    "text", [b"", b"token-without-its-secret", b"two lines:a\nb:c", b"\xff\xfe"]
)
def test_a_token_that_is_none_is_told_and_not_shown(text: bytes, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_bytes(text)
    with pytest.raises(UserError) as caught:
        access("https://a.example.com", file, {})
    assert str(file) in caught.value.summary
    assert "without-its-secret" not in str(caught.value)


def test_without_a_token_nothing_is_asked(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="RANCHER_TOKEN is not set"):
        access("https://a.example.com", None, {})
    with pytest.raises(UserError, match="cannot be read"):
        access("https://a.example.com", tmp_path / "none", {})


def test_the_token_is_not_in_what_is_printed_of_it() -> None:
    assert TOKEN not in repr(access("https://a.example.com", None, {"RANCHER_TOKEN": TOKEN}))
