"""The client of Kubernetes at a real API server; only the kubelet behind it is played."""

import base64
import collections
import itertools
import json
import ssl
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from cli.base.errors import KitError
from cli.cloud.kubernetes import Kubernetes, Refused, UnknownKind, main_container, reference
from tests.teardown.kit import definition

_number = itertools.count()


@pytest.fixture
def kubernetes(api_server: str) -> Kubernetes:
    """In a namespace of its own."""
    made = Kubernetes(api_server, f"client-{next(_number)}")
    made.apply(reference("v1", "Namespace", made.namespace), "tests")
    return made


def config_map(name: str, **metadata: Any) -> dict[str, Any]:
    made = reference("v1", "ConfigMap", name)
    return {**made, "metadata": made["metadata"] | metadata, "data": {"color": "blue"}}


def pod(name: str, **metadata: Any) -> dict[str, Any]:
    made = reference("v1", "Pod", name)
    containers = [{"name": one, "image": "none"} for one in ("main", "sidecar")]
    return {**made, "metadata": made["metadata"] | metadata, "spec": {"containers": containers}}


def names(items: list[dict[str, Any]]) -> list[str]:
    return sorted(item["metadata"]["name"] for item in items)


def test_an_object_is_found_or_none(kubernetes: Kubernetes) -> None:
    kubernetes.apply(config_map("one"), "tests")
    for kind in ("configmap", "configmaps", "ConfigMap", "cm"):
        found = kubernetes.find(kind, "one")
        assert found is not None
        assert found["data"] == {"color": "blue"}
    assert kubernetes.find("configmap", "two") is None
    assert kubernetes.find("configmap", "one", namespace="default") is None


def test_a_document_finds_the_object_that_it_names(kubernetes: Kubernetes) -> None:
    kubernetes.apply(config_map("one"), "tests")
    found = kubernetes.find_same(reference("v1", "ConfigMap", "one"))
    assert found is not None
    assert found["data"] == {"color": "blue"}
    assert kubernetes.find_same(reference("v1", "ConfigMap", "one", "default")) is None
    assert kubernetes.find_same(reference("gone.example.com/v1", "Widget", "one")) is None


def test_objects_are_listed_by_namespace_and_selector(kubernetes: Kubernetes) -> None:
    other = f"{kubernetes.namespace}-other"
    label = {"of": kubernetes.namespace}
    kubernetes.apply(reference("v1", "Namespace", other), "tests")
    kubernetes.apply(config_map("here", labels=label), "tests")
    kubernetes.apply(config_map("there", namespace=other, labels=label), "tests")
    kubernetes.apply(config_map("unlabelled"), "tests")
    selector = f"of={kubernetes.namespace}"
    assert names(kubernetes.objects("configmaps")) == ["here", "unlabelled"]
    assert names(kubernetes.objects("configmaps", namespace=other)) == ["there"]
    assert names(kubernetes.objects("configmaps", selector=selector)) == ["here"]
    everywhere = kubernetes.objects("configmaps", selector=selector, everywhere=True)
    assert names(everywhere) == ["here", "there"]


def test_what_is_listed_says_its_kind(kubernetes: Kubernetes) -> None:
    kubernetes.apply(config_map("one"), "tests")
    kubernetes.apply(reference("v1", "Secret", "two"), "tests")
    found = kubernetes.objects("secrets,configmaps")
    assert [(item["apiVersion"], item["kind"]) for item in found] == [
        ("v1", "Secret"),
        ("v1", "ConfigMap"),
    ]


def test_a_kind_may_be_told_from_another_by_its_group(kubernetes: Kubernetes) -> None:
    assert kubernetes.objects("events.events.k8s.io") == []
    assert kubernetes.objects("deployments.apps") == []
    with pytest.raises(UnknownKind, match=r"called deployments\.batch"):
        kubernetes.objects("deployments.batch")


