"""Buckets, repositories, keys and log groups on the real emulator."""

import json

import pytest

from sandbox.errors import CloudError

LIFECYCLE = json.dumps(
    {
        "rules": [
            {
                "rulePriority": 1,
                "selection": {
                    "tagStatus": "untagged",
                    "countType": "imageCountMoreThan",
                    "countNumber": 5,
                },
                "action": {"type": "expire"},
            }
        ]
    }
)


def bucket_policy(name, effect="Deny"):
    return json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": effect,
                    "Principal": "*",
                    "Action": "s3:*",
                    "Resource": [f"arn:aws:s3:::{name}", f"arn:aws:s3:::{name}/*"],
                    "Condition": {"Bool": {"aws:SecureTransport": "false"}},
                }
            ],
        }
    )


@pytest.fixture
def bucket(engine):
    made = engine.create("aws:s3/bucket:Bucket", "Logs", forceDestroy=True, tags={"a": "1"})
    yield made
    engine.delete(made)


def test_a_bucket(engine, bucket):
    assert bucket.id.startswith("logs-")
    assert bucket["arn"] == f"arn:aws:s3:::{bucket.id}"
    assert bucket["bucketRegionalDomainName"] == f"{bucket.id}.s3.us-east-1.amazonaws.com"
    engine.imported(bucket)
    engine.update(bucket, tags={"aerodrome:environment": "test", "b": "2"})
    assert engine.replaces(bucket, bucket="other-name") == ["bucket"]


def test_a_bucket_with_objects_is_kept_unless_forced(engine):
    made = engine.create("aws:s3/bucket:Bucket", "full")
    s3 = engine.provider._aws.client("s3")
    s3.put_bucket_versioning(Bucket=made.id, VersioningConfiguration={"Status": "Enabled"})
    s3.put_object(Bucket=made.id, Key="a", Body=b"1")
    s3.put_object(Bucket=made.id, Key="a", Body=b"2")
    s3.delete_object(Bucket=made.id, Key="a")
    with pytest.raises(CloudError) as caught:
        engine.delete(made)
    assert "still holds objects" in str(caught.value)
    engine.update(made, forceDestroy=True)
    engine.delete(made)


def test_a_bucket_of_the_same_name_is_refused(engine):
    made = engine.create("aws:s3/bucket:Bucket", "one", bucket="taken-name")
    with pytest.raises(CloudError) as caught:
        engine.create("aws:s3/bucket:Bucket", "two", bucket="taken-name")
    assert "exists already" in str(caught.value)
    engine.delete(made)


SETTINGS = {
    "bucketVersioning:BucketVersioning": (
        {"versioningConfiguration": {"status": "Enabled"}},
        {"versioningConfiguration": {"status": "Suspended"}},
    ),
    "bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration": (
        {"rules": [{"applyServerSideEncryptionByDefault": {"sseAlgorithm": "AES256"}}]},
        {
            "rules": [
                {
                    "applyServerSideEncryptionByDefault": {
                        "sseAlgorithm": "aws:kms",
                        "kmsMasterKeyId": "arn:aws:kms:us-east-1:000000000000:key/1",
                    },
                    "bucketKeyEnabled": True,
                }
            ]
        },
    ),
    "bucketPublicAccessBlock:BucketPublicAccessBlock": (
        {"blockPublicAcls": True, "blockPublicPolicy": True, "ignorePublicAcls": True},
        {"restrictPublicBuckets": True},
    ),
    "bucketLifecycleConfiguration:BucketLifecycleConfiguration": (
        {
            "rules": [
                {
                    "id": "old",
                    "status": "Enabled",
                    "filter": {"prefix": "airflow/"},
                    "expiration": {"days": 90},
                    "noncurrentVersionExpiration": {"noncurrentDays": 30},
                },
                {
                    "id": "uploads",
                    "status": "Enabled",
                    "filter": {"prefix": ""},
                    "abortIncompleteMultipartUpload": {"daysAfterInitiation": 7},
                },
            ]
        },
        {
            "rules": [
                {
                    "id": "old",
                    "status": "Enabled",
                    "filter": {"and": {"prefix": "a/", "tags": {"k": "v", "l": "w"}}},
                    "transitions": [{"days": 30, "storageClass": "STANDARD_IA"}],
                }
            ]
        },
    ),
}


@pytest.mark.parametrize("kind", SETTINGS)
def test_a_setting_of_a_bucket(engine, bucket, kind):
    first, second = SETTINGS[kind]
    made = engine.create(f"aws:s3/{kind}", "setting", bucket=bucket.id, **first)
    assert made.id == bucket.id
    engine.imported(made)
    engine.update(made, **second)
    assert engine.replaces(made, bucket="other") == ["bucket"]
    # Versioning can only be suspended, and there is always some encryption.
    engine.delete(made, leaves_default="Versioning" in kind or "Encryption" in kind)


def test_the_policy_of_a_bucket(engine, bucket):
    made = engine.create(
        "aws:s3/bucketPolicy:BucketPolicy",
        "tls",
        bucket=bucket.id,
        policy=bucket_policy(bucket.id),
    )
    engine.imported(made)
    other = json.dumps(json.loads(bucket_policy(bucket.id)), indent=2)
    assert engine.diff(made, made.inputs | {"policy": other}).changes == []
    statement = json.loads(bucket_policy(bucket.id))
    statement["Statement"][0]["Action"] = ["s3:PutObject"]
    engine.update(made, policy=json.dumps(statement))
    engine.delete(made)


def test_a_repository(engine):
    made = engine.create(
        "aws:ecr/repository:Repository",
        "images",
        name="team/images",
        imageTagMutability="IMMUTABLE",
        imageScanningConfiguration={"scanOnPush": True},
        forceDelete=True,
    )
    host = "000000000000.dkr.ecr.us-east-1.amazonaws.com"
    assert made["repositoryUrl"] == f"{host}/team/images"
    engine.imported(made)
    lifecycle = engine.create(
        "aws:ecr/lifecyclePolicy:LifecyclePolicy",
        "few",
        repository=made.id,
        policy=LIFECYCLE,
    )
    engine.imported(lifecycle)
    assert engine.replaces(lifecycle, policy=LIFECYCLE.replace("5", "6")) == ["policy"]
    engine.delete(lifecycle)
    engine.update(made, imageTagMutability="MUTABLE")
    engine.update(made, imageScanningConfiguration={"scanOnPush": False})
    engine.update(made, tags={"aerodrome:environment": "test", "x": "y"})
    engine.delete(made)


def test_a_key(engine):
    made = engine.create(
        "aws:kms/key:Key",
        "secrets",
        description="Secrets of the cluster",
        enableKeyRotation=True,
        deletionWindowInDays=7,
        tags={"a": "b"},
    )
    assert made["keyId"] == made.id
    engine.imported(made)
    engine.update(made, enableKeyRotation=False, description="Others")
    engine.update(made, tags={"aerodrome:environment": "test"})
    engine.delete(made)


def test_a_log_group(engine):
    made = engine.create(
        "aws:cloudwatch/logGroup:LogGroup",
        "control-plane",
        name="/aws/eks/main/cluster",
        retentionInDays=30,
    )
    assert made["arn"].endswith(":log-group:/aws/eks/main/cluster")
    engine.imported(made)
    engine.update(made, retentionInDays=7)
    engine.update(made, retentionInDays=0)
    engine.update(made, tags={"aerodrome:environment": "test", "x": "y"})
    engine.delete(made)
