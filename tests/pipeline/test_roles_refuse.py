"""The pipeline's roles are for the workflows of one repository, and reach nothing that is another's; nobody
becomes an administrator of the account by them."""

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from infra.contract.naming import Names, secrets_key_alias
from tests.pipeline.cloud import (
    ACCOUNT,
    BASE,
    BRANCH,
    DEPLOY,
    EVERYTHING,
    IMAGES,
    LOGS,
    PODS,
    RANCHER_SECRET,
    REFUSED,
    Account,
    Session,
    as_list,
)
from tests.unit.sandbox.aws.conftest import REGION


def refused(session: Session, service: str, operation: str, **arguments: Any) -> None:
    with pytest.raises(ClientError, match=REFUSED):
        getattr(session.client(service), operation)(**arguments)


@pytest.mark.parametrize(
    ("purpose", "claims"),
    [
        ("deploy", {"subject": "repo:team/airflow:pull_request"}),
        ("deploy", {"subject": "repo:team/airflow:ref:refs/heads/main"}),
        ("deploy", {"subject": "repo:team/airflow:environment:production"}),
        ("deploy", {"subject": "repo:team/other:environment:aerodrome-branches"}),
        ("deploy", {"subject": "repo:team/airflow:environment:aerodrome-branches:x"}),
        ("deploy", {"audience": "https://github.com/team"}),
        ("deploy", {"issuer": "token.example.com"}),
        ("preview", {"subject": "repo:team/airflow:environment:aerodrome-branches"}),
        ("preview", {"subject": "repo:other/airflow:pull_request"}),
    ],
)
def test_a_token_from_elsewhere_gets_no_role(
    account: Account, purpose: str, claims: dict[str, str]
) -> None:
    with pytest.raises(ClientError, match="AccessDenied"):
        account.session(purpose, **claims)


def test_closing_and_sweeping_get_the_role_too(account: Account) -> None:
    subject = "repo:team/airflow:environment:aerodrome-teardown"
    caller = account.session("deploy", subject).client("sts").get_caller_identity()
    assert f"/aerodrome-{BASE}-deploy/" in caller["Arn"]


@pytest.fixture(scope="module", params=["preview", "deploy"])
def session(account: Account, request: pytest.FixtureRequest) -> Session:
    """Either role: what is refused below is refused to both."""
    return account.session(str(request.param))


def test_stacks_of_others_stay_as_they_are(account: Account, session: Session) -> None:
    for name in (BASE, "prod", "prod-x-123456"):
        key = f".pulumi/stacks/aerodrome/{name}.json"
        refused(session, "s3", "put_object", Bucket=account.state, Key=key, Body=b"{}")
        refused(session, "s3", "delete_object", Bucket=account.state, Key=key)
    refused(session, "s3", "put_object", Bucket=account.state, Key="leases/dev.json", Body=b"")
    refused(session, "s3", "put_object", Bucket=account.state, Key=".pulumi/meta.yaml", Body=b"")
    refused(session, "s3", "delete_bucket", Bucket=account.state)
    refused(session, "s3", "put_bucket_policy", Bucket=account.state, Policy="{}")
    kms = account.root("kms")
    theirs = kms.encrypt(KeyId=secrets_key_alias("prod"), Plaintext=b"x")["CiphertextBlob"]
    refused(session, "kms", "decrypt", CiphertextBlob=theirs)
    key = kms.describe_key(KeyId=secrets_key_alias(BASE))["KeyMetadata"]["KeyId"]
    refused(session, "kms", "schedule_key_deletion", KeyId=key, PendingWindowInDays=7)


