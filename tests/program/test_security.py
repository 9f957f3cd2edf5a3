"""Nothing public, nothing in clear, nothing allowed to everyone without a reason."""

import json
from typing import Any

import pulumi
import pytest

from tests.program.recording import SECRETS, Program, run_program

WILDCARDS: dict[str, str] = {
    "ListClusters": "AWS knows eks:ListClusters for all clusters only",
    "FillForms": "Describe and List calls for Rancher's forms have no resource to name",
    "RefusePlainHttp": "a Deny: it takes from everybody, it gives to nobody",
}
"""The statements that may hold a `*`, by Sid, each with the reason."""


def statements(program: Program) -> list[dict[str, Any]]:
    found = []
    for resource in program.resources:
        for key in ("policy", "assumeRolePolicy"):
            text = resource.inputs.get(key)
            if isinstance(text, str) and "Statement" in text:
                found += json.loads(text)["Statement"]
    assert len(found) > 10
    return found


def wild(value: Any) -> bool:
    """A `*` that stands for everything, or a service's every action."""
    values = value if isinstance(value, list) else [value]
    return any(
        v == "*" or (isinstance(v, str) and v.endswith(":*") and v.count(":") == 1) for v in values
    )


def test_no_policy_allows_everything_without_a_reason(program: Program) -> None:
    for statement in statements(program):
        everything = (
            wild(statement["Action"])
            or wild(statement.get("Resource", ""))
            or wild(statement.get("Principal", ""))
        )
        if everything:
            assert statement.get("Sid") in WILDCARDS, statement


def test_every_reason_is_still_needed(program: Program) -> None:
    used = {s.get("Sid") for s in statements(program)}
    assert used >= WILDCARDS.keys()


def test_no_user_has_a_policy_of_its_own(program: Program) -> None:
    types = {resource.type for resource in program.resources}
    assert "aws:iam/userPolicy:UserPolicy" not in types
    assert "aws:iam/userPolicyAttachment:UserPolicyAttachment" not in types


def test_only_rancher_has_an_access_key(program: Program) -> None:
    key = program.one("aws:iam/accessKey:AccessKey")
    assert key.name == "aerodrome-test-rancher"


def test_the_log_bucket_is_closed(program: Program) -> None:
    block = program.one("aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock").inputs
    switches = (
        "blockPublicAcls",
        "blockPublicPolicy",
        "ignorePublicAcls",
        "restrictPublicBuckets",
    )
    assert all(block[switch] is True for switch in switches)
    encryption = program.one(
        "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration"
    ).inputs
    (rule,) = encryption["rules"]
    assert rule["applyServerSideEncryptionByDefault"] == {"sseAlgorithm": "AES256"}
    versioning = program.one("aws:s3/bucketVersioning:BucketVersioning").inputs
    assert versioning["versioningConfiguration"] == {"status": "Enabled"}


def test_every_bucket_has_a_public_access_block(program: Program) -> None:
    buckets = program.of_type("aws:s3/bucket:Bucket")
    blocks = program.of_type("aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock")
    assert {b.name for b in buckets} == {b.name for b in blocks}


def test_plain_http_is_refused(program: Program) -> None:
    policy = json.loads(program.one("aws:s3/bucketPolicy:BucketPolicy").inputs["policy"])
    (refusal,) = policy["Statement"]
    assert refusal["Effect"] == "Deny"
    assert refusal["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert refusal["Resource"] == [
        "arn:aws:s3:::aerodrome-test-logs",
        "arn:aws:s3:::aerodrome-test-logs/*",
    ]


def test_images_are_scanned_and_their_tags_never_move(program: Program) -> None:
    for repository in program.of_type("aws:ecr/repository:Repository"):
        assert repository.inputs["imageTagMutability"] == "IMMUTABLE"
        assert repository.inputs["imageScanningConfiguration"] == {"scanOnPush": True}


def test_disks_are_encrypted(program: Program) -> None:
    assert program.one("aws:ec2/instance:Instance").inputs["rootBlockDevice"]["encrypted"] is True
    storage = program.one("kubernetes:storage.k8s.io/v1:StorageClass").inputs
    assert storage["provisioner"] == "ebs.csi.aws.com"
    assert storage["parameters"]["encrypted"] == "true"


def test_kubernetes_secrets_are_encrypted_with_a_key_that_rotates(program: Program) -> None:
    key = program.one("aws:kms/key:Key")
    assert key.inputs["enableKeyRotation"] is True
    cluster = program.one("eks:index:Cluster")
    assert cluster.inputs["encryptionConfigKeyArn"] == "arn:aws:kms:::aerodrome-test-secrets"


def test_network_policies_are_enforced(program: Program) -> None:
    cluster = program.one("eks:index:Cluster")
    assert cluster.inputs["vpcCniOptions"]["enableNetworkPolicy"] is True
    values = program.one("kubernetes:helm.sh/v3:Release").inputs["values"]
    assert values["networkPolicies"] == {"enabled": True}


