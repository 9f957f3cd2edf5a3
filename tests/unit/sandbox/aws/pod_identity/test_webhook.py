"""What the webhook adds to a pod."""

import base64
import copy
import json

import pytest

from sandbox.aws.pod_identity.webhook import FOLDER, VOLUME, patch, review, variables

URL = "http://10.213.0.2:4566"
TOKEN_FILE = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"


class Known:
    """Associations of a test: pairs of namespace and service account."""

    def __init__(self, *pairs):
        self.pairs = pairs

    def cluster_of(self, namespace, service_account):
        return "cluster" if (namespace, service_account) in self.pairs else None


def admission(pod, namespace="airflow"):
    return {"request": {"uid": "u-1", "namespace": namespace, "object": pod}}


def pod(**spec):
    return {"spec": {"serviceAccountName": "airflow", "containers": [{"name": "c"}], **spec}}


def patched(given):
    """The pod after the patch; only what JSON patch's `add` needs."""
    result = copy.deepcopy(given)
    for operation in patch(given, variables(URL)):
        assert operation["op"] == "add"
        *parents, last = operation["path"].strip("/").split("/")
        target = result
        for part in parents:
            target = target[int(part) if part.isdigit() else part]
        if last == "-":
            target.append(operation["value"])
        else:
            target[last] = operation["value"]
    return result


def environment(container):
    return {variable["name"]: variable["value"] for variable in container["env"]}


def test_every_container_gets_variables_and_the_token():
    spec = patched(pod(initContainers=[{"name": "i"}], containers=[{"name": "a"}, {"name": "b"}]))[
        "spec"
    ]
    for container in [*spec["initContainers"], *spec["containers"]]:
        assert environment(container) == {
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://169.254.170.23/v1/credentials",
            TOKEN_FILE: f"{FOLDER}/{VOLUME}",
            "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": URL,
        }
        assert container["volumeMounts"] == [
            {"name": VOLUME, "mountPath": FOLDER, "readOnly": True}
        ]
    token = spec["volumes"][0]["projected"]["sources"][0]["serviceAccountToken"]
    assert token["audience"] == "pods.eks.amazonaws.com"
    assert token["path"] == VOLUME


def test_what_a_pod_sets_itself_stays():
    own = {"name": "AWS_REGION", "value": "eu-north-1"}
    mount = {"name": "data", "mountPath": "/data"}
    volume = {"name": "data", "emptyDir": {}}
    given = pod(volumes=[volume], containers=[{"name": "c", "env": [own], "volumeMounts": [mount]}])
    spec = patched(given)["spec"]
    assert environment(spec["containers"][0])["AWS_REGION"] == "eu-north-1"
    assert spec["containers"][0]["volumeMounts"][0] == mount
    assert [item["name"] for item in spec["volumes"]] == ["data", VOLUME]


def test_a_patched_pod_is_not_patched_again():
    assert patch(patched(pod()), variables(URL)) == []


def test_the_answer_carries_the_patch():
    answer = review(admission(pod()), Known(("airflow", "airflow")), URL)["response"]
    assert (answer["uid"], answer["allowed"], answer["patchType"]) == ("u-1", True, "JSONPatch")
    assert json.loads(base64.b64decode(answer["patch"])) == patch(pod(), variables(URL))


@pytest.mark.parametrize(
    ("given", "namespace"),
    [(pod(), "elsewhere"), (pod(serviceAccountName="other"), "airflow")],
)
def test_a_pod_without_an_association_is_left_alone(given, namespace):
    answer = review(admission(given, namespace), Known(("airflow", "airflow")), URL)["response"]
    assert answer == {"uid": "u-1", "allowed": True}


def test_a_pod_that_names_no_service_account_has_the_default_one():
    answer = review(
        admission({"spec": {"containers": [{"name": "c"}]}}), Known(("airflow", "default")), URL
    )
    assert "patch" in answer["response"]