def test_data_of_others_stays_where_it_is(session: Session) -> None:
    refused(session, "s3", "get_object", Bucket=LOGS, Key="task-logs/a.log")
    refused(session, "s3", "list_objects_v2", Bucket=LOGS, Prefix="task-logs/")
    refused(session, "s3", "list_objects_v2", Bucket=LOGS)
    refused(session, "s3", "put_object", Bucket=LOGS, Key=f"branches/{BRANCH}/x", Body=b"")
    refused(session, "s3", "delete_objects", Bucket=LOGS, Delete={"Objects": [{"Key": "a"}]})
    refused(session, "s3", "list_objects_v2", Bucket="somebody-elses", Prefix="branches/")
    refused(session, "s3", "delete_bucket", Bucket=LOGS)
    refused(session, "ecr", "delete_repository", repositoryName=IMAGES, force=True)
    other = {"repositoryName": "aerodrome-prod-airflow-0abc123"}
    refused(session, "ecr", "batch_delete_image", **other, imageIds=[{"imageTag": "prod.1"}])
    refused(session, "ecr", "put_image", **other, imageManifest="{}", imageTag="x")


def test_the_token_of_the_bases_rancher_is_not_told(session: Session) -> None:
    """With it a branch's workflow would be an administrator of the cluster."""
    token = {"SecretId": RANCHER_SECRET}
    refused(session, "secretsmanager", "get_secret_value", **token)
    refused(session, "secretsmanager", "put_secret_value", **token, SecretString="mine")
    refused(session, "secretsmanager", "delete_secret", **token)


def test_networks_machines_and_clusters_stay(account: Account, session: Session) -> None:
    ec2 = account.root("ec2")
    disk = ec2.create_volume(
        AvailabilityZone=f"{REGION}a",
        Size=8,
        TagSpecifications=[{"ResourceType": "volume", "Tags": as_list(BASE)}],
    )["VolumeId"]
    refused(session, "ec2", "delete_volume", VolumeId=disk)
    refused(session, "ec2", "delete_vpc", VpcId=ec2.describe_vpcs()["Vpcs"][0]["VpcId"])
    refused(session, "ec2", "create_vpc", CidrBlock="10.0.0.0/16")
    group = ec2.describe_security_groups()["SecurityGroups"][0]["GroupId"]
    refused(session, "ec2", "delete_security_group", GroupId=group)
    cluster = Names(BASE).cluster
    refused(session, "eks", "delete_cluster", name=cluster)
    refused(
        session, "eks", "create_access_entry", clusterName=cluster, principalArn=f"{DEPLOY}-two"
    )
    refused(session, "rds", "delete_db_subnet_group", DBSubnetGroupName="aerodrome-dev")


def test_pods_of_others_keep_their_roles_and_get_none(account: Account, session: Session) -> None:
    cluster, eks = Names(BASE).cluster, account.root("eks")
    (own,) = eks.list_pod_identity_associations(clusterName=cluster)["associations"]
    named = {"clusterName": cluster, "associationId": own["associationId"]}
    refused(session, "eks", "delete_pod_identity_association", **named)
    refused(session, "eks", "update_pod_identity_association", **named, roleArn=DEPLOY)
    pair = {"aerodrome:base": BASE}
    refused(session, "eks", "tag_resource", resourceArn=own["associationArn"], tags=pair)
    role = account.root("iam").get_role(RoleName="aerodrome-dev-airflow-0abc123")["Role"]["Arn"]
    pods = {"namespace": "airflow-dev-x", "serviceAccount": "airflow"}
    for arn in (role, DEPLOY):
        # Its own pods may not have the base's role, nor the pipeline's.
        new = {"clusterName": cluster, **pods, "roleArn": arn, "tags": pair}
        refused(session, "eks", "create_pod_identity_association", **new)
    elsewhere = {"clusterName": "aerodrome-prod", **pods, "roleArn": role, "tags": pair}
    refused(session, "eks", "create_pod_identity_association", **elsewhere)


