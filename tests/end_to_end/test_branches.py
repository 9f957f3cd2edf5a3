"""Two git branches, each with an Airflow of its own on one base, at once; neither reaches the other.

On the sandbox of the main job (see conftest.py), in order. Each branch is a checkout of its own with a
DAG of its own; commands are run in it without saying which environment. What must not be possible is
tried from inside a branch's own pods, and each attempt beside one at its own things, which must work:
else a typing error would pass for a fence.
"""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from cli.base.airflow import Airflow
from cli.operations.proof import prove
from cli.operations.task_logs import TaskLogs
from infra.contract.naming import Names, branch_environment
from sandbox.instance import REGISTRY_PORT
from tests.end_to_end import draining
from tests.end_to_end.kit import UP_SECONDS, Kit

DAG = '''"""What only one branch has."""

from datetime import datetime

from airflow.sdk import dag, task


@dag(schedule=None, start_date=datetime(2026, 1, 1), catchup=False)
def {name}() -> None:
    @task
    def say() -> None:
        print("aerodrome: this is {name}")

    say()


{name}()
'''


@dataclass(frozen=True)
class Branch:
    """One branch, and what its `up` said."""

    name: str
    dag: str
    kit: Kit
    up: dict[str, Any]

    @property
    def names(self) -> Names:
        return Names(branch_environment("sandbox", self.name), shared=True)

    @contextmanager
    def airflow(self) -> Iterator[Airflow]:
        password = self.kit.json("config", "get", "adminPassword", "--show")["value"]
        with Airflow(self.up["url"], "admin", password) as airflow:
            yield airflow

    def python(self, code: str) -> dict[str, str]:
        """What `code` puts into `found`, run in the scheduler's pod: an answer, or the error's text."""
        script = (
            "import json\n"
            "found = {}\n"
            "def attempt(name, work):\n"
            "    try:\n"
            "        found[name] = f'yes {work()}'\n"
            "    except Exception as error:\n"
            "        found[name] = f'no {type(error).__name__} {error}'\n"
            f"{code}\n"
            "print('\\n' + json.dumps(found))\n"
        )
        done = self.kit.run("exec", "--", "python", "-c", script)
        assert done.returncode == 0, done.stderr[-3000:]
        answers: dict[str, str] = json.loads(done.stdout.splitlines()[-1])
        return answers


@pytest.fixture(scope="module")
def branches(kit: Kit, first: dict[str, Any]) -> tuple[Branch, Branch]:
    """Both brought up at the same time."""
    kits = {name: kit.branch(name) for name in ("feature/one", "feature/Two")}
    dags = {name: f"only_{name.rpartition('/')[2].lower()}" for name in kits}
    for name, own in kits.items():
        file = own.checkout / "images" / "airflow" / "dags" / f"{dags[name]}.py"
        file.write_text(DAG.format(name=dags[name]))
        (file.parent / "at_work.py").write_text(draining.DAGS)
    with ThreadPoolExecutor() as pool:
        ups = dict(zip(kits, pool.map(_up, kits.values()), strict=True))
    one, two = (Branch(name, dags[name], kits[name], ups[name]) for name in kits)
    return one, two


def _up(kit: Kit) -> Any:
    return kit.json("up", seconds=UP_SECONDS)


def test_each_has_its_own_environment_on_the_base(branches: tuple[Branch, Branch]) -> None:
    for branch in branches:
        assert branch.up["environment"] == branch.names.environment
        assert (branch.up["tenancy"], branch.up["base"]) == ("shared", "sandbox")
        assert branch.up["branch"] == branch.name
        assert branch.up["provedNow"] is True
    one, two = branches
    assert one.up["url"] != two.up["url"]
    assert one.names.environment != two.names.environment


def test_they_are_listed_and_well(kit: Kit, branches: tuple[Branch, Branch]) -> None:
    found = {item["environment"]: item for item in kit.json("list")}
    assert set(found) == {"sandbox", *(branch.names.environment for branch in branches)}
    for branch in branches:
        line = found[branch.names.environment]
        assert (line["tenancy"], line["branch"], line["base"]) == ("shared", branch.name, "sandbox")
        assert line["health"] == "healthy"
        assert line["used"] < line["expires"]


