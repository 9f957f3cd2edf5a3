"""Each IAM user and role of an environment does its job, and nothing else: what it may is made and goes, a sample of everything
else is made and refused, by the emulator with IAM enforced. A user or role without a row fails."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.program.conftest import BASE, BRANCH, BRANCH_SECRETS
from tests.program.iam_account import (
    ACCOUNT,
    ADDON,
    CLUSTER,
    DATABASE_ADMIN,
    IMAGES,
    LOG_GROUP,
    LOGS,
    NODES,
    OTHER_CLUSTER,
    OTHER_IMAGES,
    OTHER_LOG_GROUP,
    OTHER_LOGS,
    RANCHER_TOKEN,
    REFUSED,
    IamAccount,
    Session,
)
from tests.program.recording import ROOT, SECRETS, run_program
from tests.program.test_rollouts import EXISTING_SERVER
from tests.unit.sandbox.aws.conftest import new_emulator, registry

__all__ = ["registry"]

ROLE = f"arn:aws:iam::{ACCOUNT}:role/pipeline/somebody"
APART = {
    "accessFile": "tests/program/apart.yaml",
    "valuesFiles": '["tests/program/apart-values.yaml"]',
}
"""Owners of DAGs whose tasks have roles of their own."""

EVERYTHING_ON = {
    "environment": "test",
    "rancherEnabled": "true",
    "backupDays": "7",
    "databaseKeepDays": "90",
    "deployRole": ROLE,
    "previewRole": ROLE,
    **EXISTING_SERVER,
    "databaseAdminSecret": DATABASE_ADMIN,
    **APART,
}
"""What makes every user and role that there is."""

PLACES = {
    "access.py": 1,
    "airflow_role.py": 1,
    "cluster.py": 1,
    "existing_database.py": 1,
    "folder_role.py": 1,
    "rancher.py": 1,
    "task_roles.py": 1,
    # Karpenter's and its nodes': `tests/task_nodes` shows each right used by Karpenter itself, and
    # `tests/unit/sandbox/aws/test_launches.py` what is refused.
    "task_nodes.py": 2,
    "workers.py": 1,
}
"""Where the program makes users and roles: a new place belongs into a row, and what turns it on into EVERYTHING_ON."""

Call = tuple[str, str, dict[str, Any]]
TOKEN = {"SecretId": RANCHER_TOKEN}
DATABASE_LOGIN = {"SecretId": "database-admin"}


def s3(operation: str, key: str = "", bucket: str = LOGS, **more: Any) -> Call:
    return "s3", operation, {"Bucket": bucket, **({"Key": key} if key else {}), **more}


def put(key: str, bucket: str = LOGS) -> Call:
    return s3("put_object", key, bucket, Body=b"x")


def get(key: str, bucket: str = LOGS) -> Call:
    return s3("get_object", key, bucket)


def listed(prefix: str, bucket: str = LOGS) -> Call:
    return s3("list_objects_v2", bucket=bucket, Prefix=prefix)


def abort_upload(session: Session, key: str) -> None:
    """An upload in parts that fails."""
    started = session.call("s3", "create_multipart_upload", Bucket=LOGS, Key=key)
    session.call("s3", "abort_multipart_upload", Bucket=LOGS, Key=key, UploadId=started["UploadId"])


def import_cluster(session: Session) -> None:
    """What Rancher's form and its eks-operator ask of AWS, from the import of a cluster to its daily look at it."""
    session.call("ec2", "describe_regions")
    assert CLUSTER in session.call("eks", "list_clusters")["clusters"]
    session.call("eks", "describe_cluster", name=CLUSTER)
    session.call("ec2", "describe_launch_templates")
    updates = session.call("eks", "list_updates", name=CLUSTER)["updateIds"]
    assert updates
    for update in updates:
        session.call("eks", "describe_update", name=CLUSTER, updateId=update)
    nodes = session.call("eks", "list_nodegroups", clusterName=CLUSTER)["nodegroups"]
    assert nodes == [NODES]
    session.call("eks", "describe_nodegroup", clusterName=CLUSTER, nodegroupName=NODES)
    session.call("eks", "describe_addon", clusterName=CLUSTER, addonName=ADDON)


@dataclass(frozen=True)
class Row:
    """One user or role."""

    allowed: tuple[Call, ...]
    """Its job."""

    refused: tuple[Call, ...] = ()
    """What is close to its job, and none of its business; FOREIGN comes on top."""

    but: tuple[tuple[str, str], ...] = ()
    """The calls of FOREIGN that AWS' own policy for such a role allows."""

    work: Callable[[Session], None] | None = None
    """Calls that need what others have answered."""


