"""Rancher's API, version 3, as far as a cluster's registration and its end need it.

Every path is asked of the address that the user gave: Rancher's answers have links in them, with whatever
host name it believes to have, and the token goes to none of those. Neither the token nor a registration's
is part of an error.
"""

import ssl
import time
from collections.abc import Iterator, Mapping
from typing import Any, Self
from urllib.parse import quote, urlsplit

import httpx

from cli.base.errors import KitError

URL, TOKEN = "RANCHER_URL", "RANCHER_TOKEN"
INSECURE, AUTHORITY = "RANCHER_INSECURE", "RANCHER_CA_CERTS"
"""As Rancher's Terraform provider calls them; the authority is PEM text."""

SECONDS = 20.0
TRIES, PAUSE = 4, 2.0
"""How often a question is asked that Rancher does not answer, and the seconds between: it starts again
for a minute when its settings change."""

UNAUTHORIZED, FORBIDDEN, NOT_FOUND = 401, 403, 404
_PASSING = (429, 500, 502, 503, 504)

Item = dict[str, Any]


class Unanswered(KitError):
    """Rancher does not answer, or not with what was asked for."""

    def __init__(
        self, summary: str, detail: str = "", command: str = "", *, status: int = 0, code: str = ""
    ) -> None:
        super().__init__(summary, detail, command)
        self.status = status
        """0 without an answer."""

        self.code = code
        """Rancher's own word for it, like `NotUnique`."""


