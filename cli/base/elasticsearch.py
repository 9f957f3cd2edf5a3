"""Elasticsearch's search, as one user. It knows neither Kubernetes nor what is stored."""

import ssl
from collections.abc import Mapping
from typing import Any, Self

import httpx

from cli.base.errors import KitError, UserError


class Elasticsearch:
    """A server that proves itself by a certificate of `authority`; of the machine's own ones, if that is empty."""

    def __init__(self, url: str, authority: str, user: str, password: str) -> None:
        self.url = url
        self._user = user
        # As for Airflow: the machine's proxy is for the internet.
        self._client = httpx.Client(
            base_url=url,
            auth=(user, password),
            timeout=30.0,
            trust_env=False,
            verify=ssl.create_default_context(cadata=authority or None),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def search(self, indices: str, body: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The documents that a query finds, in its order; none where there is no such index."""
        try:
            answer = self._client.post(f"/{indices}/_search", json=dict(body))
        except httpx.HTTPError as error:
            raise KitError(f"Elasticsearch at {self.url} does not answer", str(error)) from error
        if answer.status_code == 401:
            raise UserError(
                f"Elasticsearch refuses the login of {self._user}",
                "Its password is not the one that the Secret has; an `up` sets it.",
                "./aerodrome up",
            )
        if answer.is_error:
            raise KitError(f"Elasticsearch answers {answer.status_code}", answer.text[:2000])
        return [hit["_source"] for hit in answer.json()["hits"]["hits"]]
