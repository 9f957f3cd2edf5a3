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
