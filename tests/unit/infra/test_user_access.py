"""The file `access.yaml`: what is refused before anything is changed, by its line, and what is made of it."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from infra.content import PROJECT_ROOT
from infra.contract.naming import ENVIRONMENT_MAX_LENGTH
from infra.contract.task_accounts import part_of
from infra.user_access import PERMISSIONS, AccessError, UserAccess, builtin_roles, check

LOCK = PROJECT_ROOT / "images" / "airflow" / "requirements.txt"

GOOD = """
roles:
  analyst:
    extends: [Viewer, reader]
    permissions:
      Variables: [read, menu]
  reader:
users:
  alice: {email: alice@example.org, name: Alice Example, roles: [analyst]}
  bob@example.org:
    email: bob@example.org
    roles: [Op, Admin]
prune: [users]
"""


def read(root: Path, text: str, passwords: set[str] | None = None) -> UserAccess:
    (root / "access.yaml").write_text(text)
    found = check(root=root, administrator="admin", passwords=passwords)
    assert found is not None
    return found


def problems(root: Path, text: str, passwords: set[str] | None = None) -> list[str]:
    with pytest.raises(AccessError) as caught:
        read(root, text, passwords)
    return [str(problem) for problem in caught.value.problems]


def test_without_a_file_nothing_is_declared(tmp_path: Path) -> None:
    assert check(root=tmp_path) is None


def test_a_file_that_was_asked_for_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(AccessError, match=r"^other\.yaml: there is no such file$"):
        check("other.yaml", tmp_path)


def test_an_empty_file_declares_that_there_is_nothing(tmp_path: Path) -> None:
    assert read(tmp_path, "# nobody yet\n") == UserAccess(prune=[])


def test_a_role_gets_each_permission_of_all_that_it_extends(tmp_path: Path) -> None:
    found = read(tmp_path, GOOD)
    viewer = builtin_roles()["Viewer"]
    assert found.roles["analyst"] == {**viewer, "Variables": ["can_read", "menu_access"]}
    # Airflow gives every role the home page.
    assert found.roles["reader"] == {"Website": ["can_read"]}
    assert found.users["alice"] == {
        "email": "alice@example.org",
        "name": "Alice Example",
        "roles": ["analyst"],
    }
    assert found.users["bob@example.org"]["name"] == "bob@example.org"
    assert found.users["bob@example.org"]["roles"] == ["Admin", "Op"]
    assert found.prune == ["users"]


TWO = """roles: {{r: {{dags: owned}}}}
owners:
  a: {{folders: [f], viewers: [r], {}}}
  b: {{folders: [g], viewers: [r]}}
