"""Keys and values are checked before anything is written."""

from pathlib import Path

import pytest

from cli.base import settings
from cli.base.errors import KitError, UserError
from cli.base.settings import Setting

KNOWN = {
    setting.key: setting
    for setting in (
        Setting("nodeMax", "integer", 4, minimum=1, maximum=450, doc="The most workers."),
        Setting("spot", "boolean", False),
        Setting("executor", "string", choices=("KubernetesExecutor", "LocalExecutor")),
        Setting("adminUser", "string", pattern="[a-z]+", allowed="small letters"),
        Setting("networks", "list"),
        Setting("adminPassword", "string", secret=True, pattern=".{8,}", allowed="longer"),
    )
}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("nodeMax", "6"),
        ("aerodrome:nodeMax", "1"),
        ("spot", "true"),
        ("executor", "LocalExecutor"),
        ("networks", '["10.0.0.0/8"]'),
        ("aws:region", "anything"),
    ],
)
def test_good_values(key: str, value: str) -> None:
    settings.check(key, value, KNOWN)


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        ("nodeMax", "six", "It must be a whole number."),
        ("nodeMax", "0", "It must be between 1 and 450."),
        ("nodeMax", "451", "It must be between 1 and 450."),
        ("spot", "yes", "It must be true or false."),
        ("executor", "Local", "It must be one of KubernetesExecutor, LocalExecutor."),
        ("adminUser", "A B", "It must be small letters."),
        ("networks", "10.0.0.0/8", "It must be a JSON list of texts"),
        ("networks", "[1]", "It must be a JSON list of texts"),
    ],
)
def test_bad_values_are_named_with_the_reason(key: str, value: str, reason: str) -> None:
    with pytest.raises(UserError) as caught:
        settings.check(key, value, KNOWN)
    assert caught.value.summary == f'Configuration key "{key}" does not take "{value}"'
    assert reason in caught.value.detail


def test_a_bad_secret_is_not_shown() -> None:
    with pytest.raises(UserError) as caught:
        settings.check("adminPassword", "hunter2", KNOWN)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("key", ["nodemax", "nodeMaxx", "nodeMx"])
def test_a_misspelt_key_gets_the_nearest(key: str) -> None:
    with pytest.raises(UserError, match=r'Did you mean .*"nodeMax"'):
        settings.declared(key, KNOWN)


def test_a_strange_key_gets_none() -> None:
    with pytest.raises(UserError, match="No key has a name like that"):
        settings.declared("zzz", KNOWN)


def test_the_program_lists_its_settings_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AERODROME_CACHE", str(tmp_path))
    first = settings.settings()
    assert first["executor"].choices[0] == "KubernetesExecutor"
    assert first["fernetKey"].secret
    (cached,) = (tmp_path / "settings").iterdir()
    cached.write_text('[{"key": "fromTheCache", "type": "string"}]')
    assert list(settings.settings()) == ["fromTheCache"]


def test_a_program_that_cannot_tell_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "infra").mkdir()
    (tmp_path / "infra" / "settings.py").write_text("raise SystemExit('no such luck')")
    with pytest.raises(KitError, match="no such luck"):
        settings.ask_program("list its settings", "infra.settings", "--json", root=tmp_path)
