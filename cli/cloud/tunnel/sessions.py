"""A session of Systems Manager with a worker of a cluster: a port of this machine that leads to a host in the VPC.

The request is made here and not by `aws ssm start-session`: so the session's id is known, and it is ended when it is
needed no more. The data goes through AWS's own program, session-manager-plugin, which is started as the aws command line
starts it: the session's token is in a variable, for every user of the machine sees the arguments of a program.
"""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import IO, Final

from botocore.exceptions import BotoCoreError, ClientError

from cli.base.errors import KitError
from cli.cloud.errors import code_of, translated
from cli.cloud.resource import Client, everything
from cli.cloud.tunnel.plugin import PLUGIN, checked_plugin
from infra.contract import api_endpoints

RESPONSE: Final = "AWS_SSM_START_SESSION_RESPONSE"

PATIENCE_SECONDS = 25.0
"""How long a connection waits for a worker that does not say how long: clients of Kubernetes give it some 30 seconds."""

LISTENS_SECONDS = 20.0
PROGRESS_SECONDS = 30.0
"""After so long a wait is reported again."""

_PAUSE = 1.0
_STOPS_SECONDS = 3.0
_ASKED_AT_ONCE = 50
_NAMED = 3
_SILENT = "It gave no reason."
_GROUP_TAG = "eks:nodegroup-name"


class NoWorker(KitError):
    """No worker of the cluster takes a session now; a moment later one may."""


@dataclass(frozen=True)
class ApiServer:
    """Where sessions lead: the API server of a cluster."""

    cluster: str
    region: str
    host: str
    port: int = 443


@dataclass(frozen=True)
class RunningWorker:
    """An instance that runs, of a group of a cluster's nodes."""

    name: str
    group: str
    online: bool
    """Whether it takes sessions."""


@dataclass
class _Open:
    session: str
    port: int
    process: "subprocess.Popen[bytes]"
    output: IO[bytes]


class WorkerSessions:
    """Sessions to one target, one at a time: opened when first needed, and again when they have ended."""

    def __init__(
        self,
        client: Client,
        target: ApiServer,
        report: Callable[[str], None] = lambda text: None,
        *,
        environ: Mapping[str, str] = os.environ,
        patience: float = PATIENCE_SECONDS,
    ) -> None:
        self.target = target
        self._client = client
        self._report = report
        self._environ = environ
        self._patience = patience
        self._open: _Open | None = None
        self._plugin = ""
        self._seen: Sequence[RunningWorker] = ()
        """Those that ran when they were asked for last."""

        self._tired: set[str] = set()
        """Workers whose last session broke: others go first."""
        self._closed = threading.Event()
        # The plugin is ended by the system when the thread that started it ends: this one lives as long as we do.
        self._keeper = ThreadPoolExecutor(1, thread_name_prefix="sessions")

    def port(self, patience: float | None = None) -> int:
        """A port of this machine that leads to the target; `patience`, in seconds, is for a worker to come. UserError if what
        it takes is missing here, KitError with the reason if there is no session to be had."""
        patience = self._patience if patience is None else patience
        began = time.monotonic()
        next_report = 0.0
        while (found := self._tried()) is None:
            waited = time.monotonic() - began
            if self._closed.is_set() or waited >= patience:
                raise self._no_worker(patience)
            if waited >= next_report:
                next_report = waited + PROGRESS_SECONDS
                self._report(self._waiting(waited))
            # Nobody else is kept waiting meanwhile.
            self._closed.wait(_PAUSE)
        return found

    def _tried(self) -> int | None:
        try:
            return self._keeper.submit(self._current).result()
        except RuntimeError:
            if self._closed.is_set():
                return None
            raise

    def _waiting(self, waited: float) -> str:
        text = f"waiting for a worker of {self.target.cluster} in AWS Systems Manager"
        return f"{text}: {waited:.0f} s, {self._said_of_workers()}" if waited >= 1 else text

    def lost(self, port: int) -> str:
        """Gives a session up that leads nowhere: what the plugin has said of it."""
        return self._keeper.submit(self._give_up, port).result()

    def unreached(self, said: str) -> KitError:
        """The error of workers that take sessions and lead nowhere."""
        target = self.target
        return KitError(
            f"The workers of {target.cluster} do not lead to its API",
            f"Sessions of AWS Systems Manager with them are open, and {target.host}:{target.port} does not answer there. "
            f"{PLUGIN} said:\n{said}",
            f"aws eks describe-cluster --region {target.region} --name {target.cluster}",
        )

    def close(self) -> None:
        """Ends the session, and waits for nothing any more."""
        self._closed.set()
        self._keeper.submit(self._end).result()
        self._keeper.shutdown()

    def _give_up(self, port: int) -> str:
        if self._open is None or self._open.port != port:
            return _SILENT
        said = _said(self._open.output)
        self._end()
        return said

    def _current(self) -> int | None:
        """None if no worker takes a session now."""
        if self._open is not None and self._open.process.poll() is not None:
            self._end()
        if self._open is None:
            self._open = self._opened()
        return self._open.port if self._open else None

    def _end(self) -> None:
        ended, self._open = self._open, None
        if ended is None:
            return
        _stop(ended.process)
        ended.output.close()
        # Without it AWS keeps the session until it has been idle for twenty minutes.
        with contextlib.suppress(ClientError, BotoCoreError):
            self._client("ssm").terminate_session(SessionId=ended.session)

    def _opened(self) -> _Open | None:
        self._plugin = self._plugin or checked_plugin(self._environ)
        for worker in self._online():
            found = self._with(worker, self._plugin)
            if found is not None:
                return found
        return None

    def _no_worker(self, patience: float) -> NoWorker:
        region, cluster = self.target.region, self.target.cluster
        summary = f"No worker of {cluster} is online in AWS Systems Manager"
        detail = (
            "The Kubernetes API is reached from inside the VPC only, and from here through a worker. "
            f"After {patience:.0f} s {self._said_of_workers()}. "
        )
        if not self._seen:
            return NoWorker(
                summary,
                f"{detail}What keeps them away is in the health of their node group.",
                f"aws eks list-nodegroups --region {region} --cluster-name {cluster}",
            )
        return NoWorker(
            summary,
            f"{detail}One that has just started takes up to three minutes. It needs a way out, or VPC endpoints of ssm and "
            "ssmmessages, and in its role the right to register.",
            f"aws ssm describe-instance-information --region {region} --filters Key=tag:{api_endpoints.NODE_TAG},Values={cluster}",
        )

    def _said_of_workers(self) -> str:
        if not self._seen:
            return "none of its workers runs"
        names = ", ".join(one.name for one in self._seen[:_NAMED])
        more = len(self._seen) - _NAMED
        groups = ", ".join(sorted({one.group for one in self._seen if one.group}))
        of = f" of the node group {groups}" if groups else ""
        # One that is online takes none: its agent has just gone.
        return f"{names}{f' and {more} more' if more > 0 else ''}{of} run, and no session is to be had with them"

    def _online(self) -> list[str]:
        """The workers that take sessions, those with which none has broken first."""
        with translated(f"list the workers of {self.target.cluster}"):
            self._seen = running(self._client, self.target.cluster)
        found = (one.name for one in self._seen if one.online)
        return sorted(found, key=lambda worker: (worker in self._tired, worker))

    def _with(self, worker: str, plugin: str) -> _Open | None:
        """A session with one worker; None if it takes none now."""
        local = _free_port()
        request = {
            "Target": worker,
            "DocumentName": api_endpoints.DOCUMENT,
            "Parameters": {
                "host": [self.target.host],
                "portNumber": [str(self.target.port)],
                "localPortNumber": [str(local)],
            },
            "Reason": "aerodrome",
        }
        ssm = self._client("ssm")
        with translated(f"open a session with {worker}"):
            try:
                answer = ssm.start_session(**request)
            except ClientError as error:
                if code_of(error) != "TargetNotConnected":
                    raise
                return None
        # One that breaks is not the first to be tried again.
        self._tired.add(worker)
        given = {key: answer[key] for key in ("SessionId", "StreamUrl", "TokenValue")}
        command = [plugin, RESPONSE, self.target.region, "StartSession", ""]
        command += [json.dumps(request), ssm.meta.endpoint_url]
        output = tempfile.TemporaryFile()  # noqa: SIM115 - open as long as the session
        process = subprocess.Popen(
            [*_with_parent(), *command],
            env={**self._environ, RESPONSE: json.dumps(given)},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            # Ctrl-C at the terminal is ours: what is being done still needs its connections.
            start_new_session=True,
        )
        made = _Open(str(given["SessionId"]), local, process, output)
        if _listens(local, process):
            self._report(f"connected to {self.target.cluster} through {worker}")
            return made
        why = _said(output)
        if process.poll() is None:
            # It tries again and again, and says nothing.
            why += (
                f"\nIt does not listen after {LISTENS_SECONDS:.0f} s. It must reach ssmmessages.{self.target.region} of AWS from here, "
                "by HTTPS and a WebSocket; it takes the proxy that HTTPS_PROXY names."
            )
        self._open = made
        self._end()
        raise KitError(f"{PLUGIN} does not connect to {worker}", why, f"{PLUGIN} --version")