"""


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("roles: {a: {permissions: {Vriables: [read]}}}", "1:27: roles.a.permissions.Vriables: the resource 'Vriables' has no permissions in Airflow; did you mean Variables?"),
        ("roles:\n  a:\n    permissions: {Website: [read, edit]}", "3:35: roles.a.permissions.Website[1]: Airflow has no permission to edit Website; there is read"),
        ("roles: {a: {permissions: {Pools: [destroy]}}}", "roles.a.permissions.Pools[0]: must be one of read, create, edit, delete, menu, not 'destroy'"),
        ("roles: {a: {permissions: {Pools: read}}}", "roles.a.permissions.Pools: must be a list, not the text 'read'"),
        ("roles: {a: {extend: [Viewer]}}", "1:13: roles.a.extend: there is no such value; did you mean roles.a.extends?"),
        ("roles: {a: {extends: [viewer]}}", "roles.a.extends[0]: the role 'viewer' is neither Airflow's nor another one that is declared here; did you mean Viewer?"),
        ("roles: {a: {extends: [a]}}", "roles.a.extends[0]: the role 'a' is neither"),
        ("roles: {a: {extends: [b]}, b: {extends: [a]}}", "1:23: roles.a.extends[0]: b extends a itself"),
        ("roles: {a: {extends: [Admin]}}", "nothing extends Admin"),
        ("roles: {op: {}}", "1:9: roles.op: Op is a role of Airflow's own"),
        ("roles: {'a/b': {}}", "roles.a/b: a key here must match"),
        ("users:\n  alice:\n    email: a@example.org\n    roles: [analyst]", "4:13: users.alice.roles[0]: the role 'analyst' is neither Airflow's nor declared here; there is Admin, Op"),
        ("users: {alice: {email: a@example.org, roles: [Public]}}", "users.alice.roles[0]: Public is what people are who have not logged in"),
        ("users: {alice: {email: a@example.org, roles: []}}", "users.alice.roles"),
        ("users: {alice: {email: a@example.org}}", "users.alice.roles: is required"),
        ("users: {alice: {roles: [Op]}}", "1:9: users.alice.email: is required"),
        ("users: {alice: {email: nobody, roles: [Op]}}", "users.alice.email: must match"),
        ("users:\n  a: {email: a@example.org, roles: [Op]}\n  a: {email: b@example.org, roles: [Op]}", "3:3: users.a: is there twice; line 2 has it, too"),
        ("users:\n  a: {email: a@example.org, roles: [Op]}\n  A: {email: b@example.org, roles: [Op]}", "3:3: users.A: is there twice: a login takes a and A for one user"),
        ("users:\n  a: {email: a@example.org, roles: [Op]}\n  b: {email: A@example.org, roles: [Op]}", "3:7: users.b.email: is a's, too"),
        ("users: {Admin: {email: a@example.org, roles: [Op]}}", "1:9: users.Admin: admin is the administrator of the configuration (adminUser), and stays one"),
        ("roles: {r: {dags: owned}}\nowners:\n  o: {viewers: [r]}", "3:3: owners.o: no DAG may be its: name folders of DAG files, or prefixes of ids"),
        ("owners:\n  o: {folders: [f]}", "2:3: owners.o: nobody belongs to it: name roles in viewers or editors"),
        ("owners:\n  o: {folders: [f], editors: [r]}", "2:31: owners.o.editors[0]: the role 'r' is not declared here"),
        ("owners: {o: {folders: [f], viewers: [Viewer]}}", "owners.o.viewers[0]: Viewer is for every DAG"),
        ("roles: {r: {}}\nowners: {o: {folders: [f], viewers: [r]}}", "2:38: owners.o.viewers[0]: the role 'r' is for every DAG; say dags: owned there"),
        ("owners: {o: {folders: [../f], viewers: [r]}}", "owners.o.folders[0]: must match"),
        ("roles: {r: {dags: owned, permissions: {Assets: [read]}}}", "1:49: roles.r.permissions.Assets[0]: to read Assets is for every DAG at once, and this role has dags: owned"),
        ("roles: {r: {dags: mine}}", "roles.r.dags: must be one of all, owned"),
        (TWO.format("taskViewers: [a]"), "3:49: owners.a.taskViewers[0]: its own tasks may, without being named"),
        (TWO.format("taskEditors: [bb]"), "3:49: owners.a.taskEditors[0]: the owner 'bb' is not declared here; did you mean b?"),
        (TWO.format("taskEditors: [r]"), "owners.a.taskEditors[0]: the owner 'r' is not declared here; there is b"),
        (TWO.format("connections: ['a b']"), "owners.a.connections[0]: must match"),
        (TWO.format("variables: ['']"), "owners.a.variables[0]: must match"),
        (TWO.format("taskPolicies: []"), "owners.a.taskPolicies: needs prefixes: in AWS"),
        (TWO.format("taskPolicies: [x], prefixes: [p]"), "owners.a.taskPolicies: must hold ARNs of IAM policies, not 'x'"),
        (TWO.format("taskPolicies: [{Effect: Allow}], prefixes: [p]"), "owners.a.taskPolicies: must hold statements of IAM: element 1 needs Action"),
        (TWO.format("taskPolicies: [], prefixes: [p], taskViewers: [b]"), "owners.a.taskViewers[0]: a has taskPolicies, and b has none"),
        (TWO.format("taskviewers: [b]"), "owners.a.taskviewers: there is no such value"),
        ("prune: [owners]", "prune[0]: must be one of roles, users"),
        ("groups:\n  team: [analist]", "2:10: groups.team[0]: the role 'analist' is neither Airflow's nor declared here; there is Admin, Op"),
        ("groups:\n  team: [Public]", "2:10: groups.team[0]: Public is what people are who have not logged in"),
        ("groups: {team: []}", "groups.team"),
        ("groups: {team: Op}", "groups.team: must be a list, not the text 'Op'"),
        ("owner: {}", "owner: there is no such value"),
        ("- roles", "access.yaml:1:1: a values file holds keys and values at its top, not a list"),
        ("roles: {", "not YAML"),
    ],
    ids=lambda value: value[:45] if isinstance(value, str) else "",
)  # fmt: skip
def test_what_is_wrong_is_named_with_its_place(tmp_path: Path, text: str, told: str) -> None:
    found = problems(tmp_path, text)
    assert any(told in one for one in found), found
    assert all(one.startswith("access.yaml") for one in found)


def test_groups_have_airflows_roles_and_declared_ones(tmp_path: Path) -> None:
    text = "roles: {r: {}}\ngroups: {team a: [r, Op], 'CN=x,OU=y': [Admin]}"
    assert read(tmp_path, text).groups == {"team a": ["Op", "r"], "CN=x,OU=y": ["Admin"]}


OWNERS = """
roles:
  everything: {extends: [Op]}
  mine: {extends: [everything], dags: owned}
