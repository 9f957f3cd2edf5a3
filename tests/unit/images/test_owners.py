"""DAGs by owner, isolated: a real api-server and dag-processor with Flask AppBuilder on PostgreSQL, and every endpoint of
Airflow's OpenAPI documents, the public one and that of the UI's own addresses, asked by everybody about a DAG of the owner alpha. The right answer is computed from the
declaration."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from tests.charts.rendering import Object
from tests.unit.images.airflow_database import python
from tests.unit.images.owned_airflow import Isolated, running
from tests.unit.images.real_airflow import until

FILE = """
roles:
  alpha-viewer: {extends: [Viewer], dags: owned}
  alpha-editor: {extends: [User], dags: owned}
  beta-editor: {extends: [Op], dags: owned}
users:
  viewer: {email: viewer@example.org, roles: [alpha-viewer]}
  owner: {email: owner@example.org, roles: [alpha-editor]}
  other: {email: other@example.org, roles: [beta-editor]}
owners:
  alpha: {folders: [alpha], viewers: [alpha-viewer], editors: [alpha-editor]}
  beta: {folders: [beta], prefixes: [beta_], editors: [beta-editor]}
"""
ROLES = {"viewer": "alpha-viewer", "owner": "alpha-editor", "other": "beta-editor"}
PASSWORDS = {name: f"the-pass-of-{name}" for name in ROLES}
USERS = ("anonymous", "other", "viewer", "owner", "admin")
"""Whoever may delete comes last."""

MARK = "alpha7f3"
"""In every name and text of alpha's."""

BETA = "beta7f3"

DAG = """
from airflow.sdk import DAG, Asset, TaskGroup
from airflow.providers.standard.operators.python import PythonOperator
with DAG("{n}", schedule="@daily", tags=["{n}tag"], doc_md="{n}doc", params={{"{n}param": 1}}):
    with TaskGroup("{n}group", prefix_group_id=False):
        out = [Asset(uri="s3://{n}/asset", name="{n}asset")]
        PythonOperator(task_id="{n}task", python_callable=print, outlets=out, pool="no-{n}pool")
"""
CONSUMER = """
from airflow.sdk import DAG, Asset
from airflow.providers.standard.operators.empty import EmptyOperator
with DAG("{n}consumer", schedule=[Asset(uri="s3://{n}/asset", name="{n}asset")]):
    EmptyOperator(task_id="{n}task")
"""
BROKEN = "from airflow.sdk import DAG\n{n}broken()\n"
CLAIMING = """
from airflow.sdk import DAG
from airflow.providers.standard.operators.empty import EmptyOperator
with DAG("{n}", schedule=None{more}):
    EmptyOperator(task_id="t", owner="{owner}")
"""


CHEATING = """
import os
from airflow.sdk import DAG
from airflow.providers.standard.operators.empty import EmptyOperator
os.environ.pop("AERODROME_OWNERS")
with DAG("cheating", schedule=None, access_control={"alpha-editor": {"can_read"}}):
    EmptyOperator(task_id="t", owner="alpha")
"""
"""Runs in the process in which the policy runs."""

POSING = """
import os
from airflow.dag_processing.importers.python_importer import PythonDagImporter
from airflow.sdk import DAG
from airflow.providers.standard.operators.empty import EmptyOperator
os.environ.pop("AERODROME_OWNERS")
PythonDagImporter.get_relative_path = lambda *_: "alpha/dag.py"
rights = {"DAGs": {"can_read", "can_edit", "can_delete"}}
with DAG("posing", schedule=None, access_control={"beta-editor": rights}):
    EmptyOperator(task_id="t")
"""
"""Would be beta's for people, and alpha's for the api-server that is asked by its tasks."""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    dags = tmp_path_factory.mktemp("dags")
    for folder, name in (("alpha", MARK), ("beta", BETA)):
        (dags / folder).mkdir()
        for file, text in (("dag", DAG), ("consumer", CONSUMER), ("broken", BROKEN)):
            (dags / folder / f"{file}.py").write_text(text.format(n=name))
    claims = {
        "named": {"owner": "alpha", "more": ""},
        "controlled": {
            "owner": "airflow",
            "more": ', access_control={"beta-editor": {"can_read"}}',
        },
    }
    for name, claim in claims.items():
        (dags / "beta" / f"{name}.py").write_text(CLAIMING.format(n=name, **claim))
    (dags / "beta" / "cheating.py").write_text(CHEATING)
    (dags / "beta" / "posing.py").write_text(POSING)
    (dags / "alpha" / "prefix.py").write_text(
        CLAIMING.format(n="beta_prefixed", owner="airflow", more="")
    )
    (dags / "nobodys.py").write_text(CLAIMING.format(n="nobodys", owner="airflow", more=""))
    return dags


