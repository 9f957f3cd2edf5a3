"""Until when an environment is kept."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.base import lifetime
from cli.base.errors import UserError

DAY = date(2027, 2, 27)
DAYS = st.dates(date(2000, 1, 1), date(2100, 1, 1))


def test_a_lifetime_counts_from_its_day() -> None:
    assert lifetime.after("3", DAY) == "2027-03-02"
    assert lifetime.after("never", DAY) == "never"


@pytest.mark.parametrize(
    ("expires", "kept"),
    [
        ("", "2027-03-02"),
        ("2027-02-01", "2027-03-02"),
        ("2027-03-02", "2027-03-02"),
        ("2027-05-01", "2027-05-01"),
        ("2027-05-01T10:00Z", "2027-05-01T10:00Z"),
        ("never", "never"),
    ],
)
def test_use_keeps_it_for_three_days_and_never_brings_the_day_nearer(
    expires: str, kept: str
) -> None:
    assert lifetime.kept(expires, DAY) == kept


@given(DAYS, DAYS)
def test_after_a_use_it_is_there_for_three_days(expires: date, day: date) -> None:
    kept = lifetime.kept(expires.isoformat(), day)
    assert not lifetime.has_passed(kept, day + timedelta(days=lifetime.DAYS))
    assert kept >= expires.isoformat()


@pytest.mark.parametrize(
    ("expires", "passed"),
    [
        ("2027-02-26", True),
        ("2027-02-26T23:59Z", True),
        ("2027-02-27", False),
        ("2027-02-27T00:00Z", False),
        ("never", False),
        ("", False),
    ],
)
def test_the_last_day_is_whole(expires: str, passed: bool) -> None:
    assert lifetime.has_passed(expires, DAY) is passed


def test_a_date_can_be_named() -> None:
    assert lifetime.until("2027-02-27", DAY) == "2027-02-27"
    assert lifetime.until("never", DAY) == "never"
    for wrong in ("2027-02-26", "2027-02-30", "tomorrow", ""):
        with pytest.raises(UserError):
            lifetime.until(wrong, DAY)
