"""What all types have in common, the data sources, and what is refused."""

import json
import os
import subprocess
from pathlib import Path

import grpc
import pytest

from sandbox.errors import CloudError, PartiallyCreated, Unsupported, UserError
from sandbox.providers import contract
from sandbox.providers.aws.clients import checked_endpoint
from sandbox.providers.aws.comparison import project, same
from sandbox.providers.aws.ec2.vpc import Vpc
from sandbox.providers.aws.provider import AwsProvider
from sandbox.providers.aws.registry import resources
from sandbox.wire.marshal import from_struct, to_struct
from sandbox.wire.protos import provider_pb2, provider_pb2_grpc
from sandbox.wire.values import UNKNOWN, ResourceReference, Secret
from tests.unit.sandbox.providers.aws.conftest import PUSHED, PUSHED_DIGEST

ROOT = Path(__file__).parents[5]
USER = "aws:iam/user:User"


@pytest.mark.parametrize(
    "endpoint",
    ["http://127.0.0.1:4566", "http://localhost:4566", "http://10.213.7.2:4566", "http://[::1]:1"],
)
def test_the_sandbox_is_let_in(endpoint):
    assert checked_endpoint({"AWS_ENDPOINT_URL": endpoint}) == endpoint


@pytest.mark.parametrize(
    "endpoint",
    [
        "",
        "https://ec2.us-east-1.amazonaws.com",
        "http://10.214.0.2:4566",
        "http://127.0.0.1.example.com",
        "http://192.168.1.1:4566",
    ],
)
def test_every_other_endpoint_is_refused(endpoint, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    with pytest.raises(UserError) as caught:
        AwsProvider().configure(contract.ConfigureRequest({"region": "us-east-1"}))
    assert "AWS_ENDPOINT_URL" in str(caught.value)
    assert "Pulumi's own provider" in str(caught.value)


def test_settings_that_would_lead_elsewhere_are_refused():
    with pytest.raises(Unsupported, match="assumeRoles"):
        AwsProvider().configure(contract.ConfigureRequest({"assumeRoles": [{"roleArn": "x"}]}))


def test_every_class_names_what_it_can_do():
    for token, cls in resources().items():
        assert cls.__doc__ or cls.__base__.__doc__, token
        assert not cls.REPLACE_ON & cls.IN_PLACE, token
        known = cls.REPLACE_ON | cls.IN_PLACE
        assert cls.DEFAULTS.keys() <= known, token
        assert known >= cls.JSON, token
        assert not cls.NAME or cls.NAME in cls.REPLACE_ON, token


def test_unknown_types_functions_and_properties_are_refused_by_name(engine):
    request = contract.CheckRequest("urn", "aws:sqs/queue:Queue", "q", {}, {})
    with pytest.raises(Unsupported, match="aws:sqs/queue:Queue"):
        engine.provider.check(request)
    with pytest.raises(Unsupported, match="aws:ec2/getVpcs:getVpcs"):
        engine.invoke("aws:ec2/getVpcs:getVpcs")
    for function in ("getVpc", "getSubnet"):
        for asked in ({}, {"id": "x-1", "filters": [{"name": "state", "values": ["available"]}]}):
            with pytest.raises(Unsupported, match=f"aws:ec2/{function}:{function} by its id only"):
                engine.invoke(f"aws:ec2/{function}:{function}", **asked)
    for asked in ({}, {"dbInstanceIdentifier": "x", "tags": {"Name": "y"}}):
        with pytest.raises(Unsupported, match="aws:rds/getInstance:getInstance by its identifier"):
            engine.invoke("aws:rds/getInstance:getInstance", **asked)
    news = {"cidrBlock": "10.0.0.0/16", "ipv6CidrBlock": "x", "region": "eu-west-1"}
    result = engine.provider.check(contract.CheckRequest("urn", Vpc.TYPE, "v", {}, news))
    assert [failure.property for failure in result.failures] == ["ipv6CidrBlock", "region"]
    assert "aws:ec2/vpc:Vpc" in result.failures[0].reason


def test_names_are_made_up_once(engine):
    first = engine.check(USER, "ann", {}, seed=b"1")
    assert engine.check(USER, "ann", {}, first, seed=b"2")["name"] == first["name"]
    assert engine.check(USER, "ann", {}, seed=b"2")["name"] != first["name"]
    # A name that the program gave before is not one that was made up.
    assert engine.check(USER, "ann", {}, {"name": "chosen"}, seed=b"1")["name"] == first["name"]


def test_unknowns_stay_unknown(engine):
    unknown = ResourceReference("urn:x", UNKNOWN)
    inputs = engine.check(
        "aws:iam/rolePolicyAttachment:RolePolicyAttachment",
        "a",
        {"role": unknown, "policyArn": UNKNOWN},
    )
    assert inputs == {"role": UNKNOWN, "policyArn": UNKNOWN}
    request = contract.CreateRequest("urn", USER, "ann", {"name": UNKNOWN, "path": "/"}, True)
    assert engine.provider.create(request).outputs["arn"] is UNKNOWN


def test_nobody_is_given_what_another_made(engine):
    first = engine.create(Vpc.TYPE, "mine", cidrBlock="10.78.0.0/16")
    second = engine.create(Vpc.TYPE, "mine", cidrBlock="10.78.0.0/16")
    assert first.id != second.id
    engine.delete(first)
    engine.delete(second)


def test_what_is_made_but_not_finished_is_kept(engine):
    role = engine.create("aws:iam/role:Role", "half", assumeRolePolicy=TRUST)
    inputs = engine.check(
        "aws:iam/instanceProfile:InstanceProfile", "half", {"role": "no-such-role"}
    )
    request = contract.CreateRequest(
        "urn", "aws:iam/instanceProfile:InstanceProfile", "half", inputs
    )
    with pytest.raises(PartiallyCreated) as caught:
        engine.provider.create(request)
    assert caught.value.resource_id == inputs["name"]
    assert "no-such-role" in caught.value.reasons[0]
    outputs = engine.provider.update(
        contract.UpdateRequest(
            "urn",
            request.type,
            inputs["name"],
            inputs,
            dict(caught.value.outputs),
            inputs | {"role": role.id},
        )
    )
    assert outputs["role"] == role.id
    engine.provider.delete(
        contract.DeleteRequest("urn", request.type, inputs["name"], inputs, outputs)
    )
    engine.delete(role)


TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "ec2.amazonaws.com"},
                "Action": "sts:AssumeRole",
            }
        ],
    }
)


