"""An account with what the program makes in IAM: the emulator, with IAM enforced, and one environment's users, groups,
roles and policies as the program registered them. Tests are somebody of it, and make calls."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from typing import Any

from botocore.exceptions import ClientError

from tests import aws_session
from tests.program.recording import Program, Registration
from tests.unit.sandbox.aws.conftest import REGION, Emulator

ACCOUNT = "000000000000"
REFUSED = (
    "AccessDenied",
    "AccessDeniedException",
    "AuthorizationError",
    "UnauthorizedOperation",
)
CLUSTER, OTHER_CLUSTER = "cluster", "prod"
"""What the program is told that its cluster is called, and another one."""

NODES, ADDON = "workers", "aws-ebs-csi-driver"

Make = Callable[[Any, Mapping[str, Any], str], None]


class Session(aws_session.Session):
    """Somebody, and what IAM lets him do."""

    def call(self, service: str, operation: str, **arguments: Any) -> Any:
        return getattr(self.client(service), operation)(**arguments)

    def refused(self, service: str, operation: str, **arguments: Any) -> bool:
        """Whether IAM refuses the call. Any other failure is one of the test."""
        try:
            self.call(service, operation, **arguments)
        except ClientError as error:
            if error.response["Error"]["Code"] in REFUSED or error.response["ResponseMetadata"][
                "HTTPStatusCode"
            ] in (401, 403):
                return True
            raise
        return False


class IamAccount:
    """Whatever of `aws:iam` there is in the programs, made by the account's root."""

    def __init__(self, emulator: Emulator, programs: list[Program]) -> None:
        self.emulator = emulator
        self.root = Session(
            emulator,
            {
                "aws_access_key_id": emulator.root["id"],
                "aws_secret_access_key": emulator.root["secret"],
            },
        )
        self.subnets = emulator.subnets()
        self._of_the_environment()
        self.documents: dict[str, list[tuple[str, str]]] = {}
        """Of each user and role the documents that the program wrote: `role` or `policy`, and a name or an ARN."""

        self.resources = [
            one for each in programs for one in each.resources if one.type.startswith("aws:iam/")
        ]
        # As Pulumi would: what others refer to comes first.
        for kinds in (("Policy",), ("Role", "User", "Group"), ()):
            for one in self.resources:
                kind = one.type.rpartition(":")[2]
                if kind in kinds or not (kinds or kind in ("Policy", "Role", "User", "Group")):
                    self._makers[kind](one)

    @property
    def identities(self) -> dict[str, str]:
        """Every user and role, with which of them it is."""
        kinds = {"aws:iam/role:Role": "role", "aws:iam/user:User": "user"}
        return {one.name: kinds[one.type] for one in self.resources if one.type in kinds}

    def session(self, name: str) -> Session:
        """As that user, or as whom its role is given to."""
        if self.identities[name] == "user":
            made = self.root.call("iam", "create_access_key", UserName=name)["AccessKey"]
            return self._with(made["AccessKeyId"], made["SecretAccessKey"])
        role = self.root.call("iam", "get_role", RoleName=name)["Role"]
        own = json.dumps(role["AssumeRolePolicyDocument"])
        # The emulator has no instances, and the token of a pod is looked at elsewhere: for this session the role
        # can be assumed by somebody whom the test has made. What it then may do is its policies' alone.
        self._trust(name, trusted_by(self.assumer_arn))
        try:
            found = self.assumer.call(
                "sts", "assume_role", RoleArn=role["Arn"], RoleSessionName="test"
            )["Credentials"]
        finally:
            self._trust(name, own)
        return self._with(found["AccessKeyId"], found["SecretAccessKey"], found["SessionToken"])

    @cached_property
    def assumer(self) -> Session:
        """A user whose own policy lets him assume every role; whom the roles trust is another matter."""
        everything = {"Effect": "Allow", "Action": "sts:*", "Resource": "*"}
        key = self.emulator.user("assumer", {"Version": "2012-10-17", "Statement": [everything]})
        return self._with(key["id"], key["secret"])

    @property
    def assumer_arn(self) -> str:
        return f"arn:aws:iam::{ACCOUNT}:user/assumer"

    def actions(self, name: str, effect: str = "Allow") -> list[tuple[int, str, str]]:
        """Of the documents that the program wrote for it: which of them, the statement and the action."""
        return [
            (number, one["Sid"], action)
            for number, document in enumerate(self.documents.get(name, ()))
            for one in json.loads(document[1])["Statement"]
            if one["Effect"] == effect
            for action in one["Action"]
        ]

    @contextmanager
    def without(self, name: str, number: int, sid: str, action: str) -> Iterator[None]:
        """The identity lacks one action of one statement."""
        where, text = self.documents[name][number]
        left = json.loads(text)
        for one in left["Statement"]:
            if one["Sid"] == sid:
                one["Action"].remove(action)
        left["Statement"] = [one for one in left["Statement"] if one["Action"]]
        self._write(where, json.dumps(left))
        try:
            yield
        finally:
            self._write(where, text)

    def _write(self, where: str, text: str) -> None:
        iam, document = self.root.client("iam"), json.loads(text)
        # Of neither kind may a document be empty.
        nothing = {"Sid": "Nothing", "Effect": "Deny", "Action": "iam:*", "Resource": "*"}
        document["Statement"] = document["Statement"] or [nothing]
        if not where.startswith("arn:"):
            role, _, policy = where.partition("/")
            iam.put_role_policy(
                RoleName=role, PolicyName=policy, PolicyDocument=json.dumps(document)
            )
            return
        for one in iam.list_policy_versions(PolicyArn=where)["Versions"]:
            if not one["IsDefaultVersion"]:
                iam.delete_policy_version(PolicyArn=where, VersionId=one["VersionId"])
        iam.create_policy_version(
            PolicyArn=where, PolicyDocument=json.dumps(document), SetAsDefault=True
        )

    def _with(self, id: str, secret: str, token: str = "") -> Session:
        key = {"aws_access_key_id": id, "aws_secret_access_key": secret}
        return Session(self.emulator, key | ({"aws_session_token": token} if token else {}))

    def _trust(self, name: str, document: str) -> None:
        iam = self.root.client("iam")
        iam.update_assume_role_policy(RoleName=name, PolicyDocument=document)

    def _of_the_environment(self) -> None:
        """What the policies are about, and the same of somebody else."""
        root = self.root
        for name in (LOGS, OTHER_LOGS):
            root.call("s3", "create_bucket", Bucket=name)
            for key in (*OBJECTS, *OBJECTS_OF_DAGS):
                root.call("s3", "put_object", Bucket=name, Key=key, Body=b"x")
        for name in (CLUSTER, OTHER_CLUSTER):
            self.emulator.cluster(name, self.subnets)
            role = self.emulator.role(f"{name}-nodes", "ec2.amazonaws.com", ["sts:AssumeRole"])
            root.call(
                "eks",
                "create_nodegroup",
                clusterName=name,
                nodegroupName=NODES,
                subnets=self.subnets,
                nodeRole=role,
            )
            root.call("eks", "create_addon", clusterName=name, addonName=ADDON)
            types = [{"types": ["api"], "enabled": True}]
            root.call("eks", "update_cluster_config", name=name, logging={"clusterLogging": types})
        for group in (LOG_GROUP, OTHER_LOG_GROUP):
            root.call("logs", "create_log_group", logGroupName=group)
            root.call("logs", "create_log_stream", logGroupName=group, logStreamName="api")
        for name in (IMAGES, OTHER_IMAGES):
            root.call("ecr", "create_repository", repositoryName=name)
        root.call("secretsmanager", "create_secret", Name="prod/password", SecretString="x")
        self.database_admin = root.call(
            "secretsmanager", "create_secret", Name="database-admin", SecretString="x"
        )["ARN"]
        self.rancher_token = root.call("secretsmanager", "create_secret", Name=RANCHER_TOKEN)["ARN"]
        root.call("ssm", "put_parameter", Name="/prod/password", Value="x", Type="String")
        self.key = root.call("kms", "create_key")["KeyMetadata"]["KeyId"]

    @cached_property
    def _makers(self) -> dict[str, Callable[[Registration], None]]:
        """How each kind is made. A kind that is not here fails the tests: it would go unseen."""
        return {
            "AccessKey": lambda one: None,
            "Group": self._group,
            "GroupPolicyAttachment": self._group_attachment,
            "InstanceProfile": lambda one: None,
            "Policy": self._policy,
            "Role": self._role,
            "RolePolicy": self._role_policy,
            "RolePolicyAttachment": self._role_attachment,
            "User": self._user,
            "UserGroupMembership": self._membership,
        }

    def _real(self, document: str) -> str:
        """A policy with the ARNs that things have here, instead of those that the program was told."""
        told = f"arn:aws:secretsmanager:::{RANCHER_TOKEN}"
        found = _real(document).replace(told, self.rancher_token)
        return found.replace(DATABASE_ADMIN, self.database_admin)

    def _policy(self, one: Registration) -> None:
        text = self._real(one.inputs["policy"])
        self.root.call(
            "iam",
            "create_policy",
            PolicyName=one.name,
            Path=one.inputs["path"],
            PolicyDocument=text,
        )

    def _arn(self, given: str) -> str:
        """Of a policy: what the program was told, as it is here."""
        name = given.rpartition(":")[2]
        for one in self.resources:
            if one.type == "aws:iam/policy:Policy" and one.name == name:
                return f"arn:aws:iam::{ACCOUNT}:policy{one.inputs['path']}{name}"
        return given

    def _role(self, one: Registration) -> None:
        boundary = one.inputs.get("permissionsBoundary")
        self.root.call(
            "iam",
            "create_role",
            RoleName=one.name,
            Path=one.inputs["path"],
            AssumeRolePolicyDocument=one.inputs["assumeRolePolicy"],
            **({"PermissionsBoundary": self._arn(boundary)} if boundary else {}),
        )

    def _role_policy(self, one: Registration) -> None:
        role, text = one.inputs["role"], self._real(one.inputs["policy"])
        self.documents.setdefault(role, []).append((f"{role}/{one.name}", text))
        self._write(f"{role}/{one.name}", text)

    def _role_attachment(self, one: Registration) -> None:
        arn = self._arn(one.inputs["policyArn"])
        self.root.call("iam", "attach_role_policy", RoleName=one.inputs["role"], PolicyArn=arn)

    def _user(self, one: Registration) -> None:
        self.root.call("iam", "create_user", UserName=one.name, Path=one.inputs["path"])

    def _group(self, one: Registration) -> None:
        self.root.call("iam", "create_group", GroupName=one.name, Path=one.inputs["path"])

    def _group_attachment(self, one: Registration) -> None:
        arn, group = self._arn(one.inputs["policyArn"]), one.inputs["group"]
        self.root.call("iam", "attach_group_policy", GroupName=group, PolicyArn=arn)
        written = {each.name: each for each in self.resources if each.type.endswith(":Policy")}
        text = self._real(written[arn.rpartition("/")[2]].inputs["policy"])
        for each in self.resources:
            if each.type.endswith(":UserGroupMembership") and group in each.inputs["groups"]:
                self.documents.setdefault(each.inputs["user"], []).append((arn, text))

    def _membership(self, one: Registration) -> None:
        for group in one.inputs["groups"]:
            user = one.inputs["user"]
            self.root.call("iam", "add_user_to_group", GroupName=group, UserName=user)