class Rancher:
    """One Rancher, as one user."""

    def __init__(
        self,
        url: str,
        token: str,
        variables: Mapping[str, str],
        *,
        tries: int = TRIES,
        pause: float = PAUSE,
    ) -> None:
        self.url = url.rstrip("/")
        self._tries, self._pause = tries, pause
        self._client = httpx.Client(
            base_url=f"{self.url}/v3",
            headers={"Authorization": f"Bearer {token}", "Accept": "application/json"},
            timeout=SECONDS,
            verify=_trust(variables),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def clusters(self) -> list[Item]:
        return list(self._all("/clusters"))

    def cluster(self, identifier: str) -> Item | None:
        """None if Rancher has forgotten it."""
        try:
            return self._read(f"/clusters/{identifier}")
        except Unanswered as error:
            if error.status in (NOT_FOUND, FORBIDDEN):
                # Of a cluster that is gone, Rancher has no rights for anybody any more.
                return None
            raise

    def create_cluster(self, document: Item) -> Item:
        return _object(self._send("POST", "/clusters", body={"type": "cluster", **document}))

    def delete_cluster(self, identifier: str) -> None:
        self._send("DELETE", f"/clusters/{identifier}")

    def delete_credential(self, identifier: str) -> None:
        self._send("DELETE", f"/cloudCredentials/{identifier}")

    def registrations(self, cluster: str) -> list[Item]:
        """The registration tokens of a cluster: secrets."""
        found = self._all("/clusterregistrationtokens", clusterId=cluster)
        return [one for one in found if one.get("clusterId") == cluster]

    def create_registration(self, cluster: str) -> None:
        document = {"type": "clusterRegistrationToken", "clusterId": cluster}
        self._send("POST", "/clusterregistrationtokens", body=document)

    def manifest(self, registration: Item) -> str:
        """What a cluster applies to be managed, as YAML."""
        name = f"{registration['token']}_{registration['clusterId']}.yaml"
        return self._send("GET", f"/import/{name}", shown="/import/...", accept="*/*").text

    def projects(self, cluster: str) -> list[Item]:
        found = self._all("/projects", clusterId=cluster)
        return [one for one in found if one.get("clusterId") == cluster]

    def create_project(self, document: Item) -> Item:
        return _object(self._send("POST", "/projects", body={"type": "project", **document}))

    def delete_project(self, identifier: str) -> None:
        self._send("DELETE", f"/projects/{identifier}")

    def bindings(self, project: str) -> list[Item]:
        """Who has which role in a project."""
        found = self._all("/projectroletemplatebindings", projectId=project)
        return [one for one in found if one.get("projectId") == project]

    def create_binding(self, document: Item) -> None:
        body = {"type": "projectRoleTemplateBinding", **document}
        self._send("POST", "/projectroletemplatebindings", body=body)

    def delete_binding(self, identifier: str) -> None:
        self._send("DELETE", f"/projectroletemplatebindings/{identifier}")

    def role_template(self, identifier: str) -> Item | None:
        return self._known(f"/roletemplates/{identifier}")

    def principal(self, identifier: str) -> Item | None:
        """A user or a group of its login, by an id like `github_team://1234`."""
        return self._known(f"/principals/{quote(identifier, safe='')}")

    def users(self, name: str) -> list[Item]:
        """Its own users of that name: one at most."""
        found = self._all("/users", username=name)
        return [one for one in found if one.get("username") == name]

    def _known(self, path: str) -> Item | None:
        try:
            return self._read(path)
        except Unanswered as error:
            if error.status == NOT_FOUND:
                return None
            raise

    def _all(self, path: str, **query: str) -> Iterator[Item]:
        more: Mapping[str, str] = query
        while True:
            page = self._read(path, more)
            yield from page.get("data") or ()
            following = str((page.get("pagination") or {}).get("next") or "")
            if not following:
                return
            more = dict(httpx.URL(following).params)

    def _read(self, path: str, query: Mapping[str, str] | None = None) -> Item:
        return _object(self._send("GET", path, query=query))

    def _send(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Item | None = None,
        shown: str = "",
        accept: str = "",
    ) -> httpx.Response:
        # What creates is not sent again: nobody knows whether it has arrived.
        tries = 1 if method == "POST" else self._tries
        headers = {"Accept": accept} if accept else None
        for left in reversed(range(tries)):
            try:
                answer = self._client.request(
                    method, path, params=query or None, json=body, headers=headers
                )
            except httpx.HTTPError as error:
                if left and isinstance(error, httpx.TransportError) and not _lasting(error):
                    time.sleep(self._pause)
                    continue
                raise _silent(self.url, error) from error
            if answer.status_code not in _PASSING or not left:
                break
            time.sleep(self._pause)
        # What is gone already needs no deletion.
        if answer.is_success or (method == "DELETE" and answer.status_code == NOT_FOUND):
            return answer
        raise _refused(answer, f"{method} {shown or path}")


def _lasting(error: httpx.TransportError) -> bool:
    """Whether another try will fail alike: a certificate that is not trusted, a name that nobody knows."""
    text = str(error).lower()
    return "certificate" in text or "ssl" in text or _no_name(text)


def _no_name(text: str) -> bool:
    return "name or service not known" in text or "name resolution" in text


def _silent(url: str, error: Exception) -> Unanswered:
    host, text = urlsplit(url).netloc, str(error) or type(error).__name__
    if "certificate" in text.lower():
        return Unanswered(
            "Rancher does not answer: its certificate is not trusted",
            f"{host}: {text}\nWith a certificate of your own, its authority's PEM text belongs into {AUTHORITY}.",
            f'export {AUTHORITY}="$(cat FILE)"',
        )
    if _no_name(text.lower()):
        return Unanswered("Rancher does not answer: nobody knows its name", f"{host}: {text}")
    return Unanswered("Rancher does not answer", f"{host}: {text}")


def _refused(answer: httpx.Response, asked: str) -> Unanswered:
    status = answer.status_code
    try:
        said = answer.json()
    except ValueError:
        said = {}
    said = said if isinstance(said, dict) else {}
    parts = (said.get("fieldName"), said.get("message") or said.get("detail"))
    return Unanswered(
        f"Rancher answers {status} to {asked}",
        ": ".join(str(part) for part in parts if part),
        status=status,
        code=str(said.get("code") or ""),
    )


def _object(answer: httpx.Response) -> Item:
    """An answer of Rancher's: a login page of something before it is none."""
    try:
        found = answer.json()
    except ValueError:
        found = None
    if not isinstance(found, dict):
        kind = answer.headers.get("Content-Type", "nothing")
        raise Unanswered(
            "What answers is not Rancher's API",
            f"{answer.request.url.host} sends {kind}, and no JSON object.",
            status=answer.status_code,
        )
    return found


def _trust(variables: Mapping[str, str]) -> ssl.SSLContext | bool:
    if variables.get(INSECURE) == "true":
        return False
    authority = variables.get(AUTHORITY)
    if not authority:
        return True
    try:
        return ssl.create_default_context(cadata=authority)
    except ssl.SSLError as error:
        raise Unanswered(
            f"{AUTHORITY} has no certificate in it",
            f"It takes the PEM text itself, not the name of a file: {error.reason or error}",
            f'export {AUTHORITY}="$(cat FILE)"',
        ) from error


__all__ = ["AUTHORITY", "TOKEN", "URL", "Item", "Rancher", "Unanswered"]
