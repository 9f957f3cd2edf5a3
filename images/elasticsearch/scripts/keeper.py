"""Keep an Elasticsearch: the template of its indices, a reader for each environment, and nothing older than it shall be.

It runs beside the server. The pod serves nobody before the template is there: an index that came first would have
guessed what its fields are.
"""

import base64
import json
import os
import re
import signal
import ssl
import sys
import time
import urllib.error
import urllib.request
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from arrivals import Arrivals
from server_users import KEEPER, READER, WRITER, say, write_users

PAUSE = 15.0
_INDEX = re.compile(r"(?P<index>[^.]+)\.(?P<environment>[a-z0-9-]+)\.(?P<day>\d{4}\.\d\d\.\d\d)")


class Server:
    """Elasticsearch's API, as `keeper`."""

    def __init__(self, url: str, authority: Path, password: str) -> None:
        self._url = url
        self._trust = ssl.create_default_context(cafile=str(authority))
        login = base64.b64encode(f"{KEEPER}:{password}".encode()).decode()
        self._headers = {"Authorization": f"Basic {login}", "Content-Type": "application/json"}

    def ask(self, method: str, path: str, body: object = None) -> Any:
        """The answer; an error of urllib's if there is none."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self._url}/{path}", data, self._headers, method=method)
        with urllib.request.urlopen(request, context=self._trust, timeout=30) as answer:
            return json.load(answer)


def indices(names: list[str]) -> list[tuple[str, str, date]]:
    """Name, environment and day of those that hold logs."""
    found = [(name, _INDEX.fullmatch(name)) for name in sorted(names)]
    return [
        (
            name,
            one["environment"],
            datetime.strptime(one["day"], "%Y.%m.%d").replace(tzinfo=UTC).date(),
        )
        for name, one in found
        if one
    ]


def outdated(names: list[str], days: int, today: date) -> list[str]:
    """Those of days of which nothing is kept any more."""
    first = today - timedelta(days=days)
    return [name for name, _, day in indices(names) if day < first]


class Keeper:
    """What is done again and again."""

    def __init__(self, told: Any) -> None:
        self._folder, self._index = Path(told["ES_PATH_CONF"]), told["INDEX"]
        self._days = int(told["DAYS"])
        self._template = json.loads((Path(told["SETTINGS"]) / "template.json").read_text())
        own = Path(told["KEEPER_FOLDER"])
        self._passwords = {
            name: (Path(told["PASSWORDS"]) / name).read_text().strip() for name in (WRITER, READER)
        }
        self._passwords[KEEPER] = (own / "password").read_text()
        self._ready = own / "ready"
        self._server = Server(told["SERVER"], self._folder / "ca.crt", self._passwords[KEEPER])
        self._environments: list[str] = []
        self._arrivals = Arrivals(told.get("STATSD", ""))

    def begin(self) -> None:
        """The template, and with it the pod is ready. What an older one has not named is named where lines are, too."""
        self._server.ask("PUT", f"_index_template/{self._index}", self._template)
        mappings = self._template["template"]["mappings"]
        self._server.ask("PUT", f"{self._index}.*/_mapping?allow_no_indices=true", mappings)
        self._ready.touch()

    def tidy(self) -> None:
        """Readers of the environments that there are, and no index that is too old."""
        found = self._server.ask("GET", f"{self._index}.*?filter_path=*.aliases")
        names = list(found)
        for name in outdated(names, self._days, datetime.now(UTC).date()):
            self._server.ask("DELETE", name)
            say(f"{name} is deleted: older than {self._days} days")
        environments = sorted({environment for _, environment, _ in indices(names)})
        if environments != self._environments:
            write_users(self._folder, self._index, self._passwords, environments)
            self._environments = environments
            say(f"Readers of {', '.join(environments)}")

    def count(self) -> None:
        """What has come since the last look, for whoever watches that."""
        if not self._arrivals.wanted:
            return
        path = f"{self._index}.*/_stats/docs?filter_path=indices.*.primaries.docs.count"
        found = self._server.ask("GET", path).get("indices", {})
        counts = {name: one["primaries"]["docs"]["count"] for name, one in found.items()}
        environments = {name: environment for name, environment, _ in indices(list(counts))}
        self._arrivals.tell({name: counts[name] for name in environments}, environments)


def main() -> None:
    """Until it is told to stop; a server that does not answer is asked again."""
    # As a container's first process it would not even notice.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    keeper = Keeper(os.environ)
    begun = False
    while True:
        try:
            if not begun:
                keeper.begin()
                begun = True
            keeper.tidy()
            keeper.count()
        except urllib.error.HTTPError as error:
            say(f"Elasticsearch answers {error.code}: {error.read()[:500]!r}")
        except OSError as error:
            if begun:
                say(f"Elasticsearch does not answer: {error}")
        time.sleep(PAUSE if begun else 1)


if __name__ == "__main__":
    main()
