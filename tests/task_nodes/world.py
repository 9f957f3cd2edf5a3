"""An account and a cluster as the program makes them for nodes of tasks, with Karpenter's own binary at work.

What is played is what only AWS has: EC2, EKS, IAM and SQS are the emulator's, the machines are kwok's. Real are the API
server, the scheduler, Karpenter, its charts' rights in the cluster, and the policy of its role, which IAM enforces.
Names and ids that Pulumi would have told the program are put in afterwards: nothing of it is written here again.
"""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from infra.contract.naming import Names
from infra.task_nodes import NAMESPACE, SERVICE_ACCOUNT
from sandbox import tools
from tests import api_server
from tests.charts.rendering import Object, Rendered, render_exactly
from tests.ports import free_port
from tests.program.recording import SECRETS, Program, run_program
from tests.task_nodes.cluster import API_SERVER_FLAGS, Cluster
from tests.task_nodes.machines import Machines
from tests.teardown.conftest import Cloud
from tests.unit.sandbox.aws.conftest import REGION, new_emulator

RELEASE = "kubernetes:helm.sh/v3:Release"
POOL = "/apis/karpenter.sh/v1/nodepools/tasks"
CLAIMS = "/apis/karpenter.sh/v1/nodeclaims"
PODS = "/api/v1/namespaces/airflow/pods"
ACCOUNT = "000000000000"


