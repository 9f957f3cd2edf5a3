"""The measurements by name: the page that explains them, and the rules that the chart's queries rely on."""

from infra.contract import metrics
from tests.charts.rendering import ROOT


def test_every_measurement_is_explained() -> None:
    page = (ROOT / "docs" / "monitoring.md").read_text()
    for one in metrics.ALL:
        tags = ", ".join(f"`{tag}`" for tag in one.tags) or "-"
        assert f"| `{one.name}` | {one.kind} | {tags} | {one.doc} |" in page


def test_names_are_alike() -> None:
    names = [one.name for one in metrics.AIRFLOW]
    assert len(set(names)) == len(names)
    assert all(name.startswith("airflow_") for name in names)
    assert {one.kind for one in metrics.AIRFLOW} == {"counter", "gauge", "timing"}
    assert not {tag for one in metrics.AIRFLOW for tag in one.tags} & set(metrics.DROPPED_TAGS)
