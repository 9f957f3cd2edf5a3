"""The Pod Identity agent: credentials for the pod whose token a request carries.

The token's claims only say which association to ask for. Whether they are true is checked by
EKS Auth, as on AWS; the agent believes nothing.
"""

import base64
import datetime
import json
from typing import Any
from urllib.parse import quote

from sandbox.aws.pod_identity.associations import Associations
from sandbox.aws.pod_identity.aws import AwsError, EmulatorClient


class Agent:
    def __init__(self, aws: EmulatorClient, associations: Associations) -> None:
        self._aws = aws
        self._associations = associations

    def credentials(self, token: str) -> dict[str, str]:
        """The answer that the AWS SDKs expect of a container credentials endpoint. AwsError if refused."""
        if not token:
            raise AwsError(
                400, "InvalidParameterException", "Service account token cannot be empty"
            )
        namespace, account = service_account_of(token)
        cluster = self._associations.cluster_of(namespace, account)
        if cluster is None:
            raise AwsError(
                404,
                "ResourceNotFoundException",
                f"No Pod Identity association found for {namespace}/{account}",
            )
        path = f"/clusters/{quote(cluster)}/assume-role-for-pod-identity"
        answer = self._aws.call("eks-auth", "POST", path, {"token": token})
        found = answer["credentials"]
        return {
            "AccessKeyId": found["accessKeyId"],
            "SecretAccessKey": found["secretAccessKey"],
            "Token": found["sessionToken"],
            "AccountId": answer["assumedRoleUser"]["arn"].split(":")[4],
            "Expiration": _rfc3339(found["expiration"]),
        }


def service_account_of(token: str) -> tuple[str, str]:
    """Namespace and name that a service account token claims, unchecked."""
    try:
        payload = token.split(".")[1]
        claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(payload + "=" * 3))
        kubernetes = claims["kubernetes.io"]
        return str(kubernetes["namespace"]), str(kubernetes["serviceaccount"]["name"])
    except (ValueError, LookupError, TypeError) as error:
        raise AwsError(
            400, "InvalidTokenException", "Service account token cannot be parsed"
        ) from error


def _rfc3339(seconds: float) -> str:
    moment = datetime.datetime.fromtimestamp(seconds, datetime.UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
