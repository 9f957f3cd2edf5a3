"""The names, folders, addresses and ports of one sandbox. Data, no I/O.

Every sandbox lives in Linux namespaces of its own (see docs/adr/0002), so its ports never
meet those of other software. From the host it is reached at `node_address`, through one
veth pair. Several sandboxes can run at once: each has a `slot`, which gives it addresses.
"""

import os
from dataclasses import dataclass
from pathlib import Path

ACCOUNT_ID = "000000000000"
REGION = "us-east-1"
KUBERNETES_VERSION = "1.36"

API_PORT = 6443
AWS_PORT = 4566
REGISTRY_PORT = 5000
UI_NODE_PORT = 30080
WEBHOOK_PORT = 9443
"""Where the Pod Identity webhook answers the kube-apiserver, on loopback in the sandbox."""

TOKEN_REVIEW_PATH = "/_aerodrome/token-review"
"""Where the AWS stand-in answers the kube-apiserver's TokenReview of EKS tokens."""

POD_IDENTITY_ADDRESS = "169.254.170.23"
"""EKS's own address of the Pod Identity agent, port 80."""

POD_CIDR = "10.244.0.0/24"
POD_GATEWAY = "10.244.0.1"
SERVICE_CIDR = "10.96.0.0/16"
DNS_ADDRESS = "10.244.0.1"
"""CoreDNS runs as a process of the node and answers on the pods' gateway."""


def cache_dir() -> Path:
    """Everything built, by content hash; shared by all checkouts. AERODROME_CACHE."""
    default = Path.home() / ".cache" / "aerodrome"
    return Path(os.environ.get("AERODROME_CACHE") or default)


def state_dir() -> Path:
    """Sandboxes and the stacks deployed on them. AERODROME_STATE.

    A sandbox takes root. Whoever is not keeps only leases on environments in AWS, at home.
    """
    if given := os.environ.get("AERODROME_STATE"):
        return Path(given)
    if os.geteuid() == 0:
        return Path("/var/lib/aerodrome")
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state") / "aerodrome"


@dataclass(frozen=True)
class Instance:
    """One sandbox. `slot` is 0..63 and unique among those on this machine."""

    name: str
    slot: int
    root: Path
    """Everything of this sandbox that outlives a process; gone after `down`."""

    ui_port: int = 8080
    """The loopback port of the host that leads to the Airflow UI."""

    @property
    def host_address(self) -> str:
        """The host's end of the veth pair."""
        return f"10.213.{self.slot}.1"

    @property
    def node_address(self) -> str:
        """The sandbox's end: Kubernetes, registry, AWS and node ports answer here."""
        return f"10.213.{self.slot}.2"

    @property
    def interface(self) -> str:
        """The host's end of the veth pair; at most 15 characters."""
        return f"aerodrome{self.slot}"

    @property
    def cgroup(self) -> str:
        """The folder in every cgroup hierarchy that holds this sandbox's processes."""
        return f"aerodrome-{self.name}"

    @property
    def api_url(self) -> str:
        return f"https://{self.node_address}:{API_PORT}"

    @property
    def aws_url(self) -> str:
        return f"http://{self.node_address}:{AWS_PORT}"

    @property
    def registry(self) -> str:
        return f"{self.node_address}:{REGISTRY_PORT}"

    @property
    def pki(self) -> Path:
        """Certificates and keys: ca.crt, ca.key, apiserver.crt, ..., mode 0700."""
        return self.root / "pki"

    @property
    def admin_kubeconfig(self) -> Path:
        """Client certificate of system:masters. Mode 0600."""
        return self.root / "admin.kubeconfig"

    @property
    def aws_credentials(self) -> Path:
        """The account root's keys, as JSON {access_key_id, secret_access_key}. Mode 0600."""
        return self.root / "aws" / "root.json"

    @property
    def logs(self) -> Path:
        """One file a process: NAME.log."""
        return self.root / "logs"
