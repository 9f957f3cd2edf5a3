"""How Airflow's StatsD reaches Telegraf with tags whose values are whole: `statsd_custom_client_path`, `stat_name_handler`.

Airflow's own client sends ASCII only and drops what has a blank or a letter beyond it in a name: that metric is then
missing, and a traceback is in the log. Its own client also asks DNS once, when the process starts, and sends nothing for
as long as the process lives if there is no answer.
"""

import os
import socket
import time
from typing import Any

from statsd import StatsClient

ENVIRONMENT = os.environ.get("AERODROME_ENVIRONMENT", "")
"""On every metric: a base's InfluxDB holds those of its branches, too."""

_PROTOCOL = str.maketrans({":": "_", "|": "_", "\n": "_", "\r": "_"})
"""What ends a name in StatsD's protocol. Commas and `=` in values Airflow leaves out itself, with the tag."""

_ASK_AGAIN_SECONDS = 60.0
"""After a name that was not found: asking takes seconds where DNS does not answer."""


def stat_name(name: str) -> str:
    """The name of a metric with its tags, as Airflow has put them together."""
    return f"{name.translate(_PROTOCOL)},environment={ENVIRONMENT}"


class Client(StatsClient):  # type: ignore[misc]  # no Airflow where types are checked
    """Sends UTF-8, and looks for the server's address until there is one."""

    def __init__(
        self,
        host: str = "localhost",
        port: int = 8125,
        prefix: str | None = None,
        ipv6: bool = False,
        **_: Any,
    ) -> None:
        self._place = (host, port)
        self._family = socket.AF_INET6 if ipv6 else socket.AF_INET
        self._addr: Any = None
        self._sock: socket.socket | None = None
        self._asked = float("-inf")
        self._prefix = prefix
        self._maxudpsize = 512

    def _send(self, data: str) -> None:
        try:
            if self._addr is None:
                self._find()
            if self._sock is not None:
                self._sock.sendto(data.encode(), self._addr)
        except (OSError, RuntimeError):
            # A metric is not worth a task.
            return

    def _find(self) -> None:
        if time.monotonic() < self._asked + _ASK_AGAIN_SECONDS:
            return
        self._asked = time.monotonic()
        found = socket.getaddrinfo(*self._place, self._family, socket.SOCK_DGRAM)
        self._addr = found[0][4]
        self._sock = socket.socket(self._family, socket.SOCK_DGRAM)
