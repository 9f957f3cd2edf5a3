"""Airflow's KubernetesExecutor, with what its users miss: patience, and reasons.

`run_scheduler.py` puts it in the place of the executor that it extends, under the same name. What it adds:

- While the API server takes no pods (a webhook is down, a quota is used up, it restarts), tasks wait, with
  growing pauses, as long as it takes. Airflow's own executor fails them, or asks again at every turn of
  its loop. A pod that can never be made fails its task at once.
- Why a pod was refused, does not start or has ended stands in the task's log: in an object beside the one that
  the task itself uploads, which Airflow's log reader takes for a part of it. What a killed task printed
  and nobody uploaded goes there, too.
- A pod that is deleted before it has started is started again, without using up a try.
- A pod that no node takes goes when its task is no longer to run: somebody has marked its run, or has deleted it.
- With a warm pool (`warm_pool.py`), a task gets a pod that waits for it, where one fits.
- How long pods take to start, and that one was killed for its memory or evicted, is sent as metrics (`pod_figures.py`).
- While the API server does not answer, the scheduler goes on. Airflow's own ends, or asks without a pause.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import sys
import time
from collections import deque
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pod_figures
import pod_reasons
import task_accounts
import task_overrides
import warm_pool
from airflow.configuration import conf
from airflow.providers.cncf.kubernetes.exceptions import (
    PodMutationHookException,
    PodReconciliationError,
)
from airflow.providers.cncf.kubernetes.executors import (
    kubernetes_executor,
    kubernetes_executor_utils,
)
from airflow.providers.cncf.kubernetes.executors.kubernetes_executor_types import (
    POD_REVOKED_KEY,
    FailureDetails,
    KubernetesJob,
    KubernetesResults,
    KubernetesWatch,
)
from airflow.providers.cncf.kubernetes.kubernetes_helper_functions import (
    TRANSIENT_CONNECTION_ERRORS,
)
from airflow.utils.log.logging_mixin import LoggingMixin
from airflow.utils.state import TaskInstanceState
from kubernetes.client.rest import ApiException
from kubernetes_asyncio.client.exceptions import ApiException as AsyncApiException

UNSCHEDULED, SCHEDULED, STOPPING = "unscheduled", "scheduled", "stopping"
"""What the watcher reports beyond states of task instances."""

PATIENCE = 30.0
"""Seconds that a pod may wait for a node before its task's log says so: a new node takes a minute."""

WAITING_STATES = (TaskInstanceState.SCHEDULED, TaskInstanceState.QUEUED)
"""Of a task instance that has a pod, or is to get one, and does not run yet."""

PRINTED_LINES = 10_000
"""The most that is kept of what a killed task printed."""

WARM_POOL = "AERODROME_WARM_POOL"
"""The environment variable with the number of pods that wait for tasks."""

UNANSWERED = (ApiException, *TRANSIENT_CONNECTION_ERRORS)
"""What a call of the API server raises that it refuses or does not answer."""

UPLOAD_TRIES = 6
SUFFIX = ".pod.log"


