"""InfluxDB's HTTP API, as far as queries need it. It knows neither Kubernetes nor what is measured."""

from typing import Any, Self

import httpx

from cli.base.errors import KitError, UserError


class InfluxDB:
    """One database of a server, as one of its users."""

    def __init__(self, url: str, database: str, user: str, password: str) -> None:
        self.url = url
        self._database, self._user = database, user
        # As for Airflow: the machine's proxy is for the internet.
        self._client = httpx.Client(
            base_url=url, auth=(user, password), timeout=30.0, trust_env=False
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def version(self) -> str:
        """What it says of itself, such as 1.8.10; empty if it is no InfluxDB. KitError if nothing answers."""
        return str(self._asked("GET", "/ping").headers.get("X-Influxdb-Version", "")).removeprefix(
            "v"
        )

    def refusal(self) -> tuple[int, str] | None:
        """What it has against this user's writing and reading of the database: the status, and its own words."""
        # InfluxDB 1.x judges who writes before it looks at what, and stores nothing of an empty text.
        for method, path, query in (
            ("POST", "/write", {}),
            ("GET", "/query", {"q": "SHOW MEASUREMENTS LIMIT 1"}),
        ):
            answer = self._asked(method, path, {"db": self._database, **query})
            if answer.is_error:
                return answer.status_code, _error(answer)
            if path == "/query" and (error := answer.json()["results"][0].get("error")):
                return answer.status_code, str(error)
        return None

    def _asked(
        self, method: str, path: str, params: dict[str, str] | None = None
    ) -> httpx.Response:
        try:
            return self._client.request(method, path, params=params)
        except httpx.HTTPError as error:
            raise KitError(f"InfluxDB at {self.url} does not answer", str(error)) from error

    def rows(self, query: str) -> list[dict[str, Any]]:
        """The rows of all series of one statement's answer, by column; a series' tags are columns, too."""
        try:
            answer = self._client.post("/query", data={"db": self._database, "q": query})
        except httpx.HTTPError as error:
            raise KitError(f"InfluxDB at {self.url} does not answer", str(error)) from error
        if answer.status_code == 401:
            raise UserError(
                f"InfluxDB refuses the login of {self._user}",
                "Its password is not the one that the Secret has; an `up` sets it.",
                "./aerodrome up",
            )
        if answer.is_error:
            raise KitError(f"InfluxDB answers {answer.status_code}", answer.text[:2000])
        (result,) = answer.json()["results"]
        if "error" in result:
            raise KitError("InfluxDB refuses a query", f"{query}\n{result['error']}")
        return [
            {**dict(zip(one["columns"], row, strict=True)), **one.get("tags", {})}
            for one in result.get("series", ())
            for row in one.get("values", ())
        ]


def _error(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["error"])
    except (KeyError, TypeError, ValueError):
        return f"{answer.status_code} {answer.text[:500]}"