def test_each_runs_a_dag_that_only_it_has(kit: Kit, branches: tuple[Branch, Branch]) -> None:
    for branch in branches:
        outputs = branch.kit.json("outputs")
        logs = TaskLogs(kit.client("s3"), outputs["logBucket"], outputs["logPrefix"])
        with branch.airflow() as airflow:
            proof = prove(airflow, logs, lambda _: None, dag=branch.dag)
        assert f"/{branch.names.log_prefix}/dag_id={branch.dag}/" in proof.log_uri
        lines = branch.kit.json("logs", "--dag", branch.dag, "--task", "say")["lines"]
        assert any(f"this is {branch.dag}" in line for line in lines)


def test_neither_sees_the_other_s_dags(kit: Kit, branches: tuple[Branch, Branch]) -> None:
    one, two = branches
    for branch, other in ((one, two), (two, one)):
        with branch.airflow() as airflow:
            assert airflow.has_dag(branch.dag)
            assert not airflow.has_dag(other.dag)
    password = kit.json("config", "get", "adminPassword", "--show")["value"]
    with Airflow(kit.json("open", "--print")["url"], "admin", password) as base:
        assert base.has_dag("aerodrome_proof")
        assert not base.has_dag(one.dag)
        assert not base.has_dag(two.dag)


def test_neither_s_password_opens_the_other(branches: tuple[Branch, Branch]) -> None:
    import httpx

    one, two = branches
    for branch, other in ((one, two), (two, one)):
        password = branch.kit.json("config", "get", "adminPassword", "--show")["value"]
        login = {"username": "admin", "password": password}
        answers = [
            httpx.post(f"{at.up['url']}/auth/token", json=login, trust_env=False).status_code
            for at in (branch, other)
        ]
        assert answers == [201, 401]


def test_neither_reaches_the_other_s_database(branches: tuple[Branch, Branch]) -> None:
    one, two = branches
    code = (
        "import os, psycopg2\n"
        "url = os.environ['AIRFLOW__DATABASE__SQL_ALCHEMY_CONN'].replace('+psycopg2', '')\n"
        "def runs(database):\n"
        "    with psycopg2.connect(url.rpartition('/')[0] + '/' + database) as connection:\n"
        "        cursor = connection.cursor()\n"
        "        cursor.execute('select count(*) from dag_run')\n"
        "        return cursor.fetchone()[0]\n"
        "for database in {databases}:\n"
        "    attempt(database, lambda: runs(database))\n"
    )
    for branch, other in ((one, two), (two, one)):
        databases = [branch.names.database, other.names.database, "airflow"]
        found = branch.python(code.replace("{databases}", repr(databases)))
        assert found[branch.names.database].startswith("yes "), found
        for foreign in databases[1:]:
            assert found[foreign].startswith("no OperationalError"), found
            assert "permission denied for database" in found[foreign], found


def test_neither_reads_the_other_s_secrets_or_pods(branches: tuple[Branch, Branch]) -> None:
    one, two = branches
    code = (
        "from kubernetes import client, config\n"
        "config.load_incluster_config()\n"
        "core = client.CoreV1Api()\n"
        "for space in {namespaces}:\n"
        "    attempt(f'pods {space}', lambda: len(core.list_namespaced_pod(space).items))\n"
        "    attempt(f'secrets {space}', lambda: len(core.list_namespaced_secret(space).items))\n"
    )
    for branch, other in ((one, two), (two, one)):
        own, *foreign = spaces = [branch.names.namespace, other.names.namespace, "airflow"]
        found = branch.python(code.replace("{namespaces}", repr(spaces)))
        assert found[f"pods {own}"].startswith("yes "), found
        for space in foreign:
            for kind in ("pods", "secrets"):
                assert "(403)" in found[f"{kind} {space}"], found


def test_neither_gets_through_to_the_other_s_pods(
    kit: Kit, branches: tuple[Branch, Branch]
) -> None:
    one, two = branches
    code = (
        "import socket\n"
        "for host, port in {places}:\n"
        "    attempt(host, lambda: socket.create_connection((host, port), 5).close())\n"
    )
    for branch, other in ((one, two), (two, one)):
        service = branch.kit.json("outputs")["uiService"]
        own, *foreign = [
            names.service_host(service) for names in (branch.names, other.names, Names("sandbox"))
        ]
        # An image is what a branch's DAGs are in, and the sandbox's registry asks for no login.
        registry = kit.instance.node_address
        places = [*((host, 8080) for host in (own, *foreign)), (registry, REGISTRY_PORT)]
        found = branch.python(code.replace("{places}", repr(places)))
        assert found[own].startswith("yes "), found
        for host in (*foreign, registry):
            assert found[host].startswith("no "), found


