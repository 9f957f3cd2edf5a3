"""Stand-ins for what the verbs call: a sandbox, a backend and Airflow, all in memory."""

import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from botocore.exceptions import ClientError

from cli.base.console import Console
from cli.base.environments import Environment
from cli.base.errors import KitError, UserError
from cli.base.lease_stores import FileStore
from cli.base.values import Secret
from cli.cloud.aws_cloud import AwsCloud
from cli.cloud.limits import Limits
from cli.cloud.patience import Patience
from cli.cloud.sandbox_cloud import SandboxCloud
from cli.session import Session
from cli.stack.backends import Found, Outcome
from infra.contract.outputs import Outputs
from sandbox import doctor, pulumi, tools
from sandbox.instance import UI_NODE_PORT, Instance


@dataclass
class FakeSandbox:
    instance: Instance

    def environment(self) -> dict[str, str]:
        return {
            "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
            "AWS_ACCESS_KEY_ID": "id",
            "AWS_SECRET_ACCESS_KEY": "key",
            **pulumi.environment(),
        }


@dataclass
class FakeMachine:
    """sandbox.machine. Each `up` from nothing is a new life with a new authority."""

    root: Path
    lives: int = 0
    sandbox: FakeSandbox | None = None
    left: list[Any] = field(default_factory=list)

    def is_here(self) -> bool:
        return True

    def up(self, name: str, *, report: Callable[[Any], None], ui_port: int) -> FakeSandbox:
        if self.sandbox is None:
            self.lives += 1
            instance = Instance(name, 3, self.root, ui_port)
            instance.pki.mkdir(parents=True, exist_ok=True)
            (instance.pki / "ca.crt").write_text(f"life {self.lives}")
            self.sandbox = FakeSandbox(instance)
            report(SimpleNamespace(step="Start etcd", state="started", seconds=0.0, detail=""))
            report(SimpleNamespace(step="Start etcd", state="done", seconds=1.5, detail=""))
        return self.sandbox

    def tools_environment(self) -> dict[str, str]:
        return pulumi.environment()

    def checks(self, ui_port: int, *, sandbox_up: bool) -> Sequence[doctor.Check]:
        return doctor.checks(ui_port, sandbox_up=sandbox_up)

    def tool(self, name: str) -> str:
        return str(tools.tool(name))

    def ui_node_port(self) -> int:
        return UI_NODE_PORT

    def get(self, name: str) -> FakeSandbox:
        if self.sandbox is None:
            raise UserError(f"Sandbox {name!r} is not running")
        return self.sandbox

    def down(self, name: str, *, report: Callable[[Any], None]) -> list[Any]:
        self.sandbox = None
        return self.left

    def status(self, name: str) -> Any:
        process = SimpleNamespace(name="etcd", pid=7, state="ready")
        up = self.sandbox is not None
        return SimpleNamespace(
            running=up,
            memory_bytes=2**30 if up else 0,
            processes=[process] if up else [],
            instance=self.sandbox.instance if self.sandbox else None,
        )


