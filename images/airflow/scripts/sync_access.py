"""Bring Airflow's roles and users to what `access.yaml` declares.

The migration Job does it at every change of the file; `aerodrome up` and `aerodrome access` run it again, because
people may have changed something since. It works with Flask AppBuilder's own models, in one transaction: all or
nothing. What the kit has made is written down in the table of `sync_declared.py`: what is in it and no longer declared
goes, what is not in it belongs to people and stays, unless `prune` names its kind. The program has checked the file
and resolved it (`infra/user_access.py`). The last line of the output is JSON.
"""

import hashlib
import json
import os
import secrets
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from sync_declared import LOCK, MAKE_RECORD, RECORD, Deeds

FILE = "ACCESS_FILE"
TEXT = "ACCESS_DECLARED"
"""In place of the file: what is not deployed yet."""

PASSWORDS = "ACCESS_PASSWORDS"
"""First passwords by user, as JSON."""

DRY_RUN = "ACCESS_DRY_RUN"

MARK = "access: "
"""Before the report in a longer log: `aerodrome up` looks for it."""

ADMIN = "Admin"

Pair = tuple[str, str]
"""Action and resource."""


@dataclass
class Report(Deeds):
    """Roles and users."""

    undeclared: list[str] = field(default_factory=list)
    """Made by hand; nothing is done to it."""

    SAID: ClassVar[Mapping[str, str]] = {
        **Deeds.SAID,
        "removed": "not declared any more: roles are deleted, users deactivated",
        "undeclared": "made by hand and not declared, stays",
    }


class Record:
    """What the kit has made of one kind: names, each with a digest of what was declared."""

    def __init__(self, session: Any, kind: str) -> None:
        from sqlalchemy import text

        self._execute = lambda query, **given: session.execute(text(query), {"kind": kind, **given})
        rows = self._execute(f"select name, digest from {RECORD} where kind = :kind")
        self.known = {str(name): str(digest) for name, digest in rows}

    def remember(self, name: str, digest: str) -> None:
        self._execute(
            f"insert into {RECORD} values (:kind, :name, :digest) "
            "on conflict (kind, name) do update set digest = excluded.digest",
            name=name,
            digest=digest,
        )

    def forget(self, name: str) -> None:
        self._execute(f"delete from {RECORD} where kind = :kind and name = :name", name=name)


def digest(wanted: Any) -> str:
    """Of a declaration. There is nothing secret in it."""
    return hashlib.sha256(json.dumps(wanted, sort_keys=True).encode()).hexdigest()


