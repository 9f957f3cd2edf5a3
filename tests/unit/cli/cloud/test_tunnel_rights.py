"""Who may open a way to a private API server, by the policy that the program gives operators: real requests, IAM enforced.

Only the plugin and the API server are played: `test_tunnel.py` has a real one.
"""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from cli.base.errors import CloudError
from cli.cloud.tunnel import plugin as plugin_program
from cli.cloud.tunnel.sessions import ApiServer, WorkerSessions
from infra import policies
from infra.contract.api_endpoints import DOCUMENT, NODE_TAG
from tests.unit.cli.cloud import played_plugin
from tests.unit.sandbox.aws.conftest import REGION, Emulator, new_emulator

CLUSTER = "aerodrome-prod"
ARN = f"arn:aws:eks:{REGION}:000000000000:cluster/{CLUSTER}"
ALLOWED = {"host": ["api"], "portNumber": ["443"], "localPortNumber": ["1"]}


class Account:
    """With a worker of the cluster, one of another, and an operator."""

    def __init__(self, emulator: Emulator) -> None:
        self.emulator = emulator
        self.worker = self._instance(CLUSTER)
        self.other = self._instance("aerodrome-other")
        # The emulator knows no policy variables: this is what IAM makes of it for her.
        document = policies.open_tunnel(ARN, CLUSTER).replace("${aws:username}", "ann")
        arn = self.client("iam").create_policy(PolicyName="tunnel", PolicyDocument=document)[
            "Policy"
        ]["Arn"]
        self.operator = emulator.user("ann")
        self.client("iam").attach_user_policy(UserName="ann", PolicyArn=arn)

    def client(self, service: str) -> Any:
        return self.emulator.client(service)

    def as_operator(self, service: str) -> Any:
        return self.emulator.client(service, **self.operator)

    def _instance(self, cluster: str) -> str:
        tags = [{"Key": NODE_TAG, "Value": cluster}]
        made = self.client("ec2").run_instances(
            ImageId="ami-0c2023a1b2c3d4e5f",
            MinCount=1,
            MaxCount=1,
            TagSpecifications=[{"ResourceType": "instance", "Tags": tags}],
        )
        return str(made["Instances"][0]["InstanceId"])

    def sessions(self) -> list[str]:
        found = self.client("ssm").describe_sessions(State="Active")["Sessions"]
        return [str(one["SessionId"]) for one in found]


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    running = new_emulator(tmp_path_factory.mktemp("aws"))
    yield Account(running)
    running.kill()
    running.kubernetes.server.shutdown()


@pytest.fixture
def plugin(tmp_path: Path, account: Account) -> dict[str, str]:
    """The variables with which it is found."""
    program = tmp_path / plugin_program.PLUGIN
    program.write_text(f"#!{sys.executable}\n{Path(played_plugin.__file__).read_text()}")
    program.chmod(0o755)
    (tmp_path / account.worker).write_text("gone")
    variables = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "AERODROME_PLAYED": str(tmp_path)}
    return {**os.environ, **variables}


def refused(account: Account, operation: str, **arguments: Any) -> bool:
    with pytest.raises(ClientError) as error:
        getattr(account.as_operator("ssm"), operation)(**arguments)
    return error.value.response["Error"]["Code"] in ("AccessDenied", "AccessDeniedException")


def test_an_operator_opens_a_session_and_ends_it(account: Account, plugin: dict[str, str]) -> None:
    made = WorkerSessions(
        account.as_operator, ApiServer(CLUSTER, REGION, "api"), environ=plugin, patience=5
    )
    assert made.port() > 0
    (session,) = account.sessions()
    assert session.startswith("ann-")
    made.close()
    assert account.sessions() == []


def test_with_no_other_clusters_workers(account: Account) -> None:
    request = {"DocumentName": DOCUMENT, "Parameters": ALLOWED}
    assert refused(account, "start_session", Target=account.other, **request)


@pytest.mark.parametrize("document", ["", "AWS-StartPortForwardingSession", "AWS-StartSSHSession"])
def test_and_by_no_other_document(account: Account, document: str) -> None:
    named = {"DocumentName": document} if document else {}
    assert refused(account, "start_session", Target=account.worker, **named)


def test_nobody_elses_session_is_ended(account: Account) -> None:
    request = {"DocumentName": DOCUMENT, "Parameters": ALLOWED}
    others = account.client("ssm").start_session(Target=account.worker, **request)["SessionId"]
    assert refused(account, "terminate_session", SessionId=others)
    account.client("ssm").terminate_session(SessionId=others)


def test_who_may_not_is_told_which_right_he_lacks(account: Account, plugin: dict[str, str]) -> None:
    looks = {
        "Effect": "Allow",
        "Action": ["ec2:DescribeInstances", "ssm:DescribeInstanceInformation"],
        "Resource": "*",
    }
    key = account.emulator.user("bob", {"Version": "2012-10-17", "Statement": [looks]})
    made = WorkerSessions(
        lambda service: account.emulator.client(service, **key),
        ApiServer(CLUSTER, REGION, "api"),
        environ=plugin,
        patience=5,
    )
    with pytest.raises(
        CloudError, match=f"AWS refuses to open a session with {account.worker}"
    ) as no:
        made.port()
    assert "ssm:StartSession" in no.value.detail
    made.close()
