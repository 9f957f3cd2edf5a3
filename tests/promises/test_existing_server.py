"""An environment whose database is in an RDS instance that is somebody else's: refused by name where that lacks something, and
after `down` the instance, its security group, its parameters and its secret are what they were.

The kit's own modules, by the real Pulumi CLI, in the sandbox's plugins, against the emulator, which runs no PostgreSQL: what the Job does
there is `tests/unit/images/test_existing_server.py`.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from cli.base.environments import Environment
from cli.base.paths import ROOT
from cli.cloud.catalogue import find
from cli.cloud.resource import Search
from cli.operations.preflight import checks
from tests.program.recording import SECRETS
from tests.promises.aws_cloud import REGION, AwsStack, Emulator, Proxy
from tests.promises.test_existing_network import Given, configure, refused
from tests.promises.test_refused_settings import Session

NAME = "team-postgres"
LOGIN = {"username": "postgres", "password": "a-master-password"}

PROGRAM = f"""
import sys

sys.path.insert(0, {str(ROOT)!r})

import pulumi_eks as eks

from infra.contract.secret_settings import Secrets
from infra.contract.settings import SETTINGS, Settings
from infra.existing_database import let_job_read
from infra.existing_network import find_existing
from infra.existing_server import find_existing_server
from infra.network import Network, NetworkArgs
from infra.stack import Place, Stack, adapt_everything

secrets = Secrets(**{{SETTINGS[key].field: value for key, value in {SECRETS!r}.items()}})
settings = Settings(environment="dev", **CHANGED)
server = find_existing_server(settings)
place = Place("us-east-1", "aws", ["us-east-1a", "us-east-1b"], find_existing(settings), server)
stack = Stack(settings, secrets, place)
adapt_everything(stack)
network = Network("network", NetworkArgs(stack))
cluster = eks.Cluster(
    stack.names.cluster,
    name=stack.names.cluster,
    version="1.36",
    vpc_id=network.vpc_id,
    private_subnet_ids=network.private_subnet_ids,
    authentication_mode=eks.AuthenticationMode.API,
    skip_default_node_group=True,
)
let_job_read(stack, cluster.eks_cluster.name, pulumi.ComponentResource("test:index:Parent", "parent"))
pulumi.export("server", [server.identifier, server.host, server.port, stack.names.database])
"""


class Team:
    """A VPC with an RDS instance that another team has, made by hand."""

    def __init__(self, emulator: Emulator) -> None:
        self.network = Given(emulator.client("ec2"))
        self.emulator, self.rds = emulator, emulator.client("rds")
        ec2 = self.network.ec2
        self.group = ec2.create_security_group(
            GroupName=NAME, Description="the team's", VpcId=self.network.vpc
        )["GroupId"]
        self.let_in("10.50.0.0/16")
        self.rds.create_db_subnet_group(
            DBSubnetGroupName=NAME,
            DBSubnetGroupDescription="the team's",
            SubnetIds=self.network.private,
        )
        self.rds.create_db_instance(
            DBInstanceIdentifier=NAME,
            DBInstanceClass="db.t4g.medium",
            Engine="postgres",
            EngineVersion="17",
            AllocatedStorage=50,
            MasterUsername=LOGIN["username"],
            MasterUserPassword=LOGIN["password"],
            DBSubnetGroupName=NAME,
            VpcSecurityGroupIds=[self.group],
            StorageEncrypted=True,
            PubliclyAccessible=False,
            Tags=[{"Key": "CostCenter", "Value": "1234"}],
        )
        made = emulator.client("secretsmanager").create_secret(
            Name="team/postgres", SecretString=json.dumps(LOGIN)
        )
        self.secret = str(made["ARN"])

    def let_in(self, network: str) -> None:
        self.network.ec2.authorize_security_group_ingress(
            GroupId=self.group, IpPermissions=self.rule(network)
        )

    def shut(self, network: str) -> None:
        self.network.ec2.revoke_security_group_ingress(
            GroupId=self.group, IpPermissions=self.rule(network)
        )

    def rule(self, network: str) -> list[Any]:
        ports = {"IpProtocol": "tcp", "FromPort": 5432, "ToPort": 5432}
        return [{**ports, "IpRanges": [{"CidrIp": network}]}]

    def change(self, **changed: Any) -> None:
        self.rds.modify_db_instance(DBInstanceIdentifier=NAME, ApplyImmediately=True, **changed)

    def described(self) -> dict[str, Any]:
        """All that AWS says of the instance, and of what is the team's beside it."""
        secrets = self.emulator.client("secretsmanager")
        secret = secrets.describe_secret(SecretId=self.secret)
        return {
            "instance": self.rds.describe_db_instances(DBInstanceIdentifier=NAME)["DBInstances"],
            "subnets": self.rds.describe_db_subnet_groups()["DBSubnetGroups"],
            "secret": {
                key: secret.get(key) for key in ("ARN", "Name", "Tags", "VersionIdsToStages")
            },
            "value": secrets.get_secret_value(SecretId=self.secret)["SecretString"],
            **self.network.described(),
        }

    @property
    def settings(self) -> dict[str, Any]:
        return {
            **self.network.settings,
            "rancher_enabled": False,
            "database": "rds",
            "database_instance": NAME,
            "database_admin_secret": self.secret,
        }