class Watcher(kubernetes_executor_utils.KubernetesJobWatcher):
    """Reports pods that wait for a node or are deleted; Airflow's own overlooks the first and knows no reason."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._reported: set[tuple[str, str]] = set()
        self._figures = pod_figures.Figures()

    def process_status(
        self,
        pod_name: str,
        namespace: str,
        status: str,
        annotations: dict[str, str],
        resource_version: str,
        event: Any,
    ) -> None:
        """One event of a pod."""
        for name, duration in self._figures.of(event):
            if duration is None:
                kubernetes_executor_utils.Stats.incr(name)
            else:
                kubernetes_executor_utils.Stats.timing(name, duration)
        pod = event["raw_object"]
        metadata = pod.get("metadata", {})
        going = bool(metadata.get("deletionTimestamp"))
        at_work = status in ("Pending", "Running")
        if not at_work or POD_REVOKED_KEY in metadata.get("labels", {}):
            super().process_status(
                pod_name, namespace, status, annotations, resource_version, event
            )
            return

        def report(state: str, text: str) -> None:
            details = FailureDetails(pod_status=status, pod_message=text)
            self.watcher_queue.put(
                KubernetesWatch(pod_name, namespace, state, annotations, resource_version, details)
            )

        def once(state: str, text: str) -> None:
            if (pod_name, state) not in self._reported:
                self._reported.add((pod_name, state))
                report(state, text)

        if event["type"] == "DELETED":
            self._reported -= {(pod_name, state) for state in (UNSCHEDULED, SCHEDULED, STOPPING)}
            if going:
                report(TaskInstanceState.FAILED, pod_reasons.being_deleted(pod))
                return
        elif going:
            once(STOPPING, pod_reasons.being_deleted(pod))
        elif waits := pod_reasons.unscheduled(pod):
            once(UNSCHEDULED, waits)
        elif (pod_name, UNSCHEDULED) in self._reported:
            once(SCHEDULED, "")
        super().process_status(pod_name, namespace, status, annotations, resource_version, event)


class PodMaker(kubernetes_executor_utils.AirflowKubernetesScheduler):
    """Makes the pods."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._names: dict[Any, str] = {}
        self.pool: warm_pool.WarmPool | None = None
        self._usual = False
        super().__init__(*args, **kwargs)

    def _build_pod_request(self, next_job: KubernetesJob) -> Any:
        """The pod of a job, under the name that was asked for before, should the answer have been lost."""
        template = next_job.pod_template_file
        if template and not Path(template).is_file():
            raise PodReconciliationError(f"pod_template_file {template} is not in the image")
        try:
            pod = super()._build_pod_request(next_job)
        except (PodMutationHookException, PodReconciliationError):
            raise
        except Exception as error:
            # Anything else would end the scheduler: a pod_template_file that is not there is enough.
            raise PodReconciliationError(f"{type(error).__name__}: {error}") from error
        if task_overrides.asked_for() and (template or next_job.kube_executor_config):
            self._hold_to_usual(pod, next_job)
        if account := task_accounts.of_task(next_job.key):
            pod.spec.service_account_name = account
            # A waiting pod is somebody else.
            self._usual = False
        pod.metadata.name = self._names.setdefault(next_job.key, pod.metadata.name)
        return pod

    def _hold_to_usual(self, pod: Any, job: KubernetesJob) -> None:
        """Fails the task if its author wants a pod that may more than others."""
        plain = job._replace(kube_executor_config=None, pod_template_file=None)
        readable = self.kube_client.api_client.sanitize_for_serialization
        usual = readable(super()._build_pod_request(plain))
        if wrong := task_overrides.excess(usual, readable(pod)):
            raise PodReconciliationError(
                f"where DAGs have owners, its executor_config may not change {', '.join(wrong)}"
            )

    def run_next(self, next_job: KubernetesJob) -> None:
        """Makes the job's pod, unless an earlier try has made it without our hearing of it."""
        self._usual = not (next_job.kube_executor_config or next_job.pod_template_file)
        try:
            super().run_next(next_job)
        except ApiException as error:
            if not (error.status == 409 and "already exists" in (error.body or "")):
                raise
        self._names.pop(next_job.key, None)

    def make_room(self) -> None:
        """A task's pod finds none: pods that wait for a task go."""
        if self.pool:
            self.pool.give_way()

    def forget(self, key: Any) -> None:
        """The job will not be tried again."""
        self._names.pop(key, None)

    def run_pod_async(self, pod: Any, **kwargs: Any) -> Any:
        """Without the whole pod and a traceback in the scheduler's log for each refusal."""
        with kubernetes_executor_utils.Stats.timer("kubernetes_executor.pod_creation"):
            body = self.kube_client.api_client.sanitize_for_serialization(pod)
            if self.pool:
                if self._usual:
                    self.pool.learn(body)
                if self.pool.hand_over(body):
                    return None
            return self.kube_client.create_namespaced_pod(
                body=body, namespace=pod.metadata.namespace, **kwargs
            )


@dataclass
class Unscheduled:
    """A pod that no node takes; its task's author is still to be told why, unless that is empty."""

    name: str
    namespace: str
    why: str
    next_look: float


def is_queued(key: Any) -> bool:
    """Whether a task's try still waits for its pod."""
    from airflow.models.taskinstance import TaskInstance
    from airflow.utils.session import create_session
    from sqlalchemy import select

    found = select(TaskInstance.state).where(
        TaskInstance.dag_id == key.dag_id,
        TaskInstance.task_id == key.task_id,
        TaskInstance.run_id == key.run_id,
        TaskInstance.map_index == key.map_index,
        TaskInstance.try_number == key.try_number,
    )
    with create_session() as session:
        return session.scalar(found) in WAITING_STATES


