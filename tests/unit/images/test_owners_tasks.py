"""What a task may ask of the Execution API where access.yaml declares owners: each address of its OpenAPI document, in each of
its versions, asked by tasks of several owners' DAGs; and tasks that really run, with what their logs say."""

import base64
import hashlib
import hmac
import json
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from infra import user_access
from tests.charts.rendering import render
from tests.unit.images.airflow_database import python
from tests.unit.images.loading import SCRIPTS
from tests.unit.images.owned_airflow import Isolated, running
from tests.unit.images.real_airflow import MODULES, until

pytestmark = pytest.mark.slow

FILE = """
roles:
  author: {extends: [User], dags: owned}
owners:
  alpha:
    {folders: [alpha], prefixes: [al_], editors: [author], assets: [s3://al/], taskViewers: [gamma], taskEditors: [delta]}
  beta: {folders: [beta], prefixes: [be_], editors: [author]}
  gamma: {folders: [gamma], editors: [author]}
  delta: {folders: [delta], editors: [author]}
"""
OWNERS: Final = ("alpha", "beta", "gamma", "delta", "")
MARK: Final = "secret7f3"
"""In all that is alpha's alone."""

DAG = """
from airflow.sdk import DAG, Asset, Connection, Variable
from airflow.providers.standard.operators.python import PythonOperator

def reads():
    print("read", Connection.get("al_db").login, Variable.get("al_key"), Variable.get("shared"))
    return "{mark}"

with DAG("{n}", schedule=None, is_paused_upon_creation=False):
    PythonOperator(task_id="task", python_callable=reads, outlets=[Asset("{n}", uri="s3://{a}/{n}")])
"""
ASKING = """
from airflow.sdk import DAG, Connection, Variable
from airflow.providers.standard.operators.python import PythonOperator
from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator

def xcom(ti, **_):
    print("got", ti.xcom_pull(dag_id="of_alpha", task_ids="task", run_id="first"))

def state(ti, **_):
    print("got", ti.get_task_states(dag_id="of_alpha"))

with DAG("asking", schedule=None, is_paused_upon_creation=False):
    PythonOperator(task_id="shared", python_callable=lambda: print("got", Variable.get("shared")))
    PythonOperator(task_id="connection", python_callable=lambda: print("got", Connection.get("al_db")))
    PythonOperator(task_id="variable", python_callable=lambda: print("got", Variable.get("al_key", default="none")))
    PythonOperator(task_id="xcom", python_callable=xcom)
    PythonOperator(task_id="state", python_callable=state)
    TriggerDagRunOperator(task_id="trigger", trigger_dag_id="of_alpha")
"""


@pytest.fixture(scope="module")
def owned(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Isolated]:
    dags = tmp_path_factory.mktemp("dags")
    for owner in OWNERS:
        (dags / owner).mkdir(exist_ok=True)
        text = DAG.format(
            n=name(owner), mark=MARK if owner == "alpha" else "x", a=owner[:2] or "no"
        )
        (dags / owner / "dag.py").write_text(text)
    (dags / "beta" / "asking.py").write_text(ASKING)
    everything = ("api-server", "scheduler", "dag-processor")
    home = tmp_path_factory.mktemp("airflow")
    with running(home, dags, FILE, {}, everything) as it:
        login = {"conn_type": "http", "login": MARK, "password": MARK}
        for path, body in (
            ("connections", {"connection_id": "al_db", **login}),
            ("variables", {"key": "al_key", "value": MARK}),
            ("variables", {"key": "shared", "value": "for all"}),
        ):
            assert it.ask("admin", "POST", f"/api/v2/{path}", json=body).status_code == 201
        until(lambda: it.database.ask("select count(*) from serialized_dag") == [(6,)])
        for dag in (*map(name, OWNERS), "asking"):
            begin = {"dag_run_id": "first", "logical_date": None}
            began = it.ask("admin", "POST", f"/api/v2/dags/{dag}/dagRuns", json=begin)
            assert began.status_code == 200, began.text
        until(lambda: all(ended(it, dag) for dag in (*map(name, OWNERS), "asking")), 300)
        yield it


