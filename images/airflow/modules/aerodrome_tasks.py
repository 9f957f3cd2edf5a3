"""What a task may ask the api-server for, where `access.yaml` declares owners: a layer before Airflow's Execution API.

Airflow lets each task read every connection, variable and XCom, and start every DAG. Here a task gets what is its DAG's
owner's and what is nobody's. Who asks is said by the token's subject, a task instance; whose its DAG is follows from what the
dag-processor has recorded, by the rules of `aerodrome_owners`.

An address that is not in the table is refused: a release with a new one is noticed by a test, and not by a leak.
"""

import json
import logging
import re
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qs

import aerodrome_owners

log = logging.getLogger(__name__)

FOLDER: Final = "/execution"
ID: Final = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
READS: Final = ("GET", "HEAD")

ANYBODYS: Final = "anybody's"
ITS_OWN: Final = "its own"
KEYS: Final = "keys"
CONNECTION: Final = "connections"
VARIABLE: Final = "variables"
XCOM: Final = "XComs"
DAG: Final = "DAG"
ASSET: Final = "assets"

TABLE: Final = tuple(
    (re.compile(rule), kind)
    for rule, kind in (
        (r"GET /(health|health/ping|openapi\.json|docs|docs/oauth2-redirect|redoc|changelog)", ANYBODYS),
        (r"GET /task-instances/previous/(?P<dag>[^/]+)/[^/]+", DAG),
        (r"GET /task-instances/(count|states|breadcrumbs)", DAG),
        # Airflow compares the subject with the id.
        (rf"\w+ /(task-instances|task-reschedules|hitlDetails|connection-tests)/{ID}(/[a-z_-]+)?", ITS_OWN),
        (rf"\w+ /store/ti/{ID}(/.+)?", ITS_OWN),
        (r"GET /connections/(?P<name>[^/]+)", CONNECTION),
        (r"GET /variables/keys", KEYS),
        (r"\w+ /variables/(?P<name>.+)", VARIABLE),
        (r"\w+ /xcoms/(?P<dag>[^/]+)/.+", XCOM),
        (r"GET /dag-runs/(count|previous)", DAG),
        (r"\w+ /dag-runs/(?P<dag>[^/]+)/.+", DAG),
        (r"GET /dags/(?P<dag>[^/]+)", DAG),
        (r"GET /assets/by-(name|uri|alias)", ASSET),
        (r"GET /asset-events/by-asset(-alias)?", ASSET),
        (r"\w+ /store/asset/by-(name|uri)/(value|clear)", ASSET),
    )
)  # fmt: skip
"""What an address is about, by the first rule that fits all of it. Where a rule has no name in it, the query has."""


class Request(NamedTuple):
    method: str
    path: str
    """Below the Execution API's folder."""
    query: Mapping[str, list[str]]
    subject: str
    """A task instance's id."""

    @property
    def reads(self) -> bool:
        return self.method in READS


class Asker(NamedTuple):
    """The DAG of the task that asks; empty if Airflow does not know the task any more."""

    dag: str
    owner: str


class Refused(Exception):
    """The task may not have it."""


def kind_of(method: str, path: str) -> tuple[str, Mapping[str, str]]:
    """Empty if no rule fits."""
    called = f"{'GET' if method == 'HEAD' else method} {path}"
    for rule, kind in TABLE:
        if found := rule.fullmatch(called):
            return kind, found.groupdict()
    return "", {}


class Rules:
    """Refuses what is another owner's."""

    def __init__(self, owners: aerodrome_owners.Owners, database: Any = None) -> None:
        self._owners = owners
        self._database = database or Recorded(owners)

    def hold(self, asked: Request) -> None:
        """Refused, if the task may not."""
        kind, named = kind_of(asked.method, asked.path)
        if kind in (ANYBODYS, ITS_OWN):
            return
        if kind in (CONNECTION, VARIABLE):
            self._hold_names(asked, kind, {named["name"]})
        elif kind == ASSET:
            self._hold_names(asked, kind, self._database.assets(asked))
        elif kind == KEYS:
            self._hold_keys(asked)
        elif kind in (DAG, XCOM):
            for dag in {named["dag"]} if "dag" in named else set(asked.query.get("dag_id", ())):
                self._hold_dag(asked, kind, dag)
        else:
            raise Refused(
                f"the kit knows no {asked.method} {asked.path} of Airflow's Execution API"
            )

    def _hold_names(self, asked: Request, kind: str, names: set[str]) -> None:
        """Names that are nobody's cost no look into the database."""
        for name in sorted(names):
            if not (holders := aerodrome_owners.holders(self._owners, kind, name)):
                continue
            asker = self._database.asker(asked.subject)
            if asker.owner not in holders:
                raise Refused(
                    f"{_who(asker)} may not {_does(asked)} {name!r}: by access.yaml {kind} with this prefix "
                    f"are for tasks of {', '.join(sorted(holders))}"
                )

    def _hold_keys(self, asked: Request) -> None:
        for prefix in asked.query.get("prefix", [""]):
            held = aerodrome_owners.held_below(self._owners, VARIABLE, prefix)
            if not held:
                continue
            asker = self._database.asker(asked.subject)
            if others := sorted(held - {asker.owner}):
                raise Refused(
                    f"{_who(asker)} may not list variables that begin with {prefix!r}: access.yaml has some for "
                    f"tasks of {', '.join(others)}; list those of a prefix of its own"
                )

    def _hold_dag(self, asked: Request, kind: str, dag: str) -> None:
        asker = self._database.asker(asked.subject)
        if asker.dag == dag:
            return
        target = self._database.owner(dag)
        if kind == XCOM and not asked.reads:
            # To run another's DAG is not to say what its tasks have returned.
            allowed = asker.owner == target
        else:
            allowed = aerodrome_owners.may_ask(
                self._owners, asker.owner, target, changes=not asked.reads
            )
        if not allowed:
            # The same words whether there is such a DAG or not.
            whose = f"{asker.owner}'s" if asker.owner else "nobody's"
            raise Refused(
                f"{_who(asker)} may not {_does(asked)} {kind if kind == XCOM else 'runs'} of the DAG {dag!r}: it is not "
                f"{whose}, and access.yaml does not name {asker.owner or 'it'} in "
                f"{'taskViewers or ' if asked.reads else ''}taskEditors of its owner"
            )


