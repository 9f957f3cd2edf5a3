"""Asks an Elasticsearch outside the cluster whether it takes what `up` is about to configure (`elasticsearchUrl`).

Asked from here, with both logins. Where it cannot be reached from here, a pod of the environment is asked whether it can
be from there: without the passwords, which a command in a pod would show to others.
"""

import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import httpx

from cli.base.environments import Environment
from cli.base.errors import KitError, UserError
from cli.base.settings import qualified
from cli.base.values import reveal
from cli.cloud.catalogue.kubernetes import RELEASE
from cli.operations.bootstrap.requested_settings import RequestedSettings
from cli.operations.live import COMPONENT_LABEL, Live
from cli.session import Session
from cli.stack.backends import Backend
from infra.contract import logs
from infra.contract.metrics import MonitoringScope

URL, AUTHORITY = "elasticsearchUrl", "elasticsearchAuthority"

LEAST_VERSION: Final = 8
_FORM: Final = f"application/vnd.elasticsearch+json;compatible-with={LEAST_VERSION}"
"""Version 8 and later answer in it, 7 in a form without a version."""

SECONDS: Final = 10.0

_FROM_A_POD: Final = """
import socket, sys
host, _, port = sys.argv[1].removeprefix("https://").partition(":")
socket.create_connection((host, int(port or 443)), timeout=10).close()
"""


@dataclass(frozen=True)
class ServerUser:
    """One of the two users, and what it must be allowed to do."""

    setting: str
    user: str
    password_setting: str
    password: str
    rights: Mapping[str, Any]


class NobodyAnswers(Exception):
    """Nobody answers; the text says why."""


def check(session: Session, environment: Environment, backend: Backend) -> None:
    """UserError if the configured Elasticsearch is none, too old, or does not let both users do their work."""
    requested = RequestedSettings(backend.plain(), {})
    url = str(requested.value(URL))
    if not url or not MonitoringScope(requested.value("monitoring")).with_logs:
        return
    authority = str(requested.value(AUTHORITY))
    for login in _logins(environment, requested, backend.config()):
        try:
            judge(environment, url, authority, login)
        except NobodyAnswers as error:
            if is_deployed(backend, url):
                # An outage of it holds up no other change: the shippers keep the lines.
                session.console.report(f"{url} cannot be reached now: {error}")
            else:
                _ask_in_the_cluster(session, environment, backend, url, str(error))
            return


def is_deployed(backend: Backend, url: str) -> bool:
    """Whether the environment sends its logs there already."""
    for each in backend.resources():
        values = each.inputs.get("values") if each.type == RELEASE else None
        server = values.get(logs.ELASTICSEARCH) if isinstance(values, Mapping) else None
        outside = server.get("outside") if isinstance(server, Mapping) else None
        if isinstance(outside, Mapping) and outside.get("url") == url:
            return True
    return False


def _logins(
    environment: Environment, requested: RequestedSettings, config: Mapping[str, Any]
) -> list[ServerUser]:
    def login(setting: str, password: str, rights: Mapping[str, Any]) -> ServerUser:
        word = str(reveal(config.get(qualified(password), "")))
        return ServerUser(setting, str(requested.value(setting)), password, word, rights)

    all_of_them = f"{logs.INDEX}.*"
    return [
        login(
            "elasticsearchWriter",
            "logsWriterPassword",
            {
                "cluster": ["manage_index_templates"],
                "index": [{"names": [all_of_them], "privileges": ["create_doc", "create_index"]}],
            },
        ),
        login(
            "elasticsearchReader",
            "logsReaderPassword",
            {"index": [{"names": [logs.indices_of(environment.name)], "privileges": ["read"]}]},
        ),
    ]