@pytest.fixture(scope="module")
def isolated(files: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Isolated]:
    with running(tmp_path_factory.mktemp("airflow"), files, FILE, PASSWORDS) as it:
        until(lambda: it.database.ask("select count(*) from serialized_dag") == [(5,)], 300)
        until(lambda: it.database.ask("select count(*) from import_error") == [(7,)], 300)
        # What is alpha's already. Before, either of the two could have been the first.
        (files / "beta" / "taking.py").write_text(
            CLAIMING.format(n=f"{MARK}consumer", owner="airflow", more="")
        )
        until(lambda: it.database.ask("select count(*) from import_error") == [(8,)], 300)
        _fill(it, MARK)
        _fill(it, BETA)
        yield it


def _fill(it: Isolated, name: str) -> None:
    """A run with an XCom, an event of an asset, a backfill: each bears the name."""
    run = {
        "dag_run_id": f"{name}run",
        "logical_date": "2020-01-01T00:00:00Z",
        "note": f"{name}note",
    }
    xcom = {"key": f"{name}key", "value": f"{name}value", "map_index": -1}
    fill = {"dag_id": name, "from_date": "2020-02-01T00:00:00Z", "to_date": "2020-02-02T00:00:00Z"}
    for path, body in (
        (f"/dags/{name}/dagRuns", run),
        (f"/dags/{name}/dagRuns/{name}run/taskInstances/{name}task/xcomEntries", xcom),
        ("/assets/events", {"asset_id": asset(it, name), "extra": {"key": f"{name}extra"}}),
        ("/backfills", fill),
    ):
        answer = it.ask("admin", "POST", f"/api/v2{path}", json=body)
        assert answer.status_code in (200, 201), answer.text


def asset(it: Isolated, name: str) -> int:
    found = it.get("/api/v2/assets", params={"name_pattern": f"{name}asset"})["assets"]
    return int(found[0]["id"])


# The declaration's answer

OPEN = re.compile(r"/api/v2/(version|monitor/health|auth/login)$")

CLOSED = re.compile(r"/api/v2/config(/|$)|POST /api/v2/connections/(enqueue-)?test$| /ui/teams$")
"""Shut for everybody by Airflow's own settings: api.expose_config, core.test_connection, core.multi_team."""

PERSONAL = re.compile(r"GET /api/v2/connections/enqueue-test$| /ui/(auth/\w+|config)$")
"""For whoever is logged in: the first answers to a token that only its owner has, the UI's are about who asks."""

ENTITIES = (
    (r"/ui/(next_run_assets|pending_|partitioned_)", ("Assets",)),
    (r"/ui/dags$", ("DAG Runs", "HITL Detail", "Task Instances")),
    (r"/ui/(grid|gantt|calendar|dashboard/historical)", ("Task Instances", "DAG Runs")),
    (r"/ui/structure", ("DAG Dependencies", "Task Instances", "DAG Runs")),
    (r"/ui/dependencies", ("DAG Dependencies",)),
    (r"/ui/.*(latest_run|/deadlines|/stats)$", ("DAG Runs",)),
    (r"/dags/\{dag_id\}/.*ueuedEvents", ("Assets",)),
    (r"upstreamAssetEvents", ("Assets", "DAG Runs")),
    (r"xcomEntries", ("XComs",)),
    (r"hitlDetails", ("HITL Detail",)),
    (r"/logs/", ("Task Logs",)),
    (r"[tT]askInstances|taskGroupInstances", ("Task Instances", "DAG Runs")),
    (r"/dags/\{dag_id\}/tasks", ("Task Instances",)),
    (r"dagRuns|clearDagRuns|clearPartitions|dagStats|backfills", ("DAG Runs",)),
    (r"dagVersions", ("DAG Versions",)),
    (r"dagSources", ("DAG Code",)),
    (r"dagWarnings", ("DAG Warnings",)),
    (r"/assets/aliases", ("Asset Aliases",)),
    (r"/assets", ("Assets",)),
    (r"/config", ("Configurations",)),
    (r"/connections", ("Connections",)),
    (r"/eventLogs", ("Audit Logs",)),
    (r"/plugins", ("Plugins",)),
    (r"/importErrors", ("ImportError",)),
    (r"/jobs", ("Jobs",)),
    (r"/pools", ("Pools",)),
    (r"/providers", ("Providers",)),
    (r"/variables", ("Variables",)),
    (r"PATCH /api/v2/dags$", ("DAGs",)),
)
"""What Airflow's permissions call what an address is about, by the first that fits."""