@pytest.fixture(scope="module")
def team(emulator: Emulator) -> Team:
    return Team(emulator)


@pytest.fixture
def session(
    stack: AwsStack, proxy: Proxy, team: Team, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Session:
    monkeypatch.setenv("AERODROME_STATE", str(tmp_path / "state"))
    made = Session(tmp_path)
    made.stack, made.url = stack, proxy.url
    stack.program(PROGRAM.replace("CHANGED", repr(team.settings)))
    configure(
        stack,
        vpcId=team.network.vpc,
        privateSubnetIds=team.network.private,
        rancherEnabled="false",
        database="rds",
        databaseInstance=NAME,
        databaseAdminSecret=team.secret,
    )
    return made


def test_an_environment_comes_and_goes_and_leaves_it_as_it_was(
    session: Session,
    stack: AwsStack,
    emulator: Emulator,
    team: Team,
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = team.described()
    environment = Environment("dev")
    checks.check(session, environment, session.backend(environment), REGION, refresh=False)
    assert "not checked" not in capsys.readouterr().err
    stack.up()
    (there,) = before["instance"]
    host = there["Endpoint"]["Address"]
    assert stack.deployment()["resources"][0]["outputs"]["server"] == [
        NAME,
        host,
        5432,
        "airflow_dev",
    ]
    types = {one["type"] for one in stack.resources().values()}
    assert not {one for one in types if one.startswith("aws:rds/")}
    assert LOGIN["password"] not in json.dumps(stack.deployment())
    ours = {one.id for one in find(Search(emulator.client, "dev"))}
    assert ours
    assert not ours & {NAME, team.group, team.secret}
    stack.destroy()
    assert find(Search(emulator.client, "dev")) == []
    assert team.described() == before


def test_what_it_lacks_is_named_before_anything_is_made(
    session: Session, stack: AwsStack, proxy: Proxy, team: Team
) -> None:
    team.shut("10.50.0.0/16")
    said = refused(session, proxy, f"The RDS instance {NAME} lets nobody in from 10.50.0.0/23")
    assert f"--group-id {team.group} --ip-permissions" in said
    team.let_in("10.50.0.0/16")

    team.change(PubliclyAccessible=True)
    refused(session, proxy, f"The RDS instance {NAME} is publicly accessible")
    team.change(PubliclyAccessible=False)

    secrets = team.emulator.client("secretsmanager")
    secrets.put_secret_value(SecretId=team.secret, SecretString='{"username": "postgres"}')
    said = refused(session, proxy, "The secret databaseAdminSecret will not do")
    assert "it has no `password`" in said
    secrets.put_secret_value(SecretId=team.secret, SecretString=json.dumps(LOGIN))

    configure(stack, databaseInstance="no-such-instance")
    refused(session, proxy, "There is no RDS instance no-such-instance in us-east-1")
    configure(stack, databaseInstance=NAME, databaseStorageGb="30")
    refused(session, proxy, "databaseStorageGb is 30")
    assert not stack.checkpoint.exists() or "aws:" not in json.dumps(stack.deployment())
