"""Which calls are made again after which failures, by AWS's own models of its operations."""

import botocore.session
import pytest
from botocore.exceptions import ConnectionClosedError, EndpointConnectionError

from sandbox.providers.aws.retries import Patience, Retries

SESSION = botocore.session.get_session()
LOST = ConnectionClosedError(endpoint_url="http://127.0.0.1:1")


def pause(retries: Retries, service: str, operation: str, **failure) -> float | None:
    model = SESSION.get_service_model(service).operation_model(operation)
    call = {"response": None, "caught_exception": None, "attempts": 1} | failure
    return retries(operation=model, **call)


def refused(code: str, status: int):
    return (type("Answer", (), {"status_code": status})(), {"Error": {"Code": code}})


@pytest.mark.parametrize(
    ("service", "operation", "again"),
    [
        ("ec2", "CreateVpc", False),
        ("iam", "CreateUser", False),
        ("kms", "CreateKey", False),
        ("iam", "CreateAccessKey", False),
        # A client token, which the SDK makes, is in both requests.
        ("ec2", "RunInstances", True),
        ("ec2", "CreateNatGateway", True),
        ("eks", "CreateCluster", True),
        ("ec2", "DescribeVpcs", True),
        ("iam", "AttachRolePolicy", True),
        ("iam", "AddUserToGroup", True),
        ("s3", "PutBucketPolicy", True),
        ("ec2", "AttachInternetGateway", False),
    ],
)
def test_a_creation_whose_answer_is_lost_is_repeated_only_without_harm(service, operation, again):
    retries = Retries(Patience())
    with retries.creating():
        assert (pause(retries, service, operation, caught_exception=LOST) is not None) is again
    assert pause(retries, service, operation, caught_exception=LOST) is not None


def test_a_request_that_aws_did_not_begin_is_repeated():
    retries = Retries(Patience())
    with retries.creating():
        for code in ("Throttling", "RequestLimitExceeded"):
            assert pause(retries, "ec2", "CreateVpc", response=refused(code, 503)) is not None
        assert pause(retries, "ec2", "CreateVpc", response=refused("InternalError", 500)) is None
        assert pause(retries, "ec2", "CreateVpc", response=refused("InvalidVpc", 400)) is None
    nobody = EndpointConnectionError(endpoint_url="http://127.0.0.1:1")
    assert pause(retries, "ec2", "CreateVpc", caught_exception=nobody) is not None


def test_patience_ends():
    retries = Retries(Patience(attempts=3))
    throttled = refused("Throttling", 400)
    assert pause(retries, "ec2", "CreateVpc", response=throttled, attempts=2) is not None
    assert pause(retries, "ec2", "CreateVpc", response=throttled, attempts=3) is None