class Sync:
    """One run, in one transaction that the caller ends."""

    def __init__(
        self,
        manager: Any,
        declared: Mapping[str, Any],
        passwords: Mapping[str, str],
        administrator: str,
    ) -> None:
        self._manager = manager
        self._session = manager.session
        self._declared = declared
        self._passwords = passwords
        self._administrator = administrator.casefold()
        self.report = Report()
        self.ended: list[Any] = []
        """Users whose sessions are to end."""

    def run(self) -> None:
        from sqlalchemy import text

        self._session.execute(text(f"select pg_advisory_xact_lock({LOCK})"))
        self._session.execute(text(MAKE_RECORD))
        self._roles()
        self._users()
        self._session.flush()
        self._check_administrators()

    def _note(self, label: str, differs: list[str], known: str | None, wanted: str) -> None:
        """Files what differs under the deed that it is."""
        if known is None:
            self.report.taken_over.append(label)
        elif differs:
            deed = self.report.drift if known == wanted else self.report.changed
            deed.append(f"{label} ({', '.join(differs)})")

    # Roles

    def _roles(self) -> None:
        record = Record(self._session, "roles")
        there = {role.name: role for role in self._manager.get_all_roles()}
        own = {one["role"]: set(one["perms"]) for one in self._manager.ROLE_CONFIGS}
        granted = self._granted_by_dags()
        for name in sorted(set(own) - {ADMIN}):
            wanted = own[name] | granted.get(name, set())
            if differs := self._bring(there[name], wanted):
                self.report.drift.append(f"role {name} ({', '.join(differs)})")
        declared = self._declared["roles"]
        for name, permissions in sorted(declared.items()):
            pairs = {(action, one) for one, actions in permissions.items() for action in actions}
            role, mark = there.get(name), digest(permissions)
            known = record.known.get(name)
            if role is None:
                role = self._manager.role_model(name=name)
                self._session.add(role)
                deed = self.report.created if known is None else self.report.drift
                deed.append(f"role {name}")
                self._bring(role, pairs | granted.get(name, set()))
            else:
                differs = self._bring(role, pairs | granted.get(name, set()))
                self._note(f"role {name}", differs, known, mark)
            record.remember(name, mark)
        others = set(there) - set(own) - set(declared)
        prune = "roles" in self._declared["prune"]
        for name in sorted(others):
            if name in record.known or prune:
                self._session.delete(there[name])
                self.report.removed.append(f"role {name}")
            else:
                self.report.undeclared.append(f"role {name}")
        for name in set(record.known) - set(declared):
            record.forget(name)
        self._session.flush()

    def _bring(self, role: Any, wanted: set[Pair]) -> list[str]:
        """Gives a role exactly these permissions; what that changes, in words."""
        have = {_pair(one): one for one in role.permissions}
        lacking, excess = sorted(wanted - set(have)), sorted(set(have) - wanted)
        for pair in excess:
            role.permissions.remove(have[pair])
        for pair in lacking:
            role.permissions.append(self._permission(pair))
        return [f"+{_words(pair)}" for pair in lacking] + [f"-{_words(pair)}" for pair in excess]

    def _permission(self, pair: Pair) -> Any:
        """Found, or made: the security manager's own way would commit."""
        manager, (action, resource) = self._manager, pair
        if found := manager.get_permission(action, resource):
            return found
        made = manager.permission_model(
            action=manager.get_action(action) or manager.action_model(name=action),
            resource=manager.get_resource(resource) or manager.resource_model(name=resource),
        )
        self._session.add(made)
        self._session.flush()
        return made

    def _granted_by_dags(self) -> dict[str, set[Pair]]:
        """What each role may do with single DAGs: their `access_control`, as the dag-processor has stored it."""
        from airflow.models.serialized_dag import SerializedDagModel
        from airflow.serialization.serialized_objects import BaseSerialization
        from sqlalchemy import select, text

        manager = self._manager
        found: dict[str, set[Pair]] = {}
        rows = self._session.execute(
            text(
                "select distinct on (dag_id) dag_id, id, data is null, "
                "data::jsonb -> 'dag' -> 'access_control' "
                "from serialized_dag order by dag_id, created_at desc"
            )
        )
        for dag_id, key, compressed, given in rows.all():
            if compressed:
                one = select(SerializedDagModel).where(SerializedDagModel.id == key)
                given = self._session.scalar(one).data["dag"].get("access_control")
            for role, allowed in (BaseSerialization.deserialize(given) or {}).items():
                by_kind = allowed if isinstance(allowed, Mapping) else {"DAGs": allowed}
                pairs = found.setdefault(role, set())
                for kind, actions in by_kind.items():
                    prefix = manager.RESOURCE_DETAILS_MAP[kind]["prefix"]
                    pairs |= {(action, f"{prefix}{dag_id}") for action in actions}
        return found

    # Users

    def _users(self) -> None:
        record = Record(self._session, "users")
        there = {user.username.casefold(): user for user in self._manager.get_all_users()}
        roles = {role.name: role for role in self._manager.get_all_roles()}
        declared = self._declared["users"]
        self._check_addresses(there, declared)
        for name, wanted in declared.items():
            self._user(name, wanted, there.get(name.casefold()), roles, record)
        names = {name.casefold() for name in declared} | {self._administrator}
        recorded = {name.casefold() for name in record.known}
        prune = "users" in self._declared["prune"]
        provided = self._of_the_provider()
        for name in sorted(set(there) - names):
            user = there[name]
            if not user.active and not user.roles:
                continue
            if user.id in provided:
                self._provided(user)
            elif name in recorded or prune:
                self._deactivate(user)
                self.report.removed.append(f"user {user.username}")
            else:
                self.report.undeclared.append(f"user {user.username}")
        # A user who has left stays in the record: whoever activates the account again has changed it by hand.
        for name in set(record.known) - set(declared):
            if name.casefold() in there:
                record.remember(name, "")
            else:
                record.forget(name)

    def _of_the_provider(self) -> set[int]:
        """Accounts that a login by OpenID Connect has made (`aerodrome_oidc.py`): their roles are those of its groups."""
        from sqlalchemy import text

        execute = self._session.execute
        if execute(text("select to_regclass('aerodrome_oidc')")).scalar() is None:
            return set()
        return set(execute(text("select user_id from aerodrome_oidc")).scalars())

    def _provided(self, user: Any) -> None:
        """Nothing is to be done, as long as a group has a role at all. Afterwards the account waits for a group to have one."""
        from sqlalchemy import text

        if self._declared.get("groups") or not user.roles:
            return
        user.roles = []
        query = "update aerodrome_oidc set ended = true, tokens = '' where user_id = :user"
        self._session.execute(text(query), {"user": user.id})
        self.ended.append(user)
        self.report.removed.append(f"user {user.username}")

    def _check_addresses(self, there: Mapping[str, Any], declared: Mapping[str, Any]) -> None:
        holders = {user.email.casefold(): user.username for user in there.values()}
        for name, wanted in declared.items():
            holder = holders.get(wanted["email"].casefold(), name)
            if holder.casefold() not in {one.casefold() for one in declared}:
                raise SystemExit(
                    f"users.{name}.email: {wanted['email']} belongs to the account {holder!r}, which is not declared; "
                    "nothing was changed"
                )

    def _user(
        self,
        name: str,
        wanted: Mapping[str, Any],
        user: Any | None,
        roles: Mapping[str, Any],
        record: Record,
    ) -> None:
        first, _, last = wanted["name"].partition(" ")
        fields = {"email": wanted["email"], "first_name": first, "last_name": last or "-"}
        mark, known = digest(wanted), record.known.get(name)
        if user is None:
            deed = self.report.created if known is None else self.report.drift
            deed.append(f"user {name}")
            user = self._manager.user_model(username=name, active=True, **fields)
            # None that was made for it: nobody knows it, and an administrator can set another.
            password = self._passwords.get(name) or secrets.token_urlsafe(32)
            user.password = self._manager._hash_password(password)
            user.roles = [roles[one] for one in wanted["roles"]]
            self._session.add(user)
        else:
            have = {key: getattr(user, key) for key in fields}
            differs = [key for key, value in fields.items() if have[key] != value]
            if sorted(one.name for one in user.roles) != wanted["roles"]:
                differs.append("roles")
            if not user.active:
                differs.append("active")
            if user.groups:
                differs.append("groups")
            for key, value in fields.items():
                setattr(user, key, value)
            user.roles, user.groups = [roles[one] for one in wanted["roles"]], []
            user.active = True
            self._note(f"user {user.username}", differs, known, mark)
        record.remember(name, mark)

    def _deactivate(self, user: Any) -> None:
        """The account stays, for the audit log; without roles, should somebody activate it by hand."""
        user.active, user.roles, user.groups = False, [], []
        self.ended.append(user)

    def _check_administrators(self) -> None:
        """Somebody must be able to let others in again."""
        left = [
            user
            for user in self._manager.get_all_users()
            if user.active and any(role.name == ADMIN for role in user.roles)
        ]
        if not left:
            raise SystemExit("nobody would be an administrator any more; nothing was changed")


