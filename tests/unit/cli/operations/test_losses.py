"""What a changed configuration would destroy: refused by name, unless somebody has agreed to it."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from cli.base.environments import Environment
from cli.base.errors import UserError
from cli.operations import losses
from cli.stack.backends import Found, Outcome
from cli.stack.events import Step
from cli.stack.pending import RELEASE
from tests.unit.cli.conftest import Run
from tests.unit.cli.fakes import FakeBackend, FakeSession

TOLD = {"environment": "dev", "tenancy": "dedicated", "base": "", "region": "eu-north-1"}


def resource(type_: str, **inputs: Any) -> Found:
    return Found(type_, "x", f"urn:{type_}", "id", inputs=inputs)


RELEASED = resource(RELEASE, values={"postgres": {"enabled": True, "storage": {"size": "20Gi"}}})
WITHOUT_DATABASE = resource(RELEASE, values={"postgres": {"enabled": False}})
INSTANCE = resource(losses.INSTANCE, allocatedStorage=20.0)
NETWORK = resource(losses.NETWORK, cidrBlock="10.20.0.0/16")
RANCHER = resource(losses.SERVER, instanceType="t3.large")


@dataclass
class Stack(FakeBackend):
    """A stack with chosen resources."""

    found: list[Found] = field(default_factory=list)

    def resources(self) -> list[Found]:
        return self.found


def stack(*resources: Found, told: dict[str, Any] = TOLD, **plain: str) -> Stack:
    keys = {f"aerodrome:{key}": value for key, value in plain.items()}
    values = {"aerodrome:environment": "dev", "aws:region": "eu-north-1", **keys}
    return Stack(there=1, values=values, more={"contract": 1, **told}, found=list(resources))


def check(backend: Stack, *, agreed: bool = False) -> list[str]:
    return [each.setting for each in losses.check(Environment("dev"), backend, agreed=agreed)]


@pytest.mark.parametrize(
    "plain",
    [
        {},
        {"databaseStorageGb": "30"},
        {"adminUser": "alice", "executor": "LocalExecutor"},
        {"vpcCidr": "10.20.0.0/16", "database": "in-cluster"},
    ],
)
def test_what_destroys_nothing_is_done_without_a_word(plain: dict[str, str]) -> None:
    assert check(stack(RELEASED, NETWORK, RANCHER, **plain)) == []


def test_what_is_not_deployed_has_nothing_to_lose() -> None:
    assert check(stack(database="rds", vpcCidr="10.9.0.0/16")) == []


@pytest.mark.parametrize(
    ("backend", "setting", "named"),
    [
        (
            stack(RELEASED, database="rds"),
            "database",
            "database rds: the database in the cluster",
        ),
        (stack(INSTANCE, WITHOUT_DATABASE), "database", "database in-cluster: the RDS instance"),
        (
            stack(RELEASED, NETWORK, vpcCidr="10.9.0.0/16"),
            "vpcCidr",
            "vpcCidr 10.9.0.0/16: the network 10.20.0.0/16 is replaced",
        ),
        (stack(RELEASED, RANCHER, rancherEnabled="false"), "rancherEnabled", "Rancher server"),
    ],
)
def test_a_loss_is_refused_by_name_and_done_when_agreed(
    backend: Stack, setting: str, named: str
) -> None:
    with pytest.raises(UserError) as refused:
        check(backend)
    assert named in refused.value.detail
    assert refused.value.command == "./aerodrome up --env dev --discard-data"
    assert check(backend, agreed=True) == [setting]


GIVEN = resource("aws:ec2/securityGroup:SecurityGroup", vpcId="vpc-1")


@pytest.mark.parametrize(
    ("backend", "said", "command"),
    [
        (
            # What the environment makes in its own network names that, too.
            stack(RELEASED, NETWORK, GIVEN, vpcId="vpc-2"),
            '"dev" is deployed in a VPC of its own, and the configuration says vpcId vpc-2',
            "./aerodrome config rm vpcId --env dev",
        ),
        (
            stack(RELEASED, GIVEN),
            '"dev" is deployed in vpc-1, and the configuration says that it makes a VPC of its own',
            "./aerodrome config set vpcId vpc-1 --env dev",
        ),
        (
            stack(RELEASED, GIVEN, vpcId="vpc-2"),
            '"dev" is deployed in vpc-1, and the configuration says vpcId vpc-2',
            "./aerodrome config set vpcId vpc-1 --env dev",
        ),
    ],
    ids=["own to given", "given to own", "given to another"],
)
def test_nothing_moves_into_another_network_whoever_agrees(
    backend: Stack, said: str, command: str
) -> None:
    with pytest.raises(UserError) as refused:
        check(backend, agreed=True)
    assert refused.value.summary == said
    assert refused.value.command == command


SECRET = "arn:aws:secretsmanager:eu-north-1:123456789012:secret:rds-AbCdEf"
IN_AN_INSTANCE = resource(RELEASE, values={"server": {"instance": "team", "secret": SECRET}})


@pytest.mark.parametrize(
    ("backend", "said", "command"),
    [
        (
            stack(RELEASED, database="rds", databaseInstance="team"),
            '"dev" has its database in a server of its own, and the configuration says databaseInstance team',
            "./aerodrome config rm databaseInstance --env dev",
        ),
        (
            stack(WITHOUT_DATABASE, INSTANCE, database="rds", databaseInstance="team"),
            '"dev" has its database in a server of its own, and the configuration says databaseInstance team',
            "./aerodrome config rm databaseInstance --env dev",
        ),
        (
            stack(WITHOUT_DATABASE, IN_AN_INSTANCE, database="rds"),
            '"dev" has its database in the RDS instance team, and the configuration says that it makes one of its own',
            "./aerodrome config set databaseInstance team --env dev",
        ),
        (
            stack(WITHOUT_DATABASE, IN_AN_INSTANCE, database="rds", databaseInstance="other"),
            "the configuration says databaseInstance other",
            "./aerodrome config set databaseInstance team --env dev",
        ),
    ],
)
def test_no_database_moves_between_servers_whoever_agrees(
    backend: Stack, said: str, command: str
) -> None:
    with pytest.raises(UserError) as caught:
        check(backend, agreed=True)
    assert said in caught.value.summary
    assert "Nothing was changed." in caught.value.detail
    assert caught.value.command == command


def test_what_stays_in_its_instance_stays() -> None:
    there = stack(WITHOUT_DATABASE, IN_AN_INSTANCE, database="rds", databaseInstance="team")
    assert check(there) == []
    # Of a branch, which has its base's settings, and of one that is not there yet.
    assert check(stack(WITHOUT_DATABASE, database="rds", databaseInstance="team")) == []


OWN = resource("aws:eks/cluster:Cluster", name="aerodrome-dev")


def tie(cluster: str) -> Found:
    kind = "aws:eks/podIdentityAssociation:PodIdentityAssociation"
    return resource(kind, clusterName=cluster)


@pytest.mark.parametrize(
    ("backend", "said", "command"),
    [
        (
            stack(RELEASED, NETWORK, OWN, tie("aerodrome-dev"), clusterName="team"),
            '"dev" is deployed in a cluster of its own, and the configuration says clusterName team',
            "./aerodrome config rm clusterName --env dev",
        ),
        (
            # What is in its network names that, and is no reason of its own.
            stack(RELEASED, GIVEN, tie("team")),
            '"dev" is deployed in the cluster team, and the configuration says that it makes a cluster of its own',
            "./aerodrome config set clusterName team --env dev",
        ),
        (
            stack(RELEASED, GIVEN, tie("team"), clusterName="other"),
            '"dev" is deployed in the cluster team, and the configuration says clusterName other',
            "./aerodrome config set clusterName team --env dev",
        ),
    ],
    ids=["own to given", "given to own", "given to another"],
)
def test_nothing_moves_into_another_cluster_whoever_agrees(
    backend: Stack, said: str, command: str
) -> None:
    with pytest.raises(UserError) as refused:
        check(backend, agreed=True)
    assert refused.value.summary == said
    assert refused.value.command == command


def test_a_branch_is_where_its_base_is() -> None:
    """Whether that is in a cluster of its own or in another's: what ties the branch to it is in its own state."""
    for cluster in ("aerodrome-dev", "team"):
        told = {**TOLD, "tenancy": "shared", "base": "main"}
        branch = stack(tie(cluster), told=told, tenancy="shared", base="main")
        assert check(branch) == []


