"""An account with a base environment, and its pipeline's roles as bootstrap makes them: the emulator, with
IAM enforced. A session is got as a workflow gets one: with a token that says where it comes from."""

import base64
import json
import urllib.error
import urllib.parse
import urllib.request
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from cli.operations.bootstrap.aws import Aws, Caller
from cli.operations.bootstrap.github import AUDIENCE, HOST, repository
from cli.operations.bootstrap.pipeline_access import PipelineAccess
from cli.operations.bootstrap.pipeline_roles import POLICY_NAME
from cli.operations.bootstrap.state_bucket import StateBucket
from infra.contract.naming import (
    RANCHER_TOKEN,
    Names,
    branch_environment,
    secrets_key_alias,
    state_bucket,
    tags,
)
from tests.aws_session import Session
from tests.unit.sandbox.aws.conftest import REGION, Emulator

ACCOUNT = "000000000000"
BASE = "dev"
RANCHER_SECRET = f"{Names(BASE).of(RANCHER_TOKEN)}-0a1b2c3"
BRANCH = branch_environment(BASE, "feature/x")
REPOSITORY = "team/airflow"
SUBJECTS = {
    "preview": f"repo:{REPOSITORY}:pull_request",
    "deploy": f"repo:{REPOSITORY}:environment:aerodrome-branches",
}
DEPLOY = f"arn:aws:iam::{ACCOUNT}:role/aerodrome-pipeline/aerodrome-{BASE}-deploy"
LOGS = f"aerodrome-{BASE}-logs-0abc123"
IMAGES = f"aerodrome-{BASE}-airflow-0abc123"
PODS = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "pods.eks.amazonaws.com"},
                "Action": ["sts:AssumeRole", "sts:TagSession"],
            }
        ],
    }
)

EVERYTHING = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}],
    }
)
REFUSED = r"not authorized|AccessDenied|UnauthorizedOperation"


def as_list(environment: str, base: str = "") -> list[dict[str, str]]:
    """What an environment's resources carry, as most services take it."""
    wanted = tags(environment, "feature/x", "never", base)
    return [{"Key": key, "Value": value} for key, value in wanted.items()]


class Root(Aws):
    """The account's root, as bootstrap's modules ask AWS."""

    def __init__(self, emulator: Emulator) -> None:
        super().__init__(REGION)
        self._emulator = emulator

    def client(self, service: str, region: str = "") -> Any:
        if (service, "") not in self._clients:
            self._clients[service, ""] = self._emulator.client(service)
        return self._clients[service, ""]


