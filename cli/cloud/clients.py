"""Where the command line makes its clients of AWS: all of them are patient alike when AWS throttles.

AWS answers `Throttling`, `RequestLimitExceeded`, 429 or S3's `SlowDown` to whoever asks too often, or shares an account
with somebody who does. boto3's own default gives up after five tries, and its standard mode after three: of a search
with hundreds of calls, of which one in ten is throttled, one would fail now and then.
"""

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import boto3

ATTEMPTS: Final = 10
"""Of one call: with one in ten throttled, one in 10,000,000,000 fails. The pauses grow, and add up to two minutes."""

CONNECTIONS: Final = 16
"""That one client keeps: as many as threads that use it."""


def session(**place: Any) -> "boto3.Session":
    """A session whose clients try again. `place`: `region_name`, `profile_name`, or keys. The user's
    `AWS_RETRY_MODE` and `AWS_MAX_ATTEMPTS` count where they are set."""
    import boto3
    import botocore.session
    from botocore.config import Config

    core = botocore.session.Session(profile=place.pop("profile_name", None))
    retries = {
        # Not `adaptive`: it takes each refusal for a reason to slow down all calls of the client.
        "mode": core.get_config_variable("retry_mode") or "standard",
        "total_max_attempts": core.get_config_variable("max_attempts") or ATTEMPTS,
    }
    core.set_default_client_config(
        Config(retries=retries, max_pool_connections=CONNECTIONS)  # type: ignore[arg-type]
    )
    return boto3.Session(botocore_session=core, **place)
