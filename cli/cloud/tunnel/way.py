"""Which way a connection takes: as this machine connects anyway, or, to a cluster's API server that it does not reach,
through a worker.

Nothing else is let through a worker. That a host is the API server is what EKS says of the cluster.
"""

import base64
import contextlib
import select
import socket
import threading
from collections.abc import Callable, Iterable
from typing import Final
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies_environment
from urllib.request import proxy_bypass_environment as bypasses  # type: ignore[attr-defined]

from botocore.exceptions import BotoCoreError, ClientError

from cli.base.errors import KitError
from cli.cloud.resource import Client
from cli.cloud.tunnel.addresses import addresses
from cli.cloud.tunnel.sessions import ApiServer, WorkerSessions

PRIVATE_SECONDS = 3.0
"""To connect to an address that is not the internet's: one that is near answers at once, others never do."""

SECONDS = 15.0
ANSWER_SECONDS = 20.0
"""Within which a server behind a session must have answered something."""

_BLOCK: Final = 65536

MakeSessions = Callable[[ApiServer], WorkerSessions]


class Way:
    """The ways from this machine to the clusters of one environment. Threads may share it."""

    def __init__(
        self,
        client: Client,
        region: str,
        clusters: Callable[[], Iterable[str]],
        sessions: MakeSessions,
    ) -> None:
        self._client = client
        self._region = region
        self._clusters = clusters
        self._make = sessions
        self._through: dict[tuple[str, int], WorkerSessions] = {}
        self._lock = threading.Lock()
        self.trouble: KitError | None = None
        """Why the last connection could not be made; None if it was, or nothing but the network knows."""

    def pass_on(
        self,
        here: socket.socket,
        host: str,
        port: int,
        ready: Callable[[], None],
        patience: float | None = None,
    ) -> None:
        """Connects `here` with a host, and carries what either side says until one ends. `ready` is called when
        the connection is made; `patience`, in seconds, is for a worker to come, if one is needed. KitError or OSError if none
        can be made, or nobody answers at its other end."""
        sessions = self._through.get((host, port))
        if sessions is None:
            try:
                there = _outside(host, port)
            except OSError:
                sessions = self._sessions(host, port)
                if sessions is None:
                    raise
            else:
                ready()
                _carry(here, there)
                return
        try:
            self._through_worker(here, sessions, ready, patience)
        except KitError as error:
            self.trouble = error
            raise
        self.trouble = None

    def _through_worker(
        self,
        here: socket.socket,
        sessions: WorkerSessions,
        ready: Callable[[], None],
        patience: float | None,
    ) -> None:
        local, there = _inside(sessions, patience)
        # What kept earlier connections away does not keep this one.
        self.trouble = None
        ready()
        said = _carry(here, there, ANSWER_SECONDS)
        if said is None:
            return
        # The plugin still listens, and nobody is behind it: the worker has gone, or its agent. What is unanswered is how TLS
        # begins, so that the same can be said to another.
        sessions.lost(local)
        local, there = _inside(sessions)
        if _carry(here, there, ANSWER_SECONDS, said) is not None:
            raise sessions.unreached(sessions.lost(local))

    def close(self) -> None:
        """Ends what is open."""
        with self._lock:
            opened, self._through = list(self._through.values()), {}
        for each in opened:
            each.close()

    def _sessions(self, host: str, port: int) -> WorkerSessions | None:
        """Those that lead to a host; None if it is not the API server of a cluster of ours."""
        with self._lock:
            if (host, port) in self._through:
                return self._through[host, port]
            for cluster in self._clusters():
                if endpoint(self._client, cluster).host == (host, port):
                    made = self._make(ApiServer(cluster, self._region, host, port))
                    self._through[host, port] = made
                    return made
        return None


class Endpoint:
    """What EKS says of a cluster's API server."""

    def __init__(self, found: dict[str, object]) -> None:
        place = urlsplit(str(found.get("endpoint") or ""))
        self.host = (place.hostname or "", place.port or 443)
        network = found.get("resourcesVpcConfig")
        self.private = isinstance(network, dict) and network.get("endpointPublicAccess") is False


