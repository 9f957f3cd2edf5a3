"""The table against AWS's Price List API: real botocore, and a server that answers in the API's words."""

import json
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import boto3
import botocore.session
import pytest
from botocore.config import Config
from botocore.credentials import CredentialResolver

from cli.operations.cost import listed, prices
from cli.operations.cost.listed import Compared
from tests.unit.cli.conftest import Run
from tests.unit.cli.fakes import FakeCloud, FakeSession

REGION = "eu-west-1"
TABLE = prices.of(REGION)


class PriceList:
    """AWS's: one product for each price of a table, among others; three to a page."""

    def __init__(self, known: Mapping[str, float]) -> None:
        self.products = [_product(key, price) for key, price in known.items()]
        self.products += [
            _item("AmazonEC2", "EU-RegionalNatGateway-Hours", {"productFamily": "NAT Gateway"}, 9),
            _item("AmazonEC2", "EU-BoxUsage:t3.large", {"operatingSystem": "Windows"}, 9),
            _item("AmazonS3", "EU-TimedStorage-ByteHrs", {"volumeType": "Glacier"}, 9),
        ]
        self.denied = False
        self.asked = 0
        fake = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                assert self.headers["X-Amz-Target"] == "AWSPriceListService.GetProducts"
                status, answer = fake.answer(
                    json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                )
                body = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def answer(self, question: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        self.asked += 1
        if self.denied:
            said = "User is not authorized to perform: pricing:GetProducts"
            return 400, {"__type": "AccessDeniedException", "Message": said}
        wanted = {each["Field"]: each["Value"] for each in question["Filters"]}
        found = [
            each
            for service, each in self.products
            if service == question["ServiceCode"]
            and wanted.items() <= each["product"]["attributes"].items()
        ]
        start = int(question.get("NextToken", 0))
        more = {"NextToken": str(start + 3)} if start + 3 < len(found) else {}
        return 200, {"PriceList": [json.dumps(each) for each in found[start : start + 3]], **more}

    def client(self) -> Any:
        return boto3.client(
            "pricing",
            region_name=listed.HOME,
            endpoint_url=f"http://127.0.0.1:{self.server.server_port}",
            aws_access_key_id="a-key",
            aws_secret_access_key="a-secret",
            config=Config(retries={"max_attempts": 1}),
        )


def _product(key: str, price: float) -> tuple[str, dict[str, Any]]:
    asked = listed.query(key)
    mark = f"{REGION}-" if asked.service == "awskms" else "EU-"
    return _item(asked.service, mark + asked.usage, asked.fields, price)


def _item(
    service: str, usage: str, fields: Mapping[str, str], price: float
) -> tuple[str, dict[str, Any]]:
    first = {"beginRange": "0", "pricePerUnit": {"USD": f"{price:.10f}"}}
    later = {"beginRange": "51200", "pricePerUnit": {"USD": f"{price * 0.9:.10f}"}}
    return service, {
        "product": {"attributes": {**fields, "regionCode": REGION, "usagetype": usage}},
        "terms": {"OnDemand": {"T": {"priceDimensions": {"T.1": first, "T.2": later}}}},
    }


def served(known: Mapping[str, float]) -> Iterator[PriceList]:
    running = PriceList(known)
    yield running
    running.server.shutdown()
    running.server.server_close()


@pytest.fixture
def same() -> Iterator[PriceList]:
    yield from served(TABLE.all())


@pytest.fixture
def other() -> Iterator[PriceList]:
    """NAT gateways are dearer, KMS's keys not listed, and a class has a price that the table lacks."""
    known = {**TABLE.all(), "nat-gateway": 0.052, "db.t4g.medium": 0.07}
    yield from served({key: price for key, price in known.items() if key != "kms-key"})


def test_prices_that_are_the_same_differ_in_nothing(same: PriceList) -> None:
    found = list(listed.compare(same.client(), TABLE))
    assert [each.key for each in found if each.differs] == []
    assert {each.key for each in found if each.aws is not None} == TABLE.all().keys()


def test_another_price_none_and_one_more_are_told_apart(other: PriceList) -> None:
    found = {each.key: each for each in listed.compare(other.client(), TABLE)}
    assert [key for key, each in found.items() if each.differs] == ["kms-key", "nat-gateway"]
    assert found["nat-gateway"] == Compared("nat-gateway", 0.048, 0.052)
    assert found["kms-key"] == Compared("kms-key", 1.0, None)
    assert found["db.t4g.medium"] == Compared("db.t4g.medium", None, 0.07)


def test_two_prices_for_one_thing_are_none(same: PriceList) -> None:
    same.products.append(_product("elb", 0.5))
    found = {each.key: each for each in listed.compare(same.client(), TABLE)}
    assert found["elb"].aws is None


@pytest.mark.parametrize("region", prices.regions())
def test_every_price_of_the_table_can_be_asked_for(region: str) -> None:
    for key in prices.of(region).all():
        asked = listed.query(key)
        assert asked.service.startswith(("Amazon", "AWS", "aws"))
        assert key in listed.QUERIES or key.partition(" ")[0] in asked.usage


class TestTheVerb:
    """`aerodrome cost --check-prices`"""

    def test_says_that_all_is_well(self, run: Run, session: FakeSession, same: PriceList) -> None:
        session.fake_cloud = _Cloud(same)
        result = run("cost", "sandbox", "--region", REGION, "--check-prices")
        assert result.exit_code == 0, result.output
        assert f"{REGION}: {len(TABLE.all())} prices are AWS's own, 0 are not" in result.stdout

    def test_lists_differences_and_fails(
        self, run: Run, session: FakeSession, other: PriceList
    ) -> None:
        session.fake_cloud = _Cloud(other)
        arguments = ("cost", "sandbox", "--region", REGION, "--check-prices")
        result = run(*arguments)
        assert result.exit_code == 1
        rows = [line.split() for line in result.stdout.splitlines()]
        assert ["nat-gateway", "0.048", "0.052"] in rows
        assert ["kms-key", "1", "-"] in rows
        assert ["db.t4g.medium", "-", "0.07"] in rows
        result = run(*arguments, "--json")
        data = json.loads(result.stdout)
        assert [each["price"] for each in data["different"]] == ["kms-key", "nat-gateway"]

    def test_names_the_permission_that_is_missing(
        self, run: Run, session: FakeSession, same: PriceList
    ) -> None:
        same.denied = True
        session.fake_cloud = _Cloud(same)
        result = run("cost", "sandbox", "--region", REGION, "--check-prices")
        assert result.exit_code == 1
        assert "AWS refuses to read its price list (pricing:GetProducts)" in result.stderr
        assert same.asked == 1

    def test_says_that_there_are_no_credentials(self, run: Run, session: FakeSession) -> None:
        session.fake_cloud = _NobodysCloud()
        result = run("cost", "sandbox", "--check-prices")
        assert result.exit_code == 2
        assert "There are no AWS credentials to read its price list" in result.stderr


class _NobodysCloud(FakeCloud):
    """The session's clients of somebody who is not logged in."""

    def __call__(self, service: str) -> Any:
        nobody = botocore.session.get_session()
        # Neither a profile nor the environment's keys, nor a machine that has a role.
        nobody.register_component("credential_provider", CredentialResolver([]))
        return nobody.create_client(service, region_name=listed.HOME)


class _Cloud(FakeCloud):
    """The session's clients, of this price list."""

    def __init__(self, of: PriceList) -> None:
        super().__init__()
        self.of = of

    def __call__(self, service: str) -> Any:
        assert service == "pricing"
        return self.of.client()
