"""Many environments on AWS that were never deployed: their states in a bucket, as Pulumi keeps them, their Services in a
real API server, and one program that answers for every Airflow.

For what the command line does with many of them, and how long that takes. `python -m tests.bench --only list` and
`tests/promises/test_many_environments.py` use it.
"""

import json
import os
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from cli.cloud.kubernetes import Kubernetes
from infra.contract.naming import Names
from sandbox import pulumi
from tests import api_server
from tests.promises.aws_cloud import REGION, Emulator, Proxy, running_emulator

BUCKET = "states"
BASE = "dev"
HEALTHY = {
    name: {"status": "healthy"}
    for name in ("metadatabase", "scheduler", "triggerer", "dag_processor")
}
UI = {"app.kubernetes.io/component": "api-server"}
_FILLER = 600
"""Bytes of inputs and as many of outputs that a resource has besides what is read: a branch's state is some 40 KB."""


@dataclass
class Many:
    """A base and its branches, and what was asked of their clouds."""

    names: list[str]
    variables: Mapping[str, str] = field(repr=False)
    """Of a process that is to find them."""

    emulator: Emulator
    aws: Proxy
    """Every call to AWS goes through it."""

    kubeconfig: str
    health: list[str] = field(default_factory=list)
    """The paths that were asked of an Airflow."""


@contextmanager
def deployed(folder: Path, count: int) -> Iterator[Many]:
    """`count` of them, while the block lasts."""
    with ExitStack() as ends:
        emulator = ends.enter_context(running_emulator(folder))
        proxy = Proxy(emulator.url)
        ends.callback(proxy.close)
        cluster = folder / "cluster"
        cluster.mkdir()
        kubeconfig = ends.enter_context(api_server.running(cluster))
        names = [BASE, *(f"{BASE}-feature-{number:03}" for number in range(1, count))]
        many = Many(names, _variables(folder, emulator, proxy), emulator, proxy, kubeconfig)
        port = ends.enter_context(_airflows(many))
        s3 = emulator.client("s3")
        s3.create_bucket(Bucket=BUCKET)
        s3.put_object(Bucket=BUCKET, Key=".pulumi/meta.yaml", Body=b"version: 1\n")
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda name: _store(s3, name, kubeconfig), names))
        _serve(kubeconfig, names, port)
        yield many


def _variables(folder: Path, emulator: Emulator, proxy: Proxy) -> dict[str, str]:
    kept = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith(("PULUMI", "AWS", "AERODROME"))
    }
    query = f"endpoint={proxy.url.removeprefix('http://')}&disableSSL=true&s3ForcePathStyle=true"
    return {
        **kept,
        **pulumi.environment(),
        "AERODROME_STATE": str(folder / "state"),
        "PULUMI_HOME": str(folder / "home"),
        "PULUMI_BACKEND_URL": f"s3://{BUCKET}?region={REGION}&{query}",
        "PULUMI_CONFIG_PASSPHRASE": "correct horse",
        "AWS_ENDPOINT_URL": proxy.url,
        "AWS_ACCESS_KEY_ID": emulator.key["access_key_id"],
        "AWS_SECRET_ACCESS_KEY": emulator.key["secret_access_key"],
        "AWS_REGION": REGION,
    }


def _store(s3: Any, name: str, kubeconfig: str) -> None:
    state = json.dumps(state_of(name, kubeconfig))
    s3.put_object(Bucket=BUCKET, Key=f".pulumi/stacks/aerodrome/{name}.json", Body=state.encode())


def state_of(name: str, kubeconfig: str) -> dict[str, Any]:
    """The state of a branch, or of the base, as Pulumi's own backends in a folder or bucket keep it."""
    shared = name != BASE
    names = Names(name, shared=shared)
    outputs = {
        "environment": name,
        "tenancy": "shared" if shared else "dedicated",
        "base": BASE if shared else "",
        "branch": name.removeprefix(f"{BASE}-") if shared else "",
        "expires": "2099-12-31" if shared else "never",
        "region": REGION,
        "kubeconfig": kubeconfig,
        "namespace": names.namespace,
        "uiService": "airflow-api-server",
        "uiPort": 8080,
    }
    urn = f"urn:pulumi:{name}::aerodrome::"
    stack = {
        "urn": f"{urn}pulumi:pulumi:Stack::aerodrome-{name}",
        "custom": False,
        "type": "pulumi:pulumi:Stack",
        "outputs": outputs,
    }
    kind = "kubernetes:core/v1:Secret"
    filler = {"filler": "x" * _FILLER}
    resources = [
        {
            "urn": f"{urn}{kind}::one-{number}",
            "custom": True,
            "id": f"{names.namespace}/one-{number}",
            "type": kind,
            "inputs": filler,
            "outputs": filler,
            "parent": stack["urn"],
            "created": "2026-11-01T10:00:00Z",
        }
        for number in range(23 if shared else 113)
    ]
    manifest = {"time": "2026-11-01T10:00:00Z", "magic": "", "version": "v3.200.0"}
    latest = {"manifest": manifest, "resources": [stack, *resources], "metadata": {}}
    return {
        "version": 3,
        "checkpoint": {"stack": f"organization/aerodrome/{name}", "latest": latest},
    }


def _serve(kubeconfig: str, names: list[str], port: int) -> None:
    """In each environment's namespace the Service of its UI, with an address like a load balancer's."""
    kubernetes = Kubernetes(kubeconfig)

    def serve(name: str) -> None:
        space = Names(name, shared=name != BASE).namespace
        kubernetes.apply(
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": space}}, "t"
        )
        service = {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "airflow-api-server", "namespace": space, "labels": UI},
            "spec": {
                "type": "LoadBalancer",
                "allocateLoadBalancerNodePorts": False,
                "ports": [{"port": port}],
            },
        }
        kubernetes.apply(service, "t")
        waiting = {"status": {"loadBalancer": {"ingress": [{"ip": "127.0.0.1"}]}}}
        kubernetes.patch(service, waiting, "status")

    serve(names[0])
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(serve, names[1:]))


@contextmanager
def _airflows(many: Many) -> Iterator[int]:
    """The port of what answers for their health."""
    body = json.dumps(HEALTHY).encode()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            many.health.append(self.path)
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 256

    server = Server(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield int(server.server_port)
    finally:
        server.shutdown()
        server.server_close()