def of_tasks(logs: str, xcoms: str, dags: str) -> dict[str, Row]:
    """The roles of tasks in an environment that has its objects there, by what their names end with: those of the owner finance
    with a policy of its own, of audit, which may read finance's XComs, and of nobody."""

    def own(*dag_ids: str) -> tuple[Call, ...]:
        return (
            get(f"{dags}/a.zip"),
            s3("get_bucket_location"),
            *(
                call
                for dag in dag_ids
                for call in (
                    put(f"{logs}/dag_id={dag}/new.log"),
                    get(f"{logs}/dag_id={dag}/a.log"),
                    listed(f"{logs}/dag_id={dag}/"),
                    listed(f"{xcoms}/{dag}/"),
                    put(f"{xcoms}/{dag}/new.json"),
                    get(f"{xcoms}/{dag}/a.json"),
                    s3("delete_object", f"{xcoms}/{dag}/new.json"),
                )
            ),
        )

    def none(*dag_ids: str, but_reading: bool = False) -> tuple[Call, ...]:
        xcom = "{}/{}/a.json"
        return tuple(
            call
            for dag in dag_ids
            for call in (
                put(f"{logs}/dag_id={dag}/a.log"),
                get(f"{logs}/dag_id={dag}/a.log"),
                put(xcom.format(xcoms, dag)),
                s3("delete_object", xcom.format(xcoms, dag)),
                *(() if but_reading else (get(xcom.format(xcoms, dag)),)),
            )
        )

    never = (listed(""), put(f"{dags}/a.zip"), get("backups/a.dump"))
    reads = (get(f"{xcoms}/fin_a/a.json"), listed(f"{xcoms}/fin_a/"))
    return {
        "-tasks": Row(own("a"), (*none("fin_a", "fin_audit_a"), *never)),
        "-tasks-finance": Row(
            (*own("fin_a"), LAKE),
            (*none("a", "fin_audit_a"), *never, listed(f"{logs}/")),
        ),
        "-tasks-audit": Row(
            (*own("fin_audit_a"), *reads),
            (*none("a"), *none("fin_a", but_reading=True), *never, LAKE, listed(f"{logs}/dag_id=fin_a/")),
        ),
    }  # fmt: skip