def running(client: Client, cluster: str) -> list[RunningWorker]:
    """The workers of a cluster that run."""
    filters = [
        {"Name": f"tag:{api_endpoints.NODE_TAG}", "Values": [cluster]},
        {"Name": "instance-state-name", "Values": ["running"]},
    ]
    groups = {
        str(one["InstanceId"]): _group(one.get("Tags") or ())
        for each in everything(client("ec2"), "describe_instances", "Reservations", Filters=filters)
        for one in each["Instances"]
    }
    names, ssm = list(groups), client("ssm")
    online = {
        str(one["InstanceId"])
        for first in range(0, len(names), _ASKED_AT_ONCE)
        for one in everything(
            ssm,
            "describe_instance_information",
            "InstanceInformationList",
            Filters=[{"Key": "InstanceIds", "Values": names[first : first + _ASKED_AT_ONCE]}],
        )
        if one["PingStatus"] == "Online"
    }
    return [RunningWorker(name, group, name in online) for name, group in groups.items()]


def _group(tags: Iterable[Mapping[str, str]]) -> str:
    return next((each["Value"] for each in tags if each["Key"] == _GROUP_TAG), "")


def _said(output: IO[bytes]) -> str:
    """The end of what the plugin has printed."""
    output.seek(0)
    return output.read().decode(errors="replace").strip()[-1000:] or _SILENT


def _listens(port: int, process: "subprocess.Popen[bytes]") -> bool:
    """Whether the plugin listens before it ends, or the patience does."""
    give_up = time.monotonic() + LISTENS_SECONDS
    while process.poll() is None and time.monotonic() < give_up:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return True
        time.sleep(0.05)
    return False


def _stop(process: "subprocess.Popen[bytes]") -> None:
    # By the first it takes its socket away, and tells the agent; until it listens, it may not know any but the last.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
        if process.poll() is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_STOPS_SECONDS)
    process.wait()


def _with_parent() -> list[str]:
    """What ends the plugin when this process is killed, where the system has it (Linux)."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "TERM", "--"] if setpriv else []


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
