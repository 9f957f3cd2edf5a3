"""Who of IAM is who in Kubernetes."""

import base64
import json
import os
import subprocess
import urllib.request

import boto3
import pytest
from botocore.signers import RequestSigner

from sandbox import tools
from sandbox.instance import TOKEN_REVIEW_PATH

CLUSTER = {"type": "cluster"}
POLICY = "arn:aws:eks::aws:cluster-access-policy/"


STS = "https://sts.us-east-1.amazonaws.com"


def eks_token(
    cluster: str, id: str, secret: str, token: str | None = None, endpoint: str = STS
) -> str:
    """What `aws eks get-token` makes."""
    session = boto3.Session(id, secret, token, region_name="us-east-1")
    client = session.client("sts")
    signer = RequestSigner(
        client.meta.service_model.service_id,
        "us-east-1",
        "sts",
        "v4",
        session.get_credentials(),
        session.events,
    )
    url = signer.generate_presigned_url(
        {
            "method": "GET",
            "url": f"{endpoint}/?Action=GetCallerIdentity&Version=2011-06-15",
            "body": {},
            "headers": {"x-k8s-aws-id": cluster},
            "context": {},
        },
        region_name="us-east-1",
        expires_in=60,
        operation_name="",
    )
    return "k8s-aws-v1." + base64.urlsafe_b64encode(url.encode()).decode().rstrip("=")


@pytest.fixture(scope="module")
def cluster(emulator, subnets):
    emulator.cluster("reviewed", subnets)
    return "reviewed"


@pytest.fixture
def review(emulator):
    """The status of a TokenReview."""

    def ask(token: object) -> dict:
        body = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenReview",
            "spec": {"token": token},
        }
        request = urllib.request.Request(
            emulator.url + TOKEN_REVIEW_PATH, json.dumps(body).encode(), method="POST"
        )
        with urllib.request.urlopen(request) as response:
            answer = json.load(response)
        assert (answer["apiVersion"], answer["kind"]) == (body["apiVersion"], "TokenReview")
        return answer["status"]

    return ask


@pytest.fixture
def entry(emulator, cluster):
    """A new user with an access entry; returns its key."""

    def make(
        name: str, *policies: str, namespaces: tuple[str, ...] = (), **more: object
    ) -> dict[str, str]:
        key, eks = emulator.user(name), emulator.client("eks")
        arn = f"arn:aws:iam::000000000000:user/{name}"
        eks.create_access_entry(clusterName=cluster, principalArn=arn, **more)
        scope = {"type": "namespace", "namespaces": namespaces} if namespaces else CLUSTER
        for policy in policies:
            eks.associate_access_policy(
                clusterName=cluster,
                principalArn=arn,
                policyArn=POLICY + policy,
                accessScope=scope,
            )
        return key

    return make


def test_the_clusters_creator_is_its_administrator(emulator, cluster, review):
    status = review(eks_token(cluster, **emulator.root))
    assert status["authenticated"]
    assert status["user"]["username"] == "arn:aws:iam::000000000000:root"
    assert status["user"]["groups"] == ["system:masters"]


def test_policies_and_groups_of_the_access_entry_become_groups(cluster, review, entry):
    key = entry("viewer", "AmazonEKSViewPolicy", kubernetesGroups=["readers"])
    user = review(eks_token(cluster, **key))["user"]
    assert user["username"] == "arn:aws:iam::000000000000:user/viewer"
    assert user["groups"] == ["readers", "eks-access-policy:AmazonEKSViewPolicy"]


def test_a_policy_for_a_namespace_is_bound_there_and_nowhere_else(emulator, cluster, review, entry):
    names = ("airflow", "missing")
    key = entry("operator-of-one", "AmazonEKSEditPolicy", namespaces=names)
    user = review(eks_token(cluster, **key))["user"]
    groups = [f"eks-access-policy:AmazonEKSEditPolicy:{name}" for name in names]
    assert user["groups"] == groups
    bindings = emulator.kubernetes.applied[-2:]
    assert [item["metadata"]["namespace"] for item in bindings] == list(names)
    assert {item["kind"] for item in bindings} == {"RoleBinding"}
    assert {item["roleRef"]["name"] for item in bindings} == {"edit"}
    assert [item["subjects"][0]["name"] for item in bindings] == groups


