"""An environment in an EKS cluster that is somebody else's: all that it needs of AWS is in and beside it, it is refused by
name where the cluster lacks something, and after `down` the cluster is what it was.

The kit's own modules, by the real Pulumi CLI, in the sandbox's plugins, against the emulator. What is in Kubernetes is the
API server's of the tests; `tests/teardown/test_existing_cluster.py` has what `down` does there.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cli.base.environments import Environment
from cli.base.paths import ROOT
from cli.cloud.catalogue import find
from cli.cloud.kubernetes import Kubernetes
from cli.cloud.resource import Search
from cli.operations.preflight import checks
from tests import api_server
from tests.program.recording import SECRETS
from tests.promises.aws_cloud import REGION, AwsStack, Emulator, Proxy
from tests.promises.test_existing_network import Given, configure, refused
from tests.promises.test_refused_settings import Session

NAME = "team"
PROGRAM = f"""
import sys

sys.path.insert(0, {str(ROOT)!r})

from types import SimpleNamespace

from infra.access import Access, AccessArgs
from infra.backup import Backup, BackupArgs
from infra.contract.secret_settings import Secrets
from infra.contract.settings import SETTINGS, Settings
from infra.database import Database, DatabaseArgs
from infra.existing_cluster import find_cluster
from infra.log_bucket import LogBucket, LogBucketArgs
from infra.network import Network, NetworkArgs
from infra.stack import Place, Stack, adapt_everything

secrets = Secrets(**{{SETTINGS[key].field: value for key, value in {SECRETS!r}.items()}})
settings = Settings(environment="dev", cluster_name={NAME!r}, rancher_enabled=False, vpc_endpoints=())
found = find_cluster(settings)
place = Place("us-east-1", "aws", ["us-east-1a", "us-east-1b"], found.network, cluster=found)
stack = Stack(settings, secrets, place)
adapt_everything(stack)
network = Network("network", NetworkArgs(stack))
bucket = LogBucket("logs", LogBucketArgs(stack, None))
# As `ExistingCluster` has it, without what is in Kubernetes.
cluster = SimpleNamespace(
    name=pulumi.Output.from_input(found.name), arn=pulumi.Output.from_input(found.arn), log_group_arn=None
)
Access("access", AccessArgs(stack, cluster, bucket))
Backup("backup", BackupArgs(stack, cluster, bucket))
Database("database", DatabaseArgs(stack, network))
pulumi.export("kubeconfig", found.kubeconfig)
"""


class Team:
    """Another team's cluster, made by hand, with nodes, add-ons, people and pods of its own."""

    def __init__(self, emulator: Emulator) -> None:
        self.eks, self.iam = emulator.client("eks"), emulator.client("iam")
        self.network = Given(emulator.client("ec2"))
        self.named = {"clusterName": NAME}
        self.eks.create_cluster(
            name=NAME,
            version="1.36",
            roleArn=self.role("cluster", "eks.amazonaws.com"),
            resourcesVpcConfig={"subnetIds": [*self.network.private, *self.network.public]},
            accessConfig={"authenticationMode": "API_AND_CONFIG_MAP"},
            tags={"Owner": "platform"},
        )
        policies = '{"enableNetworkPolicy": "true"}'
        for addon in ("eks-pod-identity-agent", "aws-ebs-csi-driver", "vpc-cni"):
            more = {"configurationValues": policies} if addon == "vpc-cni" else {}
            self.eks.create_addon(addonName=addon, **self.named, **more)
        self.eks.create_nodegroup(
            nodegroupName="all",
            subnets=self.network.private,
            nodeRole=self.role("nodes", "ec2.amazonaws.com"),
            **self.named,
        )
        shop = self.role("shop", "pods.eks.amazonaws.com")
        self.eks.create_access_entry(principalArn=shop, **self.named)
        self.eks.create_pod_identity_association(
            namespace="shop", serviceAccount="shop", roleArn=shop, **self.named
        )

    def role(self, name: str, service: str) -> str:
        trust = {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Allow",
                    "Principal": {"Service": service},
                    "Action": ["sts:AssumeRole", "sts:TagSession"],
                }
            ],
        }
        made = self.iam.create_role(
            RoleName=f"{NAME}-{name}", AssumeRolePolicyDocument=json.dumps(trust)
        )
        return str(made["Role"]["Arn"])

    def ties(self) -> list[Any]:
        found = self.eks.list_pod_identity_associations(**self.named)["associations"]
        return sorted(found, key=lambda one: one["associationId"])

    def described(self) -> dict[str, Any]:
        eks, named = self.eks, self.named
        return {
            "network": self.network.described(),
            "cluster": eks.describe_cluster(name=NAME)["cluster"],
            "addons": [
                eks.describe_addon(addonName=one, **named)["addon"]
                for one in eks.list_addons(**named)["addons"]
            ],
            "nodes": [
                eks.describe_nodegroup(nodegroupName=one, **named)["nodegroup"]
                for one in eks.list_nodegroups(**named)["nodegroups"]
            ],
            "entries": [
                eks.describe_access_entry(principalArn=one, **named)["accessEntry"]
                for one in sorted(eks.list_access_entries(**named)["accessEntries"])
            ],
            "ties": self.ties(),
            "clusters": eks.list_clusters()["clusters"],
        }


