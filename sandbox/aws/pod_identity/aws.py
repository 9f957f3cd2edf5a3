"""Signed calls to the emulator's REST services, without an SDK: this process stays small."""

import json
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from sandbox.errors import CloudError
from sandbox.instance import REGION

TIMEOUT = 10.0
"""Seconds."""


class AwsError(CloudError):
    """The emulator refused a call, with this HTTP status, or could not be reached."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message, code=code)
        self.status = status


class EmulatorClient:
    """The emulator as one access key sees it."""

    def __init__(self, url: str, credentials: Path) -> None:
        self._url = url.rstrip("/")
        stored = json.loads(credentials.read_text())
        self._key = Credentials(stored["access_key_id"], stored["secret_access_key"])

    def call(self, service: str, method: str, path: str, body: object = None) -> dict[str, Any]:
        """One call; its JSON answer. AwsError if it does not succeed."""
        data = None if body is None else json.dumps(body).encode()
        signed = AWSRequest(
            method, self._url + path, headers={"Content-Type": "application/json"}, data=data
        )
        SigV4Auth(self._key, service, REGION).add_auth(signed)
        request = urllib.request.Request(
            self._url + path, data=data, headers=dict(signed.headers.items()), method=method
        )
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT) as response:
                answer: dict[str, Any] = json.load(response)
                return answer
        except urllib.error.HTTPError as error:
            raise _refusal(error) from error
        except OSError as error:
            raise AwsError(503, "ServiceUnavailable", f"{service}: {error}") from error


def _refusal(error: urllib.error.HTTPError) -> AwsError:
    try:
        body = json.loads(error.read())
    except ValueError:
        body = {}
    code = str(error.headers.get("x-amzn-errortype") or body.get("__type") or error.code)
    return AwsError(error.code, code, str(body.get("message") or error.reason))
