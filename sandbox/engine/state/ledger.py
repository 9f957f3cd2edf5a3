"""The snapshot while it changes: every step moves one row, in memory and in the journal.

Rows 0 to n-1 are the checkpoint's resources; each `put` makes another. What this run has
registered comes first, in the order in which it was done; the rest keeps its old place
behind it. Both are topological, and nothing new can depend on what is not registered yet.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from sandbox.engine.model.resource import State
from sandbox.engine.state import checkpoint
from sandbox.engine.state.journal import Journal, Record
from sandbox.engine.state.secrets import Secrets
from sandbox.engine.state.snapshot import PendingOperation, Snapshot
from sandbox.errors import EngineBug


@dataclass(slots=True)
class Row:
    """A resource and, once it was written or read, its JSON form."""

    state: State
    document: checkpoint.Json | None = None


class Ledger:
    """Rows by number. With a journal every change is recorded before the method returns."""

    def __init__(
        self, snapshot: Snapshot, secrets: Secrets, documents: list[checkpoint.Json] | None = None
    ) -> None:
        self._secrets = secrets
        self._journal: Journal | None = None
        kept: Sequence[checkpoint.Json | None] = documents or [None] * len(snapshot.resources)
        self.rows: dict[int, Row] = {
            number: Row(state, document)
            for number, (state, document) in enumerate(zip(snapshot.resources, kept, strict=True))
        }
        self._next = len(self.rows)
        self._new: list[int] = []
        self._renamed: dict[str, str] = {}
        self._repaired = False
        self._intents: dict[int, PendingOperation] = dict(enumerate(snapshot.pending))
        self._next_intent = len(self._intents)
        self.carried = frozenset(self._intents)
        """Intents that an earlier run could not settle either: it went on without them."""

        self.changed = False
        """Whether the checkpoint would differ in more than the order of its rows."""

    def attach(self, journal: Journal) -> None:
        """From now on record every change."""
        self._journal = journal

    def __getitem__(self, row: int) -> State:
        return self.rows[row].state

    def __contains__(self, row: int) -> bool:
        return row in self.rows

    @property
    def pending(self) -> dict[int, PendingOperation]:
        """Intents without an outcome, by number."""
        return self._intents

    def keep(self, row: int) -> None:
        """Registered again, nothing different."""
        self._new.append(row)
        self._record({"keep": row})

    def put(
        self,
        state: State,
        *,
        replaces: int | None = None,
        condemns: int | None = None,
        intent: int | None = None,
        repaired: bool = False,
    ) -> int:
        """A new row. `replaces` goes away with it; `condemns` stays, to be deleted later.

        `repaired`: an earlier run made it, the program of this one has not registered it.
        """
        document = self._encode(state)
        row = self._next
        record = {"put": row, "state": document, "replaces": replaces, "condemns": condemns}
        if intent is not None:
            record["intent"] = intent
        if repaired:
            record["repaired"] = True
        self._put(record, state)
        self._record(record)
        return row

    def set_outputs(self, row: int, state: State) -> None:
        """A component's outputs came, after its registration."""
        document = self._encode(state)
        self.rows[row] = Row(state, document)
        self.changed = True
        self._record({"set": row, "state": document})

    def drop(self, row: int, intent: int | None = None) -> None:
        """Deleted, or found to be gone."""
        self._drop(row, intent)
        self._record({"drop": row} | ({} if intent is None else {"intent": intent}))

    def await_replacement(self, row: int, intent: int | None = None) -> None:
        """Deleted before its replacement is made; others may still refer to it."""
        state = replace(self.rows[row].state, pending_replacement=True)
        self._intents.pop(intent if intent is not None else -1, None)
        document = self._encode(state)
        self.rows[row] = Row(state, document)
        self.changed = True
        self._record(
            {"set": row, "state": document} | ({} if intent is None else {"intent": intent})
        )

    def intend(self, kind: str, state: State, token: str = "") -> int:
        """About to call a provider; see `settle` for when it refused."""
        intent = self._next_intent
        self._next_intent += 1
        self._intents[intent] = PendingOperation(kind, state, token)
        self._record({"intend": intent, "kind": kind, "token": token, "state": self._encode(state)})
        return intent

    def settle(self, intent: int) -> None:
        """The operation ended without leaving anything behind."""
        self._intents.pop(intent, None)
        self._record({"settle": intent})

    def replay(self, record: Record) -> None:
        """Apply what an earlier run recorded."""
        match record:
            case {"keep": row}:
                self._new.append(row)
            case {"put": _, "state": document}:
                self._put(record, checkpoint.decode_state(document, self._secrets))
            case {"set": row, "state": document}:
                state = checkpoint.decode_state(document, self._secrets)
                self.rows[row] = Row(state, document)
                self._intents.pop(record.get("intent", -1), None)
                self.changed = True
            case {"drop": row}:
                self._drop(row, record.get("intent"))
            case {"intend": intent, "kind": kind, "state": document}:
                state = checkpoint.decode_state(document, self._secrets)
                self._intents[intent] = PendingOperation(kind, state, record.get("token", ""))
                self._next_intent = max(self._next_intent, intent + 1)
                self.changed = True
            case {"settle": intent}:
                self._intents.pop(intent, None)
            case _:
                raise EngineBug("A journal line of an unknown kind", ", ".join(record))

    async def sync(self) -> None:
        """Wait until everything so far is on the disk."""
        if self._journal is not None:
            await self._journal.sync()

    def snapshot(self) -> Snapshot:
        """The resources as they are now, in the order in which they are stored."""
        return Snapshot([row.state for row in self._ordered()], list(self._intents.values()))

    def documents(self) -> list[checkpoint.Json]:
        """The same resources in Pulumi's form."""
        return [
            row.document
            if row.document is not None
            else checkpoint.encode_state(row.state, self._secrets)
            for row in self._ordered()
        ]

    def pending_documents(self) -> list[checkpoint.Json]:
        """Intents without an outcome, in Pulumi's form."""
        return [
            {
                "resource": checkpoint.encode_state(operation.state, self._secrets),
                "type": operation.kind,
            }
            | ({"aerodromeToken": operation.token} if operation.token else {})
            for operation in self._intents.values()
        ]

    def _ordered(self) -> list[Row]:
        first = set(self._new)
        order = [row for row in dict.fromkeys(self._new) if row in self.rows]
        order += [row for row in self.rows if row not in first]
        rows = [self._renamed_row(self.rows[row]) for row in order]
        # What was repaired came last, but others may need it.
        return _sorted(rows) if self._repaired else rows

    def _renamed_row(self, row: Row) -> Row:
        """With references to URNs that an alias has replaced led to the new ones."""
        if not self._renamed or not (row.state.prerequisites() & self._renamed.keys()):
            return row
        return Row(rename(row.state, self._renamed))

    def _put(self, record: Record, state: State) -> None:
        row, replaces, condemns = record["put"], record["replaces"], record["condemns"]
        if replaces is not None:
            old = self.rows.pop(replaces, None)
            if old is not None and old.state.urn != state.urn:
                self._renamed[old.state.urn] = state.urn
        if condemns is not None:
            old = self.rows[condemns]
            document_of_old = old.document and {**old.document, "delete": True}
            self.rows[condemns] = Row(replace(old.state, delete=True), document_of_old)
        self.rows[row] = Row(state, record["state"])
        if "repaired" in record:
            self._repaired = True
        else:
            self._new.append(row)
        self._next = max(self._next, row + 1)
        self._intents.pop(record.get("intent", -1), None)
        self.changed = True

    def _drop(self, row: int, intent: int | None) -> None:
        self.rows.pop(row, None)
        self._intents.pop(intent if intent is not None else -1, None)
        self.changed = True

    def _encode(self, state: State) -> checkpoint.Json | None:
        # Nothing of a preview is written, so there is nothing to encrypt.
        return None if self._journal is None else checkpoint.encode_state(state, self._secrets)

    def _record(self, record: dict[str, Any]) -> None:
        if self._journal is not None:
            self._journal.append(record)


