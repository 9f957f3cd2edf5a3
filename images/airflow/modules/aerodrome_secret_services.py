"""The two services of AWS that `aerodrome_secrets` asks, by the Amazon provider's classes.

Those take a service that fails, a key that cannot decrypt and a name that is refused for a secret that is not there, and say so to
nobody; and their client waits for minutes. Tasks wait for an answer of the api-server for five seconds: here it comes in less.
"""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

import boto3
from aerodrome_secrets import Refused, Unreachable
from airflow.providers.amazon.aws.secrets.secrets_manager import SecretsManagerBackend
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

PATIENCE: Final = Config(
    connect_timeout=1,
    read_timeout=1.5,
    retries={"mode": "standard", "total_max_attempts": 2},
)
"""Throttled and failed calls are made once more."""


class SecretsManager:
    """A secret's text, in its newest version."""

    name = "AWS Secrets Manager"
    names = re.compile(r"[A-Za-z0-9_.@+=/-]{1,400}")

    def __init__(self, region: str) -> None:
        self._client = boto3.session.Session().client("secretsmanager", region, config=PATIENCE)
        self._reader = SecretsManagerBackend()

    def read(self, path: str) -> str | None:
        answer = _asked(
            lambda: self._client.get_secret_value(SecretId=path), "ResourceNotFoundException"
        )
        if answer is not None and "SecretString" not in answer:
            raise Refused("it is binary, and Airflow reads text")
        return None if answer is None else str(answer["SecretString"])

    def connection(self, text: str) -> str:
        """With the names of fields that the console's forms for databases give them, too."""
        if not text.strip().startswith("{"):
            return text
        return json.dumps(self._reader._standardize_secret_keys(json.loads(text)))


class ParameterStore:
    """A parameter's text, decrypted."""

    name = "AWS Parameter Store"
    names = re.compile(r"[A-Za-z0-9_.-]{1,400}")

    def __init__(self, region: str) -> None:
        self._client = boto3.session.Session().client("ssm", region, config=PATIENCE)

    def read(self, path: str) -> str | None:
        answer = _asked(
            lambda: self._client.get_parameter(Name=f"/{path}", WithDecryption=True),
            "ParameterNotFound",
        )
        return None if answer is None else str(answer["Parameter"]["Value"])

    def connection(self, text: str) -> str:
        return text


def _asked(call: Callable[[], Mapping[str, Any]], missing: str) -> Mapping[str, Any] | None:
    """The answer; None if it says that there is no such thing."""
    try:
        return call()
    except ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", ""))
        if code == missing:
            return None
        raise Refused(code) from None
    except BotoCoreError as error:
        raise Unreachable(type(error).__name__) from None


SERVICES: Final[Mapping[str, Callable[[str], SecretsManager | ParameterStore]]] = {
    "secretsmanager": SecretsManager,
    "parameterstore": ParameterStore,
}