def judge(environment: Environment, url: str, authority: str, login: ServerUser) -> None:
    """UserError with what is wrong. NobodyAnswers if nobody answers."""
    answer = _ask(environment, url, authority, login)
    try:
        found = answer.json()
    except ValueError:
        found = None
    same = f" --env {environment.name}"
    if not isinstance(found, dict) or not ("error" in found or "has_all_requested" in found):
        raise UserError(
            f"What answers at {url} is no Elasticsearch",
            f"It answers {answer.status_code}, and not as Elasticsearch does.\nNothing was changed.",
            f"./aerodrome config set {URL} URL{same}",
        )
    if answer.status_code == 401:
        raise UserError(
            f"The Elasticsearch at {url} does not let {login.user} in",
            f"{login.setting} and {login.password_setting} must be a user there and its password.\nNothing was changed.",
            f"./aerodrome config set {login.password_setting} --secret{same}",
        )
    unversioned = "compatible-with" not in answer.headers.get("Content-Type", "")
    if answer.status_code == 406 or (not answer.is_error and unversioned):
        raise UserError(
            f"The Elasticsearch at {url} is too old",
            f"It does not answer in the form of version {LEAST_VERSION}, as that and later ones do.\nNothing was changed.",
            f"./aerodrome config set {URL} URL{same}",
        )
    if answer.is_error:
        raise UserError(
            f"The Elasticsearch at {url} does not say what {login.user} may do",
            f"It answers {answer.status_code}: {answer.text[:500]}\nNothing was changed.",
            f"./aerodrome config set {URL} URL{same}",
        )
    if not found["has_all_requested"]:
        raise UserError(
            f"{login.user} lacks rights in the Elasticsearch at {url}",
            f"It needs {json.dumps(login.rights)}.\nNothing was changed.",
            f"./aerodrome config set {login.setting} USER{same}",
        )


def _ask(environment: Environment, url: str, authority: str, login: ServerUser) -> httpx.Response:
    headers = {"Accept": _FORM, "Content-Type": _FORM}
    try:
        trust = ssl.create_default_context(cadata=authority or None)
        with httpx.Client(verify=trust, timeout=SECONDS, trust_env=False) as client:
            return client.post(
                f"{url}/_security/user/_has_privileges",
                auth=(login.user, login.password),
                headers=headers,
                content=json.dumps(login.rights),
            )
    except (httpx.HTTPError, ssl.SSLError) as error:
        if isinstance(error, ssl.SSLError) or "CERTIFICATE_VERIFY_FAILED" in str(error):
            raise UserError(
                f"The Elasticsearch at {url} does not prove who it is",
                f"{error}\n{AUTHORITY} must be the certificate of the authority of its own.\nNothing was changed.",
                f'./aerodrome config set {AUTHORITY} "$(cat ca.crt)" --env {environment.name}',
            ) from error
        raise NobodyAnswers(str(error) or type(error).__name__) from error


def _ask_in_the_cluster(
    session: Session, environment: Environment, backend: Backend, url: str, here: str
) -> None:
    there = "nothing is deployed that could ask from the cluster"
    if backend.deployed():
        live = Live(session, environment, backend, backend.outputs())
        there = _from_a_pod(live, url)
        if not there:
            session.console.report(
                f"{url} answers in the cluster and not here ({here}): users and version were not checked"
            )
            return
    raise UserError(
        f"The Elasticsearch at {url} cannot be reached",
        f"From here: {here}. From the cluster: {there}.\nNothing was changed.",
        f"./aerodrome config set {URL} URL --env {environment.name}",
    )


def _from_a_pod(live: Live, url: str) -> str:
    """Why a pod of Airflow's does not reach it; empty if it does."""
    try:
        pods = live.kubernetes.objects("pods", selector=f"{COMPONENT_LABEL}=scheduler")
        running = [one for one in pods if one["status"].get("phase") == "Running"]
        if not running:
            return "no pod runs that could ask"
        command = ("python", "-c", _FROM_A_POD, url)
        code, _, errors = live.kubernetes.execute(running[0], *command, seconds=3 * SECONDS)
    except KitError as error:
        return error.summary
    return "" if code == 0 else (errors.strip().splitlines() or ["no answer"])[-1]
