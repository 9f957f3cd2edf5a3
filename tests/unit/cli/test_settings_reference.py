"""docs/settings.md says what the program says."""

from cli.base.paths import ROOT
from cli.settings_reference import document


def test_the_page_is_up_to_date() -> None:
    written = (ROOT / "docs" / "settings.md").read_text()
    assert written == document(), "run `make docs`"