@pytest.fixture(scope="module")
def team(emulator: Emulator) -> Team:
    return Team(emulator)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The kubeconfig of one of its own: in that of all tests there are namespaces that an environment needs."""
    with api_server.running(tmp_path_factory.mktemp("api-server")) as kubeconfig:
        yield kubeconfig


@pytest.fixture
def kubernetes(server: str) -> Kubernetes:
    """With a node, and none of the environment's namespaces."""
    cluster = Kubernetes(server, "airflow")
    labels = {"kubernetes.io/arch": "amd64", "kubernetes.io/os": "linux"}
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "of-team", "labels": labels}}
    cluster.apply(node, "tests")
    # The controller that finds a new node unready does not run here, and the admission of its taint does.
    cluster.patch(node, {"spec": {"taints": []}})
    cluster.patch(node, {"status": {"conditions": [{"type": "Ready", "status": "True"}]}}, "status")
    return cluster


@pytest.fixture
def session(
    stack: AwsStack,
    proxy: Proxy,
    team: Team,
    kubernetes: Kubernetes,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Session:
    monkeypatch.setenv("AERODROME_STATE", str(tmp_path / "state"))
    monkeypatch.setattr(Session, "kubernetes", lambda *_: kubernetes)
    made = Session(tmp_path)
    made.stack, made.url = stack, proxy.url
    stack.program(PROGRAM)
    configure(stack, clusterName=NAME, rancherEnabled=False)
    return made


def test_an_environment_comes_and_goes_in_it_and_leaves_it_as_it_was(
    session: Session,
    stack: AwsStack,
    proxy: Proxy,
    emulator: Emulator,
    team: Team,
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = team.described()
    dev = Environment("dev")
    checks.check(session, dev, session.backend(dev), REGION, refresh=False)
    assert capsys.readouterr().err == ""
    stack.up()

    types = {one["type"] for one in stack.resources().values()}
    assert not {one for one in types if one.startswith(("aws:eks/cluster:", "aws:eks/nodeGroup:"))}
    during = team.described()
    changed = {key for key, value in during.items() if value != before[key]}
    assert changed == {"entries", "ties", "network"}
    # Its own security group is all that is new in the network.
    network = {key for key, one in during["network"].items() if one != before["network"][key]}
    assert network == {"groups"}
    (tie,) = (one for one in during["ties"] if one["namespace"] == "airflow")
    assert tie["serviceAccount"] == "airflow-backup"
    (entry,) = (one for one in during["entries"] if one not in before["entries"])
    assert "/aerodrome/dev/" in entry["principalArn"]
    (policy,) = team.eks.list_associated_access_policies(
        principalArn=entry["principalArn"], **team.named
    )["associatedAccessPolicies"]
    assert policy["accessScope"] == {"type": "namespace", "namespaces": ["airflow"]}
    (database,) = emulator.client("rds").describe_db_subnet_groups()["DBSubnetGroups"]
    assert database["VpcId"] == team.network.vpc
    shown = json.loads(stack.driver().outputs()["kubeconfig"])
    server = shown["clusters"][0]["cluster"]["server"]
    assert server == before["cluster"]["endpoint"]

    # By tag the environment's things are found, and nothing of the team's.
    ours = {one.label for one in find(Search(emulator.client, "dev"))}
    assert ours
    assert not {one for one in ours if NAME in one}

    # No way leads from it to another cluster while it stands.
    configure(stack, clusterName="another")
    said = refused(session, proxy, '"dev" is deployed in the cluster team, and the configuration')
    assert "./aerodrome config set clusterName team --env dev" in said
    configure(stack, clusterName=NAME)

    stack.destroy()
    assert find(Search(emulator.client, "dev")) == []
    assert team.described() == before


def test_what_it_lacks_is_named_before_anything_is_made(
    session: Session, stack: AwsStack, proxy: Proxy, team: Team, kubernetes: Kubernetes
) -> None:
    configure(stack, clusterName="nowhere")
    said = refused(session, proxy, "There is no EKS cluster nowhere in us-east-1")
    assert "aws eks list-clusters --region us-east-1" in said
    configure(stack, clusterName=NAME)

    team.eks.delete_addon(addonName="eks-pod-identity-agent", **team.named)
    said = refused(session, proxy, "The cluster team lacks eks-pod-identity-agent")
    assert "aws eks create-addon --region us-east-1 --cluster-name team" in said
    team.eks.create_addon(addonName="eks-pod-identity-agent", **team.named)

    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "monitoring"}}
    kubernetes.apply(space, "tests")
    configure(stack, monitoring="metrics")
    refused(session, proxy, "The cluster team has a namespace monitoring already")
    configure(stack, monitoring="none", nodeMax="3")
    refused(session, proxy, "nodeMax is 3")
    assert not stack.checkpoint.exists() or "aws:" not in json.dumps(stack.deployment())