def test_refusals_say_what_aws_said(engine):
    with pytest.raises(CloudError) as caught:
        engine.create("aws:iam/rolePolicy:RolePolicy", "x", role="nobody", policy=TRUST)
    assert str(caught.value).startswith("AWS refused PutRolePolicy: ")
    assert caught.value.code == "NoSuchEntity"


def test_an_emulator_that_does_not_answer(monkeypatch, engine):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    engine.provider.configure(contract.ConfigureRequest({"region": "us-east-1"}))
    with pytest.raises(CloudError, match="does not answer"):
        engine.invoke("aws:index/getAvailabilityZones:getAvailabilityZones")


def test_the_account(engine):
    assert engine.invoke("aws:index/getPartition:getPartition")["dnsSuffix"] == "amazonaws.com"
    assert engine.invoke("aws:index/getRegion:getRegion")["region"] == "us-east-1"
    zones = engine.invoke("aws:index/getAvailabilityZones:getAvailabilityZones", state="available")
    assert zones["names"][:2] == ["us-east-1a", "us-east-1b"]
    fewer = engine.invoke(
        "aws:index/getAvailabilityZones:getAvailabilityZones", excludeNames=["us-east-1a"]
    )
    assert "us-east-1a" not in fewer["names"]


def test_the_token_of_a_registry(engine):
    token = engine.invoke("aws:ecr/getAuthorizationToken:getAuthorizationToken")
    assert token["userName"] == "AWS"
    assert isinstance(token["password"], Secret)
    assert token["proxyEndpoint"].endswith(".dkr.ecr.us-east-1.amazonaws.com")


