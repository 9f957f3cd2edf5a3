"""botocore's exceptions as the project's own, and the questions that resources ask of them."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from types import TracebackType
from typing import Any

from sandbox.errors import CloudError, UserError


def code_of(error: BaseException) -> str:
    """The API's error code; empty if `error` is not an answer of AWS."""
    response: Any = getattr(error, "response", None)
    if not isinstance(response, dict):
        return ""
    return str(response.get("Error", {}).get("Code", ""))


def is_gone(error: BaseException) -> bool:
    """Whether AWS says that the thing does not exist: every service has its own words."""
    code = code_of(error)
    return "NotFound" in code or code.startswith("NoSuch") or code == "404"


class absent(AbstractContextManager[None]):
    """Take it for done if AWS says that the thing is gone."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        return error is not None and is_gone(error)


@contextmanager
def translated(urn: str, operation: str) -> Iterator[None]:
    """Everything that botocore raises inside, as KitErrors."""
    from botocore import exceptions

    try:
        yield
    except exceptions.ClientError as error:
        answer = error.response.get("Error", {})
        retries = error.response.get("ResponseMetadata", {}).get("RetryAttempts", 0)
        raise CloudError(
            f"AWS refused {error.operation_name}: {answer.get('Message') or 'no reason given'}",
            f"Code: {code_of(error)}" + (f", after {retries + 1} attempts" if retries else ""),
            urn=urn,
            operation=operation,
            code=code_of(error),
        ) from error
    except exceptions.ParamValidationError as error:
        raise UserError("AWS would not accept these values", str(error)) from error
    except exceptions.NoCredentialsError as error:
        raise UserError(
            "No AWS credentials in the environment",
            "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY to the sandbox's.",
        ) from error
    except (exceptions.ConnectionError, exceptions.HTTPClientError) as error:
        raise CloudError(
            "The AWS stand-in does not answer",
            " ".join([*getattr(error, "__notes__", [])[:1], str(error)]),
            urn=urn,
            operation=operation,
            code="Unreachable",
        ) from error