@dataclass
class FakeBackend:
    """cli.stack.backends.Backend: a stack of `wanted` resources."""

    wanted: int = 5
    there: int = 0
    values: dict[str, Any] = field(default_factory=dict)
    error: Exception | None = None
    calls: list[str] = field(default_factory=list)
    more: dict[str, Any] = field(default_factory=lambda: {"contract": 1})
    """Outputs besides the usual ones."""

    others: list[Found] = field(default_factory=list)
    """Resources that are in the state beside those that are counted."""

    def _steps(self) -> dict[str, int]:
        return {"create": self.wanted - self.there, "same": self.there}

    def _called(self, name: str) -> None:
        self.calls.append(name)
        if self.error is not None:
            raise self.error

    def create(self, secrets_provider: str) -> None:
        self._called(f"create {secrets_provider}")

    @contextmanager
    def dry_run(self) -> Iterator["FakeBackend"]:
        yield replace(self, values=dict(self.values))

    def preview(self, show: Any, *, refresh: bool = False) -> Outcome:
        self._called("preview --refresh" if refresh else "preview")
        return Outcome(self._steps(), 0.1)

    def up(self, show: Any, *, refresh: bool = False, stop: Any = None) -> Outcome:
        self._called("up --refresh" if refresh else "up")
        steps = self._steps()
        self.there = self.wanted
        return Outcome(steps, 0.1, self.outputs())

    def destroy(self, show: Any, *, seconds: float | None = None, stop: Any = None) -> Outcome:
        self._called("destroy")
        gone, self.there = self.there, 0
        return Outcome({"delete": gone}, 0.1)

    def outputs(self) -> Outputs:
        return Outputs(self._told() if self.there else {})

    def _told(self) -> dict[str, Any]:
        return {
            "adminUser": "admin",
            "logBucket": "logs",
            "logPrefix": "sandbox",
            "region": self.values.get("aws:region", "eu-north-1"),
            "uiService": "airflow-api-server",
            "uiPort": 8080,
            "kubeconfig": Secret("clear text"),
            "tenancy": self.values.get("aerodrome:tenancy", "dedicated"),
            "base": self.values.get("aerodrome:base", ""),
            **self.more,
        }

    def resources(self) -> list[Found]:
        return [
            Found(
                "aws:s3/bucket:Bucket",
                f"b{n}",
                f"urn::{n}",
                str(n),
                f"2027-02-{27 + n % 2}T10:00:00Z",
            )
            for n in range(self.there)
        ] + self.others

    def history(self) -> list[dict[str, Any]]:
        return []

    def change_passphrase(self, new: str, *, managed: bool) -> int:
        return 0

    def deployed(self) -> bool:
        return self.there > 0

    def forget(self) -> None:
        self.calls.append("forget")
        self.there = 0

    def forget_in_cluster(self) -> int:
        return 0

    def remove(self, *, config: bool) -> None:
        self.calls.append("remove")
        if config:
            self.values.clear()

    def config(self) -> dict[str, Any]:
        return dict(self.values)

    def configured(self) -> set[str]:
        return set(self.values)

    def plain(self) -> dict[str, str]:
        return {key: value for key, value in self.values.items() if not isinstance(value, Secret)}

    def rename_former_keys(self) -> list[str]:
        return []

    def set_config(self, key: str, value: str, *, secret: bool) -> None:
        self.values[key] = Secret(value) if secret else value

    def set_plain(self, values: Mapping[str, str]) -> None:
        self.values.update(values)

    def remove_config(self, key: str) -> None:
        del self.values[key]