def _pair(permission: Any) -> Pair:
    return str(permission.action.name), str(permission.resource.name)


def _words(pair: Pair) -> str:
    action, resource = pair
    return f"{action.removeprefix('can_').removesuffix('_access')} {resource}"


def sync(environment: Mapping[str, str], administrator: str) -> Report | None:
    """All of it, or nothing; None if nothing is declared at all."""
    from airflow.providers.fab.auth_manager.cli_commands.utils import get_application_builder

    text = environment.get(TEXT) or Path(environment[FILE]).read_text()
    declared = json.loads(text)
    if not declared:
        return None
    passwords = json.loads(environment.get(PASSWORDS) or "{}")
    dry_run = environment.get(DRY_RUN) == "true"
    with get_application_builder() as builder:
        manager = builder.sm
        work = Sync(manager, declared, passwords, administrator)
        try:
            work.run()
            if dry_run:
                manager.session.rollback()
            else:
                manager.session.commit()
        except BaseException:
            manager.session.rollback()
            raise
        if not dry_run:
            # Afterwards, because that commits; an account that is not active has no access meanwhile either.
            for user in work.ended:
                manager.reset_user_sessions(user)
        return work.report


def main() -> int:
    """No arguments: everything comes from the environment."""
    report = sync(os.environ, os.environ["ADMIN_USERNAME"]) or Report()
    for line in report.lines():
        sys.stdout.write(f"{line}\n")
    sys.stdout.write(json.dumps(report.data()) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
