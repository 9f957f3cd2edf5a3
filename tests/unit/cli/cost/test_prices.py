"""The table: dated, with sources, and without a silent zero."""

import json
import re

import pytest

from cli.cost import prices
from cli.cost.prices import FILE, HOURS
from sandbox.errors import UserError

DOCUMENT = json.loads(FILE.read_text())


def test_it_says_when_it_was_made_of_what_and_from_where() -> None:
    assert re.fullmatch(r"20\d\d-\d\d", DOCUMENT["date"])
    assert DOCUMENT["currency"] == "USD"
    assert all(source.startswith("aws.amazon.com/") for source in DOCUMENT["sources"].values())
    assert {"us-east-1", "eu-west-1", "eu-central-1"} <= set(prices.regions())


@pytest.mark.parametrize("region", prices.regions())
def test_every_price_has_a_unit_and_is_positive(region: str) -> None:
    for key, price in DOCUMENT["regions"][region].items():
        assert key in DOCUMENT["units"]
        numbers = price.values() if isinstance(price, dict) else [price]
        assert all(number > 0 for number in numbers)


def test_a_region_without_prices_is_refused_by_name() -> None:
    with pytest.raises(UserError, match="no prices for the region ap-south-2"):
        prices.of("ap-south-2")


def test_sizes_of_a_family_are_in_proportion() -> None:
    table = prices.of("us-east-1")
    assert table.instance("m7i.large") == pytest.approx(0.1008)
    assert table.instance("m7i.2xlarge") == pytest.approx(0.4032)
    assert table.instance("t3.small") == pytest.approx(0.0208)


def test_what_is_not_in_the_table_is_none_and_not_zero() -> None:
    table = prices.of("us-east-1")
    assert table.instance("u-6tb1.metal") is None
    assert table.instance("m7i.metal-24xl") is None
    assert table.database("db.x2g.large") is None
    assert table.hour("moonbeam") is None


def test_what_is_billed_by_the_month_is_spread_over_its_hours() -> None:
    found = prices.of("us-east-1").month("kms-key")
    assert found is not None
    assert found * HOURS == pytest.approx(1.0)