def test_neither_reads_or_writes_the_other_s_logs(branches: tuple[Branch, Branch]) -> None:
    one, two = branches
    code = (
        "import boto3\n"
        "s3 = boto3.client('s3')\n"
        "for prefix in {prefixes}:\n"
        "    place = dict(Bucket={bucket}, Key=f'{prefix}/tried.txt')\n"
        "    attempt(f'write {prefix}', lambda: s3.put_object(Body=b'', **place))\n"
        "    attempt(f'read {prefix}', lambda: s3.get_object(**place))\n"
        "    attempt(f'list {prefix}', lambda: s3.list_objects_v2(Bucket={bucket}, Prefix=f'{prefix}/'))\n"
        "attempt('list all', lambda: s3.list_objects_v2(Bucket={bucket}))\n"
    )
    for branch, other in ((one, two), (two, one)):
        bucket = branch.kit.json("outputs")["logBucket"]
        base = Names("sandbox").log_prefix
        own, *foreign = prefixes = [branch.names.log_prefix, other.names.log_prefix, base]
        found = branch.python(
            code.replace("{prefixes}", repr(prefixes)).replace("{bucket}", repr(bucket))
        )
        for act in ("write", "read", "list"):
            assert found[f"{act} {own}"].startswith("yes "), found
            for prefix in foreign:
                assert "AccessDenied" in found[f"{act} {prefix}"], found
        assert "AccessDenied" in found["list all"], found


def test_a_second_up_changes_nothing(branches: tuple[Branch, Branch]) -> None:
    again = branches[0].kit.json("up")
    assert again["changed"] is False
    assert again["provedNow"] is False


def _down(branch: Branch, kit: Kit, *arguments: str) -> tuple[list[str], draining.Watch]:
    """What the drain noted, and what was to be seen of the logs until all of them were gone."""
    outputs = branch.kit.json("outputs")
    with draining.Watch(kit.client("s3"), outputs["logBucket"], outputs["logPrefix"]) as watch:
        gone = kit.json("down", *arguments, seconds=UP_SECONDS)
    assert gone["inventory"] == []
    assert watch.left == []
    notes: list[str] = next(step["notes"] for step in gone["steps"] if step["name"] == "drain")
    return notes, watch


def test_one_goes_without_the_other_when_its_tasks_are_done(
    kit: Kit, branches: tuple[Branch, Branch]
) -> None:
    """A task that runs is waited for until its log is in S3; one that cannot begin, or waits, is not."""
    one, two = branches
    with one.airflow() as airflow:
        draining.start(airflow, "deferred", "pending", "short")
    notes, watch = _down(one, one.kit)
    assert draining.END in watch.seen["short"]
    assert [note.partition(":")[0] for note in notes] == [
        "1 task(s) wait for a trigger",
        "1 task(s) had not begun",
    ]
    assert [item["environment"] for item in kit.json("list")] == ["sandbox", two.names.environment]
    assert two.kit.json("status")["airflow"]["scheduler"] == "healthy"


def test_the_other_goes_although_a_task_would_run_on(
    kit: Kit, branches: tuple[Branch, Branch]
) -> None:
    """From outside its checkout, as after the branch was deleted. The log is saved as far as it goes."""
    _, two = branches
    with two.airflow() as airflow:
        draining.start(airflow, "long")
    (note,), watch = _down(two, kit, "--branch", two.name, "--drain", "16")
    assert note.startswith("1 task(s) did not end in 8 s, and are signalled to stop: long-only-")
    assert draining.BEGIN in watch.seen["long"]
    assert draining.END not in watch.seen["long"]
    assert [item["environment"] for item in kit.json("list")] == ["sandbox"]


def test_nothing_of_them_is_left_and_the_base_is_as_it_was(
    kit: Kit, branches: tuple[Branch, Branch]
) -> None:
    listed = json.loads(kit.kubectl("get", "namespaces", "--output=json"))["items"]
    namespaces = {item["metadata"]["name"] for item in listed}
    databases = kit.run("exec", "database", "--", "psql", "-U", "postgres", "-lqt").stdout
    assert "airflow" in namespaces
    assert "airflow" in databases
    for branch in branches:
        assert branch.names.namespace not in namespaces
        assert branch.names.database not in databases
    assert kit.json("preview")["changed"] is False
    assert kit.json("status")["airflow"]["scheduler"] == "healthy"
