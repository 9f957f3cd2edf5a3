"""The retry policy for calls to AWS.

Registered with every client by `clients.py`, in place of the SDK's own rules: those repeat a
creation whose answer was lost, which makes a second resource wherever there is no client token.
"""

import random
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sandbox.providers.aws.refusals import code_of

THROTTLED = frozenset(
    {
        "BandwidthLimitExceeded",
        "EC2ThrottledException",
        "PriorRequestNotComplete",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "ServiceUnavailable",
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "ThrottledException",
        "TooManyRequestsException",
    }
)
"""AWS' words for: not now. Such a request was not begun."""

_REPEATABLE = ("Describe", "Get", "Head", "List", "Put", "AddUser")
_ATTACHES_POLICY = re.compile(r"Attach\w+Policy")
_REFUSED_ATTEMPTS = 4
"""Where nobody listens, nobody will soon."""


@dataclass(frozen=True)
class Patience:
    """The number of attempts, and the growth of the pauses between them. In seconds."""

    attempts: int = 10
    first: float = 0.1
    longest: float = 5.0

    def pause(self, attempt: int) -> float:
        """After the `attempt`-th, counted from 1. Jitter keeps many callers from marching in step."""
        full = min(self.longest, self.first * 2 ** (attempt - 1))
        return float(full * random.uniform(0.5, 1))


class Retries:
    """Handler of botocore's `needs-retry` events: the pause before the next attempt, or None."""

    def __init__(self, patience: Patience) -> None:
        self.patience = patience
        self._thread = threading.local()

    @contextmanager
    def creating(self, careful: bool = True) -> Iterator[None]:
        """Within it, a change whose outcome is unknown is repeated only if that does no harm."""
        before = self._careful
        self._thread.careful = careful
        try:
            yield
        finally:
            self._thread.careful = before

    @property
    def _careful(self) -> bool:
        return getattr(self._thread, "careful", False)

    def __call__(
        self,
        *,
        response: Any,
        operation: Any,
        attempts: int,
        caught_exception: Exception | None,
        **_more: Any,
    ) -> float | None:
        from botocore import exceptions

        if caught_exception is not None:
            caught_exception.add_note(operation.name)
        limit = self.patience.attempts
        error = caught_exception
        if response is not None and response[0].status_code >= 300:
            error = exceptions.ClientError(response[1], operation.name)
        if isinstance(error, exceptions.EndpointConnectionError):
            limit = min(limit, _REFUSED_ATTEMPTS)
        if error is None or attempts >= limit:
            return None
        if is_throttled(error) or isinstance(error, exceptions.EndpointConnectionError):
            return self.patience.pause(attempts)
        if is_lost(error) and (not self._careful or _may_come_twice(operation)):
            return self.patience.pause(attempts)
        return None


def _may_come_twice(operation: Any) -> bool:
    """Whether AWS takes a second request for the same, by its client token or by its nature."""
    name = operation.name
    return bool(
        operation.idempotent_members
        or name.startswith(_REPEATABLE)
        or _ATTACHES_POLICY.fullmatch(name)
    )


def is_throttled(error: BaseException) -> bool:
    """Whether AWS has not begun: the same request may be sent again, whatever it is."""
    return code_of(error) in THROTTLED


def is_lost(error: BaseException) -> bool:
    """Whether nobody knows if the request was carried out."""
    from botocore import exceptions, parsers

    if isinstance(error, exceptions.EndpointConnectionError):
        return False
    if isinstance(error, exceptions.ClientError):
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        return status >= 500 and not is_throttled(error)
    kinds = (exceptions.ConnectionError, exceptions.HTTPClientError, parsers.ResponseParserError)
    return isinstance(error, kinds)