LAKE = get("lake/a.csv", OTHER_LOGS)
AWS_PULL = (
    ("ecr", "get_authorization_token", {}),
    ("ecr", "batch_get_image", {"repositoryName": IMAGES, "imageIds": [{"imageTag": "x"}]}),
)
ROWS: dict[str, Row] = {
    "aerodrome-test-operator": Row(
        allowed=(
            ("eks", "describe_cluster", {"name": CLUSTER}),
            ("eks", "list_clusters", {}),
            get("task-logs/a.log"),
            listed("task-logs/"),
            ("logs", "describe_log_streams", {"logGroupName": LOG_GROUP}),
            ("logs", "filter_log_events", {"logGroupName": LOG_GROUP}),
            ("logs", "get_log_events", {"logGroupName": LOG_GROUP, "logStreamName": "api"}),
        ),
        refused=(
            put("task-logs/a.log"),
            get("xcom/a.json"),
            get("backups/a.dump"),
            listed(""),
            ("logs", "get_log_events", {"logGroupName": OTHER_LOG_GROUP, "logStreamName": "api"}),
            ("logs", "delete_log_group", {"logGroupName": LOG_GROUP}),
            ("eks", "describe_nodegroup", {"clusterName": CLUSTER, "nodegroupName": NODES}),
        ),
        but=(("eks", "list_clusters"),),
    ),
    "aerodrome-test-log-writer": Row(
        allowed=(put("task-logs/new.log"),),
        refused=(
            get("task-logs/a.log"),
            listed("task-logs/"),
            s3("delete_object", "task-logs/a.log"),
            put("xcom/a.json"),
            put("dag-versions/a.zip"),
        ),
    ),
    "aerodrome-test-rancher": Row(
        work=import_cluster,
        allowed=(
            # What the form for a cluster that was imported is filled with.
            ("ec2", "describe_instance_types", {}),
            ("ec2", "describe_security_groups", {}),
            ("ec2", "describe_subnets", {}),
            ("ec2", "describe_vpcs", {}),
        ),
        refused=(
            ("eks", "list_nodegroups", {"clusterName": OTHER_CLUSTER}),
            ("eks", "list_updates", {"name": OTHER_CLUSTER}),
            ("eks", "describe_addon", {"clusterName": OTHER_CLUSTER, "addonName": ADDON}),
            ("eks", "describe_nodegroup", {"clusterName": OTHER_CLUSTER, "nodegroupName": NODES}),
            ("eks", "delete_nodegroup", {"clusterName": CLUSTER, "nodegroupName": NODES}),
            ("eks", "update_cluster_version", {"name": CLUSTER, "version": "1.99"}),
            ("eks", "list_access_entries", {"clusterName": CLUSTER}),
            (
                "ec2",
                "create_launch_template",
                {"LaunchTemplateName": "x", "LaunchTemplateData": {}},
            ),
            get("task-logs/a.log"),
        ),
        but=(("eks", "list_clusters"), ("ec2", "describe_subnets")),
    ),
    "aerodrome-test-airflow": Row(
        allowed=(
            put("task-logs/new.log"),
            get("task-logs/a.log"),
            listed("task-logs/"),
            put("xcom/new.json"),
            get("xcom/a.json"),
            s3("delete_object", "xcom/new.json"),
            get("dag-versions/a.zip"),
            s3("get_bucket_location"),
        ),
        refused=(
            s3("delete_object", "task-logs/a.log"),
            put("dag-versions/a.zip"),
            get("backups/a.dump"),
            get("database-archive/a.csv"),
            get("branches/test-x/a.log"),
            listed(""),
        ),
    ),
    "aerodrome-test-x-airflow": Row(
        allowed=(
            put("branches/test-x/new.log"),
            get("branches/test-x/a.log"),
            listed("branches/test-x/"),
            put("branches/test-x/xcom/new.json"),
            s3("delete_object", "branches/test-x/xcom/new.json"),
            get("branch-dag-versions/test-x/a.zip"),
            s3("get_bucket_location"),
        ),
        refused=(
            s3("delete_object", "branches/test-x/a.log"),
            get("branches/test-y/a.log"),
            get("branch-dag-versions/test-y/a.zip"),
            listed("branches/test-y/"),
            put("branch-dag-versions/test-x/a.zip"),
            get("task-logs/a.log"),
            get("xcom/a.json"),
            get("dag-versions/a.zip"),
        ),
    ),
    "aerodrome-test-backup": Row(
        work=lambda session: abort_upload(session, "backups/new.dump"),
        allowed=(put("backups/new.dump"),),
        refused=(
            get("backups/a.dump"),
            s3("delete_object", "backups/a.dump"),
            put("task-logs/a.log"),
            listed("backups/"),
        ),
    ),
    "aerodrome-test-clean": Row(
        work=lambda session: abort_upload(session, "database-archive/new.csv"),
        allowed=(put("database-archive/new.csv"), listed("database-archive/")),
        refused=(
            get("database-archive/a.csv"),
            s3("delete_object", "database-archive/a.csv"),
            put("backups/a.dump"),
            listed("backups/"),
        ),
    ),
    "aerodrome-test-node": Row(
        allowed=(
            *AWS_PULL,
            ("eks", "describe_cluster", {"name": CLUSTER}),
            ("ec2", "describe_instances", {}),
        ),
        refused=(
            get("task-logs/a.log"),
            put("dag-versions/a.zip"),
            ("ecr", "create_repository", {"repositoryName": "mine"}),
        ),
        # AmazonEKSWorkerNodePolicy and AmazonEC2ContainerRegistryPullOnly name no resources.
        but=(
            ("ec2", "describe_subnets"),
            ("eks", "describe_cluster"),
            ("ecr", "batch_get_image"),
            ("ecr", "get_authorization_token"),
        ),
    ),
    "aerodrome-test-volumes": Row(
        # AmazonEBSCSIDriverPolicy: it makes disks with its own tags only, which the emulator does not see at EC2.
        allowed=(("ec2", "describe_volumes", {}), ("ec2", "describe_instances", {})),
        refused=(
            get("task-logs/a.log"),
            ("ec2", "create_volume", {"AvailabilityZone": "us-east-1a", "Size": 1}),
            ("ec2", "describe_images", {}),
        ),
    ),
    "aerodrome-test-rancher-server": Row(
        # AmazonSSMManagedInstanceCore: it names no parameters.
        allowed=(
            ("ssm", "get_parameter", {"Name": "/prod/password"}),
            ("secretsmanager", "put_secret_value", TOKEN | {"SecretString": "x"}),
        ),
        refused=(
            get("task-logs/a.log"),
            ("ssm", "describe_parameters", {}),
            ("secretsmanager", "describe_secret", TOKEN),
            ("secretsmanager", "delete_secret", TOKEN),
            ("secretsmanager", "create_secret", {"Name": "mine", "SecretString": "x"}),
            (
                "secretsmanager",
                "put_secret_value",
                {"SecretId": "prod/password", "SecretString": "x"},
            ),
        ),
        but=(("ssm", "get_parameter"),),
    ),
    "aerodrome-test-database-admin": Row(
        allowed=(("secretsmanager", "get_secret_value", DATABASE_LOGIN),),
        refused=(
            get("task-logs/a.log"),
            ("secretsmanager", "put_secret_value", DATABASE_LOGIN | {"SecretString": "x"}),
            ("secretsmanager", "describe_secret", DATABASE_LOGIN),
            ("secretsmanager", "get_secret_value", {"SecretId": "prod/password"}),
            ("secretsmanager", "get_secret_value", TOKEN),
        ),
        but=(("secretsmanager", "get_secret_value"),),
    ),
    **{
        f"aerodrome-test{part}": row
        for part, row in of_tasks("task-logs", "xcom", "dag-versions").items()
    },
    **{
        f"aerodrome-test-x{part}": row
        for part, row in of_tasks(
            "branches/test-x", "branches/test-x/xcom", "branch-dag-versions/test-x"
        ).items()
    },
}
"""Every user and role of an environment and of one that shares it."""

