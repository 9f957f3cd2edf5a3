"""The Kubernetes node: containerd, CNI, kubelet, kube-proxy, CoreDNS."""

from sandbox import files
from sandbox.cluster.control_plane import SMALL_HEAP
from sandbox.cluster.kubeconfig import LOCAL_API
from sandbox.instance import (
    DNS_ADDRESS,
    POD_CIDR,
    REGION,
    REGISTRY_PORT,
)
from sandbox.layout import CONTAINERD_SOCKET, KUBELET_ROOT, POD_LOGS, Layout
from sandbox.process import Process, Ready
from sandbox.registry.images import PAUSE
from sandbox.tools import cni_plugins, tool

CLUSTER_DOMAIN = "cluster.local"
_CNI_VERSION = "0.4.0"


def write_files(layout: Layout) -> None:
    """Configuration files of everything in this module."""
    config = layout.config
    files.write(config / "containerd.toml", _containerd_config(layout))
    files.write(config / "certs.d" / "_default" / "hosts.toml", _registry_hosts())
    files.write_json(config / "cni" / "10-aerodrome.conflist", _cni_config())
    files.write_json(config / "kubelet.json", _kubelet_config(layout))
    files.write_json(config / "kube-proxy.json", _proxy_config(layout))
    files.write(config / "Corefile", _corefile(layout))


def processes(layout: Layout) -> list[Process]:
    """In no order of their own; `after` says it."""
    return [_containerd(layout), _kubelet(layout), _proxy(layout), _coredns(layout)]


def _containerd(layout: Layout) -> Process:
    argv = [str(tool("containerd")), f"--config={layout.config / 'containerd.toml'}"]
    ready = Ready(f"unix://{CONTAINERD_SOCKET}")
    return Process("containerd", argv, env=SMALL_HEAP, ready=ready)


def _containerd_config(layout: Layout) -> str:
    """Its folders are upstream's, inside the mount namespace; see `layout`."""
    unused = ["aufs", "btrfs", "devmapper", "native", "zfs"]
    disabled = ", ".join(f'"io.containerd.snapshotter.v1.{name}"' for name in unused)
    # Without CAP_SYS_RESOURCE nobody may lower an OOM score, neither containerd its own nor
    # that of a container. An AppArmor profile would stay in the host's kernel.
    return f"""\
version = 2
oom_score = 0
disabled_plugins = [{disabled}, "io.containerd.tracing.processor.v1.otlp", "io.containerd.internal.v1.tracing"]

[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{PAUSE}"
  restrict_oom_score_adj = true
  disable_apparmor = true
  disable_tcp_service = true
  tolerate_missing_hugetlb_controller = true
  max_concurrent_downloads = 8
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    discard_unpacked_layers = true
    default_runtime_name = "runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        BinaryName = "{tool("runc")}"
        SystemdCgroup = false
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{cni_plugins()}"
    conf_dir = "{layout.config / "cni"}"
  [plugins."io.containerd.grpc.v1.cri".registry]
    config_path = "{layout.config / "certs.d"}"
"""


def _registry_hosts() -> str:
    """Whatever registry an image names, it is the sandbox's: there is no other to be reached."""
    address = f"http://127.0.0.1:{REGISTRY_PORT}"
    return f"""\
server = "{address}"
[host."{address}"]
  capabilities = ["pull", "resolve"]
"""


def _cni_config() -> dict[str, object]:
    """Every pod has its own link to the node, so that all traffic is routed through it.

    With a bridge, two pods would answer each other past the node, and the rewriting of
    Service addresses would then depend on a kernel module (br_netfilter).
    """
    ranges = [[{"subnet": POD_CIDR}]]
    addresses = {"type": "host-local", "ranges": ranges, "routes": [{"dst": "0.0.0.0/0"}]}
    return {
        "cniVersion": _CNI_VERSION,
        "name": "aerodrome",
        "plugins": [
            {"type": "ptp", "ipMasq": False, "ipam": addresses},
            {"type": "portmap", "capabilities": {"portMappings": True}},
        ],
    }