class KubernetesExecutor(kubernetes_executor.KubernetesExecutor):
    """Starts each task in a pod. Its name is what configuration and history know it by."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._refusals = 0
        self._not_before = 0.0
        self._told: set[Any] = set()
        self._unscheduled: dict[Any, Unscheduled] = {}
        self._unsettled: list[KubernetesResults] = []
        self._failures = 0
        self._settle_after = 0.0
        self._logs = TaskLogs()
        self._events: deque[Any] = deque(maxlen=1000)

    def log_task_event(self, **event: Any) -> None:
        """Add an event to the audit log."""
        super().log_task_event(**event)
        # The scheduler drops what it writes before it has written it, unless somebody holds on to it.
        self._events.extend(list(self._task_event_logs)[-1:])

    def start(self) -> None:
        """Start, with the classes of this module."""
        # Upstream's names, looked up when they are used: there is no option for either.
        kubernetes_executor_utils.KubernetesJobWatcher = Watcher
        kubernetes_executor_utils.AirflowKubernetesScheduler = PodMaker
        super().start()
        self.kube_scheduler.pool = self._warm_pool()

    def _warm_pool(self) -> warm_pool.WarmPool | None:
        size = int(os.environ.get(WARM_POOL) or 0)
        if not size:
            return None
        # A pod's host name is its own.
        scheduler = self.kube_client.read_namespaced_pod(
            socket.gethostname(), self.kube_config.kube_namespace
        )
        plain = self.kube_client.api_client.sanitize_for_serialization
        return warm_pool.WarmPool(self.kube_client, size, plain(scheduler))

    def end(self) -> None:
        """Stop, once the reasons are written down."""
        if self.kube_scheduler and self.kube_scheduler.pool:
            self.kube_scheduler.pool.end()
        super().end()
        self._logs.close()

    def sync(self) -> None:
        """One turn of the scheduler's loop, which an API server that is away must not end."""
        self._settle()
        try:
            super().sync()
            if pool := self.kube_scheduler.pool:
                pool.tend()
        except UNANSWERED as error:
            # It looks for pods of schedulers that are gone; the next look is a minute later.
            self.log.warning("Kubernetes does not answer (%s); the scheduler goes on", _what(error))
        now = time.monotonic()
        for key, pod in list(self._unscheduled.items()):
            if now >= pod.next_look:
                pod.next_look = now + PATIENCE
                self._look_after(key, pod)

    def _look_after(self, key: Any, pod: Unscheduled) -> None:
        """Tell why a pod waits, once; remove it if nobody waits for its task."""
        if pod.why:
            self._tell(key, pod.why, level=logging.WARNING)
            pod.why = ""
        try:
            if is_queued(key):
                return
            self.log.info("%s is not to run any more: its pod %s goes", key, pod.name)
            self.kube_scheduler.patch_pod_revoked(pod_name=pod.name, namespace=pod.namespace)
            self.kube_scheduler.delete_pod(pod_name=pod.name, namespace=pod.namespace)
        except Exception as error:
            self.log.warning("The pod %s waits; next look later: %s", pod.name, _what(error))
            return
        self._unscheduled.pop(key, None)
        self.kube_scheduler.forget(key)
        self.running.discard(key)
        self.pod_launch_attempts.pop(key, None)

    def _settle(self) -> None:
        """Once more the ends of pods that could not be settled, after a pause."""
        if self._unsettled and time.monotonic() >= self._settle_after:
            again, self._unsettled = self._unsettled, []
            for results in again:
                self._change_state(results)
            if not self._unsettled:
                self._failures = 0

    def _create_pods_sequentially(self) -> None:
        if time.monotonic() < self._not_before:
            return
        before = self._refusals
        super()._create_pods_sequentially()
        if self._refusals == before:
            self._refusals = 0

    def _handle_pod_publish_error(self, task: KubernetesJob, e: Exception) -> bool:
        """Whether to stop for now: the same error would meet the next pod, too."""
        if isinstance(e, PodMutationHookException | PodReconciliationError):
            self._give_up(task, f"The pod of this task cannot be made: {e.__cause__ or e}")
            return False
        status, why = _told(e)
        if pod_reasons.lasting(status, why, self.kube_config.kube_namespace):
            self._give_up(task, f"Kubernetes refuses the pod of this task: {why}")
            return False
        self._refusals += 1
        self.kube_scheduler.make_room()
        pause = max(pod_reasons.pause(self._refusals), _retry_after(e))
        self._not_before = time.monotonic() + pause
        self.log.warning(
            "The pod of %s cannot be made now (%s); next try in %.0f s", task.key, why, pause
        )
        if task.key not in self._told:
            self._told.add(task.key)
            self._tell(
                task.key,
                f"Kubernetes takes no pod for this task now, it waits and asks again: {why}",
                level=logging.WARNING,
            )
        self.task_queue.put(task)
        return True

    def _give_up(self, task: KubernetesJob, why: str) -> None:
        self.kube_scheduler.forget(task.key)
        self.fail(task.key, why)

    def fail(self, key: Any, info: Any = None) -> None:
        """Fail a task that has not run, and say why in its log."""
        self._told.discard(key)
        if info is not None:
            self._tell(key, str(info))
        super().fail(key, info)

    def revoke_task(self, *, ti: Any) -> None:
        """Take back a task; it will be queued again."""
        self._told.discard(ti.key)
        self._unscheduled.pop(ti.key, None)
        if self.kube_scheduler:
            self.kube_scheduler.forget(ti.key)
        super().revoke_task(ti=ti)

    def _change_state(self, results: KubernetesResults, **kwargs: Any) -> None:
        if self._unsettled and time.monotonic() < self._settle_after:
            # The API server would not answer for this pod either.
            self._unsettled.append(results)
            return
        try:
            self._end(results, **kwargs)
        except Exception as error:
            # Kubernetes or the database is away. Upstream would take it from its queue again at once, and again,
            # in this same turn.
            self._failures += 1
            pause = pod_reasons.pause(self._failures)
            self._settle_after = time.monotonic() + pause
            self._unsettled.append(results)
            self.log.warning(
                "The pod %s cannot be settled now (%s); next try in %.0f s",
                results.pod_name,
                _what(error),
                pause,
            )

    def _end(self, results: KubernetesResults, **kwargs: Any) -> None:
        key, details = results.key, results.failure_details or {}
        self._told.discard(key)
        if results.state == UNSCHEDULED:
            self._unscheduled[key] = Unscheduled(
                results.pod_name,
                results.namespace,
                str(details.get("pod_message")),
                time.monotonic() + PATIENCE,
            )
            self.kube_scheduler.make_room()
            return
        self._unscheduled.pop(key, None)
        if results.state == SCHEDULED:
            return
        if results.state == STOPPING:
            self._tell(key, str(details.get("pod_message")), level=logging.WARNING)
            return
        attempt = self.pod_launch_attempts.get(key)
        known = attempt is not None and attempt.requeued_for_pod == results.pod_name
        if results.state != TaskInstanceState.FAILED or key not in self.running or known:
            super()._change_state(results, **kwargs)
            return
        # Before the pod is deleted.
        why, printed = self._ask(results)
        super()._change_state(results, **kwargs)
        again = key in self.running
        self._tell(key, f"{why}\nThe pod is made again; this is no try" if again else why, printed)
        if key in self.event_buffer and self.event_buffer[key][0] == TaskInstanceState.FAILED:
            self.event_buffer[key] = (TaskInstanceState.FAILED, why)

    def _ask(self, results: KubernetesResults) -> tuple[str, str]:
        """Why the pod failed, and what it printed."""
        told = (results.failure_details or {}).get("pod_message")
        where = {"name": results.pod_name, "namespace": results.namespace}
        try:
            pod = self.kube_client.read_namespaced_pod(**where)
            events = self.kube_client.list_namespaced_event(
                results.namespace, field_selector=f"involvedObject.name={results.pod_name}"
            )
            plain = self.kube_client.api_client.sanitize_for_serialization
            why = pod_reasons.ended(plain(pod), plain(events)["items"])
        except Exception as error:
            missing = isinstance(error, ApiException) and error.status == 404
            return told or ("The pod is gone" if missing else f"The pod failed ({error})"), ""
        try:
            printed = what_it_printed(self.kube_client, **where)
        except Exception:
            # It has printed nothing: its container never started.
            printed = ""
        return why, printed

    def _tell(self, key: Any, why: str, printed: str = "", *, level: int = logging.ERROR) -> None:
        """To whoever looks at the task: its log, and the audit log."""
        self.log.log(level, "%s: %s", key, why)
        self.log_task_event(event="task pod", extra=why, ti_key=key)
        self._logs.add(key, why.splitlines(), logging.getLevelName(level).lower(), printed)