def name(owner: str) -> str:
    return f"of_{owner or 'nobody'}"


def ended(it: Isolated, dag: str) -> str:
    ((state,),) = it.database.ask("select state from dag_run where dag_id = %s", dag)
    return str(state) if state in ("success", "failed") else ""


def token(it: Isolated, task: str) -> str:
    """As the scheduler gives one to a task."""
    now = int(time.time())
    claims = {"sub": task, "scope": "execution", "aud": "urn:airflow.apache.org:task"}
    parts = [{"alg": "HS512", "typ": "JWT"}, claims | {"iat": now, "nbf": now, "exp": now + 600}]
    signed = ".".join(_encoded(json.dumps(part).encode()) for part in parts)
    key = it.airflow.environment["AIRFLOW__API_AUTH__JWT_SECRET"].encode()
    return f"{signed}.{_encoded(hmac.digest(key, signed.encode(), hashlib.sha512))}"


def _encoded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def task_of(it: Isolated, owner: str) -> str:
    ((task,),) = it.database.ask(
        "select id::text from task_instance where dag_id = %s", name(owner)
    )
    return str(task)


def ask(it: Isolated, owner: str, method: str, path: str, **more: Any) -> httpx.Response:
    headers = {"Authorization": f"Bearer {token(it, task_of(it, owner))}"}
    return it.client.request(method, f"/execution{path}", headers=headers, **more)


def refused(answer: httpx.Response) -> bool:
    """By the kit."""
    assert answer.status_code != 401, answer.text
    if answer.status_code != 403:
        return False
    if answer.request.method != "HEAD":
        assert answer.json()["detail"]["reason"] == "access_denied", answer.text
    return True