def _kubelet(layout: Layout) -> Process:
    labels = {
        "topology.kubernetes.io/region": REGION,
        "topology.kubernetes.io/zone": f"{REGION}a",
        "node.kubernetes.io/instance-type": "sandbox",
    }
    argv = [
        str(tool("kubelet")),
        f"--config={layout.config / 'kubelet.json'}",
        f"--kubeconfig={layout.kubeconfig('kubelet')}",
        f"--root-dir={KUBELET_ROOT}",
        f"--hostname-override={layout.node_name}",
        f"--node-ip={layout.instance.node_address}",
        f"--node-labels={','.join(f'{key}={value}' for key, value in labels.items())}",
    ]
    ready = Ready("http://127.0.0.1:10248/healthz")
    # It waits for the registry too: its first pod needs the pause image.
    after = ("containerd", "kube-apiserver", "registry")
    return Process("kubelet", argv, env=SMALL_HEAP, after=after, ready=ready)


def _kubelet_config(layout: Layout) -> dict[str, object]:
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(layout.certificate("ca"))},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": str(layout.certificate("kubelet")),
        "tlsPrivateKeyFile": str(layout.key("kubelet")),
        "containerRuntimeEndpoint": f"unix://{CONTAINERD_SOCKET}",
        "podLogsDir": POD_LOGS,
        "clusterDNS": [DNS_ADDRESS],
        "clusterDomain": CLUSTER_DOMAIN,
        "resolvConf": str(layout.config / "resolv.conf"),
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{layout.instance.cgroup}",
        "failCgroupV1": False,
        "failSwapOn": False,
        "enforceNodeAllocatable": [],
        "localStorageCapacityIsolation": True,
        # The disk is the user's. Nobody wants pods evicted because of other files on it.
        "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1%"},
        "imageGCHighThresholdPercent": 100,
        "imageGCLowThresholdPercent": 99,
        "serializeImagePulls": False,
        "registryPullQPS": 0,
        "eventRecordQPS": 0,
        "kubeAPIQPS": 100,
        "kubeAPIBurst": 200,
        "containerLogMaxSize": "5Mi",
        "containerLogMaxFiles": 2,
        # Noticed sooner: a changed Secret or ConfigMap in a pod's volume.
        "syncFrequency": "20s",
        "nodeStatusUpdateFrequency": "10s",
        "rotateCertificates": False,
        "oomScoreAdj": 0,
    }


def _proxy(layout: Layout) -> Process:
    argv = [str(tool("kube-proxy")), f"--config={layout.config / 'kube-proxy.json'}"]
    ready = Ready("http://127.0.0.1:10256/healthz")
    return Process("kube-proxy", argv, env=SMALL_HEAP, after=("kube-apiserver",), ready=ready)


def _proxy_config(layout: Layout) -> dict[str, object]:
    # Connection tracking belongs to the machine, not to a namespace: leave its limits alone.
    untouched = {
        "maxPerCore": 0,
        "min": 0,
        "tcpEstablishedTimeout": "0s",
        "tcpCloseWaitTimeout": "0s",
    }
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "clientConnection": {"kubeconfig": str(layout.kubeconfig("proxy"))},
        "mode": "nftables",
        "clusterCIDR": POD_CIDR,
        "hostnameOverride": layout.node_name,
        "healthzBindAddress": "127.0.0.1:10256",
        "metricsBindAddress": "127.0.0.1:10249",
        "nodePortAddresses": [f"{layout.instance.node_address}/32"],
        "conntrack": untouched,
        "oomScoreAdj": 0,
    }


def _coredns(layout: Layout) -> Process:
    argv = [str(tool("coredns")), f"-conf={layout.config / 'Corefile'}"]
    ready = Ready("http://127.0.0.1:8181/ready")
    return Process("coredns", argv, env=SMALL_HEAP, after=("kube-apiserver",), ready=ready)


def _corefile(layout: Layout) -> str:
    """Names of the cluster only. For all others the answer is "no such name", at once."""
    return f"""\
.:53 {{
    bind {DNS_ADDRESS}
    errors
    ready 127.0.0.1:8181
    kubernetes {CLUSTER_DOMAIN} in-addr.arpa {{
        endpoint {LOCAL_API}
        kubeconfig {layout.kubeconfig("coredns")} {layout.node_name}
        pods verified
        ttl 5
    }}
    cache 5
}}
"""