owners:
  alpha:
    {folders: [b, a], prefixes: [x_], viewers: [mine], variables: [b, a/], assets: [], taskViewers: [beta]}
  beta: {folders: [c], viewers: [mine], editors: [mine]}
"""


def test_a_role_of_owners_has_nothing_that_is_for_every_dag(tmp_path: Path) -> None:
    found = read(tmp_path, OWNERS)
    everything, mine = found.roles["everything"], found.roles["mine"]
    assert everything == builtin_roles()["Op"]
    assert mine["DAGs"] == ["menu_access"]
    assert mine["DAG Runs"] == everything["DAG Runs"]
    assert set(everything) - set(mine) == {
        *("Assets", "Asset Aliases", "Cluster Activity", "Connections", "ImportError", "Jobs"),
        "Variables",
    }


def test_an_owner_has_places_and_what_its_roles_may_do(tmp_path: Path) -> None:
    assert read(tmp_path, OWNERS).owners == {
        "alpha": {
            "folders": ["a", "b"],
            "prefixes": ["x_"],
            "access": {"mine": ["can_read"]},
            "connections": ["x_"],
            "variables": ["a/", "b"],
            "assets": [],
            "taskViewers": ["beta"],
            "taskEditors": [],
        },
        "beta": {
            "folders": ["c"],
            "prefixes": [],
            "access": {"mine": ["can_delete", "can_edit", "can_read"]},
            "connections": [],
            "variables": [],
            "assets": [],
            "taskViewers": [],
            "taskEditors": [],
        },
    }


APART = """
roles: {r: {dags: owned}}
owners:
  fin:
    {prefixes: [fin_], viewers: [r], taskPolicies: [{Effect: Allow, Action: "a:B", Resource: "*"}], taskViewers: [Audit Team]}
  Audit Team: {prefixes: [fin_audit_, au_], viewers: [r], taskPolicies: []}
  rest: {folders: [c], viewers: [r]}