def what_it_printed(api: Any, name: str, namespace: str) -> str:
    """The last lines of a pod's container with the task."""
    # The client's own way to a text gives the one of a bytes object: "b'a line\\n'".
    answer = api.read_namespaced_pod_log(
        name, namespace, container="base", tail_lines=PRINTED_LINES, _preload_content=False
    )
    return str(answer.data, "utf-8", "replace")


def _told(error: BaseException) -> tuple[int | None, str]:
    """The status of HTTP and the words of an API server that refuses; no status of one that does not answer."""
    if isinstance(error, ApiException | AsyncApiException):
        return error.status, pod_reasons.message_of(error.body, error.reason)
    return None, f"{type(error).__name__}: {error}"


def _what(error: BaseException) -> str:
    """An error of the API server's, in a line."""
    status, why = _told(error)
    return why if status is None else f"{status}: {why}"


def _retry_after(error: Exception) -> float:
    """Seconds for which the API server asks."""
    headers = getattr(error, "headers", None) or {}
    try:
        return float(headers.get("Retry-After") or 0)
    except (TypeError, ValueError):
        return 0.0


class TaskLogs(LoggingMixin):
    """The remote logs of tasks, as far as others than the tasks write them. Only one thread writes."""

    def __init__(self) -> None:
        super().__init__()
        self._pool = ThreadPoolExecutor(1, "task-logs")

    def add(self, key: Any, lines: Iterable[str], level: str, printed: str = "") -> None:
        """Some lines of ours, and what the task printed as far as its log lacks it. Does not wait."""
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        entries = [
            {"timestamp": now, "level": level, "event": line, "logger": "aerodrome.pod"}
            for line in lines
        ]
        text = "".join(f"{json.dumps(entry)}\n" for entry in entries)
        # For who reads logs of tasks in Elasticsearch: there they are lines of that try as well.
        sys.stdout.write("".join(f"{json.dumps({**entry, **_try(key)})}\n" for entry in entries))
        sys.stdout.flush()
        self._pool.submit(self._write, key, text, printed)

    def close(self) -> None:
        """Waits for what is under way: a pod's grace period is the limit."""
        self._pool.shutdown(wait=True)

    def _write(self, key: Any, text: str, printed: str) -> None:
        for number in range(1, UPLOAD_TRIES + 1):
            try:
                if self._upload(key, text, printed):
                    return
            except Exception:
                self.log.warning("The log of %s cannot be written now", key, exc_info=True)
            time.sleep(pod_reasons.pause(number))
        self.log.error("The log of %s was not written: %s", key, text)

    def _upload(self, key: Any, text: str, printed: str) -> bool:
        from airflow.logging_config import get_remote_task_log

        remote = get_remote_task_log()
        if remote is None:
            return True
        path, ti = _log_of(key)
        if printed:
            _, saved = remote.read(path, ti)
            text = pod_reasons.unsaved(printed, "\n".join(map(str, saved or []))) + text
        folder = Path(conf.get_mandatory_value("logging", "base_log_folder"))
        file = folder / f"{path}{SUFFIX}"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        try:
            remote.upload(f"{path}{SUFFIX}", ti)
            # S3's does not raise. It empties or removes what it has uploaded.
            return not file.exists() or not file.stat().st_size
        finally:
            file.unlink(missing_ok=True)


def _try(key: Any) -> dict[str, Any]:
    """As a task names itself in the lines of its pod."""
    names = ("dag_id", "run_id", "task_id", "try_number", "map_index")
    return {name: getattr(key, name) for name in names}


def _log_of(key: Any) -> tuple[str, Any]:
    """The path of a try's log below the log folder, and the task instance."""
    from airflow.models.taskinstance import TaskInstance
    from airflow.utils.helpers import log_filename_template_renderer
    from airflow.utils.session import create_session
    from sqlalchemy import select

    with create_session(scoped=False) as session:
        ti = session.scalars(
            select(TaskInstance).where(
                TaskInstance.dag_id == key.dag_id,
                TaskInstance.task_id == key.task_id,
                TaskInstance.run_id == key.run_id,
                TaskInstance.map_index == key.map_index,
            )
        ).one()
        path = log_filename_template_renderer()(ti=ti, try_number=key.try_number)
        session.expunge(ti)
    return path, ti
