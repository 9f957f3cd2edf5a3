"""What may be said of a company's proxy; a password is refused, and never repeated."""

import pytest

from infra.contract import proxies
from tests.unit.infra.contract.test_contacts import problems

WITHOUT_RANCHER = {"rancherEnabled": "false"}


@pytest.mark.parametrize(
    "value",
    [
        "http://proxy.example.com:3128",
        "http://10.1.2.3:3128/",
        "https://proxy.example.com",
        "http://proxy:8080",
    ],
)
def test_an_address(value: str) -> None:
    assert problems(httpsProxy=value, **WITHOUT_RANCHER) == []
    assert problems(httpProxy=value, **WITHOUT_RANCHER) == []


@pytest.mark.parametrize(
    "value",
    [
        "proxy.example.com:3128",
        "socks5://proxy.example.com:1080",
        "http://proxy.example.com:99999",
        "http://proxy.example.com:0",
        "http://proxy.example.com/path",
        "http://proxy.example.com?x=1",
        "http://",
        "http://a b:1",
        "http://[::1",
        "http://proxy.example.com:3128\n",
    ],
)
@pytest.mark.parametrize("key", ["httpProxy", "httpsProxy"])
def test_what_is_none(key: str, value: str) -> None:
    (text,) = problems(**{key: value}, **WITHOUT_RANCHER)
    assert text.startswith(f"aerodrome:{key} is ")
    assert "must be http://HOST:PORT" in text


@pytest.mark.parametrize(
    "value",
    ["http://alice:hunter2@proxy.example.com:3128", "http://:hunter2@proxy.example.com"],
)
def test_a_password_is_refused_and_not_repeated(value: str) -> None:
    (text,) = problems(httpsProxy=value, **WITHOUT_RANCHER)
    assert text.startswith("aerodrome:httpsProxy must have no user and no password")
    assert "hunter2" not in text


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ('["http://example.com"]', "must be a list of hosts, domains and networks"),
        ('["a,b"]', "must be a list of hosts, domains and networks"),
        ('["10.0.0.0/33"]', "must name networks"),
        ('["10.0.0.1/8"]', "must name networks"),
        (".example.com", "must be a JSON list of strings"),
    ],
)
def test_exceptions_that_are_none(value: str, words: str) -> None:
    (text,) = problems(noProxy=value, httpProxy="http://p:1", **WITHOUT_RANCHER)
    assert text.startswith("aerodrome:noProxy")
    assert words in text


def test_exceptions() -> None:
    value = '["example.com", ".example.com", "*.example.com", "10.0.0.0/8", "192.0.2.1", "a:8080", "fd00::/8"]'
    assert problems(noProxy=value, httpProxy="http://p:1", **WITHOUT_RANCHER) == []


def test_exceptions_need_a_proxy() -> None:
    (text,) = problems(noProxy='["example.com"]')
    assert "counts with httpsProxy or httpProxy only" in text


def test_the_clusters_own_rancher_is_refused_beside_it() -> None:
    (text,) = problems(httpsProxy="http://p:1")
    assert text.startswith("aerodrome:httpsProxy is set")
    assert "./aerodrome config set rancherEnabled false" in text
    assert problems(httpsProxy="http://p:1", tenancy="shared", base="main") == []


def test_where_a_proxy_listens() -> None:
    found = proxies.addresses("http://p.example", "https://p.example", "http://10.1.2.3:3128/", "")
    assert [(one.host, one.port, one.block) for one in found] == [
        ("p.example", 80, ""),
        ("p.example", 443, ""),
        ("10.1.2.3", 3128, "10.1.2.3/32"),
    ]


def test_what_is_left_out_in_china() -> None:
    assert "s3.cn-north-1.amazonaws.com.cn" in proxies.exceptions((), (), ("s3",), "cn-north-1")
