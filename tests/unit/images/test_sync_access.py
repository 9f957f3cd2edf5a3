"""Roles and users as `access.yaml` declares them: real Airflow with Flask AppBuilder on a real PostgreSQL, and a real
api-server that the users log in to."""

import json
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from infra import user_access
from tests.charts.rendering import Object, render
from tests.unit.images import airflow_database, real_airflow
from tests.unit.images.airflow_database import FERNET_KEY, Database, Databases
from tests.unit.images.loading import SCRIPTS, script
from tests.unit.images.real_airflow import MODULES, RealAirflow, until

ADMIN = {
    "ADMIN_USERNAME": "admin",
    "ADMIN_PASSWORD": "admins-pass",
    "ADMIN_EMAIL": "admin@example.org",
}
PASSWORDS = {"alice": "alices-first-pass", "bob": "bobs-first-pass"}
FAB = "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager"

ALL: Object = {
    "roles": {
        "analyst": {"extends": ["Viewer"], "permissions": {"Variables": ["read", "menu"]}},
        "reader": {"permissions": {"Pools": ["read"]}},
    },
    "users": {
        "alice": {"email": "alice@example.org", "name": "Alice Example", "roles": ["analyst"]},
        "bob": {"email": "bob@example.org", "roles": ["Op", "reader"]},
    },
}

PERMISSIONS = """
    select r.name, a.name || ' ' || v.name from ab_role r
    join ab_permission_view_role rp on rp.role_id = r.id
    join ab_permission_view pv on pv.id = rp.permission_view_id
    join ab_permission a on a.id = pv.permission_id
    join ab_view_menu v on v.id = pv.view_menu_id"""

USERS = """
    select u.username, u.active, coalesce(array_agg(r.name order by r.name) filter (where r.name is not null), '{}')
    from ab_user u left join ab_user_role ur on ur.user_id = u.id left join ab_role r on r.id = ur.role_id
    group by u.id"""


WORKER = """
import json, os, sys
sys.path.insert(0, os.environ["SCRIPTS"])
import sync_access
from airflow import settings
for line in sys.stdin:
    try:
        report = sync_access.sync(json.loads(line), "admin")
        told = {"report": report.data()}
    except SystemExit as error:
        told = {"ended": str(error)}
    settings.engine.dispose()
    print("answer:" + json.dumps(told), flush=True)
"""