def _who(asker: Asker) -> str:
    of = f"the owner {asker.owner}" if asker.owner else "no owner"
    return f"A task of the DAG {asker.dag!r}, of {of},"


def _does(asked: Request) -> str:
    return "read" if asked.reads else "change"


class Recorded:
    """What Airflow's database knows of tasks, DAGs and assets."""

    def __init__(self, owners: aerodrome_owners.Owners) -> None:
        self._owners = owners

    def asker(self, subject: str) -> Asker:
        from airflow.models.dag import DagModel
        from airflow.models.taskinstance import TaskInstance
        from airflow.utils.session import create_session
        from sqlalchemy import select

        query = (
            select(TaskInstance.dag_id, DagModel.relative_fileloc, DagModel.owners)
            .outerjoin(DagModel, DagModel.dag_id == TaskInstance.dag_id)
            .where(TaskInstance.id == subject)
        )
        with create_session() as session:
            row = session.execute(query).one_or_none()
        return Asker(row[0], self._owner(*row)) if row else Asker("", "")

    def owner(self, dag: str) -> str:
        from airflow.models.dag import DagModel
        from airflow.utils.session import create_session
        from sqlalchemy import select

        query = select(DagModel.relative_fileloc, DagModel.owners).where(DagModel.dag_id == dag)
        with create_session() as session:
            row = session.execute(query).one_or_none()
        return self._owner(dag, *(row or ("", "")))

    def _owner(self, dag: str, file: str | None, owners: str | None) -> str:
        """Nobody's, if the file could not be read today: access.yaml has changed since."""
        try:
            return aerodrome_owners.owner_of(
                self._owners, file or "", dag, {*(owners or "").split(", ")}
            )
        except aerodrome_owners.Claimed:
            return ""

    def assets(self, asked: Request) -> set[str]:
        """Names and URIs of all that the query is about, with its own words."""
        from airflow.models.asset import AssetAliasModel, AssetEvent, AssetModel
        from airflow.utils.session import create_session
        from sqlalchemy import or_, select

        words = {word for key in ("name", "uri", "alias_name") for word in asked.query.get(key, ())}
        both = select(AssetModel.name, AssetModel.uri)
        if "alias" in asked.path:
            alias = AssetAliasModel.name.in_(words)
            # An alias keeps its events when it leads to no asset any more.
            queries = [
                both.join(AssetModel.aliases).where(alias),
                both.join(AssetEvent, AssetEvent.asset_id == AssetModel.id)
                .join(AssetEvent.source_aliases)
                .where(alias)
                .distinct(),
            ]
        else:
            queries = [both.where(or_(AssetModel.name.in_(words), AssetModel.uri.in_(words)))]
        with create_session() as session:
            rows = [row for query in queries for row in session.execute(query)]
        return words.union(*rows)


class TaskLimits:
    """Answers 403 where a task asks for what is another owner's."""

    def __init__(self, app: Any, folder: str, owners: str) -> None:
        """`folder` is what the api-server's own address has before all of its paths."""
        self._app = app
        self._folder = folder + FOLDER
        self._rules = Rules(aerodrome_owners.declared(owners))

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        path = str(scope.get("path", ""))
        if scope["type"] != "http" or not path.startswith(f"{self._folder}/"):
            return await self._app(scope, receive, send)
        try:
            if asked := request(scope, path.removeprefix(self._folder)):
                from starlette.concurrency import run_in_threadpool

                await run_in_threadpool(self._rules.hold, asked)
        except Refused as error:
            log.warning("%s", error)
            return await _refuse(send, str(error))
        return await self._app(scope, receive, send)


def request(scope: Mapping[str, Any], path: str) -> Request | None:
    """Of whom and for what; None where Airflow refuses by itself, for want of a token that can be read.

    The signature is not looked at here: what is let through is judged by Airflow, by the same token.
    """
    import jwt

    tokens = [value for name, value in scope["headers"] if name == b"authorization"]
    if len(tokens) > 1:
        raise Refused("A request has one token")
    scheme, _, token = (tokens or [b""])[0].decode("latin-1").partition(" ")
    if scheme.lower() != "bearer":
        return None
    try:
        subject = str(jwt.decode(token, options={"verify_signature": False})["sub"])
    except (jwt.InvalidTokenError, KeyError):
        return None
    if not re.fullmatch(ID, subject):
        raise Refused("This is no task's token")
    query = parse_qs(scope.get("query_string", b"").decode("latin-1"), keep_blank_values=True)
    return Request(str(scope["method"]), path, query, subject)


async def _refuse(send: Callable[[Any], Any], message: str) -> None:
    """In the form in which Airflow's client shows an answer in the task's log."""
    body = json.dumps({"detail": {"reason": "access_denied", "message": message}}).encode()
    headers = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": 403, "headers": headers})
    await send({"type": "http.response.body", "body": body})
