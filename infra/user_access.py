"""Who may do what in Airflow: the file `access.yaml` beside the program, checked before anything is registered.

Its form is `access.schema.json`; what a schema cannot say is here: permissions that Airflow has
(`airflow_permissions.json`, written by `make options`), roles that are used, users that are one. What comes out is
complete: every role with each of its permissions, so that the image's `sync_access.py` has nothing to decide.
Run as a module it checks a file for the command line, which does not load the program.
"""

import argparse
import difflib
import json
import os
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Final

from infra.content import PROJECT_ROOT
from infra.contract import task_accounts
from infra.contract.task_accounts import TaskAccount
from infra.contract.task_policies import TaskPolicies
from infra.contract.user_access import FILE, password_key
from infra.values_files import KeyPath, Problem, ValuesFile, read
from infra.values_schema import faults, missing

SCHEMA = Path(__file__).resolve().parent / "access.schema.json"
PERMISSIONS = Path(__file__).resolve().parent / "airflow_permissions.json"

OWNED: Final = "owned"
ADMIN: Final = "Admin"
PUBLIC: Final = "Public"

HOME_PAGE: Final = ("Website", "can_read")
"""Airflow gives it to every role at each migration."""

OF_EVERY_DAG: Final[Mapping[str, tuple[str, ...]]] = {
    "DAGs": ("read", "edit", "delete"),
    **dict.fromkeys(("Assets", "Asset Aliases"), ("read", "create", "edit", "delete", "menu")),
    **dict.fromkeys(("Jobs", "Cluster Activity", "Audit Logs"), ("read", "menu")),
    **dict.fromkeys(("Variables", "Connections"), ("read", "create", "edit", "delete", "menu")),
    **dict.fromkeys(
        ("ImportError", "All Audit Logs", "All Import Errors", "All Reparses"), ("read",)
    ),
}
"""What is for all DAGs at once, or shows something of them: a role whose DAGs are its owners' has none of it."""

OWNERS_ACTIONS: Final[Mapping[str, list[str]]] = {
    "viewers": ["can_read"],
    "editors": ["can_delete", "can_edit", "can_read"],
}
"""What the roles of an owner may do with each of its DAGs."""

HELD_BY_PREFIX: Final = ("connections", "variables", "assets")
"""What an owner's tasks have for themselves, by the beginnings of names; where nothing is said, the owner's prefixes."""

BETWEEN_OWNERS: Final = ("taskViewers", "taskEditors")
"""Other owners, whose tasks may ask about this one's DAGs, or run them, too."""

_ACTIONS: Final[Mapping[str, str]] = {
    **{one: f"can_{one}" for one in ("read", "create", "edit", "delete")},
    "menu": "menu_access",
}
"""Flask AppBuilder's names of actions, by those of the file."""

Permissions = dict[str, list[str]]
"""Flask AppBuilder's actions, by resource."""


class AccessError(Exception):
    """The file is not usable; `problems` has one entry for each fault."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


@dataclass(frozen=True)
class UserAccess:
    """What the file declares."""

    roles: Mapping[str, Permissions] = field(default_factory=dict)
    users: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    owners: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Folders and prefixes of each, and what which role may do with its DAGs: for the image's `aerodrome_policy.py`."""
    prune: Sequence[str] = ()
    groups: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Roles of who is in a group of the OpenID provider."""
    task_policies: Mapping[str, TaskPolicies] = field(default_factory=dict)
    """Of owners whose tasks have a role of their own: the program's alone, so in no pod."""
    rancher: Mapping[str, str] = field(default_factory=dict)
    """Roles in the environment's project in Rancher, by principal: the command line's alone."""

    def accounts(self) -> list[TaskAccount]:
        """The service accounts of tasks; none if all tasks are in AWS who Airflow is."""
        return task_accounts.accounts(self.owners, self.task_policies)

    def data(self) -> dict[str, Any]:
        return {
            "roles": self.roles,
            "users": self.users,
            "owners": self.owners,
            "prune": list(self.prune),
            "groups": self.groups,
        }

    def text(self) -> str:
        """As the chart takes it: Pulumi's Helm release leaves empty lists and maps out of values, and here they mean something."""
        return json.dumps(self.data(), sort_keys=True)


def check(
    name: str = "",
    root: Path = PROJECT_ROOT,
    *,
    administrator: str = "",
    passwords: Collection[str] | None = None,
) -> UserAccess | None:
    """What the file of that name says, `access.yaml` if none is given; None if there is none, and none was asked for.

    `administrator` is the account of the configuration, which is nobody else's. `passwords` are the users that have a
    first password; None if that does not matter. AccessError with everything that is wrong.
    """
    if not name and not os.path.lexists(root / FILE):
        return None
    file = read(root / (name or FILE), name or FILE)
    problems = list(file.problems)
    if not problems:
        # Rules go by what the schema allows: without it they would stumble.
        schema = _load(SCHEMA)
        problems += [file.problem(*fault) for fault in faults(schema, file.values)]
        problems += [file.problem(*fault) for fault in missing(schema, _without_nulls(file.values))]
    if not problems:
        values = _without_nulls(file.values)
        problems += [file.problem(*fault) for fault in _faults(values, administrator)]
        problems += _without_password(file, values, passwords)
    if problems:
        raise AccessError(sorted(dict.fromkeys(problems)))
    return _resolved(_without_nulls(file.values))


