"""The account: clients for it, who we are in it, and AWS's refusals in words that help.

Everything in this package that asks AWS does it through `Aws`, inside `refusals_explained`.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from botocore import exceptions

from cli.base.errors import CloudError, KitError, UserError
from cli.cloud import clients
from cli.cloud.errors import code_of

POLICY = "docs/bootstrap-policy.json"
PIPELINE_POLICY = "docs/bootstrap-pipeline-policy.json"
"""What --github needs beyond that: all of it, and only it, is about IAM's roles and identity providers."""

_EXPIRED = {"ExpiredToken", "ExpiredTokenException", "RequestExpired"}
_WRONG = {
    "AuthFailure",
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
}
_DENIED = {"403", "AccessDenied", "AccessDeniedException", "UnauthorizedOperation"}


@dataclass(frozen=True)
class Caller:
    """Who AWS takes us for."""

    account: str
    arn: str

    def data(self) -> dict[str, str]:
        return asdict(self)


class Aws:
    """AWS, seen with one profile's credentials from one region."""

    def __init__(self, region: str, profile: str | None = None) -> None:
        self.region = region
        self.profile = profile
        self._clients: dict[tuple[str, str], Any] = {}

    @cached_property
    def _session(self) -> Any:
        return clients.session(profile_name=self.profile, region_name=self.region)

    @cached_property
    def partition(self) -> str:
        """`aws`, `aws-cn` or `aws-us-gov`: the first part of every ARN."""
        return str(self._session.get_partition_for_region(self.region))

    @property
    def home(self) -> str:
        """A region of the same partition that needs no opt-in: what is asked there works."""
        regions = {"aws": "us-east-1", "aws-cn": "cn-north-1", "aws-us-gov": "us-gov-west-1"}
        return regions.get(self.partition, self.region)

    def regions(self) -> list[str]:
        """Every region that the SDK knows, in every partition."""
        return sorted(
            region
            for partition in self._session.get_available_partitions()
            for region in self._session.get_available_regions("ec2", partition)
        )

    def client(self, service: str, region: str = "") -> Any:
        key = (service, region or self.region)
        if key not in self._clients:
            self._clients[key] = self._session.client(service, region_name=key[1])
        return self._clients[key]

    def caller(self) -> Caller:
        # Asked at home: a region that is not enabled refuses every key.
        answer = self.client("sts", self.home).get_caller_identity()
        return Caller(str(answer["Account"]), str(answer["Arn"]))


@contextmanager
def refusals_explained(profile: str | None) -> Iterator[None]:
    """botocore's errors as ours. Whatever was made until then stays: the next run goes on from it."""
    login = f"aws sso login --profile {profile}" if profile else "aws sso login"
    try:
        yield
    except exceptions.ProfileNotFound as error:
        raise UserError(
            f'There is no AWS profile "{profile}"', str(error), "aws configure list-profiles"
        ) from error
    except (exceptions.NoCredentialsError, exceptions.PartialCredentialsError) as error:
        raise UserError(
            "There are no AWS credentials",
            f"{error}\nLog in, name a profile with --profile, or set AWS_PROFILE.",
            login,
        ) from error
    except (
        exceptions.SSOError,
        exceptions.TokenRetrievalError,
        exceptions.CredentialRetrievalError,
    ) as error:
        raise _expired(str(error), login) from error
    except exceptions.EndpointConnectionError as error:
        raise KitError(
            "AWS cannot be reached", f"{error}\nIs there a way to the internet?"
        ) from error
    except exceptions.ClientError as error:
        raise _explained(error, login) from error


def _explained(error: exceptions.ClientError, login: str) -> KitError:
    code, operation = code_of(error), error.operation_name
    message = str(error.response.get("Error", {}).get("Message", "")) or code
    if code in _EXPIRED:
        return _expired(message, login)
    if code in _WRONG:
        return UserError(
            "AWS does not know these credentials",
            f"{operation}: {message}\nLog in again, or name another profile with --profile.",
            login,
        )
    if code in _DENIED:
        policy = PIPELINE_POLICY if re.search("Roles?|OpenIDConnect", operation) else POLICY
        return CloudError(
            f"AWS does not let you call {operation}",
            f"{message}\n{policy} lists what bootstrap needs; whoever administers the account can\n"
            "attach it to you. The same command continues from here.",
            operation=operation,
            code=code,
        )
    return CloudError(
        f"AWS refused {operation}", f"{code}: {message}", operation=operation, code=code
    )


def _expired(message: str, login: str) -> UserError:
    return UserError(
        "The AWS credentials have expired",
        f"{message}\nLog in again and run the same command: it continues from here.",
        login,
    )