@dataclass
class FakeAirflow:
    """cli.base.airflow.Airflow: a DAG of two tasks whose run ends in `end`."""

    end: str = "success"
    known: bool = True
    broken: list[tuple[str, str]] = field(default_factory=list)
    reachable: bool = True
    calls: list[str] = field(default_factory=list)
    running: list[int] = field(default_factory=lambda: [0])
    deferring: int = 0
    by_hand: date | None = None
    """When somebody last started a DAG run."""

    paused: bool = False

    def __enter__(self) -> "FakeAirflow":
        return self

    def __exit__(self, *_: object) -> None:
        self.calls.append("closed")

    def _called(self, name: str) -> None:
        self.calls.append(name)
        if not self.reachable:
            raise KitError("Airflow does not answer")

    def health(self) -> dict[str, str]:
        self._called("health")
        return {"scheduler": "healthy", "metadatabase": "healthy"}

    def has_dag(self, dag: str) -> bool:
        return self.known

    def import_errors(self) -> list[tuple[str, str]]:
        return self.broken

    def broken_files(self) -> list[dict[str, Any]]:
        return [
            {"filename": file, "stack_trace": trace, "bundle_name": "dags-folder"}
            for file, trace in self.broken
        ]

    def dags(self) -> list[dict[str, Any]]:
        return [
            {
                "dag_id": "sales",
                "owners": ["ann"],
                "timetable_summary": "@daily",
                "is_paused": self.paused,
                "relative_fileloc": "sales.py",
                "bundle_name": "dags-folder",
                "last_parse_duration": 0.5,
            }
        ]

    def latest_run(self, dag: str) -> dict[str, Any]:
        return {"run_after": "2027-02-28T00:00:00Z", "state": "success"}

    def unpause(self, dag: str) -> None:
        self._called("unpause")

    def pause_all(self) -> None:
        self._called("pause_all")

    def unfinished(self) -> int:
        return self.running.pop(0) if len(self.running) > 1 else self.running[0]

    def deferred(self) -> int:
        return self.deferring

    def trigger(self, dag: str, run: str, **more: Any) -> None:
        given = [f"{name}={value}" for name, value in more.items() if value is not None]
        self._called(" ".join(["trigger", *given]))

    def run_state(self, dag: str, run: str) -> str:
        return self.end

    def tasks(self, dag: str, run: str) -> list[dict[str, Any]]:
        return [
            {"task_id": "extract", "state": "success", "try_number": 1},
            {"task_id": "load", "state": self.end, "try_number": 2},
        ]

    def last_by_hand(self, since: date) -> date | None:
        self._called("last_by_hand")
        return self.by_hand if self.by_hand and self.by_hand >= since else None

    def log(self, dag: str, run: str, task: str, attempt: int) -> list[str]:
        return [f"log of {task} attempt {attempt}", "ZeroDivisionError: division by zero"]


@dataclass
class FakeS3:
    """A log bucket that has the log of every task of every run."""

    objects: Mapping[str, bytes] | None = None

    def get_paginator(self, _: str) -> "FakeS3":
        return self

    def can_paginate(self, _: str) -> bool:
        return True

    def paginate(self, Bucket: str = "", Prefix: str = "") -> list[dict[str, Any]]:
        if not Bucket:
            return [{"Buckets": []}]
        if self.objects is not None:
            keys = [key for key in self.objects if key.startswith(Prefix)]
        else:
            keys = [f"{Prefix}task_id={name}/attempt=1.log" for name in ("extract", "load")]
        return [{"Contents": [{"Key": key, "LastModified": n} for n, key in enumerate(keys)]}, {}]

    def get_object(self, Bucket: str, Key: str) -> dict[str, Any]:
        content = b"one\ntwo\n" if self.objects is None else self.objects[Key]
        return {"Body": io.BytesIO(content)}


class FakeCloud:
    """boto3 clients. `answers` maps operation names to lists of pages."""

    def __init__(self, answers: Mapping[str, list[dict[str, Any]]] | None = None) -> None:
        self.answers = answers or {}
        self.tagged: list[dict[str, Any]] = []
        self.denied = False
        self.kubernetes = ""
        """The version of every cluster; not told if it is empty."""

    def __call__(self, service: str) -> Any:
        return FakeS3() if service == "s3" else _FakeService(self)


KINDS = ("m7i.large", "t3.large")
ZONES = ("us-east-1a", "us-east-1b")
OFFERED: Mapping[str, list[dict[str, Any]]] = {
    "describe_cluster_versions": [
        {"clusterVersions": [{"clusterVersion": f"1.{minor}"} for minor in range(33, 37)]}
    ],
    "describe_availability_zones": [{"AvailabilityZones": [{"ZoneName": zone} for zone in ZONES]}],
    "describe_instance_type_offerings": [
        {
            "InstanceTypeOfferings": [
                {"InstanceType": kind, "Location": zone} for kind in KINDS for zone in ZONES
            ]
        }
    ],
    "describe_instance_types": [
        {
            "InstanceTypes": [
                {"InstanceType": kind, "ProcessorInfo": {"SupportedArchitectures": ["x86_64"]}}
                for kind in KINDS
            ]
        }
    ],
}
"""What a region offers, as far as a test says nothing else."""