ACTIONS = {
    "GET": "can_read",
    "POST": "can_create",
    "PUT": "can_edit",
    "PATCH": "can_edit",
    "DELETE": "can_delete",
}


NOTHING: Object = {"action": "delete", "entities": ["none"], "action_on_non_existence": "skip"}
BODIES: dict[str, Object] = {
    **{
        f"PATCH /api/v2/{kind}": {"actions": [NOTHING]}
        for kind in ("connections", "pools", "variables", "dags/{dag_id}/dagRuns")
    },
    "POST /api/v2/dags/{dag_id}/clearDagRuns": {"dag_runs": [{"dag_run_id": "none"}]},
    **{
        f"POST /api/v2/connections/{kind}": {"connection_id": "none", "conn_type": "http"}
        for kind in ("test", "enqueue-test")
    },
    **{
        f"POST /api/v2/backfills{kind}": {
            "dag_id": MARK,
            "from_date": "2090-02-01T00:00:00Z",
            "to_date": "2090-02-01T00:00:00Z",
        }
        for kind in ("", "/dry_run")
    },
}
"""Of requests that say in their body what they are about; they do nothing. All others have an empty one."""


def main_action(method: str, path: str) -> str:
    if f"{method} {path}" in BODIES and BODIES[f"{method} {path}"].get("actions"):
        return "can_delete"
    if method == "POST" and re.search(r"/list$|/dags/.*/dry_run$|favorite$", path):
        return "can_read"
    if method == "POST" and re.search(r"/clear", path):
        return "can_edit"
    return ACTIONS[method]


def allowed(access: Object, user: str, endpoint: "Endpoint") -> bool:
    """By the declaration, of a DAG of alpha's."""
    method, path = endpoint.method, endpoint.path
    called = f"{method} {path}"
    if OPEN.search(path):
        return True
    if user == "anonymous" or CLOSED.search(called):
        return False
    if user == "admin" or PERSONAL.search(called):
        return True
    role = ROLES[user]
    action = main_action(method, path)
    entities = next((names for rule, names in ENTITIES if re.search(rule, called)), ())
    if not all(action in access["roles"][role].get(name, ()) for name in entities):
        return False
    if not endpoint.of_one_dag:
        return True
    mine = access["owners"]["alpha"]["access"].get(role, [])
    if action == "can_delete" and not entities:
        return "can_delete" in mine
    return ("can_read" if action == "can_read" else "can_edit") in mine


PATHS_OF_ONE = r"\{(dag_id|file_token|backfill_id)\}|^/api/v2/backfills|^/ui/structure"


@dataclass(frozen=True)
class Endpoint:
    """One of the document's, with an address and a query that are about alpha's DAG."""

    method: str
    path: str
    address: str
    query: dict[str, str]

    @property
    def of_one_dag(self) -> bool:
        named = re.search(PATHS_OF_ONE, self.path)
        return named is not None

    @property
    def body(self) -> dict[str, Object]:
        if self.method in ("GET", "DELETE"):
            return {}
        return {"json": BODIES.get(f"{self.method} {self.path}", {})}

    @property
    def reads(self) -> bool:
        return self.method == "GET" or self.path.endswith("/list")


@pytest.fixture(scope="module")
def endpoints(isolated: Isolated) -> list[Endpoint]:
    paths = isolated.client.get("/openapi.json").json()["paths"]
    packages = Path(python()).parents[1]
    (private,) = packages.glob(
        "lib/*/site-packages/airflow/api_fastapi/core_api/openapi/_private_ui.yaml"
    )
    paths |= yaml.safe_load(private.read_text())["paths"]
    (mine,) = (one for one in isolated.get("/api/v2/dags")["dags"] if one["dag_id"] == MARK)
    whole = {
        "dag_id": MARK,
        "file_token": mine["file_token"],
        "backfill_id": str(backfill(isolated, MARK)),
    }
    single = {
        **whole,
        "dag_run_id": f"{MARK}run",
        "task_id": f"{MARK}task",
        "group_id": f"{MARK}group",
        "xcom_key": f"{MARK}key",
        "asset_id": str(asset(isolated, MARK)),
        "map_index": "-1",
    }
    found = []
    for path, methods in paths.items():
        for name, operation in methods.items():
            # A log-out takes the user's token from all that comes after it.
            if "logout" in path:
                continue
            one = Endpoint(name.upper(), path, "", {})
            # What would be changed is not there, but for the DAG.
            values = single if one.reads else whole
            there = path
            for key in re.findall(r"\{(\w+)\}", path):
                number = re.search(r"number|map_index|_id$", key)
                there = there.replace(f"{{{key}}}", values.get(key, "1" if number else "none"))
            query = {
                given["name"]: MARK if given["name"] == "dag_id" else "1"
                for given in operation.get("parameters", ())
                if given["in"] == "query" and given.get("required")
            }
            found.append(Endpoint(one.method, path, there, query))
    # A DAG that is gone has no more to tell.
    return sorted(found, key=lambda one: one.method == "DELETE" and one.address.endswith(MARK))


