"""docs/settings.md says what the program says, docs/values.md what the chart says, and the pipeline's policy what the catalogue lists."""

from cli import policy_reference, values_reference
from cli.base.paths import ROOT
from cli.settings_reference import document


def test_the_page_is_up_to_date() -> None:
    written = (ROOT / "docs" / "settings.md").read_text()
    assert written == document(), "run `make docs`"


def test_the_page_of_values_is_up_to_date() -> None:
    written = values_reference.FILE.read_text(encoding="utf-8")
    assert written == values_reference.document(), "run `make docs`"


def test_the_pipeline_may_list_what_the_catalogue_lists() -> None:
    written = policy_reference.FILE.read_text(encoding="utf-8")
    assert written == policy_reference.document(), "run `make docs`"
