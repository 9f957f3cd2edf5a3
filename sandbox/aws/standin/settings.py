"""The stand-in's settings, which it reads from environment variables, never arguments.

Read by `sandbox.aws.processes` too, which sets them. Standard library only.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from sandbox.instance import ACCOUNT_ID, REGION, REGISTRY_PORT

STATE = "AERODROME_AWS_STATE"
HOST = "AERODROME_AWS_HOST"
PORT = "AERODROME_AWS_PORT"
CREDENTIALS = "AERODROME_AWS_CREDENTIALS"
CLUSTER_ENDPOINT = "AERODROME_CLUSTER_ENDPOINT"
CLUSTER_CA = "AERODROME_CLUSTER_CA"
CLUSTER_KUBECONFIG = "AERODROME_CLUSTER_KUBECONFIG"
REGISTRY_URL = "AERODROME_REGISTRY_URL"


@dataclass(frozen=True)
class RootKey:
    """The account root's access key pair."""

    access_key_id: str
    secret_access_key: str

    def __repr__(self) -> str:
        return f"RootKey({self.access_key_id}, ***)"


@dataclass(frozen=True)
class EmulatorSettings:
    """The emulator's settings: its state, its address, and the Kubernetes that plays EKS."""

    state: Path
    """Folder of everything that outlives the process."""

    host: str
    port: int
    credentials: Path
    """JSON file {access_key_id, secret_access_key} of the account's root."""

    cluster_endpoint: str
    """The API server's URL, which DescribeCluster answers for every cluster."""

    cluster_ca: Path
    """PEM file, read at each answer: it may be made after the stand-in starts."""

    cluster_kubeconfig: Path
    """Who asks the API server whether a pod's token is good."""

    registry_url: str = f"http://127.0.0.1:{REGISTRY_PORT}"
    """The image registry that plays ECR's."""

    @property
    def address(self) -> str:
        """The address for clients, as host:port. It listens on all addresses of the sandbox, whose
        one that is seen from outside is the API server's, too."""
        anywhere = self.host == "0.0.0.0"
        host = urlsplit(self.cluster_endpoint).hostname if anywhere else self.host
        return f"{host}:{self.port}"

    @classmethod
    def read(cls, environ: Mapping[str, str] = os.environ) -> "EmulatorSettings":
        return cls(
            state=Path(environ[STATE]),
            host=environ[HOST],
            port=int(environ[PORT]),
            credentials=Path(environ[CREDENTIALS]),
            cluster_endpoint=environ[CLUSTER_ENDPOINT],
            cluster_ca=Path(environ[CLUSTER_CA]),
            cluster_kubeconfig=Path(environ[CLUSTER_KUBECONFIG]),
            registry_url=environ[REGISTRY_URL],
        )

    def environment(self) -> dict[str, str]:
        """The variables that `read` reads."""
        return {
            STATE: str(self.state),
            HOST: self.host,
            PORT: str(self.port),
            CREDENTIALS: str(self.credentials),
            CLUSTER_ENDPOINT: self.cluster_endpoint,
            CLUSTER_CA: str(self.cluster_ca),
            CLUSTER_KUBECONFIG: str(self.cluster_kubeconfig),
            REGISTRY_URL: self.registry_url,
        }

    def root_key(self) -> RootKey:
        stored = json.loads(self.credentials.read_text())
        return RootKey(stored["access_key_id"], stored["secret_access_key"])


def emulator_environment(settings: EmulatorSettings) -> dict[str, str]:
    """MiniStack's own settings. It reads them while it is imported."""
    state = settings.state
    return {
        "AUTH": "true",
        "PERSIST_STATE": "1",
        "STATE_DIR": str(state / "services"),
        "S3_PERSIST": "1",
        "S3_DATA_DIR": str(state / "buckets"),
        # Some services write beside the state; nothing may be left in the machine's /tmp.
        "TMPDIR": str(state / "tmp"),
        "GATEWAY_PORT": str(settings.port),
        "MINISTACK_ACCOUNT_ID": ACCOUNT_ID,
        "MINISTACK_REGION": REGION,
        # No Docker, whatever the machine has: EKS clusters would start k3s containers.
        "DOCKER_HOST": f"unix://{state}/no-docker.sock",
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        "LOG_LEVEL": "WARNING",
    }