def test_the_tags_of_a_repository(engine):
    engine.create(
        "aws:ecr/repository:Repository",
        "pushed",
        name=PUSHED,
        imageScanningConfiguration={"scanOnPush": True},
        forceDelete=True,
    )
    listed = engine.invoke("aws:ecr/getImages:getImages", repositoryName=PUSHED)
    assert listed["imageIds"] == [{"imageDigest": PUSHED_DIGEST, "imageTag": "one"}]
    with pytest.raises(CloudError, match="kit/none"):
        engine.invoke("aws:ecr/getImages:getImages", repositoryName="kit/none")


def test_an_image_that_does_not_exist(engine):
    with pytest.raises(CloudError, match="No image matches"):
        engine.invoke(
            "aws:ec2/getAmi:getAmi", filters=[{"name": "name", "values": ["no-such-image"]}]
        )


@pytest.mark.parametrize(
    ("one", "other", "options", "expected"),
    [
        ([1, 2], [2, 1], {}, True),
        ([1, 2], [2, 1], {"ordered": True}, False),
        (None, [], {}, True),
        ({"a": None}, {}, {}, True),
        (False, None, {}, False),
        ('{"a": ["x"]}', '{"a":"x"}', {"json_text": True}, True),
        ("not json", "not json ", {"json_text": True}, False),
        ([{"k": ["b", "a"]}], [{"k": ["a", "b"]}], {}, True),
    ],
)
def test_what_means_the_same(one, other, options, expected):
    assert same(one, other, **options) is expected


def test_what_the_program_does_not_mention_is_the_clouds():
    wanted = {"subnetIds": ["b", "a"], "public": True}
    actual = {"subnetIds": ["a", "b"], "public": False, "vpcId": "v"}
    assert project(wanted, actual) == {"subnetIds": ["b", "a"], "public": False}


def test_the_plugin_speaks_pulumis_protocol(endpoint):
    """Started as the engine starts it, from any folder."""
    url, key = endpoint
    plugin = subprocess.Popen(
        [ROOT / "sandbox/bin/pulumi-resource-aws", "127.0.0.1:1"],
        stdout=subprocess.PIPE,
        text=True,
        cwd="/",
        env=os.environ
        | {
            "AWS_ENDPOINT_URL": url,
            "AWS_ACCESS_KEY_ID": key["access_key_id"],
            "AWS_SECRET_ACCESS_KEY": key["secret_access_key"],
        },
    )
    port = int(plugin.stdout.readline())
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub = provider_pb2_grpc.ResourceProviderStub(channel)
        tags = json.dumps({"tags": {"a": "b"}})
        stub.Configure(
            provider_pb2.ConfigureRequest(
                args=to_struct({"region": "us-east-1", "defaultTags": tags}),
                acceptSecrets=True,
                acceptResources=True,
            )
        )
        urn = f"urn:pulumi:dev::demo::{USER}::bob"
        checked = stub.Check(provider_pb2.CheckRequest(urn=urn, randomSeed=b"1"))
        inputs = from_struct(checked.inputs)
        assert inputs["tags"] == {"a": "b"}
        made = stub.Create(provider_pb2.CreateRequest(urn=urn, properties=to_struct(inputs)))
        assert made.id == inputs["name"]
        with pytest.raises(grpc.RpcError) as caught:
            stub.Create(
                provider_pb2.CreateRequest(
                    urn=urn.replace("bob", "eve"), properties=to_struct(inputs)
                )
            )
        assert caught.value.code() is grpc.StatusCode.UNKNOWN
        assert "AWS refused CreateUser" in caught.value.details()
        stub.Delete(
            provider_pb2.DeleteRequest(
                urn=urn, id=made.id, old_inputs=checked.inputs, properties=made.properties
            )
        )
    plugin.terminate()
    assert plugin.wait(10) == 0
    plugin.stdout.close()