def test_kinds_that_were_defined_meanwhile_are_known(kubernetes: Kubernetes) -> None:
    group = f"{kubernetes.namespace}.example.com"
    with pytest.raises(UnknownKind, match="has no kind of object called widgets"):
        kubernetes.objects(f"widgets.{group}")
    made = definition("widgets", "Widget", group, "Namespaced")
    kubernetes.apply(made, "tests")
    for _ in range(100):
        try:
            assert kubernetes.objects(f"widgets.{group}") == []
            break
        except UnknownKind:
            threading.Event().wait(0.1)
    kubernetes.apply(reference(f"{group}/v1", "Widget", "one"), "tests")
    assert names(kubernetes.objects(f"widgets.{group}")) == ["one"]
    assert kubernetes.delete(made, seconds=30.0)


def test_what_was_deleted_is_told(kubernetes: Kubernetes) -> None:
    kubernetes.apply(config_map("one"), "tests")
    assert kubernetes.delete(reference("v1", "ConfigMap", "one"))
    assert kubernetes.find("configmap", "one") is None
    assert not kubernetes.delete(reference("v1", "ConfigMap", "one"))


def test_a_deletion_that_a_finalizer_holds_is_waited_for(kubernetes: Kubernetes) -> None:
    held = config_map("held", finalizers=["tests/held"])
    kubernetes.apply(held, "tests")
    assert kubernetes.delete(held)
    with pytest.raises(KitError, match="configmap held is not gone after 0 s") as caught:
        kubernetes.delete(held, seconds=0.3)
    assert caught.value.detail == "tests/held"
    free = {"metadata": {"finalizers": []}}
    timer = threading.Timer(0.5, kubernetes.patch, (held, free))
    timer.start()
    assert kubernetes.delete(held, seconds=30.0)
    assert kubernetes.find("configmap", "held") is None


def test_a_grace_period_is_the_pods_own_or_ours(kubernetes: Kubernetes) -> None:
    for name, grace in (("patient", None), ("hasty", 2)):
        made = pod(name, finalizers=["tests/held"])
        kubernetes.apply({**made, "spec": {**made["spec"], "nodeName": "none"}}, "tests")
        kubernetes.delete(made, grace=grace)
        left = kubernetes.find("pod", name)
        assert left is not None
        assert left["metadata"]["deletionGracePeriodSeconds"] == (grace or 30)
        kubernetes.patch(made, {"metadata": {"finalizers": []}})
        kubernetes.delete(made, grace=0)


def test_a_change_is_merged_also_into_a_part(kubernetes: Kubernetes) -> None:
    spec = {"type": "LoadBalancer", "ports": [{"port": 80}]}
    service = {**reference("v1", "Service", "front"), "spec": spec}
    kubernetes.apply(service, "tests")
    kubernetes.patch(service, {"metadata": {"labels": {"a": "b"}}})
    balancer = {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}}
    kubernetes.patch(service, {"status": balancer}, "status")
    found = kubernetes.find("service", "front")
    assert found is not None
    assert found["metadata"]["labels"] == {"a": "b"}
    assert found["status"]["loadBalancer"]["ingress"][0]["ip"] == "192.0.2.1"


def test_a_replacement_keeps_nothing_and_meets_conflicts(kubernetes: Kubernetes) -> None:
    kubernetes.apply(config_map("one"), "tests")
    old = kubernetes.find("configmap", "one")
    assert old is not None
    kubernetes.replace({**old, "data": {"size": "7"}})
    found = kubernetes.find("configmap", "one")
    assert found is not None
    assert found["data"] == {"size": "7"}
    with pytest.raises(Refused, match="Kubernetes refuses") as caught:
        kubernetes.replace({**old, "data": {}})
    assert caught.value.status == 409
    assert "the object has been modified" in caught.value.detail


def test_applying_takes_fields_from_others_and_can_be_tried(kubernetes: Kubernetes) -> None:
    kubernetes.apply(config_map("one"), "tests")
    kubernetes.patch(config_map("one"), {"data": {"color": "green"}})
    tried = kubernetes.apply(config_map("one"), "tests", dry_run=True)
    assert tried["data"] == {"color": "blue"}
    found = kubernetes.find("configmap", "one")
    assert found is not None
    assert found["data"] == {"color": "green"}
    assert kubernetes.apply(config_map("one"), "tests")["data"] == {"color": "blue"}