@cache
def _load(path: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return loaded


def builtin_roles() -> dict[str, Permissions]:
    """Airflow's own."""
    found: dict[str, Permissions] = _load(PERMISSIONS)["roles"]
    return found


def _without_nulls(values: Mapping[str, Any]) -> dict[str, Any]:
    """A role of which nothing is said has no permissions: `reader:`."""
    kept = {key: one for key, one in values.items() if one is not None}
    for kind in ("roles", "users", "owners"):
        if kind in kept:
            kept[kind] = {name: one or {} for name, one in kept[kind].items()}
    return kept


def _faults(values: Mapping[str, Any], administrator: str) -> Iterator[tuple[KeyPath, str]]:
    roles, users = values.get("roles", {}), values.get("users", {})
    for name, role in roles.items():
        yield from _role_faults(name, role, roles)
    known = [*builtin_roles(), *roles]
    given: dict[KeyPath, list[str]] = {
        **{("users", name, "roles"): user["roles"] for name, user in users.items()},
        **{("groups", name): those for name, those in values.get("groups", {}).items()},
    }
    for start, those in given.items():
        for index, used in enumerate(those):
            path = (*start, index)
            if used not in known:
                yield path, _unknown("role", used, known, "is neither Airflow's nor declared here")
            elif used == PUBLIC:
                yield path, "Public is what people are who have not logged in, and no user's role"
    yield from _twice(users, administrator)
    owners = values.get("owners", {})
    for name, owner in owners.items():
        yield from _owner_faults(name, owner, roles)
        yield from _task_faults(name, owner, owners)
    yield from task_accounts.faults(owners)


def _owner_faults(
    name: str, owner: Mapping[str, Any], roles: Mapping[str, Any]
) -> Iterator[tuple[KeyPath, str]]:
    if not owner.get("folders") and not owner.get("prefixes"):
        yield ("owners", name), "no DAG may be its: name folders of DAG files, or prefixes of ids"
    if not owner.get("viewers") and not owner.get("editors"):
        yield ("owners", name), "nobody belongs to it: name roles in viewers or editors"
    for kind in OWNERS_ACTIONS:
        for index, used in enumerate(owner.get(kind, [])):
            path = ("owners", name, kind, index)
            if used in builtin_roles():
                yield (
                    path,
                    f"{used} is for every DAG; declare a role that extends it, with dags: owned",
                )
            elif used not in roles:
                yield path, _unknown("role", used, list(roles), "is not declared here")
            elif roles[used].get("dags") != OWNED:
                yield path, f"the role {used!r} is for every DAG; say dags: owned there"


def _task_faults(
    name: str, owner: Mapping[str, Any], owners: Mapping[str, Any]
) -> Iterator[tuple[KeyPath, str]]:
    for kind in BETWEEN_OWNERS:
        for index, used in enumerate(owner.get(kind, [])):
            path = ("owners", name, kind, index)
            if used == name:
                yield path, "its own tasks may, without being named"
            elif used not in owners:
                known = [one for one in owners if one != name]
                yield path, _unknown("owner", used, known, "is not declared here")


def _role_faults(
    name: str, role: Mapping[str, Any], roles: Mapping[str, Any]
) -> Iterator[tuple[KeyPath, str]]:
    builtin = {one.lower(): one for one in builtin_roles()}
    if same := builtin.get(name.lower()):
        text = f"{same} is a role of Airflow's own; declare another that extends it"
        yield ("roles", name), text
    for index, other in enumerate(role.get("extends", [])):
        path = ("roles", name, "extends", index)
        known = [one for one in (*builtin_roles(), *roles) if one not in (ADMIN, PUBLIC, name)]
        if other == ADMIN:
            yield (
                path,
                "nothing extends Admin, which gets every permission; give users Admin itself",
            )
        elif other not in known:
            text = "is neither Airflow's nor another one that is declared here"
            yield path, _unknown("role", other, known, text)
        elif name in _ancestors(other, roles):
            yield path, f"{other} extends {name} itself, directly or through others"
    table: Permissions = _load(PERMISSIONS)["permissions"]
    for resource, actions in role.get("permissions", {}).items():
        path = ("roles", name, "permissions", resource)
        if resource not in table:
            yield path, _unknown("resource", resource, list(table), "has no permissions in Airflow")
            continue
        there = [short for short, action in _ACTIONS.items() if action in table[resource]]
        for index, action in enumerate(actions):
            if action not in there:
                yield (
                    (*path, index),
                    f"Airflow has no permission to {action} {resource}; there is {', '.join(there)}",
                )
            elif role.get("dags") == OWNED and action in OF_EVERY_DAG.get(resource, ()):
                text = f"to {action} {resource} is for every DAG at once, and this role has dags: owned"
                yield (*path, index), text


def _ancestors(role: str, roles: Mapping[str, Any]) -> set[str]:
    """The role, and all that it extends, whatever circle there is."""
    found: set[str] = set()
    waiting = [role]
    while waiting:
        one = waiting.pop()
        if one not in found:
            found.add(one)
            waiting += roles.get(one, {}).get("extends", [])
    return found


def _twice(users: Mapping[str, Any], administrator: str) -> Iterator[tuple[KeyPath, str]]:
    """Names that a login takes for one, and addresses that Airflow refuses for a second account."""
    names: dict[str, str] = {}
    addresses: dict[str, str] = {}
    for name, user in users.items():
        if name.lower() == administrator.lower():
            text = f"{administrator} is the administrator of the configuration (adminUser), and stays one"
            yield ("users", name), text
        if (first := names.setdefault(name.lower(), name)) != name:
            yield ("users", name), f"is there twice: a login takes {first} and {name} for one user"
        if (first := addresses.setdefault(user["email"].lower(), name)) != name:
            yield ("users", name, "email"), f"is {first}'s, too; no two users may share an address"


def _unknown(kind: str, name: str, known: Collection[str], why: str) -> str:
    by_lower = {one.lower(): one for one in known}
    near = difflib.get_close_matches(name.lower(), by_lower, n=1)
    hint = f"; did you mean {by_lower[near[0]]}?" if near else f"; there is {', '.join(known)}"
    return f"the {kind} {name!r} {why}{hint}"


def _without_password(
    file: ValuesFile, values: Mapping[str, Any], passwords: Collection[str] | None
) -> Iterator[Problem]:
    for name in values.get("users", {}):
        if passwords is not None and name not in passwords:
            command = f"pulumi config set --secret {password_key(name)}"
            text = f"has no first password: ./aerodrome up makes one, or {command}"
            yield file.problem(("users", name), text)


def _resolved(values: Mapping[str, Any]) -> UserAccess:
    roles = values.get("roles", {})
    users = {
        name: {
            "email": user["email"],
            "name": user.get("name", name),
            "roles": sorted(user["roles"]),
        }
        for name, user in sorted(values.get("users", {}).items())
    }
    every = {name: _permissions(name, roles) for name in sorted(roles)}
    owners = {
        name: {
            "folders": sorted(owner.get("folders", ())),
            "prefixes": sorted(owner.get("prefixes", ())),
            "access": {
                role: actions
                for kind, actions in OWNERS_ACTIONS.items()
                for role in sorted(owner.get(kind, ()))
            },
            **{kind: sorted(owner.get(kind, owner.get("prefixes", ()))) for kind in HELD_BY_PREFIX},
            **{kind: sorted(owner.get(kind, ())) for kind in BETWEEN_OWNERS},
            **(
                {task_accounts.ACCOUNT: task_accounts.name_of(name)}
                if task_accounts.KEY in owner
                else {}
            ),
        }
        for name, owner in sorted(values.get("owners", {}).items())
    }
    groups = {name: sorted(those) for name, those in sorted(values.get("groups", {}).items())}
    policies = task_accounts.declared(values.get("owners", {}))
    prune, rancher = sorted(values.get("prune", ())), dict(values.get("rancher", {}))
    return UserAccess(every, users, owners, prune, groups, policies, rancher)


def _permissions(name: str, roles: Mapping[str, Any]) -> Permissions:
    """Of a declared role: its own, and those of all that it extends."""
    pairs = {HOME_PAGE}
    for one in _ancestors(name, roles):
        given = builtin_roles().get(one) or {
            resource: [_ACTIONS[action] for action in actions]
            for resource, actions in roles[one].get("permissions", {}).items()
        }
        pairs |= {(resource, action) for resource, actions in given.items() for action in actions}
    if roles[name].get("dags") == OWNED:
        pairs -= {
            (resource, _ACTIONS[action])
            for resource, actions in OF_EVERY_DAG.items()
            for action in actions
        }
    return {
        resource: sorted(action for other, action in pairs if other == resource)
        for resource in sorted({resource for resource, _ in pairs})
    }


def main(arguments: list[str]) -> int:
    """`python -m infra.user_access [--file NAME] [--administrator NAME]`: one JSON document."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--file", default="")
    parser.add_argument("--administrator", default="")
    asked = parser.parse_args(arguments)
    rancher: Mapping[str, str] = {}
    declared, problems = None, []
    try:
        found = check(asked.file, administrator=asked.administrator)
        if found:
            declared, rancher = found.data(), found.rancher
    except AccessError as error:
        problems = [str(one) for one in error.problems]
    said = {"declared": declared, "rancher": rancher, "problems": problems}
    sys.stdout.write(json.dumps(said) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