def test_what_stays_in_its_cluster_stays() -> None:
    assert check(stack(RELEASED, NETWORK, OWN, tie("aerodrome-dev"))) == []
    # No VPC is configured, and none is its own.
    assert check(stack(RELEASED, GIVEN, tie("team"), clusterName="team")) == []


def test_what_stays_in_its_network_stays() -> None:
    assert check(stack(RELEASED, NETWORK, GIVEN)) == []
    assert check(stack(RELEASED, GIVEN, vpcId="vpc-1")) == []
    assert check(stack(RELEASED, vpcId="vpc-1")) == []


@pytest.mark.parametrize(
    "backend",
    [
        stack(RELEASED, databaseStorageGb="10"),
        stack(INSTANCE, WITHOUT_DATABASE, database="rds", databaseStorageGb="10"),
    ],
    ids=["in-cluster", "rds"],
)
def test_no_disk_gets_smaller_whoever_agrees(backend: Stack) -> None:
    with pytest.raises(UserError, match="databaseStorageGb 10 is less than the 20 GB"):
        check(backend, agreed=True)


@pytest.mark.parametrize(
    ("told", "plain", "named"),
    [
        ({"environment": "old"}, {}, "environment old"),
        ({"tenancy": "shared", "base": "b"}, {}, "tenancy shared"),
        ({"tenancy": "shared", "base": "b"}, {"tenancy": "shared", "base": "c"}, "base b"),
        ({"region": "eu-west-1"}, {}, "aws:region eu-west-1"),
    ],
)
def test_an_environment_does_not_move(
    told: dict[str, str], plain: dict[str, str], named: str
) -> None:
    with pytest.raises(UserError, match=f"deployed with {named}"):
        check(stack(RELEASED, told=TOLD | told, **plain), agreed=True)


