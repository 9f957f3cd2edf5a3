"""The folders and names inside one sandbox, as its processes see them. Data, no I/O.

Inside, programs find their state where upstream puts it (/var/lib/kubelet, /run/containerd):
some of those places cannot be configured. The mount namespace lays the instance's own
folders over them, so nothing of it appears on the host outside of the instance's root.
"""

from dataclasses import dataclass
from pathlib import Path

from sandbox.instance import Instance

PRIVATE_FOLDERS = ("/run", "/tmp", "/var/tmp", "/var/lib", "/var/log", "/dev/shm")
"""Where programs write by habit. Each is an empty memory file system inside the sandbox."""

CONTAINERD_SOCKET = "/run/containerd/containerd.sock"
KUBELET_ROOT = "/var/lib/kubelet"
POD_LOGS = "/var/log/pods"


@dataclass(frozen=True)
class Layout:
    """The paths of everything below `instance.root`."""

    instance: Instance

    @property
    def node_name(self) -> str:
        return f"aerodrome-{self.instance.name}"

    @property
    def config(self) -> Path:
        """Configuration files of the processes, written anew by every start."""
        return self.instance.root / "etc"

    @property
    def etcd(self) -> Path:
        return self.instance.root / "etcd"

    @property
    def registry(self) -> Path:
        return self.instance.root / "registry"

    @property
    def volumes(self) -> Path:
        """One folder for each PersistentVolume."""
        return self.instance.root / "volumes"

    @property
    def instance_file(self) -> Path:
        return self.instance.root / "instance.json"

    @property
    def status_file(self) -> Path:
        """The supervisor's last report on each process."""
        return self.instance.root / "status.json"

    @property
    def init_file(self) -> Path:
        """Which process is init, so that a reused number is not taken for it."""
        return self.instance.root / "init.json"

    @property
    def complete_file(self) -> Path:
        """Present if an `up` came to its end."""
        return self.instance.root / "complete"

    @property
    def version_file(self) -> Path:
        """The version that it was started from (`tools.sandbox_version`)."""
        return self.instance.root / "version"

    @property
    def registries_config(self) -> Path:
        """For buildah and skopeo on the host: every registry is the sandbox's."""
        return self.instance.root / "registries.conf"

    @property
    def laid_over(self) -> dict[str, Path]:
        """Upstream's folder -> the instance's own."""
        root = self.instance.root
        return {
            "/var/lib/containerd": root / "containerd",
            KUBELET_ROOT: root / "kubelet",
            POD_LOGS: root / "pod-logs",
        }

    def kubeconfig(self, user: str) -> Path:
        """Of one of the node's own programs."""
        return self.instance.pki / f"{user}.kubeconfig"

    def certificate(self, name: str) -> Path:
        return self.instance.pki / f"{name}.crt"

    def key(self, name: str) -> Path:
        return self.instance.pki / f"{name}.key"
