"""How often the dag-processor parses a file again."""

import pytest

from tests.unit.images.loading import script

run_dag_processor = script("run_dag_processor")


@pytest.mark.parametrize(
    ("setting", "durations", "seconds"),
    [
        (60, [], 60),
        (60, [0.1] * 100, 60),
        (60, [0.1] * 500, 200),
        # A longer setting counts; otherwise every file is parsed once in ten minutes at least.
        (900, [0.1] * 500, 900),
        (60, [0.1] * 5000, 600),
        (900, [0.1] * 5000, 900),
    ],
)
def test_many_files_are_parsed_less_often(
    setting: float, durations: list[float], seconds: float
) -> None:
    assert run_dag_processor.interval(setting, durations) == pytest.approx(seconds)