def test_nobody_becomes_an_administrator(account: Account, session: Session) -> None:
    administrator = "arn:aws:iam::aws:policy/AdministratorAccess"
    names, base = Names(BRANCH, shared=True), {"RoleName": "aerodrome-dev-airflow-0abc123"}
    new = {"RoleName": "aerodrome-new", "AssumeRolePolicyDocument": PODS}
    bound = {"PermissionsBoundary": account.boundary}
    refused(session, "iam", "create_role", **new, Path=names.iam_path)
    refused(
        session, "iam", "create_role", **new, Path=names.iam_path, PermissionsBoundary=administrator
    )
    for path in ("/", "/aerodrome-pipeline/", Names(BASE).iam_path, "/aerodrome/prod-x-1/"):
        refused(session, "iam", "create_role", **new, Path=path, **bound)
    unbound = {"RoleName": f"unbound-{session.key['aws_access_key_id'][-6:]}"}
    iam = account.root("iam")
    iam.create_role(**unbound, Path=names.iam_path, AssumeRolePolicyDocument=PODS)
    logs = {"PolicyName": "p", "PolicyDocument": EVERYTHING}
    refused(session, "iam", "put_role_policy", **unbound, **logs)
    boundary = {"PermissionsBoundary": administrator}
    refused(session, "iam", "put_role_permissions_boundary", **unbound, **boundary)
    refused(session, "iam", "delete_role_permissions_boundary", **unbound)
    refused(session, "iam", "attach_role_policy", **unbound, PolicyArn=administrator)
    refused(session, "iam", "update_assume_role_policy", **unbound, PolicyDocument=PODS)
    iam.delete_role(**unbound)
    for own in ({"RoleName": DEPLOY.rpartition("/")[2]}, base):
        refused(session, "iam", "put_role_policy", **own, **logs)
        refused(session, "iam", "update_assume_role_policy", **own, PolicyDocument=PODS)
        refused(session, "iam", "delete_role", **own)
    refused(session, "iam", "create_policy", PolicyName="p", PolicyDocument=EVERYTHING)
    refused(
        session,
        "iam",
        "create_policy_version",
        PolicyArn=account.boundary,
        PolicyDocument=EVERYTHING,
        SetAsDefault=True,
    )
    refused(session, "iam", "create_user", UserName="somebody")
    refused(session, "iam", "create_access_key", UserName="aerodrome-dev-operator")
    refused(session, "sts", "assume_role", RoleArn=DEPLOY, RoleSessionName="myself")


def test_a_role_that_it_makes_goes_no_further_than_the_boundary(account: Account) -> None:
    """Whatever it writes into the role's own policy, and whoever it lets in."""
    iam, names = account.session("deploy").client("iam"), Names(BRANCH, shared=True)
    trust = json.loads(PODS)
    trust["Statement"][0] |= {"Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:user/accomplice"}}
    greedy = iam.create_role(
        RoleName="greedy",
        Path=names.iam_path,
        AssumeRolePolicyDocument=json.dumps(trust),
        PermissionsBoundary=account.boundary,
    )["Role"]["Arn"]
    iam.put_role_policy(RoleName="greedy", PolicyName="p", PolicyDocument=EVERYTHING)
    accomplice = account.emulator.user("accomplice", json.loads(EVERYTHING))
    sts = account.emulator.client("sts", **accomplice)
    got = sts.assume_role(RoleArn=greedy, RoleSessionName="greedy")["Credentials"]
    greed = Session(
        account.emulator,
        {
            "aws_access_key_id": got["AccessKeyId"],
            "aws_secret_access_key": got["SecretAccessKey"],
            "aws_session_token": got["SessionToken"],
        },
    )
    greed.client("s3").put_object(Bucket=LOGS, Key=f"branches/{BRANCH}/x", Body=b"")
    refused(greed, "s3", "get_object", Bucket=LOGS, Key="task-logs/a.log")
    refused(greed, "s3", "list_buckets")
    refused(greed, "iam", "create_user", UserName="somebody")
    iam.delete_role_policy(RoleName="greedy", PolicyName="p")
    iam.delete_role(RoleName="greedy")
