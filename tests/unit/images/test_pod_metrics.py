"""Figures of Airflow's pods, from a kubelet and an API server through a real Telegraf to a real InfluxDB.

The two answer in the form of 1.36's, written by hand and cut down to what Telegraf reads and something beside it; there is no Kubernetes.
"""

import json
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from infra.contract import metrics
from infra.contract.naming import LABEL_ENVIRONMENT
from tests.unit.images import metrics_pipeline
from tests.unit.images.metrics_pipeline import Pipeline
from tests.unit.images.real_airflow import until

MIB = 2**20
COMPONENT = "app.kubernetes.io/component"

Pod = dict[str, Any]


def pod(name: str, environment: str, component: str, **status: Any) -> Pod:
    """As both servers describe it."""
    labels = {COMPONENT: component, "run_id": name}
    if environment:
        labels[LABEL_ENVIRONMENT] = environment
    return {
        "metadata": {"name": name, "namespace": "team", "uid": f"u-{name}", "labels": labels},
        "spec": {"containers": [{"name": "base", "image": "registry.example/airflow:1"}]},
        "status": {"phase": "Running", **status},
    }


def container(restarts: int = 0, **states: str) -> dict[str, Any]:
    """A status, with the reason of its end for each state."""
    ends = {name: {"terminated": {"reason": reason}} for name, reason in states.items()}
    return {"name": "base", "restartCount": restarts, "state": {"running": {}}, **ends}


PODS = [
    pod("etl-one-abc", "dev", "worker", containerStatuses=[container(state="OOMKilled")]),
    pod("etl-two-def", "dev", "worker", containerStatuses=[container()]),
    pod(
        "scheduler-1",
        "dev",
        "scheduler",
        containerStatuses=[container(3, lastState="OOMKilled"), container(1, lastState="Error")],
    ),
    pod("evicted-1", "dev", "triggerer", phase="Failed", reason="Evicted"),
    pod("starting-1", "feature/a", "worker", phase="Pending"),
    pod("another-1", "", "influxdb", containerStatuses=[container(9, lastState="OOMKilled")]),
]

USED = {
    "etl-one-abc": [(2 * 10**8, 300 * MIB)],
    "etl-two-def": [(10**8, 500 * MIB)],
    "scheduler-1": [(5 * 10**7, 400 * MIB), (10**6, 10 * MIB)],
    "another-1": [(10**9, 900 * MIB)],
}
"""Nanocores and bytes of the containers of each pod that runs."""


