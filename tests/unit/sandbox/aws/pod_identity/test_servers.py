"""Webhook and agent as a pod and the API server meet them, with the real emulator behind."""

import base64
import json
import os
import socket
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest

from sandbox import tools
from sandbox.aws.pod_identity.settings import PodIdentitySettings, host_and_port
from tests.ports import free_port

BOTH = ["sts:AssumeRole", "sts:TagSession"]


def token_for(namespace, service_account):
    """Like a service account token as far as the agent reads it."""
    claims = {
        "kubernetes.io": {"namespace": namespace, "serviceaccount": {"name": service_account}}
    }
    payload = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"e30.{payload}.c2lnbmF0dXJl"


def free_address():
    return f"127.0.0.1:{free_port()}"


def make_certificate(folder):
    words = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=webhook"
    name = "-addext subjectAltName=IP:127.0.0.1 -keyout key.pem -out crt.pem"
    command = ["openssl", *words.split(), *name.split()]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)


@pytest.fixture(scope="module")
def node(emulator, subnets, tmp_path_factory):
    """The process that runs on the node; a cluster with one association."""
    emulator.cluster("node", subnets)
    role = emulator.role("node-pod", "pods.eks.amazonaws.com", BOTH)
    emulator.client("eks").create_pod_identity_association(
        clusterName="node", namespace="team", serviceAccount="worker", roleArn=role
    )
    folder = tmp_path_factory.mktemp("node")
    make_certificate(folder)
    settings = PodIdentitySettings(
        aws_url=emulator.url,
        credentials=emulator.settings.credentials,
        certificate=folder / "crt.pem",
        key=folder / "key.pem",
        webhook=free_address(),
        agent=free_address(),
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "sandbox.aws.pod_identity"],
        env={"PATH": os.defpath, "PYTHONPATH": str(tools.ROOT)} | settings.environment(),
    )
    for _ in range(200):
        with socket.socket() as probe:
            if probe.connect_ex(host_and_port(settings.webhook)) == 0:
                break
        time.sleep(0.05)
    yield settings
    process.terminate()
    process.wait()


def ask_agent(node, token, path="/v1/credentials"):
    request = urllib.request.Request(f"http://{node.agent}{path}")
    if token is not None:
        request.add_header("Authorization", token)
    try:
        with urllib.request.urlopen(request) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def ask_webhook(node, namespace, service_account):
    pod = {"spec": {"serviceAccountName": service_account, "containers": [{"name": "c"}]}}
    body = {"request": {"uid": "u", "namespace": namespace, "object": pod}}
    request = urllib.request.Request(
        f"https://{node.webhook}/mutate", json.dumps(body).encode(), method="POST"
    )
    context = ssl.create_default_context(cafile=str(node.certificate))
    with urllib.request.urlopen(request, context=context) as response:
        return json.load(response)["response"]


def test_a_pod_gets_credentials_that_work(emulator, node):
    token = token_for("team", "worker")
    emulator.kubernetes.add_pod(token, "team", "worker", "worker-1")
    status, found = ask_agent(node, token)
    assert status == 200
    assert found.keys() == {
        "AccessKeyId",
        "SecretAccessKey",
        "Token",
        "AccountId",
        "Expiration",
    }
    key = {"id": found["AccessKeyId"], "secret": found["SecretAccessKey"], "token": found["Token"]}
    caller = emulator.client("sts", **key).get_caller_identity()
    assert ":assumed-role/node-pod/eks-node-worker-1-" in caller["Arn"]
    assert found["AccountId"] == "000000000000"
    assert time.strptime(found["Expiration"], "%Y-%m-%dT%H:%M:%SZ")


def test_claims_alone_open_nothing(node):
    """The token names an associated service account, but Kubernetes did not issue it."""
    status, message = ask_agent(node, token_for("team", "worker") + "forged")
    assert (status, message.split(":")[0]) == (400, "(InvalidTokenException)")


@pytest.mark.parametrize(
    ("token", "status", "message"),
    [
        (None, 400, "Service account token cannot be empty"),
        ("nonsense", 400, "Service account token cannot be parsed"),
        ("a.b.c", 400, "Service account token cannot be parsed"),
        (token_for("team", "other"), 404, "No Pod Identity association found for team/other"),
    ],
)
def test_the_agent_says_what_is_wrong(node, token, status, message):
    found = ask_agent(node, token)
    assert found[0] == status
    assert message in found[1]


def test_the_agent_has_one_path(node):
    assert ask_agent(node, "t", "/v1/other")[0] == 404


def test_the_webhook_knows_an_association_at_once(emulator, node):
    assert "patch" in ask_webhook(node, "team", "worker")
    assert "patch" not in ask_webhook(node, "team", "late")
    role = emulator.role("late", "pods.eks.amazonaws.com", BOTH)
    made = emulator.client("eks").create_pod_identity_association(
        clusterName="node", namespace="team", serviceAccount="late", roleArn=role
    )["association"]
    assert "patch" in ask_webhook(node, "team", "late")
    emulator.client("eks").delete_pod_identity_association(
        clusterName="node", associationId=made["associationId"]
    )
    time.sleep(1.1)
    assert "patch" not in ask_webhook(node, "team", "late")
