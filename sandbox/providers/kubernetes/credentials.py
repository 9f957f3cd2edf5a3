"""Who to be at the kube-apiserver: a token, made or fetched when first needed.

Used by `transport.py`. `aws eks get-token` is not run but done here, as the sandbox has no
AWS CLI: the token is a presigned STS request, which the sandbox's AWS stand-in verifies as
EKS would. Every other exec plugin really runs.
"""

import base64
import json
import os
import subprocess
import threading
import time
from collections.abc import Sequence

from sandbox.errors import CloudError, UserError
from sandbox.providers.kubernetes.kubeconfig import Connection, ExecPlugin

TOKEN_SECONDS = 14 * 60
"""How long EKS honours a token: 15 minutes, less a minute for clocks that differ."""

_PRESIGNED_SECONDS = 60
_EXEC_SECONDS = 60


class Credentials:
    """A bearer token ('' if the client certificate is all there is). Safe across threads."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._lock = threading.Lock()
        self._token = connection.token
        self._expires = float("inf")

    def token(self) -> str:
        plugin = self._connection.exec_plugin
        if plugin is None:
            return self._token
        with self._lock:
            if not self._token or time.monotonic() >= self._expires:
                self._token = _fetch(plugin, self._connection.server)
                self._expires = time.monotonic() + TOKEN_SECONDS
            return self._token

    def renew(self, refused: str) -> bool:
        """Forget the token `refused`; whether a new one can be had."""
        if self._connection.exec_plugin is None:
            return False
        with self._lock:
            if self._token == refused:
                self._token = ""
        return True


def _fetch(plugin: ExecPlugin, server: str) -> str:
    cluster = _eks_cluster(plugin)
    if cluster is None:
        return _run(plugin, server)
    name, region = cluster
    return eks_token(name, region, plugin.env.get("AWS_PROFILE"))


def _eks_cluster(plugin: ExecPlugin) -> tuple[str, str] | None:
    """(cluster, region) if the plugin is `aws eks get-token`."""
    arguments = list(plugin.args)
    if os.path.basename(plugin.command) != "aws" or "get-token" not in arguments:  # noqa: PTH119
        return None
    name = _option(arguments, "--cluster-name") or _option(arguments, "--cluster-id")
    environment = {**os.environ, **plugin.env}
    region = (
        _option(arguments, "--region")
        or environment.get("AWS_REGION")
        or environment.get("AWS_DEFAULT_REGION")
    )
    if not name or not region:
        raise UserError("The kubeconfig's `aws eks get-token` names no cluster or no region")
    return name, region


def _option(arguments: Sequence[str], name: str) -> str:
    for index, argument in enumerate(arguments):
        if argument == name and index + 1 < len(arguments):
            return arguments[index + 1]
        if argument.startswith(f"{name}="):
            return argument.partition("=")[2]
    return ""


def eks_token(cluster: str, region: str, profile: str | None = None) -> str:
    """What `aws eks get-token` prints: a presigned GetCallerIdentity that names the cluster."""
    # botocore takes a quarter of a second to load: only when a token is needed.
    from botocore.auth import SigV4QueryAuth
    from botocore.awsrequest import AWSRequest
    from botocore.session import Session

    credentials = Session(profile=profile).get_credentials()
    if credentials is None:
        raise UserError(
            "There are no AWS credentials to get a Kubernetes token with",
            "The cluster's kubeconfig signs in through AWS.",
            "export AWS_ACCESS_KEY_ID=... AWS_SECRET_ACCESS_KEY=...",
        )
    # Always STS's own name, whatever AWS_ENDPOINT_URL says: nobody calls it, EKS compares it.
    request = AWSRequest(
        method="GET",
        url=f"https://sts.{region}.amazonaws.com/?Action=GetCallerIdentity&Version=2011-06-15",
        headers={"x-k8s-aws-id": cluster},
    )
    SigV4QueryAuth(credentials, "sts", region, expires=_PRESIGNED_SECONDS).add_auth(request)
    encoded = base64.urlsafe_b64encode(str(request.url).encode()).decode().rstrip("=")
    return f"k8s-aws-v1.{encoded}"


def _run(plugin: ExecPlugin, server: str) -> str:
    """Run a credential plugin by client-go's protocol."""
    info = {
        "apiVersion": plugin.api_version,
        "kind": "ExecCredential",
        "spec": {"interactive": False, "cluster": {"server": server}},
    }
    environment = {**os.environ, **plugin.env, "KUBERNETES_EXEC_INFO": json.dumps(info)}
    summary = f"The kubeconfig's credential plugin {plugin.command} gave no token"
    try:
        done = subprocess.run(
            [plugin.command, *plugin.args],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_EXEC_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CloudError(summary, str(error)) from error
    if done.returncode != 0:
        raise CloudError(summary, done.stderr.decode(errors="replace").strip()[-1000:])
    try:
        return str(json.loads(done.stdout)["status"]["token"])
    except (ValueError, KeyError, TypeError):
        # Its output may hold a key, so it is not repeated.
        raise CloudError(summary, "It printed no ExecCredential with a status.token.") from None