def backfill(it: Isolated, name: str) -> int:
    return int(it.get("/api/v2/backfills", params={"dag_id": name})["backfills"][0]["id"])


def test_only_dags_that_may_be_their_owners_are_there(isolated: Isolated) -> None:
    there = {one["dag_id"] for one in isolated.get("/api/v2/dags")["dags"]}
    assert there == {MARK, f"{MARK}consumer", BETA, f"{BETA}consumer", "nobodys"}
    errors = {
        one["filename"]: one["stack_trace"].strip().splitlines()[-1]
        for one in isolated.get("/api/v2/importErrors")["import_errors"]
    }
    start = "AirflowClusterPolicyViolation: the DAG "
    assert errors["beta/named.py"] == (
        start + '"named" names the owner alpha, and may not: access.yaml has alpha: files in alpha/'
    )
    assert errors["beta/controlled.py"].startswith(start + '"controlled" has an access_control')
    assert errors["beta/cheating.py"].startswith('the DAG "cheating" names the owner alpha')
    assert errors["beta/posing.py"] == 'the DAG "posing" says that it is of another file'
    assert errors["beta/taking.py"] == (
        f'the DAG "{MARK}consumer" is there already, in alpha/consumer.py, of alpha'
    )
    assert errors["alpha/prefix.py"] == (
        start + '"beta_prefixed" has an id of beta in a folder of alpha'
    )


def test_each_user_sees_the_dags_of_his_owners(isolated: Isolated) -> None:
    seen = {
        user: {one["dag_id"] for one in isolated.ask(user, "GET", "/api/v2/dags").json()["dags"]}
        for user in ROLES
    }
    alphas = {MARK, f"{MARK}consumer"}
    assert seen == {
        "viewer": alphas,
        "owner": alphas,
        "other": {BETA, f"{BETA}consumer"},
    }


def test_nothing_of_alphas_is_in_any_answer_to_betas(
    isolated: Isolated, endpoints: list[Endpoint]
) -> None:
    """Whatever is asked for: by address, with wildcards, and in lists."""
    shown, asked = [], 0
    for one in (one for one in endpoints if one.reads):
        wild = re.sub(rf"(?<=/){MARK}\w*(?=/|$)", "~", one.address)
        for there in dict.fromkeys((one.address, wild)):
            told = isolated.ask("other", one.method, there, params=one.query, **one.body)
            asked += 1
            if not there.endswith("/wait") and told.status_code < 400 and MARK in told.text:
                shown.append((one.method, there))
    for there in (
        f"/ui/dags?dag_ids={MARK}",
        f"/ui/backfills?dag_id={MARK}",
        f"/ui/dependencies?node_id=dag:{MARK}",
        f"/ui/dependencies?dependency_type=data&node_id=asset:{asset(isolated, MARK)}",
        f"/ui/grid/ti_summaries/{MARK}?run_ids={MARK}run",
        f"/ui/structure/structure_data?dag_id={MARK}&external_dependencies=true",
        f"/ui/partitioned_dag_runs?dag_id={MARK}",
    ):
        told = isolated.ask("other", "GET", there)
        if told.status_code < 400 and MARK in told.text:
            shown.append(("GET", there))
        assert MARK in isolated.ask("admin", "GET", there).text or "partitioned" in there, there
    assert shown == []
    assert asked > 120


def test_every_endpoint_answers_as_declared(isolated: Isolated, endpoints: list[Endpoint]) -> None:
    """Refused is 401 or 403; whoever may goes on, to what is wrong with an empty request. A backfill of a DAG that one
    may not see is not there."""
    wrong = []
    for one in endpoints:
        for user in USERS:
            told = isolated.ask(user, one.method, one.address, params=one.query, **one.body)
            refused = {401, 403, 404} if "{backfill_id}" in one.path else {401, 403}
            if allowed(isolated.access, user, one) == (told.status_code in refused):
                wrong.append(f"{one.method} {one.path}: {user} got {told.status_code}")
    assert not wrong, "\n".join(wrong)
    assert len(endpoints) > 145
    assert sum(one.path.startswith("/ui/") for one in endpoints) > 20