def test_an_invalid_object_is_refused_with_the_reason(kubernetes: Kubernetes) -> None:
    with pytest.raises(Refused, match="Kubernetes refuses") as caught:
        kubernetes.apply(reference("v1", "ConfigMap", "No_Such_Name"), "tests")
    assert (caught.value.status, caught.value.exit_code) == (422, 1)
    assert "No_Such_Name" in caught.value.detail


class Kubelet(BaseHTTPRequestHandler):
    """Of a kubelet: the logs of containers."""

    def do_GET(self) -> None:
        path, _, query = self.path.partition("?")
        *_, pod, container = path.split("/")
        if container == "waiting":
            self.send_error(400, f'container "{container}" is waiting to start')
            return
        self.send_response(200)
        self.end_headers()
        self.wfile.write(f"{pod} {container}\n{query}\n".encode())

    def log_message(self, *_: object) -> None:
        """Nothing: the test looks at what the client gets."""


@contextmanager
def kubelet(folder: Path) -> Iterator[int]:
    """The port of a kubelet."""
    files = folder / "key.pem", folder / "cert.pem"
    request = ("req", "-x509", "-nodes", "-subj", "/CN=node", "-newkey", "rsa:2048")
    command = ["openssl", *request, "-keyout", str(files[0]), "-out", str(files[1])]
    subprocess.run(command, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files[1], files[0])
    with ThreadingHTTPServer(("127.0.0.1", 0), Kubelet) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


def scheduled(kubernetes: Kubernetes, port: int, *pods: dict[str, Any]) -> None:
    node = reference("v1", "Node", f"node-of-{kubernetes.namespace}")
    kubernetes.apply(node, "tests")
    status = {
        "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": port}},
    }
    kubernetes.patch(node, {"status": status}, "status")
    for one in pods:
        spec = {**one["spec"], "nodeName": node["metadata"]["name"]}
        kubernetes.apply({**one, "spec": spec}, "tests")


def test_logs_are_the_last_lines_of_every_container(kubernetes: Kubernetes, tmp_path: Path) -> None:
    label = {"app": "demo"}
    first = pod("first", labels=label)
    first["spec"]["initContainers"] = [{"name": "setup", "image": "none"}]
    with kubelet(tmp_path) as port:
        scheduled(kubernetes, port, first, pod("second", labels=label), pod("other"))
        where = ["first setup", "first main", "first sidecar", "second main", "second sidecar"]
        expected = [line for one in where for line in (one, "tailLines=5")]
        assert kubernetes.logs("app=demo", lines=5) == expected
        assert kubernetes.logs("app=nothing", lines=5) == []


def test_a_node_that_does_not_answer_is_not_the_cluster(
    kubernetes: Kubernetes, tmp_path: Path
) -> None:
    scheduled(kubernetes, 9, pod("lost", labels={"app": "lost"}))
    with pytest.raises(Refused) as caught:
        kubernetes.logs("app=lost", lines=5)
    assert caught.value.status >= 500
    assert "connection refused" in caught.value.detail


def test_a_container_that_waits_has_no_log(kubernetes: Kubernetes, tmp_path: Path) -> None:
    waits = pod("waits", labels={"app": "waits"})
    waits["spec"]["containers"][0]["name"] = "waiting"
    with kubelet(tmp_path) as port:
        scheduled(kubernetes, port, waits)
        with pytest.raises(Refused, match="Kubernetes refuses"):
            kubernetes.logs("app=waits", lines=5)


def test_the_main_container_is_the_first_or_the_one_that_is_marked() -> None:
    marked = {"kubectl.kubernetes.io/default-container": "sidecar"}
    assert main_container(pod("plain")) == "main"
    assert main_container(pod("meshed", annotations=marked)) == "sidecar"


