"""What may be said of whom alerts are sent to; nothing that is secret is ever repeated."""

import pytest

from infra.contract import contacts
from infra.contract.configuration import SettingsError, load
from infra.contract.settings import SECRETS as MAKERS
from infra.contract.settings import SETTINGS
from tests.unit.infra.contract.test_settings import SECRETS, full

MONITORED = {"monitoring": "metrics"}
GIVEN = ("alertSlackUrl", "alertWebhookUrl", "alertWebhookToken", "smtpPassword")
EMAIL = {
    "alertEmails": '["ops@example.org"]',
    "smtpHost": "smtp.example.org",
    "smtpFrom": "grafana@example.org",
}


def problems(**keys: str) -> list[str]:
    given = full(environment="dev", **SECRETS, **keys)
    try:
        load(given, [*full(**SECRETS), *(f"aerodrome:{key}" for key in GIVEN)])
    except SettingsError as error:
        return error.problems
    return []


@pytest.mark.parametrize(
    "keys",
    [
        EMAIL,
        {**EMAIL, "smtpUser": "grafana", "smtpPassword": "p@ss w0rd", "smtpPort": "465"},
        {"alertSlackUrl": "https://hooks.slack.com/services/T/B/x"},
        {"alertWebhookUrl": "http://pager.tools.svc:8080/v1?team=data"},
        {"alertWebhookUrl": "https://pager.example/v1", "alertWebhookToken": "a.b-c"},
    ],
)
def test_each_way_may_be_taken_alone(keys: dict[str, str]) -> None:
    assert problems(**MONITORED, **keys) == []


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("alertEmails", '["ops"]', "must be a list of e-mail addresses, not 'ops'"),
        ("alertEmails", '["a@b.example;c@d.example"]', "must be a list of e-mail addresses"),
        ("alertEmails", "ops@example.org", "must be a JSON list of strings"),
        ("smtpHost", "smtp.example.org:587", "must be a host's name such as"),
        ("smtpPort", "0", "must be between 1 and 65535"),
        ("smtpFrom", "grafana", "must be an e-mail address"),
        ("smtpUser", "$USER", "must be a name without blanks"),
        ("smtpPassword", "two\nlines-of-it", "must be one line"),
        ("alertSlackUrl", "hooks.slack.com/services/S3CRET", "must be an address: https://"),
        ("alertSlackUrl", "http://hooks.slack.com/services/S3CRET", "must be an address: https://"),
        ("alertWebhookUrl", "ftp://pager.example/S3CRET", "must be an address: https://"),
        ("alertWebhookUrl", "https:///S3CRET", "must be an address: https://"),
        ("alertWebhookUrl", "https://pager.example:99999/S3CRET", "must be an address: https://"),
        ("alertWebhookUrl", "https://pager.example/S3 CRET", "must be an address: https://"),
        ("alertWebhookToken", "S3 CRET", "must be one line without spaces"),
    ],
)
def test_what_is_wrong_is_named_with_its_setting(key: str, value: str, words: str) -> None:
    (text,) = problems(**{key: value})
    assert text.startswith(f"aerodrome:{key}")
    assert words in text
    assert "S3" not in text
    assert "lines-of-it" not in text


@pytest.mark.parametrize(
    ("keys", "missing"),
    [
        ({"alertEmails": EMAIL["alertEmails"]}, {"smtpHost", "smtpFrom"}),
        ({**EMAIL, "smtpHost": ""}, {"smtpHost"}),
        ({**EMAIL, "smtpUser": "grafana"}, {"smtpPassword"}),
        ({**EMAIL, "smtpPassword": "a password"}, {"smtpUser"}),
        ({"alertWebhookToken": "a-token"}, {"alertWebhookUrl"}),
    ],
)
def test_what_a_way_needs_is_named(keys: dict[str, str], missing: set[str]) -> None:
    found = problems(**MONITORED, **keys)
    assert {text.split(" ")[0] for text in found} == {f"aerodrome:{key}" for key in missing}
    assert all("is not set, and" in text and "pulumi config set" in text for text in found)
    # Where nothing sends them they are kept.
    for other in ({}, {"monitoring": "logs"}, {**MONITORED, "grafana": "false"}):
        assert problems(**other, **keys) == []


def test_grafana_would_take_a_dollar_for_a_variable() -> None:
    for key, value in (
        ("smtpPassword", "pa$$word"),
        ("alertSlackUrl", "https://hooks.example/$x"),
        ("alertWebhookUrl", "https://hooks.example/$x"),
        ("alertWebhookToken", "$x"),
    ):
        more = {**EMAIL, "smtpUser": "u"} if key == "smtpPassword" else {}
        if key == "alertWebhookToken":
            more = {"alertWebhookUrl": "https://pager.example"}
        (text,) = problems(**MONITORED, **more, **{key: value})
        assert text.startswith(f"aerodrome:{key} has a $ in it")
        assert value not in text


def test_nobody_makes_them_up_and_they_are_secret() -> None:
    assert not set(GIVEN) & set(MAKERS)
    assert all(SETTINGS[key].secret for key in GIVEN)


@pytest.mark.parametrize(
    ("url", "port"),
    [("https://a.example/x", 443), ("http://a.example", 80), ("https://a.example:8443", 8443)],
)
def test_by_which_port_an_address_is_called(url: str, port: int) -> None:
    assert contacts.port(url) == port
