"""Who gets in: only callers with a real key, only to services that are served."""

import json
import urllib.error
import urllib.request

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from sandbox.aws.standin.settings import RootKey


def code_of(failure) -> str:
    return failure.value.response["Error"]["Code"]


def answer_to(url: str, method: str = "GET") -> tuple[int, str]:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, method=method)) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_root_is_the_account(emulator):
    found = emulator.client("sts").get_caller_identity()
    assert found["Arn"] == "arn:aws:iam::000000000000:root"


@pytest.mark.parametrize("key", ["test", "000000000000", "AKIAUNKNOWN"])
@pytest.mark.parametrize("service", ["s3", "ec2", "iam", "eks"])
def test_a_key_that_nobody_made_is_refused(emulator, service, key):
    client = emulator.client(service, key, "test")
    reads = {"s3": "list_buckets", "ec2": "describe_vpcs", "iam": "list_users"}
    with pytest.raises(ClientError) as failure:
        getattr(client, reads.get(service, "list_clusters"))()
    assert failure.value.response["ResponseMetadata"]["HTTPStatusCode"] in (400, 401, 403)


def test_root_with_a_wrong_secret_is_refused(emulator):
    with pytest.raises(ClientError) as failure:
        emulator.client("sts", emulator.root["id"], "wrong").get_caller_identity()
    assert code_of(failure) == "SignatureDoesNotMatch"


def test_unsigned_requests_are_refused(emulator):
    emulator.client("s3").create_bucket(Bucket="not-public")
    assert answer_to(f"{emulator.url}/not-public")[0] == 403
    assert answer_to(f"{emulator.url}/?Action=DescribeVpcs&Version=2016-11-15")[0] == 403


def test_the_emulators_own_doors_are_shut(emulator):
    for path in ("/_ministack/reset", "/_ministack/config", "/_localstack/health"):
        status, body = answer_to(f"{emulator.url}{path}", "POST")
        assert (status, json.loads(body)["message"]) == (403, f"{path} is not served.")


def test_health_needs_no_signature(emulator):
    assert answer_to(f"{emulator.url}/_ministack/health")[0] == 200


def test_a_service_that_is_not_served_is_refused_by_name(emulator):
    with pytest.raises(ClientError) as failure:
        emulator.client("dynamodb").list_tables()
    assert code_of(failure) == "UnsupportedOperation"
    assert "does not serve the AWS service dynamodb" in str(failure.value)


@pytest.mark.parametrize("version", ["s3", "s3v4"])
def test_presigned_urls_of_s3_work(emulator, version):
    s3 = emulator.client("s3")
    s3.create_bucket(Bucket="presigned")
    s3.put_object(Bucket="presigned", Key="a", Body=b"content")
    signer = emulator.client("s3", config=Config(signature_version=version))
    url = signer.generate_presigned_url("get_object", Params={"Bucket": "presigned", "Key": "a"})
    assert answer_to(url) == (200, "content")
    assert answer_to(url.replace("/presigned/a", "/presigned/b"))[0] == 403


def test_a_presigned_url_has_its_signers_rights(emulator):
    emulator.client("s3").create_bucket(Bucket="presigned-rights")
    emulator.client("s3").put_object(Bucket="presigned-rights", Key="a", Body=b"content")
    nobody = emulator.client("s3", **emulator.user("presigner"))
    url = nobody.generate_presigned_url(
        "get_object", Params={"Bucket": "presigned-rights", "Key": "a"}
    )
    assert answer_to(url)[0] == 403


def test_the_root_keys_secret_is_not_shown():
    assert "hidden" not in repr(RootKey("AKIA", "hidden"))