def summary() -> dict[str, Any]:
    """Of a kubelet."""
    return {
        "node": {"nodeName": "node-a", "cpu": {"usageNanoCores": 7}, "memory": {}},
        "pods": [
            {
                "podRef": {"name": name, "namespace": "team", "uid": f"u-{name}"},
                "containers": [
                    {
                        "name": f"container-{number}",
                        "cpu": {"time": "2026-01-01T00:00:00Z", "usageNanoCores": cores},
                        "memory": {"workingSetBytes": memory, "rssBytes": memory // 2},
                    }
                    for number, (cores, memory) in enumerate(containers)
                ],
                "volume": [{"name": "tmp", "usedBytes": 1}],
                "network": {"rxBytes": 1},
            }
            for name, containers in USED.items()
        ],
    }


class Kubernetes(BaseHTTPRequestHandler):
    """A kubelet, and the API server."""

    refused: list[str]

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        answers: dict[str, Any] = {
            "/stats/summary": summary(),
            "/pods": {"items": PODS},
            "/api/v1/pods": {"kind": "PodList", "items": self._chosen(address.query)},
        }
        if self.headers["Authorization"] != "Bearer the account's token":
            self.send_error(401)
        elif address.path not in answers:
            self.send_error(404)
        else:
            body = json.dumps(answers[address.path]).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    def _chosen(self, query: str) -> list[Pod]:
        (selector,) = parse_qs(query).get("labelSelector", [""])
        return [one for one in PODS if not selector or selector in one["metadata"]["labels"]]

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    folder = tmp_path_factory.mktemp("metrics")
    account = metrics_pipeline.account(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(account / "ca.crt", account / "ca.key")
    with ThreadingHTTPServer(("127.0.0.1", 0), Kubernetes) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"https://127.0.0.1:{server.server_address[1]}"
        with metrics_pipeline.running(folder, kubernetes=address) as found:
            yield found
        server.shutdown()


def of_component(pipeline: Pipeline, environment: str, component: str) -> dict[str, Any]:
    """The last of each figure."""
    fields = ", ".join(f'last("{one}") AS "{one}"' for one in metrics.FIELDS[metrics.PODS.kind])
    where = f"\"environment\" = '{environment}' AND \"component\" = '{component}'"
    rows = pipeline.ask(f'SELECT {fields} FROM "{metrics.PODS.name}" WHERE time > 0 AND {where}')
    return {name: rows[0][name] for name in rows[0] if name != "time"} if rows else {}


def test_a_component_has_what_its_pods_use_together_and_the_most_of_one(pipeline: Pipeline) -> None:
    found = until(
        lambda: None not in (found := of_component(pipeline, "dev", "worker")).values() and found
    )
    assert found == {
        "cpu_usage_nanocores_sum": 3 * 10**8,
        "memory_working_set_bytes_sum": 800 * MIB,
        "memory_working_set_bytes_max": 500 * MIB,
        "restarts_sum": 0,
        "oom_killed_sum": 1,
        "evicted_sum": 0,
    }


def test_restarts_and_the_reason_of_the_last_end_are_those_of_all_containers(
    pipeline: Pipeline,
) -> None:
    found = until(
        lambda: None not in (found := of_component(pipeline, "dev", "scheduler")).values() and found
    )
    assert (found["restarts_sum"], found["oom_killed_sum"]) == (4, 1)
    assert found["memory_working_set_bytes_sum"] == 410 * MIB
    assert found["memory_working_set_bytes_max"] == 400 * MIB


def test_an_evicted_pod_counts_and_one_that_has_not_started_is_none(pipeline: Pipeline) -> None:
    evicted = until(lambda: of_component(pipeline, "dev", "triggerer"))
    assert evicted["evicted_sum"] == 1
    assert evicted["memory_working_set_bytes_sum"] is None
    starting = until(lambda: of_component(pipeline, "feature/a", "worker"))
    assert (starting["restarts_sum"], starting["evicted_sum"]) == (0, 0)


def test_each_point_counts_each_container_once(pipeline: Pipeline) -> None:
    query = (
        'SELECT "memory_working_set_bytes_sum" AS "all" FROM "kubernetes_pods" '
        "WHERE \"environment\" = 'dev' AND \"component\" = 'worker'"
    )
    rows = until(lambda: len(found := pipeline.ask(query)) > 4 and found)
    assert {row["all"] for row in rows} == {800 * MIB}


def test_no_name_of_a_pod_is_stored_and_no_pod_of_others(pipeline: Pipeline) -> None:
    until(lambda: of_component(pipeline, "feature/a", "worker"))
    until(lambda: pipeline.ask("SELECT * FROM kubernetes_node LIMIT 1"))
    kubernetes = {row["name"] for row in pipeline.ask("SHOW MEASUREMENTS")}
    assert {name for name in kubernetes if name.startswith("kubernetes_")} == {
        metrics.NODE.name,
        metrics.PODS.name,
    }
    tags = {row["tagKey"] for row in pipeline.ask(f'SHOW TAG KEYS FROM "{metrics.PODS.name}"')}
    assert tags == {metrics.ENVIRONMENT_TAG, *metrics.PODS.tags}
    assert len(pipeline.ask(f'SHOW SERIES FROM "{metrics.PODS.name}"')) == 4
