"""Users, groups, roles and policies on the real emulator."""

import json

import pytest

from sandbox.errors import CloudError
from sandbox.wire.values import ResourceReference

READ_ONLY = "arn:aws:iam::aws:policy/ReadOnlyAccess"


def policy(action="s3:GetObject", **more):
    statement = {"Effect": "Allow", "Action": action, "Resource": "*"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement | more]})


def trust(service="pods.eks.amazonaws.com"):
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": service},
        "Action": ["sts:AssumeRole", "sts:TagSession"],
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def role(engine, name, **more):
    return engine.create("aws:iam/role:Role", name, assumeRolePolicy=trust(), **more)


def test_a_role_with_a_made_up_name(engine):
    made = role(engine, "worker", description="Works", tags={"a": "1"})
    assert made.id == made["name"]
    assert made.id.startswith("worker-")
    assert len(made.id) == len("worker-") + 7
    assert made["arn"] == f"arn:aws:iam::000000000000:role/{made.id}"
    assert made["tagsAll"] == {"a": "1", "aerodrome:environment": "test"}
    engine.imported(made)
    engine.update(made, description="Rests", maxSessionDuration=7200)
    engine.update(made, assumeRolePolicy=trust("ec2.amazonaws.com"))
    engine.update(made, tags={"b": "2", "aerodrome:environment": "other"})
    assert engine.replaces(made, path="/x/") == ["path"]
    engine.delete(made)


def test_white_space_and_order_in_a_policy_are_no_difference(engine):
    made = role(engine, "spaced")
    other = json.dumps(json.loads(trust()), indent=4, sort_keys=True)
    news = engine.check(made.type, made.name, made.inputs | {"assumeRolePolicy": other})
    assert engine.diff(made, news).changes == []
    engine.delete(made)


def test_a_policy_of_a_role(engine):
    owner = role(engine, "owner")
    # pulumi-eks gives the role itself, not its name.
    reference = ResourceReference(owner.urn, owner.id)
    made = engine.create("aws:iam/rolePolicy:RolePolicy", "own", role=reference, policy=policy())
    assert made.id == f"{owner.id}:{made['name']}"
    engine.imported(made)
    engine.update(made, policy=policy("s3:PutObject"))
    attached = engine.create(
        "aws:iam/rolePolicyAttachment:RolePolicyAttachment",
        "attached",
        role=reference,
        policyArn=READ_ONLY,
    )
    assert attached.inputs["role"] == owner.id
    engine.imported(attached)
    assert engine.replaces(attached, policyArn="arn:aws:iam::aws:policy/X") == ["policyArn"]
    for one in (attached, made, owner):
        engine.delete(one)


def test_a_policy_and_its_versions(engine):
    made = engine.create("aws:iam/policy:Policy", "many", policy=policy(), description="Many")
    assert made.id == made["arn"]
    engine.imported(made)
    # More versions than IAM keeps.
    for number in range(7):
        engine.update(made, policy=policy(f"s3:Get{number}"))
    assert engine.replaces(made, description="Few") == ["description"]
    engine.delete(made)


def test_a_user_with_everything(engine):
    user = engine.create("aws:iam/user:User", "ann", name="ann", forceDestroy=True)
    engine.imported(user)
    group = engine.create("aws:iam/group:Group", "operators", name="operators")
    engine.imported(group)
    membership = engine.create(
        "aws:iam/userGroupMembership:UserGroupMembership",
        "ann-operators",
        user=user["name"],
        groups=[group["name"]],
    )
    engine.imported(membership)
    of_group = engine.create(
        "aws:iam/groupPolicyAttachment:GroupPolicyAttachment",
        "read",
        group=group["name"],
        policyArn=READ_ONLY,
    )
    for one in (of_group, membership):
        engine.imported(one)
        engine.delete(one)
    engine.delete(group)
    engine.delete(user)


def test_the_secret_of_an_access_key_is_kept(engine):
    user = engine.create("aws:iam/user:User", "keyed", name="keyed")
    key = engine.create("aws:iam/accessKey:AccessKey", "key", user="keyed")
    assert key.id.startswith("AKIA") or key.id.startswith("LKIA")
    assert len(key["secret"]) >= 20
    assert engine.read(key).outputs["secret"] == key["secret"]
    engine.imported(key)
    engine.delete(key)
    engine.delete(user)


def test_force_destroy_of_a_user_takes_what_others_gave_it(engine):
    iam = engine.provider._aws.client("iam")
    kept = engine.create("aws:iam/user:User", "kept", name="kept")
    iam.create_access_key(UserName="kept")
    with pytest.raises(CloudError) as caught:
        engine.delete(kept)
    assert caught.value.code == "DeleteConflict"
    engine.update(kept, forceDestroy=True)
    iam.attach_user_policy(UserName="kept", PolicyArn=READ_ONLY)
    engine.delete(kept)


def test_an_instance_profile_changes_its_role(engine):
    roles = [role(engine, f"profiled{number}") for number in range(2)]
    made = engine.create(
        "aws:iam/instanceProfile:InstanceProfile", "profile", role=roles[0]["name"]
    )
    engine.imported(made)
    engine.update(made, role=roles[1]["name"])
    engine.update(made, tags={"aerodrome:environment": "test", "x": "y"})
    for one in (made, *roles):
        engine.delete(one)


def test_an_identity_provider(engine):
    made = engine.create(
        "aws:iam/openIdConnectProvider:OpenIdConnectProvider",
        "oidc",
        url="https://oidc.eks.us-east-1.amazonaws.com/id/ABC",
        clientIdLists=["sts.amazonaws.com"],
        thumbprintLists=["a" * 40],
    )
    assert made.id.endswith(":oidc-provider/oidc.eks.us-east-1.amazonaws.com/id/ABC")
    engine.imported(made)
    engine.delete(made)


def test_an_access_key_is_deactivated_in_place(engine):
    iam = engine.provider._aws.client("iam")
    engine.create("aws:iam/user:User", "rotated", name="rotated")
    key = engine.create("aws:iam/accessKey:AccessKey", "rotated", user="rotated")
    assert key["status"] == "Active"
    engine.update(key, status="Inactive")
    (found,) = iam.list_access_keys(UserName="rotated")["AccessKeyMetadata"]
    assert (found["AccessKeyId"], found["Status"]) == (key.id, "Inactive")
    engine.delete(key)