def test_the_verbs_say_it(session: FakeSession, run: Run, run_json: Any) -> None:
    told = TOLD | {"environment": "sandbox"}
    run_json("up", "--env", "sandbox")
    backend = stack(RELEASED, told=told, database="rds", environment="sandbox")
    backend.values = {**session.fake_backends["sandbox"].values, **backend.values}
    session.fake_backends["sandbox"] = backend
    assert "in the cluster goes" in run_json("preview", "--env", "sandbox")["losses"][0]
    refused = run("up", "--env", "sandbox")
    assert refused.exit_code == 2
    assert "would destroy data" in refused.stderr
    assert "up" not in backend.calls
    agreed = run("up", "--env", "sandbox", "--discard-data", "--no-proof")
    assert agreed.exit_code == 0, agreed.output
    assert "data goes: database rds" in agreed.stderr


@pytest.mark.parametrize(
    ("op", "type_", "lost"),
    [
        ("replace", "aws:rds/instance:Instance", True),
        ("delete", "aws:s3/bucket:Bucket", True),
        ("update", "aws:rds/instance:Instance", False),
        ("create", "aws:s3/bucket:Bucket", False),
        ("replace", "aws:iam/policy:Policy", False),
    ],
)
def test_a_step_that_loses_data_is_known(op: str, type_: str, lost: bool) -> None:
    assert Step(op, f"urn:pulumi:dev::aerodrome::{type_}::x", type_).loses_data is lost


def test_a_plan_that_loses_data_wants_consent() -> None:
    planned = Outcome({"replace": 1}, 1.0, losing=("replace aws:eks/cluster:Cluster main",))
    with pytest.raises(UserError, match='planned for "dev"') as refused:
        losses.check_steps(Environment("dev"), planned, agreed=False)
    assert "replace aws:eks/cluster:Cluster main" in refused.value.detail
    losses.check_steps(Environment("dev"), planned, agreed=True)
    losses.check_steps(Environment("dev"), Outcome({"update": 1}, 1.0), agreed=False)
