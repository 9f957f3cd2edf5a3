"""Somebody who asks the emulator with a key of his own, where IAM is enforced."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import boto3

from tests.unit.sandbox.aws.conftest import REGION, Emulator


@dataclass
class Session:
    """`client` makes what `cli.cloud` takes; `key` has boto3's names."""

    emulator: Emulator
    key: Mapping[str, str]
    made: dict[str, Any] = field(default_factory=dict)

    def client(self, service: str) -> Any:
        if service not in self.made:
            self.made[service] = boto3.client(
                service, endpoint_url=self.emulator.url, region_name=REGION, **self.key
            )
        return self.made[service]