LOGICAL: Final = {"logical_date": "2030-01-01T00:00:00Z"}
ASSET_NAME: Final = {"name": "of_alpha"}
ASSET_URI: Final = {"uri": "s3://al/of_alpha"}
ALONE: Final = ("alpha",)
READERS: Final = ("alpha", "gamma", "delta")
EDITORS: Final = ("alpha", "delta")
CASES: Final[tuple[tuple[str, str, Any, tuple[str, ...]], ...]] = (
    ("GET", "/connections/al_db", {}, ALONE),
    ("GET", "/variables/al_key", {}, ALONE),
    ("GET", "/variables/AL_key", {}, ALONE),
    ("PUT", "/variables/al_other", {"json": {"val": "x"}}, ALONE),
    ("DELETE", "/variables/al_other", {}, ALONE),
    ("GET", "/variables/keys", {"params": {"prefix": "al_"}}, ALONE),
    ("GET", "/variables/keys", {}, ()),
    ("GET", "/variables/keys", {"params": {"prefix": "sh"}}, OWNERS),
    ("GET", "/variables/shared", {}, OWNERS),
    ("GET", "/connections/there_is_none", {}, OWNERS),
    ("GET", "/xcoms/of_alpha/first/task/return_value", {}, READERS),
    ("HEAD", "/xcoms/of_alpha/first/task/return_value", {}, READERS),
    ("GET", "/xcoms/of_alpha/first/task/return_value/item/0", {}, READERS),
    ("GET", "/xcoms/of_alpha/first/task/return_value/slice", {}, READERS),
    ("POST", "/xcoms/of_alpha/first/task/more", {"json": "x"}, ALONE),
    ("DELETE", "/xcoms/of_alpha/first/task/more", {}, ALONE),
    ("GET", "/dag-runs/of_alpha/first", {}, READERS),
    ("GET", "/dag-runs/of_alpha/first/state", {}, READERS),
    ("GET", "/dag-runs/count", {"params": {"dag_id": "of_alpha"}}, READERS),
    ("GET", "/dag-runs/previous", {"params": {"dag_id": "of_alpha", **LOGICAL}}, READERS),
    ("POST", "/dag-runs/of_alpha/first", {"json": {}}, EDITORS),
    ("POST", "/dag-runs/of_alpha/none/clear", {}, EDITORS),
    ("GET", "/dags/of_alpha", {}, READERS),
    ("GET", "/dags/al_there_is_none", {}, READERS),
    ("GET", "/task-instances/previous/of_alpha/task", {}, READERS),
    ("GET", "/task-instances/count", {"params": {"dag_id": "of_alpha"}}, READERS),
    ("GET", "/task-instances/states", {"params": {"dag_id": "of_alpha"}}, READERS),
    ("GET", "/task-instances/breadcrumbs", {"params": {"dag_id": "of_alpha", "run_id": "first"}}, READERS),
    ("GET", "/assets/by-name", {"params": ASSET_NAME}, ALONE),
    ("GET", "/assets/by-uri", {"params": ASSET_URI}, ALONE),
    ("GET", "/assets/by-alias", {"params": {"alias_name": "s3://al/any"}}, ALONE),
    ("GET", "/asset-events/by-asset", {"params": {**ASSET_NAME, "uri": ""}}, ALONE),
    ("GET", "/asset-events/by-asset-alias", {"params": {"name": "s3://al/any"}}, ALONE),
    *(
        (method, f"/store/asset/by-{key}/{what}", {"params": {**one, "key": "k"}, **body}, ALONE)
        for key, one in (("name", ASSET_NAME), ("uri", ASSET_URI))
        for method, what, body in (
            ("GET", "value", {}),
            ("PUT", "value", {"json": {"value": 1}}),
            ("DELETE", "value", {}),
            ("DELETE", "clear", {}),
        )
    ),
    # What no owner's is; and what Airflow does not know is nobody's.
    ("GET", "/dags/of_nobody", {}, ("",)),
    ("GET", "/dags/there_is_none", {}, ("",)),
    # Two answers to one question, and addresses that Airflow might read otherwise than the kit.
    ("GET", "/task-instances/states", {"params": [("dag_id", "of_beta"), ("dag_id", "of_alpha")]}, ()),
    ("GET", "/variables/al%5Fkey", {}, ALONE),
    ("GET", "/variables/al_key%0A", {}, ()),
    ("GET", "//variables/al_key", {}, ()),
    ("GET", "/connections/al_db/", {}, ()),
)  # fmt: skip
"""Who is not refused, of those whose tasks ask."""


def test_each_address_answers_as_declared(owned: Isolated) -> None:
    wrong = []
    for method, path, more, allowed in CASES:
        for owner in OWNERS:
            answer = ask(owned, owner, method, path, **more)
            if refused(answer) == (owner in allowed) or answer.status_code >= 500:
                wrong.append(f"{method} {path} {more}: {owner or 'nobody'} got {answer.text[:150]}")
            if owner not in allowed:
                assert MARK not in answer.text
    assert not wrong, "\n".join(wrong)


def test_no_address_of_airflows_is_left_out(owned: Isolated) -> None:
    """In no version of its API."""
    ask_versions = "from airflow.api_fastapi.execution_api.versions import bundle; print(*bundle.version_values)"
    done = subprocess.run(
        [python(), "-c", ask_versions],
        env=owned.airflow.environment,
        capture_output=True,
        text=True,
        check=True,
    )
    versions = done.stdout.splitlines()[-1].split()
    assert len(versions) > 5
    there, seen = set[tuple[str, str]](), {f"{method} {path}" for method, path, _, _ in CASES}
    for version in versions:
        document = owned.client.get(f"/execution/openapi.json?version={version}").json()
        for path, methods in document["paths"].items():
            there |= {(name.upper(), path) for name in methods}
    assert len(there) > 40
    missing = []
    for method, path in sorted(there):
        rule = re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(path))
        own = "task_instance_id" in path or "connection_test_id" in path
        if not own and not any(re.fullmatch(f"{method} {rule}", one) for one in seen):
            missing.append(f"{method} {path}")
    # What needs no token; and what older clients ask for, by an address that others have, too.
    assert missing == ["GET /dag-runs/{dag_id}/previous", "GET /health", "GET /health/ping"]
    for path in ("/health", "/health/ping"):
        assert owned.client.get(f"/execution{path}").status_code == 200