@dataclass
class World(Cluster):
    """One environment with `taskNodes`."""

    cloud: Cloud
    settings: Mapping[str, str]

    @cached_property
    def program(self) -> Program:
        asked = {"environment": self.cloud.ours, "taskNodes": "true", **self.settings}
        return run_program(asked, SECRETS)

    @cached_property
    def machines(self) -> Machines:
        return Machines(self.cloud.client("ec2"), self.api, self.names.cluster)

    @property
    def names(self) -> Names:
        return Names(self.cloud.ours)

    def make(self) -> None:
        """What the program makes in AWS for it, and then in the cluster."""
        self._account()
        for chart in ("karpenter-crd", "karpenter"):
            # Its process is below; and what Helm calls a budget of pods without a cluster, no cluster has any more.
            left = ("Deployment", "PodDisruptionBudget")
            self.apply(*(one for one in self.chart(chart).objects if one["kind"] not in left))
        self.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "airflow"}})

    def _account(self) -> None:
        client, program = self.cloud.client, self.program
        vpc, subnets = self.cloud.network(self.cloud.ours)
        tags = self.cloud.tags(self.cloud.ours)
        group = client("ec2").create_security_group(
            GroupName="cluster",
            Description="nodes",
            VpcId=vpc,
            TagSpecifications=[{"ResourceType": "security-group", "Tags": tags}],
        )["GroupId"]
        cluster = self.cloud.emulator.cluster(
            self.names.cluster, subnets, tags={each["Key"]: each["Value"] for each in tags}
        )
        queue = program.one("aws:sqs/queue:Queue")
        self.queue_url = client("sqs").create_queue(
            QueueName=queue.inputs["name"],
            Attributes={
                "MessageRetentionPeriod": str(int(queue.inputs["messageRetentionSeconds"]))
            },
            tags={each["Key"]: each["Value"] for each in tags},
        )["QueueUrl"]
        self._real = {
            f"{one.name}-id": subnet
            for one, subnet in zip(
                [x for x in program.of_type("aws:ec2/subnet:Subnet") if "private" in x.name],
                subnets,
                strict=True,
            )
        }
        self._real |= {
            "sg-cluster": group,
            "arn:aws:eks:eu-north-1:123456789012:cluster/cluster": cluster["arn"],
            f"arn:aws:sqs:::{queue.name}": f"arn:aws:sqs:{REGION}:{ACCOUNT}:{queue.inputs['name']}",
            '"clusterName": "cluster"': f'"clusterName": "{self.names.cluster}"',
        }
        self._identities()
        self._real |= {"eu-north-1": REGION, "123456789012": ACCOUNT}

    def _identities(self) -> None:
        """The nodes' role with its profile, and Karpenter's with its policy, given to a session of the tests."""
        iam, program = self.cloud.client("iam"), self.program
        tags = self.cloud.tags(self.cloud.ours)
        caller = self.cloud.emulator.user(f"{self.cloud.ours}-pods", ASSUME)
        trust = {
            "Effect": "Allow",
            "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:user/{self.cloud.ours}-pods"},
            "Action": "sts:AssumeRole",
        }
        arns = {}
        for kind in ("-task-node", "-karpenter"):
            role = program.one("aws:iam/role:Role", kind)
            made = iam.create_role(
                RoleName=role.name,
                Path=role.inputs["path"],
                AssumeRolePolicyDocument=json.dumps(
                    {"Version": "2012-10-17", "Statement": [trust]}
                ),
                Tags=tags,
            )["Role"]
            arns[kind] = made["Arn"]
            self._real[f"arn:aws:iam:::{role.name}"] = made["Arn"]
        profile = program.one("aws:iam/instanceProfile:InstanceProfile", "-task-node")
        iam.create_instance_profile(
            InstanceProfileName=profile.name, Path=profile.inputs["path"], Tags=tags
        )
        iam.add_role_to_instance_profile(
            InstanceProfileName=profile.name,
            RoleName=program.one("aws:iam/role:Role", "-task-node").name,
        )
        policy = program.one("aws:iam/rolePolicy:RolePolicy", "-karpenter")
        real = {"eu-north-1": REGION, "123456789012": ACCOUNT}
        document = replaced(policy.inputs["policy"], self._real | real)
        self.policy = json.loads(document)
        iam.put_role_policy(
            RoleName=policy.inputs["role"], PolicyName="karpenter", PolicyDocument=document
        )
        sts = self.cloud.emulator.client("sts", **caller)
        self.key = sts.assume_role(RoleArn=arns["-karpenter"], RoleSessionName="karpenter")[
            "Credentials"
        ]

    def chart(self, name: str) -> Rendered:
        """One of Karpenter's, with the values that the program gives it."""
        release = self.program.one(RELEASE, f"-{name}").inputs
        values = json.loads(replaced(json.dumps(dict(release["values"])), self._real))
        found = render_exactly(
            values, release["name"], release["namespace"], tools.karpenter() / name
        )
        assert not found.error
        return found

    def manifests(self) -> list[Object]:
        """The node class and the node pool, as the program registers them."""
        return [self._manifest("EC2NodeClass"), self._manifest("NodePool")]

    def _manifest(self, kind: str) -> Object:
        (found,) = (one for one in self.program.resources if one.type.endswith(f":{kind}"))
        given = json.loads(replaced(json.dumps(dict(found.inputs)), self._real))
        # A number of the recording is a float.
        whole: Object = json.loads(json.dumps(given), parse_float=lambda text: int(float(text)))
        return whole

    @cached_property
    def task(self) -> Object:
        """The pod of a task, as the chart has it for the executor."""
        release = self.program.one(RELEASE, "-airflow").inputs
        return render_exactly(dict(release["values"]), "airflow", "airflow").worker()

    def start_tasks(self, *names: str) -> None:
        """Pods as the executor makes them."""
        for name in names:
            metadata = self.task["metadata"] | {"name": name, "namespace": "airflow"}
            self.api.post(PODS, self.task | {"metadata": metadata})

    def end_tasks(self, *names: str) -> None:
        """The executor deletes the pod of a task that has ended."""
        for name in names:
            self.api.delete(f"{PODS}/{name}?gracePeriodSeconds=0")

    def start_karpenter(self) -> None:
        """With the variables of its chart's pod, and the rights of its account in the cluster."""
        asked = {"spec": {"expirationSeconds": 7200}}
        accounts = f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts"
        token = self.api.post(f"{accounts}/{SERVICE_ACCOUNT}/token", asked)["status"]["token"]
        config = json.loads(self.kubeconfig)
        config["users"][0]["user"]["token"] = token
        pod = self.chart("karpenter").find("Deployment", "karpenter")["spec"]["template"]["spec"]
        given = {one["name"]: one["value"] for one in pod["containers"][0]["env"] if "value" in one}
        variables = given | {
            "PATH": os.defpath,
            "HOME": str(self.folder),
            "KUBECONFIG": self.config("karpenter", json.dumps(config)),
            # There is one; and on a busy machine it would take itself for another's follower, and end.
            "DISABLE_LEADER_ELECTION": "true",
            "METRICS_PORT": str(free_port()),
            "HEALTH_PROBE_PORT": str(free_port()),
            "AWS_ENDPOINT_URL": self.cloud.emulator.url,
            "AWS_REGION": REGION,
            "AWS_ACCESS_KEY_ID": self.key["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": self.key["SecretAccessKey"],
            "AWS_SESSION_TOKEN": self.key["SessionToken"],
        }
        self.start("karpenter", [str(tools.karpenter_program("controller"))], variables)

    def start_cluster(self) -> None:
        """With Kubernetes' collector of what has lost its owner."""
        # With a node pool its claims go, by their owner: not Karpenter deletes them, Kubernetes does.
        self.start_controllers(["garbage-collector-controller"])
        # Nodes are ready at once; pods run until they are deleted, which ends them at once.
        folder = tools.karpenter_program("stages")
        stages = ("node/node-initialize", "pod/pod-ready", "pod/pod-delete")
        self.start_kwok(folder / f"{stage}.yaml" for stage in stages)

    def events(self, message: str) -> list[Object]:
        """What Karpenter logged of this message, with `time`."""
        lines = [line for line in self.log("karpenter").splitlines() if line.startswith("{")]
        return [one for one in map(json.loads, lines) if one.get("message") == message]

    def asked(self) -> list[Object]:
        """What IAM was asked for Karpenter, and said."""
        path = self.cloud.emulator.settings.state / "asked.jsonl"
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        return [one for one in lines if one["key"] == self.key["AccessKeyId"]]

    def note(self, what: str, seconds: Mapping[str, float]) -> None:
        """Keeps figures, those of docs/performance.md, in `figures.json` beside the logs."""
        path = self.folder / "figures.json"
        known = json.loads(path.read_text()) if path.exists() else {}
        rounded = {key: round(value, 2) for key, value in seconds.items()}
        path.write_text(json.dumps(known | {what: rounded}, indent=2))

    def claims(self) -> list[Object]:
        return self.api.items(CLAIMS)

    def nodes(self) -> list[Object]:
        return self.api.items("/api/v1/nodes")

    def pods(self) -> list[Object]:
        return self.api.items(PODS)

    def running(self) -> list[Object]:
        return [pod for pod in self.pods() if pod.get("status", {}).get("phase") == "Running"]


@contextmanager
def new_world(folder: Path, config: Mapping[str, str]) -> Iterator[World]:
    """All of it at work, with the program's pool, for as long as the `with`."""
    for name in ("api-server", "aws", "karpenter"):
        (folder / name).mkdir(parents=True)
    with ExitStack() as stack:
        emulator = new_emulator(folder / "aws")
        stack.callback(emulator.kubernetes.server.shutdown)
        stack.callback(emulator.kill)
        (emulator.settings.state / "asked.jsonl").touch()
        kubeconfig = stack.enter_context(
            api_server.running(folder / "api-server", *API_SERVER_FLAGS)
        )
        cloud = Cloud(emulator, "sandbox-nodes", "sandbox-beside")
        world = World(folder / "karpenter", kubeconfig, cloud, config)
        stack.callback(lambda: [world.kill(name) for name in [*world.processes]])
        world.make()
        world.start_cluster()
        world.start_karpenter()
        world.apply(*world.manifests())
        with world.machines:
            yield world


ASSUME = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "sts:*", "Resource": "*"}],
}


def replaced(text: str, words: Mapping[str, str]) -> str:
    # The longest first: one name can begin with another.
    for word in sorted(words, key=len, reverse=True):
        text = text.replace(word, words[word])
    return text