"""


def test_tasks_of_owners_with_policies_have_accounts_of_their_own(tmp_path: Path) -> None:
    found = read(tmp_path, APART)
    audit = "airflow-tasks-aud-f47b8b"
    assert {name: one.get("account") for name, one in found.owners.items()} == {
        "fin": "airflow-tasks-fin",
        "Audit Team": audit,
        "rest": None,
    }
    # No pod is told what its role may do.
    assert "a:B" not in found.text()
    accounts = {one.name: one for one in found.accounts()}
    assert set(accounts) == {"airflow-tasks", "airflow-tasks-fin", audit}
    rest, fin = accounts["airflow-tasks"], accounts["airflow-tasks-fin"]
    assert (rest.own, rest.read, {*rest.foreign}) == (("",), (), {"fin_", "fin_audit_", "au_"})
    assert rest.unread == rest.foreign
    assert (fin.own, fin.read, fin.foreign, fin.unread) == (
        ("fin_",), (), ("fin_audit_",), ("fin_audit_",)
    )  # fmt: skip
    assert (accounts[audit].read, accounts[audit].foreign) == (("fin_",), ())
    assert fin.policies.statements == ({"Effect": "Allow", "Action": "a:B", "Resource": "*"},)
    assert read(tmp_path, OWNERS).accounts() == []


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        # Who has no role of his own is one of the others, who are kept out of all that begins so.
        ("folders: [c]", "prefixes: [fin_x_]", "owners.rest.prefixes[0]: begins like one of fin, which has taskPolicies"),
        ("prefixes: [fin_]", "prefixes: [fin_, fin_audit_x_]", "owners.Audit Team.prefixes[0]: lies between prefixes of what fin's tasks"),
        ("prefixes: [fin_]", f"prefixes: [{', '.join(f'p{n:02}_' for n in range(40))}]", "more than 40 prefixes together"),
    ],
)  # fmt: skip
def test_what_a_policy_could_not_say_is_refused(
    tmp_path: Path, old: str, new: str, told: str
) -> None:
    assert old in APART
    found = problems(tmp_path, APART.replace(old, new))
    assert any(told in one for one in found), found


def test_names_of_accounts_fit_and_differ() -> None:
    owners = ("finance", "Finance", "fin ance", "a" * 64, "A" * 64, "...", "data-team", "data.team")
    parts = [part_of(one) for one in owners]
    assert len({*parts}) == len(owners)
    assert all(re.fullmatch(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?", one) for one in parts), parts
    longest = f"aerodrome-{'e' * ENVIRONMENT_MAX_LENGTH}-tasks-{max(parts, key=len)}-1234567"
    assert len(longest) <= 64


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    text = "roles: {a: {extends: [b]}, c: {permissions: {d: [read]}}}\nusers: {e: {email: e@example.org, roles: [f]}}"
    assert len(problems(tmp_path, text)) == 3


def test_a_user_without_a_first_password_is_told_how_to_get_one(tmp_path: Path) -> None:
    (told,) = problems(tmp_path, GOOD, {"alice"})
    assert told == (
        "access.yaml:10:3: users.bob@example.org: has no first password: ./aerodrome up makes one, "
        "or pulumi config set --secret access:bob@example.org"
    )


def test_as_a_process_it_answers_in_json() -> None:
    command = [sys.executable, "-m", "infra.user_access", "--file", "tests/program/access.yaml"]
    done = subprocess.run(command, cwd=PROJECT_ROOT, capture_output=True, text=True, check=True)
    told = json.loads(done.stdout)
    assert told["problems"] == []
    assert list(told["declared"]["users"]) == ["alice"]


def test_the_permissions_are_those_of_the_locked_airflow() -> None:
    locked = dict(re.findall(r"^(apache-airflow[a-z-]*)==(\S+)", LOCK.read_text(), re.MULTILINE))
    table = json.loads(PERMISSIONS.read_text())
    for name, version in table["versions"].items():
        assert locked[name] == version, "run `make options`"


@pytest.mark.skipif(
    "AERODROME_AIRFLOW_PYTHON" not in os.environ,
    reason="AERODROME_AIRFLOW_PYTHON names no Python that has the image's Airflow",
)
def test_the_permissions_are_what_airflow_says_itself() -> None:
    python = os.environ["AERODROME_AIRFLOW_PYTHON"]
    script = PROJECT_ROOT / ".ci" / "airflow_permissions.py"
    done = subprocess.run([python, str(script)], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == json.loads(PERMISSIONS.read_text())