class _Empty(dict[str, Any]):
    def __missing__(self, key: str) -> list[Any]:
        return []


class _FakeService:
    def __init__(self, cloud: FakeCloud) -> None:
        self._cloud = cloud
        self._answers = {**OFFERED, **cloud.answers}

    meta = SimpleNamespace(partition="aws", region_name="us-east-1")

    def can_paginate(self, _: str) -> bool:
        return True

    def get_caller_identity(self) -> dict[str, str]:
        return {"Account": "000000000000"}

    def get_paginator(self, operation: str) -> Any:
        pages = [_Empty(page) for page in self._answers.get(operation, [{}])]
        return SimpleNamespace(paginate=lambda **_: pages)

    def _tag(self, **request: Any) -> dict[str, Any]:
        if self._cloud.denied:
            raise ClientError({"Error": {"Code": "AccessDenied", "Message": "No"}}, "TagRole")
        self._cloud.tagged.append(request)
        return {}

    tag_role = tag_resources = _tag

    def describe_cluster(self, **_: Any) -> dict[str, Any]:
        return {"cluster": {"status": "ACTIVE", "version": self._cloud.kubernetes}}

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        return lambda **_: _Empty(self._answers.get(operation, [{}])[0])


@dataclass
class FakeKubernetes:
    """cli.cloud.kubernetes.Kubernetes, and its kubectl: one Service, and pods with a log."""

    service: dict[str, Any] | None = field(
        default_factory=lambda: {"spec": {"ports": [{"port": 8080, "nodePort": 31234}]}}
    )
    secrets: dict[str, dict[str, Any]] = field(default_factory=dict)
    pods: list[dict[str, Any]] = field(default_factory=list)
    error: KitError | None = None
    code: int = 0
    namespaces: list[str] = field(default_factory=list)
    calls: list[tuple[str, ...]] = field(default_factory=list)
    kubeconfig: str = "of the tests"

    def _called(self, *call: str) -> None:
        self.calls.append(call)
        if self.error is not None:
            raise self.error

    def find(self, kind: str, name: str, *, namespace: str = "") -> dict[str, Any] | None:
        self._called("find", kind, name)
        return {"secret": self.secrets.get(name), "service": self.service}.get(kind)

    def objects(
        self,
        kind: str,
        *,
        selector: str = "",
        namespace: str | None = None,
        everywhere: bool = False,
    ) -> list[dict[str, Any]]:
        self._called("objects", kind, selector)
        if kind == "services":
            places = [{"name": "airflow-api-server", "namespace": at} for at in self.namespaces]
            return [{**(self.service or {}), "metadata": at} for at in places if self.service]
        if kind == "deployments":
            return [{"metadata": {"name": "airflow-scheduler"}}]
        return self.pods if kind == "pods" else []

    def find_same(self, item: dict[str, Any]) -> dict[str, Any] | None:
        self._called("find_same", item["kind"], item["metadata"]["name"])
        return item

    def patch(self, item: dict[str, Any], change: dict[str, Any]) -> None:
        self._called("patch", item["metadata"]["name"], str(change))

    def delete(self, item: dict[str, Any], *, grace: int | None = None) -> bool:
        return self._called("delete", item["metadata"]["name"]) is None

    def logs(self, selector: str, *, lines: int) -> list[str]:
        return [f"log of {selector}"] if self._called("logs", selector) is None else []

    def execute(
        self, pod: dict[str, Any], *command: str, seconds: float | None = None
    ) -> tuple[int, str, str]:
        self._called("execute", pod["metadata"]["name"], *command)
        return self.code, "what it said\n", ""

    @property
    def kubectl(self) -> "FakeKubernetes":
        return self

    def interact(self, *arguments: str) -> int:
        self._called(*arguments)
        return self.code

    @contextmanager
    def forwarded(self, target: str, port: int) -> Iterator[int]:
        self._called("forwarded", target, str(port))
        yield 43210
        self.calls.append(("no longer forwarded",))


