"""Which row of the ledger a URN means: that of the last run, or what this run made of it."""

from collections.abc import Mapping

from sandbox.engine.model.resource import Goal, State
from sandbox.engine.state.ledger import Ledger
from sandbox.errors import UserError
from sandbox.wire.values import Properties


class Registry:
    """Filled as the program registers."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self.old: Mapping[str, int] = {
            row.state.urn: number for number, row in ledger.rows.items() if not row.state.delete
        }
        """The last run's, by URN; a row is gone from the ledger once another took its place."""

        self.current: dict[str, int] = {}
        self.former_urns: dict[str, str] = {}
        """Resources found under an alias: what they were called before."""

        self._new_urns: dict[str, str] = {}
        self._claimed: set[str] = set()

    def claim(self, urn: str) -> None:
        """Refuse a URN that is taken."""
        if urn in self._claimed:
            raise UserError(
                f"Duplicate resource URN {urn}",
                "Two resources of one type under one parent have the same name: "
                "give one of them another.",
            )
        self._claimed.add(urn)

    def claimed(self, urn: str) -> bool:
        return urn in self._claimed

    def find(self, goal: Goal) -> int | None:
        """The last run's row of a goal, by its URN or an alias, which is then taken too."""
        for urn in (goal.urn, *goal.aliases):
            row = self.old.get(urn)
            if row is None or row not in self._ledger:
                continue
            if urn != goal.urn:
                if urn in self._claimed:
                    continue
                self._claimed.add(urn)
                self.former_urns[goal.urn] = urn
                self._new_urns[urn] = goal.urn
            return row
        return None

    def keep(self, urn: str, row: int) -> None:
        """Registered again, nothing different."""
        self._ledger.keep(row)
        self.current[urn] = row

    def put(
        self, state: State, *, replaces: int | None = None, condemns: int | None = None
    ) -> None:
        """Registered, and new or different; see `Ledger.put`."""
        self.current[state.urn] = self._ledger.put(state, replaces=replaces, condemns=condemns)

    def state(self, urn: str) -> State | None:
        """What was registered in this run under `urn`."""
        row = self.current.get(urn)
        return None if row is None else self._ledger[row]

    def old_state(self, urn: str) -> State | None:
        """What the last run left under `urn`, unless this run has put another in its place."""
        row = self.old.get(urn)
        return self._ledger[row] if row is not None and row in self._ledger else None

    def old_inputs(self, goal: Goal) -> Properties | None:
        """Of the resource that a goal is about, if it was ours."""
        for urn in (goal.urn, *goal.aliases):
            state = self.old_state(urn)
            if state is not None:
                return None if state.external else state.inputs
        return None

    def new_urn(self, urn: str) -> str:
        """What a resource of the last run is called in this one."""
        return self._new_urns.get(urn, urn)