class Throttling(BaseHTTPRequestHandler):
    """Before the real API server: refuses each request `times` times, as Priority and Fairness does."""

    protocol_version = "HTTP/1.1"
    target = ""
    times = 0
    headers_more: tuple[tuple[str, str], ...] = ()
    refused: collections.Counter[tuple[str, str]]
    trust: ssl.SSLContext

    def serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        key = (self.command, self.path)
        if self.refused[key] < self.times:
            self.refused[key] += 1
            self.answer(429, b'{"message": "Too many requests"}', *self.headers_more)
            return
        asked = urllib.request.Request(
            self.target + self.path, body or None, dict(self.headers), method=self.command
        )
        try:
            with urllib.request.urlopen(asked, context=self.trust) as answer:
                self.answer(answer.status, answer.read())
        except urllib.error.HTTPError as error:
            self.answer(error.code, error.read())

    do_GET = do_PATCH = do_PUT = do_DELETE = serve

    def answer(self, status: int, content: bytes, *headers: tuple[str, str]) -> None:
        self.send_response(status)
        for name, value in (*headers, ("Content-Length", str(len(content)))):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *args: Any) -> None:
        pass


@contextmanager
def throttled(
    api_server: str, namespace: str, times: int, *headers: tuple[str, str]
) -> Iterator[tuple[Kubernetes, "collections.Counter[tuple[str, str]]"]]:
    """A client of the real API server through one that throttles, and what that refused."""
    config = json.loads(api_server)
    cluster = config["clusters"][0]["cluster"]
    refused: collections.Counter[tuple[str, str]] = collections.Counter()
    trust = ssl.create_default_context(
        cadata=base64.b64decode(cluster["certificate-authority-data"]).decode()
    )
    more = {"target": cluster["server"], "times": times, "headers_more": headers}
    handler = type("Handler", (Throttling,), {**more, "refused": refused, "trust": trust})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    config["clusters"][0]["cluster"] = {"server": f"http://127.0.0.1:{server.server_port}"}
    try:
        yield Kubernetes(json.dumps(config), namespace), refused
    finally:
        server.shutdown()
        server.server_close()


class TestThrottling:
    def test_what_was_throttled_is_asked_again(
        self, kubernetes: Kubernetes, api_server: str
    ) -> None:
        with throttled(api_server, kubernetes.namespace, 4, ("Retry-After", "0")) as (
            slow,
            refused,
        ):
            slow.apply(config_map("one"), "tests")
            slow.patch(config_map("one"), {"data": {"color": "green"}})
            found = slow.find("configmap", "one")
            assert found is not None
            assert found["data"] == {"color": "green"}
            assert slow.delete(found)
            assert slow.find("configmap", "one") is None
        assert {method for method, _ in refused} == {"GET", "PATCH", "DELETE"}

    def test_the_server_says_when(self, kubernetes: Kubernetes, api_server: str) -> None:
        with throttled(api_server, kubernetes.namespace, 1, ("Retry-After", "1")) as (
            slow,
            refused,
        ):
            before = time.monotonic()
            slow.objects("configmaps")
            assert time.monotonic() - before >= len(refused)
        # The kinds, in two parts, and the objects.
        assert len(refused) == 3

    def test_one_that_does_not_say_when_is_asked_again_too(
        self, kubernetes: Kubernetes, api_server: str
    ) -> None:
        with throttled(api_server, kubernetes.namespace, 2) as (slow, _):
            assert slow.find("configmap", "none") is None

    def test_one_that_throttles_for_good_is_named(
        self, kubernetes: Kubernetes, api_server: str
    ) -> None:
        with (
            throttled(api_server, kubernetes.namespace, 99, ("Retry-After", "0")) as (slow, _),
            pytest.raises(Refused, match="Kubernetes refuses") as raised,
        ):
            slow.find("configmap", "one")
        assert raised.value.status == 429
        assert "Too many requests" in raised.value.detail


def test_a_kubeconfig_is_not_shown(api_server: str) -> None:
    assert json.loads(api_server)["users"][0]["user"]["token"] not in repr(Kubernetes(api_server))