def test_what_a_task_says_of_itself_is_heard_from_itself_only(owned: Isolated) -> None:
    """The kit leaves these to Airflow."""
    alphas = task_of(owned, "alpha")
    for path in (
        f"/task-instances/{alphas}/previous-successful-dagrun",
        f"/task-reschedules/{alphas}/start_date",
        f"/store/ti/{alphas}/key",
        f"/hitlDetails/{alphas}",
    ):
        assert ask(owned, "alpha", "GET", path).status_code in (200, 404)
        assert ask(owned, "beta", "GET", path).status_code == 403


def test_a_token_that_is_none_opens_nothing(owned: Isolated) -> None:
    real = token(owned, task_of(owned, "alpha"))
    head, claims, _ = real.split(".")
    address = "/execution/connections/al_db"
    for given, status in (("", 401), (f"Bearer {head}.{claims}.forged", 403), ("Bearer x", 403)):
        headers = {"Authorization": given} if given else {}
        answer = owned.client.get(address, headers=headers)
        assert (answer.status_code, MARK in answer.text) == (status, False)
    # Two: the kit would look at one, and Airflow at the other.
    betas = token(owned, task_of(owned, "beta"))
    for pair in ((real, betas), (betas, real)):
        both = [("Authorization", f"Bearer {one}") for one in pair]
        assert owned.client.get(address, headers=both).status_code == 403
    assert owned.client.get(address, headers={"Authorization": f"Bearer {real}"}).status_code == 200


def log_of(it: Isolated, dag: str, task: str) -> str:
    path = f"/api/v2/dags/{dag}/dagRuns/first/taskInstances/{task}/logs/1"
    return json.dumps(it.get(path), ensure_ascii=False)


def test_a_task_gets_what_is_its_owners_and_what_is_for_all(owned: Isolated) -> None:
    assert ended(owned, "of_alpha") == "success"
    assert ended(owned, "of_beta") == ended(owned, "of_nobody") == "failed"
    states = dict(
        owned.database.ask("select task_id, state from task_instance where dag_id = 'asking'")
    )
    assert states == {
        "shared": "success",
        **dict.fromkeys(("connection", "variable", "xcom", "state", "trigger"), "failed"),
    }
    assert owned.database.ask("select run_id from dag_run where dag_id = 'of_alpha'") == [
        ("first",)
    ]


@pytest.mark.parametrize(
    ("task", "told"),
    [
        ("connection", "Access denied for connection 'al_db' by Execution API"),
        ("variable", "Access denied for variable 'al_key' by Execution API"),
        ("xcom", "A task of the DAG 'asking', of the owner beta, may not read XComs of the DAG 'of_alpha'"),
        ("state", "may not read runs of the DAG 'of_alpha': it is not beta's"),
        ("trigger", "may not change runs of the DAG 'of_alpha': it is not beta's"),
    ],
)  # fmt: skip
def test_its_log_says_what_it_may_not(owned: Isolated, task: str, told: str) -> None:
    log = log_of(owned, "asking", task)
    assert told in log
    assert MARK not in log


def test_the_api_server_says_whose_it_is(owned: Isolated) -> None:
    """Airflow's client keeps the reason to itself where it asks for connections and variables."""
    printed = (owned.airflow.home / "api-server.out").read_text()
    assert (
        "A task of the DAG 'asking', of the owner beta, may not read 'al_db': by access.yaml connections with this prefix "
        "are for tasks of alpha"
    ) in printed