@dataclass
class FakeCheckout:
    """cli.base.git.Checkout: a branch is checked out, or there is a reason why none is."""

    current: str | UserError = "main"
    everywhere: frozenset[str] | None = None

    def branch(self) -> str:
        if isinstance(self.current, UserError):
            raise self.current
        return self.current

    def main_branches(self) -> frozenset[str]:
        return frozenset({"main", "master"})

    def all_branches(self, tell: Callable[[str], None]) -> frozenset[str] | None:
        return self.everywhere

    def repositories(self) -> list[str]:
        return ["example.com/team/dags", "local/0123456789ab"]


class FakeSession(Session):
    """A session whose verbs meet fakes only."""

    def __init__(self, root: Path) -> None:
        super().__init__(Console(), {})
        self.fake_machine = FakeMachine(root / "sandbox")
        self.fake_backend = FakeBackend()
        self.fake_backends = {"sandbox": self.fake_backend}
        self.fake_kubernetes = FakeKubernetes()
        self.day = date(2027, 3, 1)
        self.fake_airflow = FakeAirflow()
        self.fake_cloud = FakeCloud()
        self.limits = Limits(drain=0.1, cloud=Patience(limit=0.2, stuck=0.1, pause=0.02))
        self.fake_checkout = FakeCheckout()
        self.begins: dict[str, Callable[[], object]] = {}
        """What somebody else does in the moment before the lease of an environment is taken."""

    def checkout(self) -> Any:
        return self.fake_checkout

    def machine(self) -> Any:
        return self.fake_machine

    def backend(self, environment: Any, cloud: Any = None) -> Any:
        return self.fake_backends.setdefault(environment.name, FakeBackend())

    def environments(self) -> list[Environment]:
        return [Environment(name) for name in self.fake_backends]

    def cloud(self, environment: Environment, sandbox: str = "") -> Any:
        if environment.sandboxed:
            return self.sandbox_cloud(environment, sandbox)
        return FakeAwsCloud(environment, self)

    def sandbox_cloud(self, environment: Environment, sandbox: str = "") -> Any:
        real = super().sandbox_cloud(environment, sandbox)
        return FakeSandboxCloud(**vars(real), session=self)

    def kubernetes(self, namespace: str, outputs: Any) -> Any:
        self.fake_kubernetes.namespaces.append(namespace)
        return self.fake_kubernetes

    def lease_store(self, environment: Environment, region: str) -> Any:
        self.begins.pop(environment.name, lambda: None)()
        return FileStore(environment.name)

    def today(self) -> date:
        return self.day

    def airflow(self, url: str, username: str, password: str, patience: float) -> Any:
        return self.fake_airflow

    def client(self, region: str | None = None) -> Callable[[str], Any]:
        """Of the cloud, whichever it is."""
        return self.fake_cloud

    def aws(self, region: str) -> Callable[[str], Any]:
        return self.client(region)


@dataclass(frozen=True)
class FakeSandboxCloud(SandboxCloud):
    """The sandbox's, with the fakes of a session behind it."""

    session: FakeSession

    def client(self, region: str | None = None) -> Any:
        return self.session.client(region)

    def kubernetes(
        self, namespace: str, outputs: Mapping[str, Any], cluster: str = "", region: str = ""
    ) -> Any:
        return self.session.kubernetes(namespace, outputs)

    def lease_store(self, region: str) -> Any:
        return self.session.lease_store(self.environment, region)


class FakeAwsCloud(AwsCloud):
    """AWS, with the fakes of a session behind it."""

    def __init__(self, environment: Environment, session: FakeSession) -> None:
        super().__init__(environment)
        self._session = session

    def client(self, region: str | None = None) -> Any:
        return self._session.client(region)

    def kubernetes(
        self, namespace: str, outputs: Mapping[str, Any], cluster: str = "", region: str = ""
    ) -> Any:
        return self._session.kubernetes(namespace, outputs)

    def lease_store(self, region: str) -> Any:
        return self._session.lease_store(self._environment, region)