def _sorted(rows: list[Row]) -> list[Row]:
    """The same rows with prerequisites first, and otherwise in their order."""
    by_urn: dict[str, list[int]] = {}
    for number, row in enumerate(rows):
        by_urn.setdefault(row.state.urn, []).append(number)
    placed: dict[int, None] = {}
    begun: set[int] = set()
    waiting = list(reversed(range(len(rows))))
    while waiting:
        number = waiting[-1]
        if number not in begun:
            begun.add(number)
            for urn in sorted(rows[number].state.prerequisites()):
                waiting += [other for other in by_urn.get(urn, ()) if other not in begun]
        if waiting[-1] == number:
            waiting.pop()
            placed[number] = None
    return [rows[number] for number in placed]


def rename(state: State, names: dict[str, str]) -> State:
    """`state` with every reference to an old URN led to the new one."""

    def new(urn: str) -> str:
        return names.get(urn, urn)

    provider = state.provider
    if provider:
        urn, _, id_ = provider.rpartition("::")
        provider = f"{new(urn)}::{id_}"
    return replace(
        state,
        parent=new(state.parent),
        provider=provider,
        dependencies=tuple(map(new, state.dependencies)),
        property_dependencies={
            key: tuple(map(new, urns)) for key, urns in state.property_dependencies.items()
        },
        options=replace(state.options, deleted_with=new(state.options.deleted_with)),
    )
