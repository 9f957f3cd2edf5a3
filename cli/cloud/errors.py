"""What the cloud's refusals mean: gone, still in use, or something for the user.

botocore's own errors do not leave this package.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

from cli.base.errors import CloudError, UserError

_GONE = re.compile(
    r"NotFound(Exception|Fault)?$|^NoSuch|^404$|NonExistentQueue$|^QueueDoesNotExist$"
)
_LOGIN = frozenset(
    {
        "AuthFailure",
        "ExpiredToken",
        "ExpiredTokenException",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "InvalidToken",
        "RequestExpired",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)
"""How the services say that a login is over, or was never one: nothing will go better a moment later."""


class InUse(CloudError):
    """Something else must go first, or is about to."""


def code_of(error: ClientError) -> str:
    """AWS's name for what went wrong."""
    return str(error.response.get("Error", {}).get("Code", ""))


def is_gone(error: ClientError) -> bool:
    """Whether the cloud says that what is asked for does not exist."""
    return is_gone_code(code_of(error))


def is_gone_code(code: str) -> bool:
    """The same, by AWS's name for what went wrong."""
    return bool(_GONE.search(code))


@contextmanager
def gone_is_fine() -> Iterator[None]:
    """What does not exist needs no deletion."""
    try:
        yield
    except ClientError as error:
        if not is_gone(error):
            raise


def unless_gone(operation: Callable[..., Any], **arguments: Any) -> dict[str, Any] | None:
    """The answer of a client's operation; None if what it asks for does not exist."""
    try:
        answer: dict[str, Any] = operation(**arguments)
    except ClientError as error:
        if not is_gone(error):
            raise
        return None
    return answer


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """The cloud's refusals as ours."""
    try:
        yield
    except ClientError as error:
        code = code_of(error)
        message = str(error.response.get("Error", {}).get("Message", ""))
        if code in _LOGIN:
            raise UserError(
                "AWS does not accept the credentials any more",
                f"{message}\nLog in again; the same command continues from here.",
                "aws sso login",
            ) from error
        raise CloudError(
            f"AWS refuses to {doing}",
            f"{code}: {message}",
            operation=error.operation_name,
            code=code,
        ) from error
    except NoCredentialsError as error:
        raise UserError(
            f"There are no AWS credentials to {doing} with",
            "Log in, or set AWS_PROFILE.",
            "aws sso login",
        ) from error
    except BotoCoreError as error:
        raise CloudError(f"AWS does not answer when asked to {doing}", str(error)) from error