def test_a_role_is_known_by_its_sessions(emulator, cluster, review):
    statement = {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "*"}
    user = emulator.user("assumer", {"Version": "2012-10-17", "Statement": [statement]})
    trusted = "arn:aws:iam::000000000000:user/assumer"
    arn = emulator.role("deployer", "ec2.amazonaws.com", ["sts:AssumeRole"])
    emulator.client("iam").update_assume_role_policy(
        RoleName="deployer",
        PolicyDocument=json.dumps(
            {
                "Version": "2012-10-17",
                "Statement": [
                    {"Effect": "Allow", "Principal": {"AWS": trusted}, "Action": "sts:AssumeRole"}
                ],
            }
        ),
    )
    eks = emulator.client("eks")
    eks.create_access_entry(clusterName=cluster, principalArn=arn, username="ci")
    sts = emulator.client("sts", **user)
    found = sts.assume_role(RoleArn=arn, RoleSessionName="run")["Credentials"]
    token = eks_token(
        cluster, found["AccessKeyId"], found["SecretAccessKey"], found["SessionToken"]
    )
    assert review(token)["user"]["username"] == "ci"


def test_without_an_access_entry_there_is_no_access(emulator, cluster, review):
    statement = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    key = emulator.user("mighty", {"Version": "2012-10-17", "Statement": [statement]})
    assert review(eks_token(cluster, **key)) == {"authenticated": False}


def test_a_token_is_good_only_for_the_cluster_it_was_made_for(emulator, cluster, review):
    assert review(eks_token("another", **emulator.root)) == {"authenticated": False}


def test_a_token_signed_with_a_wrong_secret_is_refused(emulator, cluster, review):
    token = eks_token(cluster, emulator.root["id"], "wrong")
    assert review(token) == {"authenticated": False}


def test_an_old_token_is_refused(cluster, review, emulator):
    token = eks_token(cluster, **emulator.root)
    url = base64.urlsafe_b64decode(token.removeprefix("k8s-aws-v1.") + "==").decode()
    old = url.replace("X-Amz-Date=202", "X-Amz-Date=201")
    assert old != url
    encoded = base64.urlsafe_b64encode(old.encode()).decode().rstrip("=")
    assert review("k8s-aws-v1." + encoded) == {"authenticated": False}


@pytest.mark.parametrize("token", ["", "abc", "k8s-aws-v1.", "k8s-aws-v1.!!", 7, None])
def test_anything_else_is_nobody(cluster, review, token):
    assert review(token) == {"authenticated": False}


def test_a_removed_entry_ends_the_access(emulator, cluster, review, entry):
    key = entry("removed", "AmazonEKSClusterAdminPolicy")
    token = eks_token(cluster, **key)
    assert review(token)["user"]["groups"] == ["system:masters"]
    emulator.client("eks").delete_access_entry(
        clusterName=cluster, principalArn="arn:aws:iam::000000000000:user/removed"
    )
    assert review(token) == {"authenticated": False}


def test_the_aws_cli_signs_for_its_endpoint_and_is_let_in(emulator, cluster, review):
    """With AWS_ENDPOINT_URL set, as in the sandbox, it does not sign for STS's own name."""
    environment = {
        "PATH": os.environ["PATH"],
        "AWS_ENDPOINT_URL": emulator.url,
        "AWS_ACCESS_KEY_ID": emulator.root["id"],
        "AWS_SECRET_ACCESS_KEY": emulator.root["secret"],
    }
    words = ["eks", "get-token", "--region", "us-east-1", "--cluster-name", cluster]
    done = subprocess.run(
        [tools.aws_cli_path() / "aws", *words],
        env=environment,
        capture_output=True,
        check=True,
    )
    token = json.loads(done.stdout)["status"]["token"]
    assert review(token)["user"]["groups"] == ["system:masters"]


@pytest.mark.parametrize(
    "endpoint", ["http://127.0.0.1:1", "http://sts.us-east-1.amazonaws.com", "https://127.0.0.1"]
)
def test_a_token_signed_for_another_address_is_refused(emulator, cluster, review, endpoint):
    assert review(eks_token(cluster, **emulator.root, endpoint=endpoint)) == {
        "authenticated": False
    }


def test_a_token_for_the_emulators_address_is_checked_as_any_other(emulator, cluster, review):
    here = emulator.url
    assert review(eks_token(cluster, **emulator.root, endpoint=here))["authenticated"]
    wrong = [
        eks_token("another", **emulator.root, endpoint=here),
        eks_token(cluster, emulator.root["id"], "wrong", endpoint=here),
    ]
    assert [review(token) for token in wrong] == [{"authenticated": False}] * 2
