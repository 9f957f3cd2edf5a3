"""What AWS's Price List API says of a region's prices, for `aerodrome cost --check-prices`.

Every price of the table is looked up by the usage type that AWS bills it under, and so is every one that
another region of the table has. The API answers in one region for all.
"""

import json
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cli.base.errors import KitError
from cli.cloud.catalogue.kind import IN_TWO_ZONES
from cli.operations.cost import prices
from cli.operations.cost.prices import Prices

HOME = "us-east-1"
"""Where the API is."""

PAGES = 30
"""Of one question. The longest list that is asked for has some ten."""

SECONDS = 120.0
"""For all of them."""

CLOSE = 1e-6
"""Prices that differ by less are the same."""

_INSTANCE = {"operatingSystem": "Linux", "tenancy": "Shared", "operation": "RunInstances"}
_DATABASE = {"databaseEngine": "PostgreSQL"}
_GATEWAY = {"productFamily": "NAT Gateway"}
_ENDPOINT = {"productFamily": "VpcEndpoint"}


@dataclass(frozen=True)
class Query:
    """Where AWS lists a price."""

    service: str
    usage: str
    """The usage type, without the region's mark before it (`EUN1-`)."""

    fields: Mapping[str, str]


QUERIES: Mapping[str, Query] = {
    "ebs-gp3": Query("AmazonEC2", "EBS:VolumeUsage.gp3", {"volumeApiName": "gp3"}),
    "ecr": Query("AmazonECR", "TimedStorage-ByteHrs", {}),
    "eks-cluster": Query("AmazonEKS", "AmazonEKS-Hours:perCluster", {}),
    "elb": Query("AWSELB", "LoadBalancerUsage", {"operation": "LoadBalancing:Application"}),
    "elb-classic": Query("AWSELB", "LoadBalancerUsage", {"operation": "LoadBalancing"}),
    "kms-key": Query("awskms", "KMS-Keys", {}),
    "logs": Query("AmazonCloudWatch", "DataProcessing-Bytes", {"operation": "PutLogEvents"}),
    "nat-data": Query("AmazonEC2", "NatGateway-Bytes", _GATEWAY),
    "nat-gateway": Query("AmazonEC2", "NatGateway-Hours", _GATEWAY),
    "public-ipv4": Query("AmazonVPC", "PublicIPv4:InUseAddress", {}),
    "rds-gp3": Query("AmazonRDS", "RDS:GP3-Storage", _DATABASE),
    "secret": Query("AWSSecretsManager", "AWSSecretsManager-Secrets", {}),
    "vpc-endpoint": Query("AmazonVPC", "VpcEndpoint-Hours", _ENDPOINT),
    "vpc-endpoint-data": Query("AmazonVPC", "VpcEndpoint-Bytes", _ENDPOINT),
    "s3": Query("AmazonS3", "TimedStorage-ByteHrs", {"volumeType": "Standard"}),
}


@dataclass(frozen=True)
class Compared:
    """A price of the table beside AWS's. None: it is not there."""

    key: str
    table: float | None
    aws: float | None

    @property
    def differs(self) -> bool:
        """Whether the table says something that AWS does not."""
        if self.table is None or self.aws is None:
            return self.table is not None
        return abs(self.table - self.aws) > CLOSE

    def data(self) -> dict[str, Any]:
        return {"price": self.key, "table": self.table, "aws": self.aws, "differs": self.differs}


def compare(client: Any, table: Prices) -> Iterator[Compared]:
    """Each price of the table's regions, in this one. `client` is boto3's for `pricing`. KitError if
    it takes longer than anybody waits."""
    until = time.monotonic() + SECONDS
    keys = {key for region in prices.regions() for key in prices.of(region).all()}
    own = table.all()
    for key in sorted(keys):
        if time.monotonic() > until:
            raise KitError(f"AWS's price list took longer than {SECONDS:.0f} seconds", f"At {key}.")
        yield Compared(key, own.get(key), _listed(client, query(key), table.region))


def query(key: str) -> Query:
    """Where AWS lists the price that the table has under a key."""
    if key in QUERIES:
        return QUERIES[key]
    if not key.startswith("db."):
        kind = f"{key}.large"
        return Query("AmazonEC2", f"BoxUsage:{kind}", {**_INSTANCE, "instanceType": kind})
    kind = key.partition(" ")[0]
    two = key.endswith(IN_TWO_ZONES)
    usage = f"{'Multi-AZUsage' if two else 'InstanceUsage'}:{kind}"
    return Query("AmazonRDS", usage, {**_DATABASE, "instanceType": kind})


def _listed(client: Any, asked: Query, region: str) -> float | None:
    """The one price on demand, of the first step where it has steps. None if there is none, or several."""
    own = re.compile(rf"(?:[A-Z0-9]+-|{re.escape(region)}-)?{re.escape(asked.usage)}")
    found = {
        price
        for product in _products(client, asked, region)
        if own.fullmatch(str(product["product"]["attributes"].get("usagetype", "")))
        for price in _on_demand(product)
        if price > 0
    }
    return found.pop() if len(found) == 1 else None


def _products(client: Any, asked: Query, region: str) -> Iterator[dict[str, Any]]:
    fields = {"regionCode": region, **asked.fields}
    filters = [{"Type": "TERM_MATCH", "Field": name, "Value": fields[name]} for name in fields]
    pages = client.get_paginator("get_products").paginate(
        ServiceCode=asked.service, Filters=filters, PaginationConfig={"MaxItems": PAGES * 100}
    )
    for page in pages:
        yield from (json.loads(text) for text in page["PriceList"])


def _on_demand(product: Mapping[str, Any]) -> Iterator[float]:
    for term in product.get("terms", {}).get("OnDemand", {}).values():
        for step in term["priceDimensions"].values():
            if str(step.get("beginRange", "0")) == "0":
                yield float(step["pricePerUnit"].get("USD", 0))