def endpoint(client: Client, cluster: str) -> Endpoint:
    """The one of a cluster; an empty one if there is no such cluster, or the caller may not ask."""
    try:
        # A region that nobody named is an error here, too.
        return Endpoint(client("eks").describe_cluster(name=cluster)["cluster"])
    except (ClientError, BotoCoreError, KitError):
        return Endpoint({})


def _inside(sessions: WorkerSessions, patience: float | None = None) -> tuple[int, socket.socket]:
    local = sessions.port(patience)
    with contextlib.suppress(OSError):
        return local, socket.create_connection(("127.0.0.1", local), SECONDS)
    sessions.lost(local)
    local = sessions.port()
    return local, socket.create_connection(("127.0.0.1", local), SECONDS)


def _outside(host: str, port: int) -> socket.socket:
    """As any program of this machine connects: through the user's own proxy, if variables name one for the host."""
    proxies = getproxies_environment()
    named = proxies.get("https") or proxies.get("all") or ""
    if named and not bypasses(f"{host}:{port}", proxies):
        return _by_proxy(named, host, port)
    return socket.create_connection((host, port), _seconds(host, port))


def _seconds(host: str, port: int) -> float:
    inside = all(not one.is_global for one in addresses(host, port))
    return PRIVATE_SECONDS if inside else SECONDS


def _by_proxy(named: str, host: str, port: int) -> socket.socket:
    place = urlsplit(named if "://" in named else f"http://{named}")
    if place.scheme != "http" or not place.hostname:
        raise OSError(f"the proxy that HTTPS_PROXY names is not one of HTTP: {place.scheme}")
    there = socket.create_connection((place.hostname, place.port or 80), SECONDS)
    try:
        lines = [f"CONNECT {host}:{port} HTTP/1.1", f"Host: {host}:{port}"]
        if place.username is not None:
            login = f"{unquote(place.username)}:{unquote(place.password or '')}"
            lines.append(f"Proxy-Authorization: Basic {base64.b64encode(login.encode()).decode()}")
        there.sendall("\r\n".join([*lines, "", ""]).encode())
        answer = b""
        while not answer.endswith(b"\r\n\r\n"):
            byte = there.recv(1)
            if not byte or len(answer) > _BLOCK:
                raise OSError("the proxy that HTTPS_PROXY names closed the connection")
            answer += byte
        status = answer.split(b"\r\n", 1)[0].decode(errors="replace")
        if status.split(" ")[1:2] != ["200"]:
            raise OSError(f"the proxy that HTTPS_PROXY names answered {status}")
    except BaseException:
        there.close()
        raise
    return there


def _carry(
    here: socket.socket, there: socket.socket, patience: float | None = None, said: bytes = b""
) -> bytes | None:
    """What either side says, to the other: `said` first. None when that is over; where `there` has not answered, within
    `patience`, what it was told, which is nothing yet if it hung up first."""
    unanswered = bytearray(said)

    def unheard() -> bytes | None:
        waiting = patience is not None and (unanswered or here in reading)
        return bytes(unanswered) if waiting else None

    other = {here: there, there: here}
    reading = [here, there]
    for each in reading:
        each.settimeout(None)
    with there, contextlib.suppress(OSError):
        if said:
            there.sendall(said)
        while reading:
            ready, _, _ = select.select(reading, [], [], patience if unanswered else None)
            if not ready:
                break
            for side in ready:
                try:
                    data = side.recv(_BLOCK)
                except OSError:
                    # Who asked has gone, and that is no fault of the way.
                    return None if side is here else unheard()
                if side is here and patience is not None:
                    unanswered += data
                if data and side is there:
                    # It has answered once, so it is there.
                    unanswered.clear()
                    patience = None
                if data:
                    other[side].sendall(data)
                    continue
                if side is there:
                    return unheard()
                reading.remove(side)
                other[side].shutdown(socket.SHUT_WR)
    return unheard()
