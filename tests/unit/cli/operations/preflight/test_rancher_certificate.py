"""What is said of a certificate for the Rancher server before anything is changed."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from botocore.exceptions import ClientError

from cli.base.environments import Environment
from cli.base.errors import CloudError, UserError
from cli.base.settings import qualified
from cli.operations.bootstrap.requested_settings import RequestedSettings
from cli.operations.preflight.rancher_certificate import SOON, GivenCertificate, asked, check
from tests import own_certificates as own
from tests.unit.cli.conftest import Run
from tests.unit.cli.fakes import FakeSession
from tests.unit.infra.contract.test_rancher_certificate import ARN, BELOW, HOST, LEAF, given

REGION, ACCOUNT = ARN.split(":")[3:5]


class Account:
    """AWS, with one secret."""

    def __init__(self, content: Any, account: str = ACCOUNT, code: str = "") -> None:
        self.content, self.account, self.code = content, account, code

    def __call__(self, service: str) -> "Account":
        return self

    def get_caller_identity(self) -> dict[str, str]:
        return {"Account": self.account}

    def get_secret_value(self, SecretId: str) -> dict[str, str]:
        if self.code:
            raise ClientError({"Error": {"Code": self.code}}, "GetSecretValue")
        assert SecretId == ARN
        content = self.content
        return {"SecretString": content if isinstance(content, str) else json.dumps(content)}


def told(aws: Account, *, deployed: bool = False, region: str = REGION) -> list[str]:
    said: list[str] = []
    check(aws, GivenCertificate(Environment("dev"), region, ARN, HOST, deployed), said.append)  # type: ignore[arg-type]
    return said


def refused(aws: Account, **more: Any) -> str:
    with pytest.raises(UserError) as caught:
        told(aws, **more)
    error = caught.value
    assert "Nothing was changed." in error.detail
    assert "PRIVATE KEY" not in f"{error.summary}{error.detail}{error.command}"
    return f"{error.summary}: {error.detail}"


def test_a_good_one_is_nothing_to_talk_about() -> None:
    assert told(Account(given())) == []


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("certificate", "no JSON object"),
        ([1], "no JSON object"),
        ({"certificate": LEAF.pem}, "has no `key`"),
        (given() | {"authority": [1]}, "`authority` is not a text"),
        (given() | {"key": BELOW.key_pem()}, "key is not that of its first certificate"),
        (given() | {"key": LEAF.key_pem("secret")}, "has a passphrase"),
        (given(own.server("other.example.org", BELOW)), f"is not for {HOST}"),
        (given(own.server(HOST, BELOW, days=-1)), "has expired"),
        (given(own.server(HOST, BELOW, from_days=1)), "is not valid yet"),
        (given() | {"certificate": LEAF.pem}, "its chain is incomplete: from its first"),
        (given(authority=None) | {"certificate": LEAF.pem}, "or ends at an authority"),
        (given() | {"certificate": "none"}, "no PEM texts"),
        (given() | {"authority": "none"}, "its authority is no certificate"),
    ],
)
def test_what_will_not_do_is_named(content: Any, words: str) -> None:
    said = refused(Account(content))
    assert words in said
    assert ARN in said
    # The server that runs keeps its good one, and `up` goes on.
    (line,) = told(Account(content), deployed=True)
    assert words in line


def test_one_that_expires_soon_is_told() -> None:
    (line,) = told(Account(given(own.server(HOST, BELOW, days=SOON - 0.5))))
    assert f"expires in {SOON - 1} days" in line
    assert not told(Account(given(own.server(HOST, BELOW, days=SOON + 0.5))))


def test_one_that_is_elsewhere_or_nowhere_is_named() -> None:
    assert f"this one is in {REGION}" in refused(Account(given()), region="eu-north-1")
    assert f"this one is of {ACCOUNT}" in refused(Account(given(), account="210987654321"))
    assert "no such secret" in refused(Account("", code="ResourceNotFoundException"))


def test_who_may_not_read_it_is_no_reason_to_stop() -> None:
    # `checks` reports this one.
    with pytest.raises(CloudError, match="AWS refuses to read"):
        told(Account("", code="AccessDeniedException"))


def test_it_is_asked_only_where_it_counts() -> None:
    def wanted(data: list[str], **values: str) -> GivenCertificate | None:
        settings: Mapping[str, str] = {
            "aerodrome:rancherCertificateSecret": ARN,
            "aerodrome:rancherHostname": HOST,
        } | {f"aerodrome:{key}": value for key, value in values.items()}
        return asked(Environment("dev"), RequestedSettings(settings, {}), REGION, data)

    assert wanted([]) == GivenCertificate(Environment("dev"), REGION, ARN, HOST, deployed=False)
    assert wanted([f'{{"secret": "{ARN}"}}']) == GivenCertificate(
        Environment("dev"), REGION, ARN, HOST, deployed=True
    )
    assert wanted([], rancherEnabled="false") is None
    assert wanted([], rancherCertificateSecret="") is None
    # The program names that it is missing.
    assert wanted([], rancherHostname="") is None


def test_nothing_is_changed_with_one_that_will_not_do(session: FakeSession, run: Run) -> None:
    arn = ARN.replace(REGION, "us-east-1")
    values = {"rancherCertificateSecret": arn, "rancherHostname": HOST}
    session.fake_backend.values |= {qualified(key): value for key, value in values.items()}
    result = run("up")
    assert result.exit_code == 2, result.output
    assert f"this one is of {ACCOUNT}" in " ".join(result.output.split())
    assert "up" not in session.fake_backend.calls
