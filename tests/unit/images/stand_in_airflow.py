"""Just enough of Airflow's KubernetesExecutor for the kit's to stand on: the calls that pass between the two."""

import logging
import sys
import types
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from types import ModuleType
from typing import Any, ClassVar, NamedTuple

from tests.unit.images.loading import SCRIPTS


class ApiException(Exception):
    def __init__(self, status: int, body: str = "", headers: dict[str, str] | None = None) -> None:
        super().__init__(body)
        self.status, self.body, self.reason, self.headers = status, body, "Reason", headers


class Watch(NamedTuple):
    pod_name: str
    namespace: str
    state: Any
    annotations: Any
    resource_version: str
    failure_details: Any


class Results(NamedTuple):
    key: Any
    state: Any
    pod_name: str
    namespace: str
    resource_version: str
    failure_details: Any


class Job(NamedTuple):
    key: Any
    pod_template_file: str | None = None
    kube_executor_config: Any = None


class Logged:
    log = logging.getLogger("stand-in")


class Queue(list[Watch]):
    put = list.append


class Stats:
    """Notes what would be sent."""

    sent: ClassVar[list[tuple[str, timedelta | None]]] = []

    @classmethod
    def incr(cls, name: str) -> None:
        cls.sent.append((name, None))

    @classmethod
    def timing(cls, name: str, duration: timedelta) -> None:
        cls.sent.append((name, duration))


class JobWatcher(Logged):
    """Upstream's: what reaches it is not the kit's to decide."""

    def __init__(self) -> None:
        self.watcher_queue = Queue()
        self.passed_on: list[str] = []

    def process_status(self, pod_name: str, *_: Any) -> None:
        self.passed_on.append(pod_name)


class PodMaker(Logged):
    """Upstream's, on an API server that answers from a list."""

    def __init__(self, answers: list[Exception | None]) -> None:
        self.answers = answers
        self.asked_for: list[str] = []
        self.deleted: list[str] = []

    def _build_pod_request(self, job: Job) -> Any:
        name = f"pod-{len(self.asked_for)}"
        return types.SimpleNamespace(metadata=types.SimpleNamespace(name=name))

    def run_next(self, job: Job) -> None:
        self.asked_for.append(self._build_pod_request(job).metadata.name)
        if answer := self.answers.pop(0):
            raise answer

    def patch_pod_revoked(self, *, pod_name: str, namespace: str) -> None:
        self.revoked = pod_name

    def delete_pod(self, *, pod_name: str, namespace: str) -> None:
        assert self.revoked == pod_name, "else its end would be its task's"
        self.deleted.append(pod_name)


class Executor(Logged):
    """Upstream's, as far as the kit's calls it."""

    def __init__(self) -> None:
        self.kube_config = types.SimpleNamespace(kube_namespace="team")
        self.kube_scheduler: Any = None
        self.kube_client: Any = None
        self.task_queue = types.SimpleNamespace(put=lambda job: self.waiting.append(job))
        self.waiting: list[Job] = []
        self.running: set[Any] = set()
        self.event_buffer: dict[Any, Any] = {}
        self.pod_launch_attempts: dict[Any, Any] = {}
        self.again: set[Any] = set()
        self.unanswered: list[Exception] = []
        self.lost: list[Exception] = []
        self._task_event_logs: list[Any] = []
        self.events: list[tuple[str, str]] = []

    def log_task_event(self, *, event: str, extra: str, ti_key: Any) -> None:
        self.events.append((ti_key, extra))
        self._task_event_logs.append(extra)

    def sync(self) -> None:
        if self.lost:
            raise self.lost.pop(0)
        self._create_pods_sequentially()

    def _create_pods_sequentially(self) -> None:
        for job in [self.waiting.pop(0) for _ in range(len(self.waiting))]:
            try:
                self.kube_scheduler.run_next(job)
            except Exception as error:
                if self._handle_pod_publish_error(job, error):
                    break

    def _handle_pod_publish_error(self, job: Job, error: Exception) -> bool:
        raise NotImplementedError

    def fail(self, key: Any, info: Any = None) -> None:
        self.event_buffer[key] = ("failed", info)

    def _change_state(self, results: Results, **_: Any) -> None:
        if self.unanswered:
            raise self.unanswered.pop(0)
        if results.key in self.again:
            return
        self.running.discard(results.key)
        self.event_buffer[results.key] = (results.state, "Pod failed because of None")


class MutationError(Exception):
    pass


class ReconciliationError(Exception):
    pass


TASK_STATES = types.SimpleNamespace(FAILED="failed", SCHEDULED="scheduled", QUEUED="queued")


def modules() -> dict[str, ModuleType]:
    """By the names under which the kit's script imports them."""
    upstream = "airflow.providers.cncf.kubernetes"
    contents: dict[str, dict[str, Any]] = {
        "kubernetes.client.rest": {"ApiException": ApiException},
        "kubernetes_asyncio.client.exceptions": {"ApiException": type("Async", (Exception,), {})},
        "airflow.configuration": {"conf": None},
        f"{upstream}.exceptions": {
            "PodMutationHookException": MutationError,
            "PodReconciliationError": ReconciliationError,
        },
        f"{upstream}.kubernetes_helper_functions": {
            "TRANSIENT_CONNECTION_ERRORS": (ConnectionError,)
        },
        f"{upstream}.executors.kubernetes_executor": {"KubernetesExecutor": Executor},
        f"{upstream}.executors.kubernetes_executor_utils": {
            "KubernetesJobWatcher": JobWatcher,
            "AirflowKubernetesScheduler": PodMaker,
            "Stats": Stats,
        },
        f"{upstream}.executors.kubernetes_executor_types": {
            "POD_REVOKED_KEY": "revoked",
            "FailureDetails": dict,
            "KubernetesJob": Job,
            "KubernetesResults": Results,
            "KubernetesWatch": Watch,
        },
        "airflow.utils.log.logging_mixin": {"LoggingMixin": Logged},
        "airflow.utils.state": {"TaskInstanceState": TASK_STATES},
    }
    made: dict[str, ModuleType] = {}
    for name, content in contents.items():
        parts = name.split(".")
        for end in range(1, len(parts) + 1):
            made.setdefault(".".join(parts[:end]), ModuleType(".".join(parts[:end])))
        vars(made[name]).update(content)
    for name, module in made.items():
        parent, _, last = name.rpartition(".")
        if parent:
            setattr(made[parent], last, module)
    return made


@contextmanager
def installed() -> Iterator[None]:
    """The modules are there while the script is loaded, and gone afterwards."""
    before = dict(sys.modules)
    sys.modules.update(modules())
    sys.path.insert(0, str(SCRIPTS))
    try:
        yield
    finally:
        sys.path.remove(str(SCRIPTS))
        for name in set(sys.modules) - set(before):
            del sys.modules[name]
        sys.modules.update(before)
