"""etcd, kube-apiserver, controller-manager and scheduler: their configuration and processes."""

from sandbox import files
from sandbox.cluster.kubeconfig import LOCAL_API
from sandbox.instance import API_PORT, AWS_PORT, POD_CIDR, SERVICE_CIDR, TOKEN_REVIEW_PATH
from sandbox.layout import Layout
from sandbox.process import Process, Ready
from sandbox.tools import tool

SMALL_HEAP = {"GOGC": "50"}
"""Collect garbage earlier: a one-node cluster has little of it, and memory is what is short."""

_ETCD = "http://127.0.0.1:2379"
_TOKEN_WEBHOOK = "token-webhook.kubeconfig"


def write_files(layout: Layout) -> None:
    """Write the kube-apiserver's webhook configuration, by which the AWS stand-in reviews EKS tokens."""
    webhook = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {
                "name": "aws",
                "cluster": {"server": f"http://127.0.0.1:{AWS_PORT}{TOKEN_REVIEW_PATH}"},
            }
        ],
        "users": [{"name": "kube-apiserver"}],
        "contexts": [{"name": "aws", "context": {"cluster": "aws", "user": "kube-apiserver"}}],
        "current-context": "aws",
    }
    files.write_json(layout.config / _TOKEN_WEBHOOK, webhook)


def processes(layout: Layout) -> list[Process]:
    """In no order of their own; `after` says it."""
    return [_etcd(layout), _apiserver(layout), _controller_manager(layout), _scheduler(layout)]


def _etcd(layout: Layout) -> Process:
    argv = [
        str(tool("etcd")),
        f"--data-dir={layout.etcd}",
        f"--listen-client-urls={_ETCD}",
        f"--advertise-client-urls={_ETCD}",
        "--listen-peer-urls=http://127.0.0.1:2380",
        # A sandbox can be made again; waiting for the disk on every write cannot be undone.
        "--unsafe-no-fsync",
        "--snapshot-count=10000",
        "--auto-compaction-mode=periodic",
        "--auto-compaction-retention=1h",
        "--log-level=warn",
    ]
    return Process("etcd", argv, env=SMALL_HEAP, ready=Ready(f"{_ETCD}/health"))


def _apiserver(layout: Layout) -> Process:
    pki = layout.instance.pki
    argv = [
        str(tool("kube-apiserver")),
        f"--etcd-servers={_ETCD}",
        f"--advertise-address={layout.instance.node_address}",
        f"--secure-port={API_PORT}",
        "--allow-privileged=true",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        f"--service-cluster-ip-range={SERVICE_CIDR}",
        f"--client-ca-file={layout.certificate('ca')}",
        f"--tls-cert-file={layout.certificate('apiserver')}",
        f"--tls-private-key-file={layout.key('apiserver')}",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={pki / 'service-accounts.pub'}",
        f"--service-account-signing-key-file={layout.key('service-accounts')}",
        f"--kubelet-certificate-authority={layout.certificate('ca')}",
        f"--kubelet-client-certificate={layout.certificate('apiserver-kubelet-client')}",
        f"--kubelet-client-key={layout.key('apiserver-kubelet-client')}",
        # exec and logs go to the kubelet's address: its name is known to no resolver.
        "--kubelet-preferred-address-types=InternalIP",
        f"--authentication-token-webhook-config-file={layout.config / _TOKEN_WEBHOOK}",
        "--authentication-token-webhook-cache-ttl=30s",
        "--authentication-token-webhook-version=v1",
        "--profiling=false",
    ]
    ready = Ready(f"{LOCAL_API}/readyz")
    return Process("kube-apiserver", argv, env=SMALL_HEAP, after=("etcd",), ready=ready)


def _controller_manager(layout: Layout) -> Process:
    argv = [
        str(tool("kube-controller-manager")),
        f"--kubeconfig={layout.kubeconfig('controller-manager')}",
        "--bind-address=127.0.0.1",
        "--leader-elect=false",
        "--use-service-account-credentials=true",
        f"--root-ca-file={layout.certificate('ca')}",
        f"--service-account-private-key-file={layout.key('service-accounts')}",
        f"--cluster-signing-cert-file={layout.certificate('ca')}",
        f"--cluster-signing-key-file={layout.key('ca')}",
        f"--cluster-cidr={POD_CIDR}",
        f"--service-cluster-ip-range={SERVICE_CIDR}",
        # Its own limit, 20 requests a second, makes its start take four seconds longer.
        "--kube-api-qps=200",
        "--kube-api-burst=400",
        "--profiling=false",
    ]
    ready = Ready("https://127.0.0.1:10257/healthz")
    after = ("kube-apiserver",)
    return Process("kube-controller-manager", argv, env=SMALL_HEAP, after=after, ready=ready)


def _scheduler(layout: Layout) -> Process:
    argv = [
        str(tool("kube-scheduler")),
        f"--kubeconfig={layout.kubeconfig('scheduler')}",
        "--bind-address=127.0.0.1",
        "--leader-elect=false",
        "--profiling=false",
    ]
    ready = Ready("https://127.0.0.1:10259/healthz")
    return Process("kube-scheduler", argv, env=SMALL_HEAP, after=("kube-apiserver",), ready=ready)