def test_instances_answer_metadata_requests_with_a_token_only(program: Program) -> None:
    for instance in program.of_type("aws:ec2/instance:Instance"):
        metadata = instance.inputs["metadataOptions"]
        assert metadata["httpTokens"] == "required"
        assert metadata["httpPutResponseHopLimit"] == 1


def test_nobody_logs_in_over_ssh(program: Program) -> None:
    assert "keyName" not in program.one("aws:ec2/instance:Instance").inputs
    rules = program.of_type("aws:ec2/securityGroupRule:SecurityGroupRule")
    ingress = [rule.inputs for rule in rules if rule.inputs["type"] == "ingress"]
    assert {rule["fromPort"] for rule in ingress} == {80, 443}


def test_nothing_gets_a_public_address_by_accident(program: Program) -> None:
    for subnet in program.of_type("aws:ec2/subnet:Subnet"):
        assert subnet.inputs["mapPublicIpOnLaunch"] is False


@pytest.mark.parametrize("key", SECRETS)
def test_no_secret_travels_in_clear(program: Program, key: str) -> None:
    """Where a secret's text is in an input, that input is marked secret."""
    for resource in program.resources:
        for name, value in resource.inputs.items():
            if SECRETS[key] in json.dumps(value):
                assert name in resource.secret_inputs, f"{resource.name}.{name}"


def test_what_gives_access_is_a_secret_output(program: Program) -> None:
    assert program.secret_outputs == {"rancherSecretAccessKey"}
    assert not any(text in json.dumps(program.outputs) for text in SECRETS.values())


def test_the_registry_login_is_secret(program: Program) -> None:
    for image in program.of_type("docker-build:index:Image"):
        assert "registries" in image.secret_inputs


def test_the_chart_gets_names_of_secrets_only(program: Program) -> None:
    values = program.one("kubernetes:helm.sh/v3:Release").inputs["values"]
    names = {
        secret.inputs["metadata"]["name"] for secret in program.of_type("kubernetes:core/v1:Secret")
    }
    assert set(values["secrets"].values()) == names


def test_ranchers_server_is_told_where_its_token_goes_and_the_stack_never_has_it(
    program: Program,
) -> None:
    secret = program.one("aws:secretsmanager/secret:Secret")
    assert secret.name == "aerodrome-test-rancher-token"
    # Its value is the server's to write: what Pulumi writes is in its state.
    kinds = {resource.type for resource in program.resources}
    assert not {kind for kind in kinds if kind.startswith("aws:secretsmanager")} - {secret.type}
    arn = program.outputs["rancherTokenSecret"]
    assert arn == f"arn:aws:secretsmanager:::{secret.name}"
    server = program.one("aws:ec2/instance:Instance")
    assert program.depends_on(server, secret)
    assert f'\\"secret\\": \\"{arn}\\"' in server.inputs["userData"]
    policy = program.one("aws:iam/rolePolicy:RolePolicy", "-rancher-server").inputs["policy"]
    (only,) = json.loads(policy)["Statement"]
    assert only["Action"] == ["secretsmanager:PutSecretValue"]
    assert only["Resource"] == [arn]


def test_rancher_reads_the_certificate_that_it_is_given_and_the_stack_never_has_it() -> None:
    arn = "arn:aws:secretsmanager:eu-north-1:123456789012:secret:rancher-AbCdEf"
    given = {"rancherCertificateSecret": arn, "rancherHostname": "rancher.example.org"}
    program = run_program({"environment": "test", **given}, SECRETS)
    assert arn in program.one("aws:ec2/instance:Instance").inputs["userData"]
    # One secret, the token's: that of the certificate is its owner's.
    assert len(program.of_type("aws:secretsmanager/secret:Secret")) == 1
    policy = program.one("aws:iam/rolePolicy:RolePolicy", "-rancher-certificate").inputs["policy"]
    read, decrypt = json.loads(policy)["Statement"]
    assert (read["Action"], read["Resource"]) == (["secretsmanager:GetSecretValue"], [arn])
    assert decrypt["Action"] == ["kms:Decrypt"]
    assert decrypt["Condition"]["StringEquals"] == {
        "kms:ViaService": "secretsmanager.eu-north-1.amazonaws.com",
        "kms:EncryptionContext:SecretARN": arn,
    }
    given["rancherCertificateSecret"] = arn.replace("eu-north-1", "us-east-1")
    with pytest.raises(pulumi.RunError, match="reads secrets of eu-north-1"):
        run_program({"environment": "test", **given}, SECRETS)


def test_a_key_of_rancher_that_is_replaced_stands_beside_the_new_one() -> None:
    def keys(value: str) -> dict[str, str]:
        run = run_program({"environment": "test", "rancherKeys": value}, SECRETS)
        found = run.of_type("aws:iam/accessKey:AccessKey")
        return {key.name: str(key.inputs.get("status") or "") for key in found}

    name = "aerodrome-test-rancher"
    assert keys("1") == {name: ""}
    assert keys("2+1") == {f"{name}-2": "", name: ""}
    assert keys("2-1") == {f"{name}-2": "", name: "Inactive"}
    assert keys("2") == {f"{name}-2": ""}