LOGS, OTHER_LOGS = "aerodrome-test-logs", "aerodrome-prod-logs"
OBJECTS = (
    "task-logs/a.log",
    "xcom/a.json",
    "dag-versions/a.zip",
    "backups/a.dump",
    "database-archive/a.csv",
    "branches/test-x/a.log",
    "branches/test-x/xcom/a.json",
    "branch-dag-versions/test-x/a.zip",
    "branches/test-y/a.log",
    "branch-dag-versions/test-y/a.zip",
)
OBJECTS_OF_DAGS = (
    "lake/a.csv",
    *(
        key
        for logs, xcoms in (("task-logs", "xcom"), ("branches/test-x", "branches/test-x/xcom"))
        for dag in ("a", "fin_a", "fin_audit_a")
        for key in (f"{logs}/dag_id={dag}/a.log", f"{xcoms}/{dag}/a.json")
    ),
)
LOG_GROUP, OTHER_LOG_GROUP = "aerodrome-test-control-plane", "aerodrome-prod-control-plane"
RANCHER_TOKEN = "aerodrome-test-rancher-token"
DATABASE_ADMIN = "arn:aws:secretsmanager:eu-north-1:123456789012:secret:database-admin-AbCdEf"
"""As the program is told of the secret of an existing server; here it has another end."""
IMAGES, OTHER_IMAGES = "aerodrome-test-airflow", "aerodrome-prod-airflow"


def _real(document: str) -> str:
    return document.replace(
        "arn:aws:eks:eu-north-1:123456789012:", f"arn:aws:eks:{REGION}:{ACCOUNT}:"
    ).replace(
        f"arn:aws:cloudwatch:::{LOG_GROUP}",
        f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{LOG_GROUP}",
    )


def trusted_by(arn: str) -> str:
    statement = {"Effect": "Allow", "Principal": {"AWS": arn}, "Action": "sts:AssumeRole"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})