OVERLAPPING = {
    # A branch's XComs lie in its log folder, so two statements allow these; the third action is XComs' alone.
    ("aerodrome-test-x-airflow", "XComs", "s3:GetObject"),
    ("aerodrome-test-x-airflow", "XComs", "s3:PutObject"),
    # Its own DAGs' ids begin like those whose XComs it may read.
    ("aerodrome-test-tasks-audit", "XComs", "s3:GetObject"),
    ("aerodrome-test-x-tasks-audit", "XComs", "s3:GetObject"),
}
"""What an identity would not miss, because it has it twice."""

UNSEEN = {
    # A secret of another team's has a KMS key of theirs, which Secrets Manager asks in the reader's name; the emulator's does not.
    ("aerodrome-test-database-admin", "DecryptSecret", "kms:Decrypt"),
}
"""What an identity would not miss here, and would on AWS."""

ALL = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
FOREIGN: tuple[Call, ...] = (
    get("task-logs/a.log", OTHER_LOGS),
    put("task-logs/a.log", OTHER_LOGS),
    listed("task-logs/", OTHER_LOGS),
    s3("delete_bucket"),
    s3("put_bucket_policy", Policy="{}"),
    ("s3", "list_buckets", {}),
    ("eks", "list_clusters", {}),
    ("eks", "describe_cluster", {"name": OTHER_CLUSTER}),
    ("eks", "delete_cluster", {"name": CLUSTER}),
    ("eks", "create_access_entry", {"clusterName": CLUSTER, "principalArn": ROLE}),
    ("ecr", "get_authorization_token", {}),
    (
        "ecr",
        "batch_get_image",
        {"repositoryName": OTHER_IMAGES, "imageIds": [{"imageTag": "x"}]},
    ),
    ("ecr", "batch_delete_image", {"repositoryName": IMAGES, "imageIds": [{"imageTag": "x"}]}),
    ("ecr", "delete_repository", {"repositoryName": IMAGES}),
    ("iam", "list_users", {}),
    ("iam", "create_user", {"UserName": "mine"}),
    ("iam", "create_access_key", {"UserName": "aerodrome-test-operator"}),
    ("iam", "create_access_key", {"UserName": "aerodrome-test-rancher"}),
    (
        "iam",
        "attach_user_policy",
        {
            "UserName": "aerodrome-test-log-writer",
            "PolicyArn": "arn:aws:iam::aws:policy/AdministratorAccess",
        },
    ),
    (
        "iam",
        "put_role_policy",
        {
            "RoleName": "aerodrome-test-airflow",
            "PolicyName": "mine",
            "PolicyDocument": str(ALL).replace("'", '"'),
        },
    ),
    (
        "iam",
        "update_assume_role_policy",
        {"RoleName": "aerodrome-test-node", "PolicyDocument": "{}"},
    ),
    *(
        (
            "sts",
            "assume_role",
            {
                "RoleArn": f"arn:aws:iam::{ACCOUNT}:role/aerodrome/test/aerodrome-test-{role}",
                "RoleSessionName": "mine",
            },
        )
        for role in ("airflow", "volumes")
    ),
    ("kms", "list_keys", {}),
    ("kms", "create_key", {}),
    ("secretsmanager", "list_secrets", {}),
    ("secretsmanager", "get_secret_value", {"SecretId": "prod/password"}),
    ("secretsmanager", "get_secret_value", TOKEN),
    ("secretsmanager", "get_secret_value", DATABASE_LOGIN),
    ("ssm", "get_parameter", {"Name": "/prod/password"}),
    ("ssm", "put_parameter", {"Name": "/mine", "Value": "x", "Type": "String"}),
    ("ec2", "describe_subnets", {}),
    ("ec2", "run_instances", {"ImageId": "ami-1", "MinCount": 1, "MaxCount": 1}),
    ("ec2", "create_vpc", {"CidrBlock": "10.0.0.0/16"}),
    (
        "ec2",
        "authorize_security_group_ingress",
        {"GroupId": "sg-1", "IpProtocol": "-1", "CidrIp": "0.0.0.0/0"},
    ),
    ("rds", "describe_db_instances", {}),
    ("logs", "describe_log_groups", {}),
    ("logs", "delete_log_group", {"logGroupName": OTHER_LOG_GROUP}),
    ("resourcegroupstaggingapi", "get_resources", {}),
)
"""What none of them may, service by service: another environment's, everybody's, and the ways to more rights."""