@dataclass
class Prepared:
    """A server whose database `prepared` is as the migration Job leaves it where nothing is declared. A process that
    has loaded Airflow runs the script on the database `work`, which each test has anew."""

    databases: Databases
    worker: "subprocess.Popen[str]"

    def new(self, name: str) -> Database:
        self.databases.server.superuser(
            f"drop database if exists {name} with (force)",
            f"create database {name} template prepared owner airflow",
        )
        return Database(self.databases.server, name, self.databases.home)

    def sync(self, given: Mapping[str, str]) -> Object:
        assert self.worker.stdin is not None
        assert self.worker.stdout is not None
        self.worker.stdin.write(json.dumps(given) + "\n")
        self.worker.stdin.flush()
        said = []
        for line in self.worker.stdout:
            said.append(line)
            if line.startswith("answer:"):
                break
        assert not [one for one in PASSWORDS.values() if one in "".join(said)]
        found: Object = json.loads(said[-1].removeprefix("answer:"))
        return found


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prepared]:
    with airflow_database.running(tmp_path_factory.mktemp("home")) as databases:
        done = databases.new("prepared").run("prepare_database", **ADMIN)
        assert done.returncode == 0, done.stderr[-3000:]
        work = Database(databases.server, "work", databases.home)
        worker = subprocess.Popen(
            [airflow_database.python(), "-c", WORKER],
            env={**work.settings, "SCRIPTS": str(SCRIPTS)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            yield Prepared(databases, worker)
        finally:
            worker.kill()
            worker.wait()


@dataclass
class Work:
    """One database, and what is declared for it."""

    prepared: Prepared
    database: Database
    folder: Path

    def given(self, declared: Object) -> dict[str, str]:
        """What the chart gives the migration Job of what the program makes of the file."""
        (self.folder / "access.yaml").write_text(yaml.safe_dump(declared))
        found = user_access.check(root=self.folder, administrator="admin")
        assert found is not None
        rendered = render({"access": found.text(), "secrets": {"access": "my-access"}})
        assert rendered.error == ""
        file = self.folder / "access.json"
        file.write_text(rendered.find("ConfigMap", "airflow-declared")["data"]["access.json"])
        return {"ACCESS_FILE": str(file), "ACCESS_PASSWORDS": json.dumps(PASSWORDS)}

    def refused(self, declared: Object) -> str:
        return str(self.prepared.sync(self.given(declared))["ended"])

    def sync(self, declared: Object, **more: str) -> dict[str, list[str]]:
        told = self.prepared.sync({**self.given(declared), **more})["report"]
        return {key: names for key, names in told.items() if names}


@pytest.fixture
def work(prepared: Prepared, tmp_path: Path) -> Work:
    return Work(prepared, prepared.new("work"), tmp_path)


def permissions(work: Work, role: str) -> set[str]:
    return {text for name, text in work.database.ask(PERMISSIONS) if name == role}


def users(work: Work) -> dict[str, tuple[bool, list[str]]]:
    return {name: (active, roles) for name, active, roles in work.database.ask(USERS)}


def add_permission(work: Work, role: str, action: str, resource: str) -> None:
    work.database.ask(
        """insert into ab_permission_view_role (id, permission_view_id, role_id)
        select nextval('ab_permission_view_role_id_seq'), pv.id, r.id from ab_permission_view pv
        join ab_permission a on a.id = pv.permission_id and a.name = %s
        join ab_view_menu v on v.id = pv.view_menu_id and v.name = %s
        join ab_role r on r.name = %s""",
        action,
        resource,
        role,
    )


def test_roles_and_users_are_made_and_a_second_run_changes_nothing(work: Work) -> None:
    made = ["role analyst", "role reader", "user alice", "user bob"]
    viewers = permissions(work, "Viewer")
    assert work.sync(ALL) == {"created": made}
    assert permissions(work, "analyst") == viewers | {
        "can_read Variables",
        "menu_access Variables",
    }
    assert permissions(work, "reader") == {"can_read Pools", "can_read Website"}
    assert users(work) == {
        "admin": (True, ["Admin"]),
        "alice": (True, ["analyst"]),
        "bob": (True, ["Op", "reader"]),
    }
    assert work.sync(ALL) == {}
    # Airflow's own look at roles, at each migration, adds nothing to them.
    assert work.database.run("prepare_database", **ADMIN, **work.given(ALL)).returncode == 0
    assert work.sync(ALL) == {}


def test_the_migration_job_does_it_and_tells_what_it_did(work: Work) -> None:
    done = work.database.run("prepare_database", **ADMIN, **work.given(ALL))
    assert done.returncode == 0, done.stderr[-3000:]
    (told,) = [line for line in done.stdout.splitlines() if line.startswith("access: ")]
    assert "user alice" in json.loads(told.removeprefix("access: "))["created"]


def test_what_somebody_changed_by_hand_is_put_right_and_named(work: Work) -> None:
    work.sync(ALL)
    add_permission(work, "analyst", "can_delete", "Connections")
    add_permission(work, "Viewer", "can_read", "Connections")
    add_permission(work, "Public", "can_read", "DAGs")
    work.database.ask("update ab_user set active = false where username = 'bob'")
    work.database.ask("update ab_user set email = 'other@example.org' where username = 'alice'")
    work.database.ask(
        "insert into ab_user_role (id, user_id, role_id) select nextval('ab_user_role_id_seq'), u.id, r.id "
        "from ab_user u, ab_role r where u.username = 'alice' and r.name = 'Admin'"
    )
    assert work.sync(ALL) == {
        "drift": [
            "role Public (-read DAGs)",
            "role Viewer (-read Connections)",
            "role analyst (-delete Connections)",
            "user alice (email, roles)",
            "user bob (active)",
        ]
    }
    assert work.sync(ALL) == {}
    assert permissions(work, "Public") == set()
    assert users(work)["alice"] == (True, ["analyst"])


def test_a_permission_for_one_dag_stays_only_where_its_file_gives_it(work: Work) -> None:
    work.sync(ALL)
    ((action,),) = work.database.ask("select id from ab_permission where name = 'can_read'")
    for key, dag in enumerate(("granted", "taken"), 9000):
        work.database.insert("ab_view_menu", id=key, name=f"DAG:{dag}")
        work.database.insert("ab_permission_view", id=key, permission_id=action, view_menu_id=key)
        add_permission(work, "reader", "can_read", f"DAG:{dag}")
    control = {"__type": "dict", "__var": {"reader": {"__type": "set", "__var": ["can_read"]}}}
    bundle = work.database.insert("dag_bundle", name="b")
    work.database.insert("dag", dag_id="granted", bundle_name=bundle)
    version = work.database.insert("dag_version", dag_id="granted", version_number=1)
    work.database.insert(
        "serialized_dag",
        dag_id="granted",
        dag_version_id=version,
        data={"dag": {"access_control": control}},
        dag_hash="x",
    )
    assert work.sync(ALL) == {"drift": ["role reader (-read DAG:taken)"]}
    assert "can_read DAG:granted" in permissions(work, "reader")


def test_a_changed_declaration_is_no_drift(work: Work) -> None:
    work.sync(ALL)
    changed = {
        "roles": {**ALL["roles"], "reader": {"permissions": {"Pools": ["read", "edit"]}}},
        "users": {**ALL["users"], "bob": {"email": "bob@example.org", "roles": ["reader"]}},
    }
    assert work.sync(changed) == {"changed": ["role reader (+edit Pools)", "user bob (roles)"]}


def test_who_left_the_file_is_deactivated_and_comes_back_with_the_file(work: Work) -> None:
    work.sync(ALL)
    fewer = {
        "roles": {"analyst": ALL["roles"]["analyst"]},
        "users": {"alice": ALL["users"]["alice"]},
    }
    assert work.sync(fewer) == {"removed": ["role reader", "user bob"]}
    assert users(work)["bob"] == (False, [])
    assert permissions(work, "reader") == set()
    assert work.sync(fewer) == {}
    work.database.ask("update ab_user set active = true where username = 'bob'")
    assert work.sync(fewer) == {"removed": ["user bob"]}
    assert work.sync(ALL) == {
        "created": ["role reader"],
        "changed": ["user bob (roles, active)"],
    }


def test_what_people_made_stays_and_is_named_unless_it_is_pruned(work: Work) -> None:
    work.database.insert("ab_role", id=9000, name="theirs")
    theirs = {"username": "carol", "email": "carol@example.org", "active": True}
    work.database.insert("ab_user", id=9000, first_name="C", last_name="D", **theirs)
    told = work.sync(ALL)
    assert told["undeclared"] == ["role theirs", "user carol"]
    pruned = work.sync({**ALL, "prune": ["roles", "users"]})
    assert pruned == {"removed": ["role theirs", "user carol"]}
    # The administrator of the Secret is in no file and stays.
    assert users(work)["admin"] == (True, ["Admin"])


def test_who_was_there_by_hand_is_taken_over_with_the_password_as_it_was(work: Work) -> None:
    theirs = {"username": "Alice", "email": "alice@example.org", "active": True, "password": "x"}
    work.database.insert("ab_user", id=9000, first_name="A", last_name="B", **theirs)
    assert "user Alice" in work.sync(ALL)["taken_over"]
    assert work.database.ask("select password from ab_user where username = 'Alice'") == [("x",)]


def test_an_address_of_somebody_elses_ends_it_and_nothing_is_changed(work: Work) -> None:
    theirs = {"username": "carol", "email": "Alice@example.org", "active": True}
    work.database.insert("ab_user", id=9000, first_name="C", last_name="D", **theirs)
    assert work.refused(ALL) == (
        "users.alice.email: alice@example.org belongs to the account 'carol', which is not declared; "
        "nothing was changed"
    )
    assert permissions(work, "analyst") == set()
    assert set(users(work)) == {"admin", "carol"}


def test_the_last_administrator_cannot_go(work: Work) -> None:
    admins = {**ALL["users"], "root": {"email": "root@example.org", "roles": ["Admin"]}}
    work.sync({**ALL, "users": admins})
    work.database.ask("update ab_user set active = false where username = 'admin'")
    assert work.refused(ALL) == "nobody would be an administrator any more; nothing was changed"
    assert users(work)["root"] == (True, ["Admin"])


def test_a_dry_run_tells_the_same_and_changes_nothing(work: Work) -> None:
    before = (users(work), set(work.database.ask(PERMISSIONS)))
    told = work.sync(ALL, ACCESS_DRY_RUN="true")
    assert (users(work), set(work.database.ask(PERMISSIONS))) == before
    assert work.sync(ALL) == told


def test_accounts_of_the_openid_provider_have_the_roles_of_their_groups(work: Work) -> None:
    """They are no people's by hand, whatever `prune` says; and without any group that has a role they have none."""
    module = script("aerodrome_oidc", MODULES)
    theirs = {"username": "gina", "email": "gina@example.org", "active": True}
    user = work.database.insert("ab_user", first_name="G", last_name="H", id=9000, **theirs)
    work.database.ask(
        "insert into ab_user_role (id, user_id, role_id) select nextval('ab_user_role_id_seq'), 9000, id "
        "from ab_role where name = 'Viewer'"
    )
    work.database.ask(module.MAKE_TABLE)
    work.database.ask(
        "insert into aerodrome_oidc values (%s, 'https://issuer', 'gina', 'sealed', '[]', 0)", user
    )
    groups: Object = {**ALL, "groups": {"team": ["Viewer"]}, "prune": ["users"]}
    assert "removed" not in work.sync(groups)
    assert users(work)["gina"] == (True, ["Viewer"])
    assert work.sync(ALL) == {"removed": ["user gina"]}
    assert users(work)["gina"] == (True, [])
    assert work.database.ask("select ended, tokens from aerodrome_oidc") == [(True, "")]
    assert work.sync(ALL) == {}


# With an api-server


@pytest.fixture(scope="module")
def served(prepared: Prepared, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealAirflow]:
    database = prepared.new("work")
    home = tmp_path_factory.mktemp("airflow")
    settings = {
        "AIRFLOW__CORE__AUTH_MANAGER": FAB,
        "AIRFLOW__CORE__FERNET_KEY": FERNET_KEY,
        "AIRFLOW__FAB__UPDATE_FAB_PERMS": "False",
        # Airflow keeps a user that it has looked up for 30 seconds.
        "AIRFLOW__FAB__CACHE_TTL": "1",
    }
    with real_airflow.running(home, database.url, [], settings, ["api-server"]) as airflow:
        until(lambda: _answers(airflow))
        yield airflow


def _answers(airflow: RealAirflow) -> bool:
    try:
        return ask(airflow, "/api/v2/version") == 200
    except httpx.TransportError:
        return False


def ask(airflow: RealAirflow, path: str, token: str = "") -> int:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    url = f"http://127.0.0.1:{airflow.port}{path}"
    return httpx.get(url, headers=headers, trust_env=False, timeout=60).status_code


def login(airflow: RealAirflow, user: str, password: str) -> str:
    """A token; empty if that is no login."""
    url = f"http://127.0.0.1:{airflow.port}/auth/token"
    given = {"username": user, "password": password}
    answer = httpx.post(url, json=given, trust_env=False, timeout=60)
    assert answer.status_code in (201, 401), answer.text
    return str(answer.json().get("access_token", ""))


def browser(airflow: RealAirflow, user: str, password: str) -> httpx.Client:
    """Logged in with the form, as people do it."""
    client = httpx.Client(
        base_url=f"http://127.0.0.1:{airflow.port}",
        trust_env=False,
        timeout=60,
        follow_redirects=True,
    )
    page = client.get("/auth/login/").text
    csrf = page.partition('name="csrf_token" type="hidden" value="')[2].partition('"')[0]
    client.post("/auth/login/", data={"username": user, "password": password, "csrf_token": csrf})
    return client


@pytest.mark.slow
def test_users_log_in_with_their_first_password_and_are_out_when_they_left_the_file(
    served: RealAirflow, prepared: Prepared, tmp_path: Path
) -> None:
    database = Database(prepared.databases.server, "work", tmp_path)
    work = Work(prepared, database, tmp_path)
    work.sync(ALL)
    alice = login(served, "alice", PASSWORDS["alice"])
    bob = login(served, "bob", PASSWORDS["bob"])
    window = browser(served, "bob", PASSWORDS["bob"])
    sessions = "select session_id from session"
    assert [ask(served, "/api/v2/variables", one) for one in (alice, bob)] == [200, 200]
    assert ask(served, "/api/v2/connections", alice) == 403
    assert window.get("/api/v2/connections").status_code == 200
    assert window.get("/auth/users/userinfo/").status_code == 200
    before = set(work.database.ask(sessions))

    fewer: Mapping[str, Any] = {
        **ALL,
        "roles": {**ALL["roles"], "analyst": {"extends": ["Viewer"]}},
        "users": {"alice": ALL["users"]["alice"]},
    }
    told = work.sync(dict(fewer))
    assert told["removed"] == ["user bob"]
    until(lambda: ask(served, "/api/v2/variables", alice) == 403, 30)
    until(lambda: ask(served, "/api/v2/variables", bob) == 403, 30)
    assert window.get("/api/v2/connections", follow_redirects=False).status_code == 403
    assert before - set(work.database.ask(sessions)), "the session itself is gone, too"
    assert "/auth/login" in str(window.get("/auth/users/userinfo/").url)
    assert not login(served, "bob", PASSWORDS["bob"])
