"""Keys and values are checked before anything is written."""

import pytest

from cli.base import settings
from cli.base.errors import UserError


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("nodeMax", "6", 6),
        ("aerodrome:nodeMax", "1", 1),
        ("spot", "true", True),
        ("executor", "LocalExecutor", "LocalExecutor"),
        ("executor", "LocalExecutor,KubernetesExecutor", "LocalExecutor,KubernetesExecutor"),
        ("publicAccessCidrs", '["10.0.0.0/8"]', ("10.0.0.0/8",)),
        ("aws:region", "anything", "anything"),
    ],
)
def test_good_values(key: str, text: str, value: object) -> None:
    assert settings.parse(key, text) == value


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        ("nodeMax", "six", "It must be a whole number."),
        ("nodeMax", "0", "It must be between 1 and 450."),
        ("nodeMax", "451", "It must be between 1 and 450."),
        ("spot", "yes", "It must be true or false."),
        ("executor", "Loc", "It must be one of KubernetesExecutor,"),
        ("logRetentionDays", "2", "It must be one of 1, 3, 5"),
        ("adminUser", "A B", "It must be 1 to 64 of A-Z a-z 0-9 . _ @ -."),
        ("publicAccessCidrs", "10.0.0.0/8", "It must be a JSON list of strings"),
        ("publicAccessCidrs", "[1]", "It must be a JSON list of strings"),
        ("vpcCidr", "8.8.0.0/16", "It must be a private network (RFC 1918)."),
    ],
)
def test_bad_values_are_named_with_the_reason(key: str, value: str, reason: str) -> None:
    with pytest.raises(UserError) as caught:
        settings.parse(key, value)
    assert caught.value.summary == f'Configuration key "{key}" does not take "{value}"'
    assert reason in caught.value.detail


def test_a_bad_secret_is_not_shown() -> None:
    with pytest.raises(UserError) as caught:
        settings.parse("adminPassword", "hunter2")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("key", ["nodemax", "nodeMaxx", "nodeMx"])
def test_a_misspelt_key_gets_the_nearest(key: str) -> None:
    with pytest.raises(UserError, match=r'Did you mean .*"nodeMax"'):
        settings.setting_of(key)


def test_a_strange_key_gets_none() -> None:
    with pytest.raises(UserError, match="No key has a name like that"):
        settings.setting_of("zzz")


def test_a_former_key_that_somebody_types_gets_its_new_name() -> None:
    with pytest.raises(UserError, match='"rung" is called "tenancy" now'):
        settings.setting_of("rung")