@pytest.fixture(scope="module")
def account(registry: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[IamAccount]:
    base = run_program(EVERYTHING_ON, SECRETS)
    branch = run_program({**BRANCH, **APART}, BRANCH_SECRETS, {BASE: base})
    emulator = new_emulator(tmp_path_factory.mktemp("aws"), registry)
    yield IamAccount(emulator, [base, branch])
    emulator.kill()
    emulator.kubernetes.server.shutdown()


@pytest.fixture(scope="module")
def sessions(account: IamAccount) -> dict[str, Session]:
    return {name: account.session(name) for name in account.identities}


def job(row: Row, session: Session) -> None:
    if row.work:
        row.work(session)
    for service, operation, arguments in row.allowed:
        session.call(service, operation, **arguments)


def test_every_user_and_role_of_the_program_has_a_row(account: IamAccount) -> None:
    assert account.identities.keys() == ROWS.keys()


def test_every_place_that_makes_one_is_known() -> None:
    found = {
        file.name: len(found)
        for file in (ROOT / "infra").rglob("*.py")
        if (found := re.findall(r"\biam\.(?:Role|User)\(", file.read_text()))
    }
    assert found == PLACES


@pytest.mark.parametrize("name", ROWS)
def test_it_does_its_job(sessions: dict[str, Session], name: str) -> None:
    job(ROWS[name], sessions[name])


@pytest.mark.parametrize("name", ROWS)
def test_it_does_nothing_else(sessions: dict[str, Session], name: str) -> None:
    row = ROWS[name]
    foreign = [one for one in FOREIGN if one[:2] not in row.but]
    went = [
        (service, operation, arguments)
        for service, operation, arguments in (*row.refused, *foreign)
        if not sessions[name].refused(service, operation, **arguments)
    ]
    assert not went


@pytest.mark.parametrize("name", ROWS)
def test_every_action_of_the_kits_own_policy_is_needed(
    account: IamAccount, sessions: dict[str, Session], name: str
) -> None:
    """Nobody has a right for which there is no call in its row."""
    needless = []
    for number, sid, action in account.actions(name):
        with account.without(name, number, sid, action):
            try:
                job(ROWS[name], sessions[name])
            except ClientError as error:
                assert error.response["Error"]["Code"] in REFUSED, error
            else:
                needless.append((name, sid, action))
    assert set(needless) == {one for one in OVERLAPPING | UNSEEN if one[0] == name}


@pytest.mark.parametrize("name", ROWS)
def test_every_refusal_of_the_kits_own_policy_is_needed(
    account: IamAccount, sessions: dict[str, Session], name: str
) -> None:
    """Without it, something goes that must not."""
    for number, sid, action in account.actions(name, "Deny"):
        with account.without(name, number, sid, action):
            assert not all(
                sessions[name].refused(service, operation, **arguments)
                for service, operation, arguments in ROWS[name].refused
            ), (sid, action)


def test_nobody_but_its_own_service_gets_a_role(account: IamAccount) -> None:
    for name, kind in account.identities.items():
        if kind == "role":
            arn = account.root.call("iam", "get_role", RoleName=name)["Role"]["Arn"]
            asked = {"RoleArn": arn, "RoleSessionName": "mine"}
            assert account.assumer.refused("sts", "assume_role", **asked), name
