"""The table: dated, with sources, and without a silent zero."""

import json
import re

import pytest

from cli.base.errors import UserError
from cli.cloud.catalogue.kind import MONTH, Charge
from cli.operations.bootstrap.requested_settings import RequestedSettings
from cli.operations.cost import prices, pricing
from cli.operations.cost.prices import FILE, HOURS, Prices
from cli.operations.cost.report import plan

DOCUMENT = json.loads(FILE.read_text())
REGIONS = prices.regions()

DIFFERENCES = {
    "db": (0.95, 1.6),
    "s3": (0.95, 1.2),
    "lo": (0.95, 1.6),
    "ec": (1, 1),
    "km": (1, 1),
    "ek": (1, 1),
}
"""By the first letters of a key; a database's smallest classes are rounded to a tenth of a cent."""

UNKNOWN = {("ap-northeast-1", "rds")}
"""No source has PostgreSQL's price there."""


def test_it_says_when_it_was_made_and_where_to_look() -> None:
    assert re.fullmatch(r"20\d\d-\d\d", DOCUMENT["date"])
    assert DOCUMENT["currency"] == "USD"
    assert all(page.startswith("aws.amazon.com/") for page in DOCUMENT["pages"].values())
    assert set(prices.regions()) == {
        *("us-east-1", "us-east-2", "us-west-2", "eu-west-1", "eu-central-1", "eu-north-1"),
        *("ap-southeast-1", "ap-northeast-1"),
    }


def test_every_source_says_what_it_is_and_its_date() -> None:
    used = {
        name
        for region in REGIONS
        for names in prices.of(region).sources().values()
        for name in names
    }
    assert used == set(prices.sources())
    for source in prices.sources().values():
        assert len(source["name"]) > 20
        assert re.search(r"20\d\d", source["date"])


@pytest.mark.parametrize("region", REGIONS)
def test_every_group_names_its_sources_and_every_price_is_positive(region: str) -> None:
    for service, group in DOCUMENT["regions"][region].items():
        assert group.keys() <= {"from", "alone", "remembered", "prices"}
        assert service in DOCUMENT["pages"]
        assert group["from"]
        alone, remembered = set(group.get("alone", ())), set(group.get("remembered", ()))
        assert alone | remembered < group["prices"].keys()
        assert not alone & remembered
        for key, price in group["prices"].items():
            assert price > 0
            assert {key, service, key[:3]} & DOCUMENT["units"].keys()


@pytest.mark.parametrize("region", REGIONS)
def test_regions_are_dearer_or_cheaper_as_a_whole(region: str) -> None:
    """A slip of a digit stands out: between regions, prices differ by less than a factor."""
    virginia = prices.of("us-east-1").all()
    for key, price in prices.of(region).all().items():
        low, high = DIFFERENCES.get(key[:2], (0.95, 1.5))
        assert low <= price / virginia.get(key, price) <= high, key


@pytest.mark.parametrize("region", REGIONS)
def test_families_of_a_region_stand_to_each_other_as_in_the_first(region: str) -> None:
    table, first = prices.of(region), prices.of("us-east-1")
    for one, other in (("m7i", "m6i"), ("m6i", "m5"), ("t3", "m6i")):
        here, there = (ratio(each, f"{one}.large", f"{other}.large") for each in (table, first))
        assert here is None or here == pytest.approx(there, rel=0.05), (one, other)


@pytest.mark.parametrize("region", REGIONS)
@pytest.mark.parametrize("database", ["in-cluster", "rds"])
def test_what_the_program_makes_by_default_has_a_price_or_says_that_it_has_none(
    region: str, database: str
) -> None:
    wanted = RequestedSettings({}, {"aerodrome:database": database})
    found = plan("dedicated", wanted, "test", prices.of(region))
    missing = [line.what for line in found.missing]
    assert missing == (["RDS instance", "RDS storage"] if (region, database) in UNKNOWN else [])


def ratio(table: Prices, one: str, other: str) -> float | None:
    above, below = table.rate(one), table.rate(other)
    return None if above is None or below is None else above / below


ENDPOINTS = ["VPC vpc-endpoint", "VPC vpc-endpoint-data"]


def test_what_no_second_source_has_is_named() -> None:
    single, remembered = prices.of("us-east-2").unproven()
    assert "EC2" in single
    assert remembered == [
        *("EBS", "VPC nat-gateway", "VPC nat-data", *ENDPOINTS, "RDS", "ELB"),
        *("Secrets Manager", "CloudWatch", "S3"),
    ]
    single, remembered = prices.of("us-east-1").unproven()
    assert "RDS db.t4g.small in two zones" in single
    assert remembered == [*ENDPOINTS, "Secrets Manager"]


def test_two_zones_cost_what_is_known_or_else_twice() -> None:
    table = prices.of("us-east-1")
    assert table.rate("db.t4g.small in two zones") == 0.065
    assert table.rate("db.t4g.micro in two zones") == pytest.approx(0.032)
    assert table.rate("db.x9.large in two zones") is None


def test_a_region_without_prices_is_refused_by_name() -> None:
    with pytest.raises(UserError, match="no prices for the region ap-south-2"):
        prices.of("ap-south-2")


def test_sizes_of_a_family_are_in_proportion() -> None:
    table = prices.of("us-east-1")
    assert table.rate("m7i.large") == pytest.approx(0.1008)
    assert table.rate("m7i.2xlarge") == pytest.approx(0.4032)
    assert table.rate("t3.small") == pytest.approx(0.0208)


def test_what_is_not_in_the_table_is_none_and_not_zero() -> None:
    table = prices.of("us-east-1")
    assert table.rate("u-6tb1.metal") is None
    assert table.rate("m7i.metal-24xl") is None
    assert table.rate("db.x2g.large") is None
    assert table.rate("moonbeam") is None


def test_what_is_billed_by_the_month_is_spread_over_its_hours() -> None:
    found = pricing.hour(Charge("KMS key", ("kms-key",), per=MONTH), prices.of("us-east-1"))
    assert found is not None
    assert found * HOURS == pytest.approx(1.0)