@dataclass
class Account:
    """What a pipeline finds."""

    emulator: Emulator
    registry: str

    @cached_property
    def aws(self) -> Root:
        return Root(self.emulator)

    @cached_property
    def pipeline(self) -> PipelineAccess:
        return PipelineAccess(self.aws, Caller(ACCOUNT, ""), BASE)

    def root(self, service: str) -> Any:
        return self.aws.client(service)

    @property
    def state(self) -> str:
        return state_bucket(ACCOUNT, REGION)

    @property
    def boundary(self) -> str:
        names = Names(BASE)
        return f"arn:aws:iam::{ACCOUNT}:policy{names.iam_path}{names.branch_boundary}"

    def prepare(self, boundary: str) -> None:
        """All that bootstrap, and `up` of the base, have made; `boundary` is the program's policy."""
        StateBucket(self.aws, Caller(ACCOUNT, "")).ensure()
        self._key(BASE)
        self._key("prod")
        self.pipeline.ensure(repository(REPOSITORY))
        self._base(boundary)

    def _key(self, environment: str) -> None:
        kms = self.root("kms")
        tag = {"TagKey": "aerodrome:bootstrap", "TagValue": environment}
        key = kms.create_key(Tags=[tag])["KeyMetadata"]["KeyId"]
        kms.create_alias(AliasName=secrets_key_alias(environment), TargetKeyId=key)

    def _base(self, boundary: str) -> None:
        names, own = Names(BASE), as_list(BASE)
        subnets = self.emulator.subnets()
        self.emulator.cluster(names.cluster, subnets, tags=tags(BASE, "", "never"))
        self.emulator.cluster("aerodrome-prod", subnets, tags=tags("prod", "", "never"))
        for bucket in (LOGS, "somebody-elses"):
            self.root("s3").create_bucket(Bucket=bucket)
        self.root("s3").put_bucket_tagging(Bucket=LOGS, Tagging={"TagSet": own})
        self.root("s3").put_bucket_versioning(
            Bucket=LOGS, VersioningConfiguration={"Status": "Enabled"}
        )
        for key in ("task-logs/a.log", f"branches/{BRANCH}/b.log"):
            self.root("s3").put_object(Bucket=LOGS, Key=key, Body=b"x")
        for name in (IMAGES, "aerodrome-prod-airflow-0abc123"):
            self.root("ecr").create_repository(repositoryName=name, tags=own)
        iam = self.root("iam")
        iam.create_policy(
            PolicyName=names.branch_boundary, Path=names.iam_path, PolicyDocument=boundary, Tags=own
        )
        iam.create_user(UserName="aerodrome-dev-operator", Path=names.iam_path, Tags=own)
        iam.create_instance_profile(InstanceProfileName="aerodrome-dev", Path=names.iam_path)
        self._role("aerodrome-dev-airflow-0abc123", names.iam_path)
        self.root("eks").create_pod_identity_association(
            clusterName=names.cluster,
            namespace="airflow",
            serviceAccount="airflow",
            roleArn=f"arn:aws:iam::{ACCOUNT}:role{names.iam_path}aerodrome-dev-airflow-0abc123",
            tags=tags(BASE, "", "never"),
        )
        self.root("rds").create_db_subnet_group(
            DBSubnetGroupName="aerodrome-dev",
            DBSubnetGroupDescription="dev",
            SubnetIds=subnets,
            Tags=own,
        )
        elb = self.root("elbv2")
        elb.create_load_balancer(Name="aerodrome-dev", Subnets=subnets, Tags=own)
        pairs = [{"TagKey": tag["Key"], "TagValue": tag["Value"]} for tag in own]
        self.root("kms").create_key(Tags=pairs)
        self.root("secretsmanager").create_secret(Name=RANCHER_SECRET, SecretString="x", Tags=own)
        # Of a base with nodes for tasks.
        queue = Names(BASE).of("task-nodes")
        self.root("sqs").create_queue(
            QueueName=queue, tags={tag["Key"]: tag["Value"] for tag in own}
        )
        pattern = json.dumps({"source": ["aws.ec2"]})
        self.root("events").put_rule(Name=queue, EventPattern=pattern, Tags=own)

    def _role(self, name: str, path: str) -> None:
        self.root("iam").create_role(
            RoleName=name, Path=path, AssumeRolePolicyDocument=PODS, Tags=as_list(BASE)
        )

    def allow(self, purpose: str, policy: dict[str, Any]) -> None:
        """Gives one of the two roles this policy instead of its own."""
        self.root("iam").put_role_policy(
            RoleName=self.pipeline.roles[purpose].name,
            PolicyName=POLICY_NAME,
            PolicyDocument=json.dumps(policy),
        )

    def session(
        self, purpose: str, subject: str = "", audience: str = AUDIENCE, issuer: str = HOST
    ) -> Session:
        """The role, for who has a token with these claims. ClientError if the role refuses it."""
        claims = {
            "iss": f"https://{issuer}",
            "sub": subject or SUBJECTS[purpose],
            "aud": audience,
        }
        found = self._assume(self.pipeline.roles[purpose].arn, claims)
        return Session(
            self.emulator,
            {
                "aws_access_key_id": found["AccessKeyId"],
                "aws_secret_access_key": found["SecretAccessKey"],
                "aws_session_token": found["SessionToken"],
            },
        )

    def _assume(self, role: str, claims: dict[str, str]) -> dict[str, str]:
        """SDKs send this call unsigned, and the emulator takes no such; so it is signed here."""
        body = urllib.parse.urlencode(
            {
                "Action": "AssumeRoleWithWebIdentity",
                "Version": "2011-06-15",
                "RoleArn": role,
                "RoleSessionName": "GitHubActions",
                "WebIdentityToken": token(claims),
            }
        )
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        request = AWSRequest("POST", f"{self.emulator.url}/", data=body, headers=kind)
        root = self.emulator.root
        SigV4Auth(Credentials(root["id"], root["secret"]), "sts", REGION).add_auth(request)
        asked = urllib.request.Request(
            f"{self.emulator.url}/", body.encode(), dict(request.headers.items())
        )
        try:
            with urllib.request.urlopen(asked) as answer:
                text = answer.read().decode()
        except urllib.error.HTTPError as error:
            said = {"Error": {"Code": "AccessDenied", "Message": error.read().decode()}}
            raise ClientError(said, "AssumeRoleWithWebIdentity") from error
        return {
            each.tag.rpartition("}")[2]: each.text or ""
            for each in ElementTree.fromstring(text).iter()
        }


def token(claims: dict[str, str]) -> str:
    """A token as GitHub's, but for the signature, which nobody checks here."""
    parts = ({"alg": "RS256", "typ": "JWT"}, claims | {"exp": 4_000_000_000})
    texts = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in parts]
    return b".".join([*texts, b"c2lnbmVk"]).decode()