def test_without_owners_nothing_is_in_the_way() -> None:
    """The layer is not there."""
    text = "import aerodrome_web; print(*(one['name'] for one in aerodrome_web.WebPlugin.fastapi_root_middlewares))"
    found = []
    for owners in ("", json.dumps({"alpha": {"folders": ["a"], "prefixes": []}})):
        given = {"PYTHONPATH": f"{MODULES}:{MODULES.parent / 'policy'}", "AERODROME_OWNERS": owners}
        home = {"HOME": str(Path.home()), "PATH": "/usr/bin:/bin"}
        done = subprocess.run(
            [python(), "-c", text], env=given | home, capture_output=True, text=True, check=True
        )
        found.append("aerodrome-tasks" in done.stdout.split())
    assert found == [False, True]


APART: Final = """
roles:
  author: {extends: [User], dags: owned}
owners:
  alpha: {folders: [alpha], prefixes: [of_alpha], editors: [author], taskPolicies: []}
  beta: {folders: [beta], prefixes: [be_], editors: [author], taskPolicies: []}
  gamma: {folders: [gamma], editors: [author]}
"""
PODS: Final = """
import json, sys, types
import task_pods
from kubernetes import client
from airflow.models.taskinstancekey import TaskInstanceKey
from airflow.providers.cncf.kubernetes.executors.kubernetes_executor_types import KubernetesJob
from airflow.providers.cncf.kubernetes.kube_config import KubeConfig
from airflow.providers.cncf.kubernetes.pod_generator import PodGenerator

class Cluster:
    api_client = client.ApiClient()
    made = []
    def create_namespaced_pod(self, body, namespace):
        self.made.append(body["spec"]["serviceAccountName"])

class Pool:
    learned = []
    def learn(self, pod):
        self.learned.append(pod["spec"]["serviceAccountName"])
    def hand_over(self, pod):
        return False

maker = task_pods.PodMaker.__new__(task_pods.PodMaker)
maker._names, maker.namespace, maker.scheduler_job_id, maker.pool = {}, "team", "1", Pool()
maker.kube_config, maker.supports_task_instance_uuid, maker.kube_client = KubeConfig(), False, Cluster()
wanted = PodGenerator.deserialize_model_dict({"spec": {"serviceAccountName": "airflow-tasks-alpha", "containers": [{"name": "base"}]}})
refused = []
for dag in sys.argv[1:]:
    for shape in (None, wanted):
        job = KubernetesJob(TaskInstanceKey(dag, "task", "run", 1, -1), ["airflow", "tasks", "run"], shape, None)
        try:
            maker.run_next(job)
        except task_pods.PodReconciliationError as error:
            refused.append(str(error))
print(json.dumps([Cluster.made, Pool.learned, refused]))
"""


def test_a_pod_is_in_aws_who_its_dags_owner_is(owned: Isolated) -> None:
    """Made by the image's Airflow, from the chart's template; the API server alone is left out."""
    home = owned.airflow.home
    (home / "access.yaml").write_text(APART)
    access = user_access.check(root=home, administrator="admin")
    assert access is not None
    rendered = render({"access": access.text(), "workers": {"startPods": False}})
    (home / "pod.yaml").write_text(json.dumps(rendered.worker()))
    told = {
        "AERODROME_OWNED": "true",
        "AERODROME_TASK_ACCOUNTS": rendered.environment()["AERODROME_TASK_ACCOUNTS"],
        "AIRFLOW__KUBERNETES_EXECUTOR__POD_TEMPLATE_FILE": str(home / "pod.yaml"),
    }
    path = f"{SCRIPTS}:{owned.airflow.environment['PYTHONPATH']}"
    done = subprocess.run(
        [python(), "-c", PODS, *map(name, ("alpha", "beta", "gamma", ""))],
        env={**owned.airflow.environment, **told, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    made, learned, refused = json.loads(done.stdout.splitlines()[-1])
    # beta's DAG has none of its prefixes: AWS could not tell its logs from others.
    others = ["airflow-tasks"] * 3
    assert made == ["airflow-tasks-alpha", *others]
    # The pool's pods wait for tasks of others: who takes one is who it is.
    assert learned == others
    assert len(refused) == 4
    assert all("may not change spec.serviceAccountName" in one for one in refused)
