"""The only door to AWS: one client a service, all against one endpoint on this machine.

Made by `provider.py` when it is configured, handed to every resource. Refuses an endpoint
that is not the sandbox's: nothing here may ever reach real AWS.
"""

import functools
import ipaddress
import os
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar
from urllib.parse import urlsplit

from sandbox.errors import CloudError, UserError
from sandbox.providers.addresses import SANDBOXES
from sandbox.providers.aws.retries import Patience, Retries

_PATIENCE = Patience()
_FIRST_PAUSE = 0.05
_LONGEST_PAUSE = 1.0

_T = TypeVar("_T")


@functools.cache
def warm_up() -> Any:
    """botocore's session; slow the first time, so begun before it is asked for."""
    import botocore.session

    return botocore.session.get_session()


def checked_endpoint(environment: Mapping[str, str]) -> str:
    """AWS_ENDPOINT_URL, or a UserError if it is not loopback or the sandbox's bridge."""
    endpoint = environment.get("AWS_ENDPOINT_URL", "")
    if not endpoint:
        raise UserError(
            "AWS_ENDPOINT_URL is not set",
            "The sandbox's aws provider speaks only to the emulator, never to AWS itself.\n"
            "On AWS, use Pulumi's own provider.",
        )
    host = urlsplit(endpoint).hostname or ""
    if host != "localhost" and not _is_ours(host):
        raise UserError(
            f"AWS_ENDPOINT_URL leads out of the sandbox: {endpoint}",
            f"It must be on loopback or in {SANDBOXES}. On AWS, use Pulumi's own provider.",
        )
    return endpoint


def _is_ours(host: str) -> bool:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address.is_loopback or address in SANDBOXES


class Aws:
    """Clients, and what every resource needs to know about the account."""

    partition = "aws"
    dns_suffix = "amazonaws.com"

    def __init__(self, endpoint: str, region: str, patience: Patience = _PATIENCE) -> None:
        self.endpoint = endpoint
        self.region = region
        self.retries = Retries(patience)
        self.cancelled = threading.Event()
        self._clients: dict[str, Any] = {}
        self._lock = threading.Lock()

    @classmethod
    def from_environment(cls, region: str, patience: Patience = _PATIENCE) -> "Aws":
        """Credentials come from the environment too, as the SDK's own chain reads them."""
        return cls(checked_endpoint(os.environ), region, patience)

    def client(self, service: str) -> Any:
        """The one client of `service`; made at first use, for each takes 10 to 200 ms."""
        client = self._clients.get(service)
        if client is None:
            # The loader and the event system behind a session are not thread safe.
            with self._lock:
                client = self._clients.get(service) or self._make(service)
                self._clients[service] = client
        return client

    def _make(self, service: str) -> Any:
        from botocore.config import Config

        client = warm_up().create_client(
            service,
            region_name=self.region,
            endpoint_url=self.endpoint,
            config=Config(
                # Ours are registered below.
                retries={"mode": "standard", "total_max_attempts": 1},
                connect_timeout=5,
                read_timeout=60,
                max_pool_connections=32,
                # The emulator has no buckets as host names.
                s3={"addressing_style": "path"},
            ),
        )
        client.meta.events.register(
            f"needs-retry.{client.meta.service_model.service_id.hyphenize()}", self.retries
        )
        return client

    @functools.cached_property
    def account_id(self) -> str:
        return str(self.client("sts").get_caller_identity()["Account"])

    def arn(self, service: str, resource: str) -> str:
        """An ARN in this account and region."""
        return f"arn:{self.partition}:{service}:{self.region}:{self.account_id}:{resource}"

    def wait(self, what: str, look: Callable[[], _T | None], timeout: float) -> _T:
        """The result of `look` once it is not None; CloudError after `timeout` seconds."""
        deadline = time.monotonic() + timeout
        pause = _FIRST_PAUSE
        while (found := look()) is None:
            if self.cancelled.is_set():
                raise CloudError(f"Cancelled while waiting: {what}", code="Cancelled")
            if time.monotonic() > deadline:
                raise CloudError(f"Not done after {timeout:.0f} s: {what}", code="Timeout")
            self.cancelled.wait(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)
        return found
