"""What the image's own libraries do with the environment that the chart renders: AWS and the internet are asked through a real
proxy, the cluster, the network and AWS's addresses on the node are not."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.contract import proxies
from tests.charts.rendering import render
from tests.forward_proxy import ForwardProxy
from tests.unit.images.airflow_database import python, settings
from tests.unit.sandbox.aws.conftest import REGION, Emulator

AWS = "sts.us-east-1.amazonaws.test"

LOOKS = """
import json
import urllib.request
from contextlib import suppress

import httpx
import kubernetes
import requests
from airflow.providers.amazon.aws.hooks.base_aws import AwsGenericHook

found = AwsGenericHook(aws_conn_id="aws_default", client_type="sts").get_conn().get_caller_identity()


def look(ask, *address, **more):
    with suppress(Exception):
        ask(*address, **more)


# Through the proxy: the internet, by both schemes and each library.
look(requests.get, "https://requests.example.org/", timeout=3)
look(httpx.get, "https://httpx.example.org/", timeout=3)
look(urllib.request.urlopen, "http://urllib.example.org/", timeout=3)
# A branch of the company that is an exception.
look(requests.get, "https://git.internal.example/", timeout=0.3)
# As tasks ask the api-server, and as the UI asks for logs of the triggerer and of Celery's workers.
look(httpx.get, "http://airflow-api-server.airflow.svc:8080/execution/", timeout=0.3)
look(httpx.get, "http://10.20.3.4:8793/log/x", timeout=0.3)
look(httpx.get, "http://10.20.3.4:8794/log/x", timeout=0.3)
# As credentials are asked for, and metadata.
look(urllib.request.urlopen, "http://169.254.170.23/v1/credentials", timeout=0.3)
look(requests.get, "http://169.254.169.254/latest/meta-data/", timeout=0.3)
look(requests.get, "http://10.20.3.4:9000/", timeout=0.3)
look(requests.get, "http://s3.us-east-1.amazonaws.com/bucket/key", timeout=0.3)
look(urllib.request.urlopen, "http://bucket.s3.us-east-1.amazonaws.com/key", timeout=0.3)
# As the scheduler starts pods: Kubernetes by its address among Services.
configuration = kubernetes.client.Configuration(host="https://172.20.0.1:443")
configuration.verify_ssl = False
configuration.retries = False
core = kubernetes.client.CoreV1Api(kubernetes.client.ApiClient(configuration))
look(core.list_namespaced_pod, "airflow", _request_timeout=0.3)
print(json.dumps(found["Account"]))
"""


@pytest.fixture
def proxy(emulator: Emulator) -> Iterator[ForwardProxy]:
    with ForwardProxy(emulator.url) as running:
        yield running


def environment(proxy: str) -> dict[str, str]:
    """Of every container that runs Airflow, as the chart renders it."""
    exceptions = proxies.exceptions([".internal.example"], ["10.20.0.0/16"], ["s3"], REGION)
    values = {
        "proxy": {"http": proxy, "https": proxy, "exceptions": exceptions},
        "logs": {"bucket": "logs", "region": REGION},
    }
    return dict(render(values).find("ConfigMap", "airflow-config")["data"])


def test_aws_is_asked_through_it_and_the_cluster_is_not(
    emulator: Emulator, proxy: ForwardProxy, tmp_path: Path
) -> None:
    rendered = environment(proxy.url)
    told = {key: value for key, value in rendered.items() if key.upper().endswith("_PROXY")}
    assert len(told) == 6
    key = emulator.root
    done = subprocess.run(
        [python(), "-c", LOOKS],
        env={
            **settings("sqlite://", tmp_path),
            **told,
            "AIRFLOW_CONN_AWS_DEFAULT": rendered["AIRFLOW_CONN_AWS_DEFAULT"],
            "AWS_ENDPOINT_URL": f"http://{AWS}",
            "AWS_ACCESS_KEY_ID": key["id"],
            "AWS_SECRET_ACCESS_KEY": key["secret"],
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    # The answer is the emulator's, at a name that only the proxy knows.
    assert json.loads(done.stdout.splitlines()[-1]) == "000000000000"
    assert {*proxy.asked} == {
        AWS,
        "requests.example.org:443",
        "httpx.example.org:443",
        "urllib.example.org",
    }
