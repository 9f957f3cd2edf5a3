"""Pods get exactly their role, if the role and the token allow it."""

import json

import pytest
from botocore.exceptions import ClientError

PODS = "pods.eks.amazonaws.com"
BOTH = ["sts:AssumeRole", "sts:TagSession"]


@pytest.fixture(scope="module")
def cluster(emulator, subnets):
    emulator.cluster("pods", subnets)
    emulator.client("s3").create_bucket(Bucket="pod-logs")
    return "pods"


@pytest.fixture
def associate(emulator, cluster):
    """Associate a role with a service account of the same name, in namespace airflow."""

    def make(name, role):
        eks = emulator.client("eks")
        eks.create_pod_identity_association(
            clusterName=cluster, namespace="airflow", serviceAccount=name, roleArn=role
        )
        emulator.kubernetes.add_pod(f"token-of-{name}", "airflow", name, f"{name}-pod")
        return f"token-of-{name}"

    return make


@pytest.fixture
def assume(emulator, cluster):
    def call(token, name=cluster):
        client = emulator.client("eks-auth")
        return client.assume_role_for_pod_identity(clusterName=name, token=token)

    return call


def code_of(failure):
    return failure.value.response["Error"]["Code"]


def key_of(answer):
    found = answer["credentials"]
    return {
        "id": found["accessKeyId"],
        "secret": found["secretAccessKey"],
        "token": found["sessionToken"],
    }


def test_a_pods_credentials_work_only_for_its_prefix(emulator, associate, assume):
    role = emulator.role("scheduler", PODS, BOTH)
    statement = {
        "Effect": "Allow",
        "Action": "s3:PutObject",
        "Resource": "arn:aws:s3:::pod-logs/main/*",
    }
    emulator.client("iam").put_role_policy(
        RoleName="scheduler",
        PolicyName="logs",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [statement]}),
    )
    answer = assume(associate("scheduler", role))
    assert answer["subject"] == {"namespace": "airflow", "serviceAccount": "scheduler"}
    assert answer["audience"] == PODS
    s3 = emulator.client("s3", **key_of(answer))
    s3.put_object(Bucket="pod-logs", Key="main/a", Body=b"x")
    for key in ("other/a", "main"):
        with pytest.raises(ClientError):
            s3.put_object(Bucket="pod-logs", Key=key, Body=b"x")
    with pytest.raises(ClientError):
        s3.get_object(Bucket="pod-logs", Key="main/a")
    caller = emulator.client("sts", **key_of(answer)).get_caller_identity()["Arn"]
    assert caller.startswith("arn:aws:sts::000000000000:assumed-role/scheduler/eks-pods-schedule")


def test_a_policy_can_depend_on_the_sessions_tags(emulator, associate, assume):
    role = emulator.role("tagged-session", PODS, BOTH)
    statement = {
        "Effect": "Allow",
        "Action": "s3:PutObject",
        "Resource": "arn:aws:s3:::pod-logs/*",
        "Condition": {"StringEquals": {"aws:PrincipalTag/kubernetes-namespace": "elsewhere"}},
    }
    policy = {"Version": "2012-10-17", "Statement": [statement]}
    iam = emulator.client("iam")
    put = {"RoleName": "tagged-session", "PolicyName": "p"}
    iam.put_role_policy(**put, PolicyDocument=json.dumps(policy))
    s3 = emulator.client("s3", **key_of(assume(associate("tagged-session", role))))
    with pytest.raises(ClientError):
        s3.put_object(Bucket="pod-logs", Key="a", Body=b"x")
    iam.put_role_policy(**put, PolicyDocument=json.dumps(policy).replace("elsewhere", "airflow"))
    s3.put_object(Bucket="pod-logs", Key="a", Body=b"x")


@pytest.mark.parametrize(
    ("name", "service", "actions", "more"),
    [
        ("another-service", "ec2.amazonaws.com", BOTH, {}),
        ("without-tags", PODS, ["sts:AssumeRole"], {}),
        ("denied", PODS, BOTH, {"Effect": "Deny"}),
        (
            "another-cluster",
            PODS,
            BOTH,
            {"Condition": {"StringEquals": {"aws:SourceArn": "arn:aws:eks:us-east-1:0:cluster/x"}}},
        ),
        (
            "another-namespace",
            PODS,
            BOTH,
            {"Condition": {"StringEquals": {"aws:RequestTag/kubernetes-namespace": "x"}}},
        ),
    ],
)
def test_a_role_that_does_not_trust_the_pod_is_refused(
    emulator, associate, assume, name, service, actions, more
):
    token = associate(name, emulator.role(name, service, actions, **more))
    with pytest.raises(ClientError) as failure:
        assume(token)
    assert code_of(failure) == "AccessDeniedException"


def test_a_condition_that_holds_lets_the_pod_in(emulator, associate, assume):
    arn = "arn:aws:eks:us-east-1:000000000000:cluster/pods"
    condition = {"StringEquals": {"aws:SourceArn": arn, "aws:SourceAccount": "000000000000"}}
    role = emulator.role("conditional", PODS, BOTH, Condition=condition)
    assert assume(associate("conditional", role))["credentials"]


def test_a_token_that_kubernetes_does_not_know_is_refused(assume):
    with pytest.raises(ClientError) as failure:
        assume("made-up")
    assert code_of(failure) == "InvalidTokenException"


def test_a_service_account_without_an_association_gets_nothing(emulator, assume):
    emulator.kubernetes.add_pod("lonely", "airflow", "lonely", "pod")
    with pytest.raises(ClientError) as failure:
        assume("lonely")
    assert code_of(failure) == "ResourceNotFoundException"


def test_a_token_that_is_not_a_pods_is_refused(emulator, assume):
    emulator.kubernetes.tokens["person"] = {"username": "somebody"}
    with pytest.raises(ClientError) as failure:
        assume("person")
    assert code_of(failure) == "InvalidTokenException"


def test_an_unknown_cluster_is_refused(assume):
    with pytest.raises(ClientError) as failure:
        assume("made-up", "no-such-cluster")
    assert code_of(failure) == "ResourceNotFoundException"
