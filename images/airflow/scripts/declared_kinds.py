"""Pools, variables and connections: how a declaration becomes a row of Airflow's, and what a row holds.

Airflow's own models write and read, so what is secret is encrypted with the environment's Fernet key, as the UI
does it. Values are compared as text: nothing here is ever shown but the names of fields.
"""

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

Fields = dict[str, Any]
"""What a row is to hold, or holds, by the names that declarations use."""

UNREADABLE = object()
"""In place of a secret that cannot be decrypted: equal to nothing that is declared."""


class Missing(Exception):
    """A key of a Secret that is not there."""


class Invalid(Exception):
    """A declaration that Airflow would not take; said without its value."""


class Secrets:
    """The values of references: the chart puts them into the environment of the pod."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment

    def value(self, reference: Mapping[str, Any]) -> str:
        found = self._environment.get(reference["variable"])
        if found is None:
            key = reference.get("secret", {})
            named = f"{key.get('key')} of the Secret {key.get('name')}"
            where = (
                f"airflow:{reference['config']} of the configuration"
                if "config" in reference
                else named
            )
            raise Missing(f"{where} is not there")
        return found


class Kind(ABC):
    """One kind of thing that can be declared."""

    key: str
    """In values files."""

    called: str

    kept: frozenset[str] = frozenset()
    """What Airflow has made and cannot do without."""

    @abstractmethod
    def wanted(self, declared: Any, secrets: Secrets) -> Fields:
        """What the row is to hold."""

    @abstractmethod
    def names(self, session: Any) -> set[str]:
        """Of all that there are."""

    @abstractmethod
    def row(self, session: Any, name: str) -> Any | None:
        """The one of this name, if there is one."""

    @abstractmethod
    def fields(self, row: Any) -> Fields:
        """What a row holds."""

    @abstractmethod
    def write(self, session: Any, name: str, row: Any | None, wanted: Fields) -> None:
        """Makes the row, or changes it."""

    @abstractmethod
    def remove(self, session: Any, name: str) -> None:
        """Takes it away, if it is there."""


class Pools(Kind):
    """Slots that tasks share."""

    key, called = "pools", "pool"
    kept = frozenset({"default_pool"})

    def wanted(self, declared: Any, secrets: Secrets) -> Fields:
        return {
            "slots": declared["slots"],
            "description": declared.get("description") or "",
            "includeDeferred": bool(declared.get("includeDeferred")),
        }

    def names(self, session: Any) -> set[str]:
        from airflow.models import Pool

        return {str(pool.pool) for pool in Pool.get_pools(session=session)}

    def row(self, session: Any, name: str) -> Any | None:
        from airflow.models import Pool

        return Pool.get_pool(name, session=session)

    def fields(self, row: Any) -> Fields:
        return {
            "slots": row.slots,
            "description": row.description or "",
            "includeDeferred": row.include_deferred,
        }

    def write(self, session: Any, name: str, row: Any | None, wanted: Fields) -> None:
        from airflow.models import Pool

        Pool.create_or_update_pool(
            name,
            wanted["slots"],
            wanted["description"],
            wanted["includeDeferred"],
            team_name=row.team_name if row else None,
            session=session,
        )

    def remove(self, session: Any, name: str) -> None:
        """Airflow cannot do without its default pool: that one becomes as Airflow makes it."""
        from airflow.configuration import conf

        row = self.row(session, name)
        if row is None:
            return
        if name not in self.kept:
            session.delete(row)
            return
        row.slots = conf.getint("core", "default_pool_task_slot_count")
        row.description, row.include_deferred = "Default pool", False


class Variables(Kind):
    """Texts that DAGs read."""

    key, called = "variables", "variable"

    def wanted(self, declared: Any, secrets: Secrets) -> Fields:
        if isinstance(declared, str):
            declared = {"value": declared}
        if "json" in declared:
            value = json.dumps(declared["json"])
        else:
            value = declared["value"] if "value" in declared else secrets.value(declared)
        return {"value": value, "description": declared.get("description") or ""}

    def names(self, session: Any) -> set[str]:
        from airflow.models import Variable
        from sqlalchemy import select

        return set(session.scalars(select(Variable.key)))

    def row(self, session: Any, name: str) -> Any | None:
        from airflow.models import Variable
        from sqlalchemy import select

        return session.scalar(select(Variable).where(Variable.key == name))

    def fields(self, row: Any) -> Fields:
        value = row.get_val()
        return {
            "value": UNREADABLE if value is None else value,
            "description": row.description or "",
        }

    def write(self, session: Any, name: str, row: Any | None, wanted: Fields) -> None:
        from airflow.models import Variable

        if row is None:
            session.add(Variable(key=name, val=wanted["value"], description=wanted["description"]))
            return
        row.set_val(wanted["value"])
        row.description = wanted["description"]

    def remove(self, session: Any, name: str) -> None:
        from airflow.models import Variable
        from sqlalchemy import delete

        session.execute(delete(Variable).where(Variable.key == name))


class Connections(Kind):
    """Where other systems are, and how to log in to them."""

    key, called = "connections", "connection"

    _PLAIN = ("description", "host", "schema", "login")

    def wanted(self, declared: Any, secrets: Secrets) -> Fields:
        extra = dict(declared.get("extra") or {})
        if reference := declared.get("secretExtra"):
            extra |= _object(secrets.value(reference))
        password = declared.get("password")
        return {
            "type": declared["type"],
            **{key: declared.get(key) or "" for key in self._PLAIN},
            "port": declared.get("port"),
            "password": secrets.value(password) if password else "",
            "extra": extra,
        }

    def names(self, session: Any) -> set[str]:
        from airflow.models import Connection
        from sqlalchemy import select

        return set(session.scalars(select(Connection.conn_id)))

    def row(self, session: Any, name: str) -> Any | None:
        """One whose password cannot be decrypted cannot be loaded by Airflow's model; it is UNREADABLE then."""
        from airflow.models import Connection
        from cryptography.fernet import InvalidToken
        from sqlalchemy import select

        try:
            return session.scalar(select(Connection).where(Connection.conn_id == name))
        except InvalidToken:
            return UNREADABLE

    def fields(self, row: Any) -> Fields:
        if row is UNREADABLE:
            return {"password": UNREADABLE}
        return {
            "type": row.conn_type,
            **{key: getattr(row, key) or "" for key in self._PLAIN},
            "port": row.port,
            "password": _readable(lambda: row.get_password() or ""),
            "extra": _readable(lambda: json.loads(row.get_extra() or "{}")),
        }

    def write(self, session: Any, name: str, row: Any | None, wanted: Fields) -> None:
        from airflow.models import Connection

        if row is UNREADABLE:
            self.remove(session, name)
        if row is None or row is UNREADABLE:
            row = Connection(conn_id=name, conn_type=wanted["type"])
            session.add(row)
        row.conn_type = wanted["type"]
        for key in self._PLAIN:
            setattr(row, key, wanted[key] or None)
        row.port = wanted["port"]
        row.set_extra(json.dumps(wanted["extra"], sort_keys=True) if wanted["extra"] else None)
        if wanted["password"]:
            row.set_password(wanted["password"])
        else:
            # Airflow's setter leaves the former one.
            row._password, row.is_encrypted = None, False

    def remove(self, session: Any, name: str) -> None:
        from airflow.models import Connection
        from sqlalchemy import delete

        session.execute(delete(Connection).where(Connection.conn_id == name))


def _object(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise Invalid("its secretExtra is no JSON object")
    return found


def _readable(read: Any) -> Any:
    from airflow.exceptions import AirflowException
    from cryptography.fernet import InvalidToken

    try:
        return read()
    except (AirflowException, InvalidToken, ValueError):
        return UNREADABLE


KINDS: tuple[Kind, ...] = (Pools(), Variables(), Connections())
