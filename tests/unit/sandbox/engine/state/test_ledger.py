"""Rows move as steps are done; a replayed journal leads to the same."""

import asyncio
from dataclasses import replace
from pathlib import Path

from sandbox.engine.model.resource import State
from sandbox.engine.state import journal
from sandbox.engine.state.journal import Journal
from sandbox.engine.state.ledger import Ledger
from sandbox.engine.state.secrets import Secrets
from sandbox.engine.state.snapshot import Snapshot


def state(name: str, *needs: str) -> State:
    return State(
        f"urn:pulumi:d::p::x:y:Z::{name}",
        "x:y:Z",
        True,
        id=name,
        dependencies=tuple(f"urn:pulumi:d::p::x:y:Z::{n}" for n in needs),
    )


def names(ledger: Ledger) -> list[str]:
    return [s.id + ("*" if s.delete else "") for s in ledger.snapshot().resources]


def ledger_of(*states: State) -> Ledger:
    return Ledger(Snapshot(list(states)), Secrets("x"))


def test_what_is_registered_comes_before_what_is_not_yet() -> None:
    ledger = ledger_of(state("a"), state("b"), state("c"))
    ledger.keep(2)
    ledger.put(state("new"))
    assert names(ledger) == ["c", "new", "a", "b"]
    ledger.keep(0)
    assert names(ledger) == ["c", "new", "a", "b"]


def test_the_replaced_stays_behind_until_it_is_deleted() -> None:
    ledger = ledger_of(state("a"), state("b", "a"))
    new = replace(state("a"), id="a2")
    ledger.put(new, condemns=0)
    assert names(ledger) == ["a2", "a*", "b"]
    ledger.drop(0)
    assert names(ledger) == ["a2", "b"]


def test_references_to_a_renamed_resource_follow() -> None:
    ledger = ledger_of(state("old"), state("b", "old"))
    ledger.put(state("new"), replaces=0)
    assert ledger.snapshot().resources[1].dependencies == (state("new").urn,)


def test_only_an_intent_without_an_outcome_is_pending() -> None:
    ledger = ledger_of()
    first, second = ledger.intend("creating", state("a")), ledger.intend("creating", state("b"))
    ledger.put(state("a"), intent=first)
    assert [op.state.id for op in ledger.pending.values()] == ["b"]
    ledger.settle(second)
    assert ledger.pending == {}


def test_a_replayed_journal_leads_to_the_same(tmp_path: Path) -> None:
    base = [state("a"), state("b", "a"), state("c")]
    live = ledger_of(*base)
    live.attach(Journal(tmp_path / "j", "digest"))
    live.put(replace(state("a"), id="a2"), condemns=0, intent=live.intend("creating", state("a")))
    live.keep(1)
    live.set_outputs(1, replace(base[1], outputs={"x": 1}))
    live.await_replacement(2, live.intend("deleting", base[2]))
    live.drop(0, live.intend("deleting", base[0]))
    live.intend("updating", base[1])
    asyncio.run(live.sync())

    replayed = ledger_of(*base)
    for record in journal.read(tmp_path / "j", "digest"):
        replayed.replay(record)
    assert replayed.snapshot() == live.snapshot()
    assert [op.kind for op in replayed.pending.values()] == ["updating"]


def test_a_journal_of_another_checkpoint_is_not_read(tmp_path: Path) -> None:
    Journal(tmp_path / "j", "digest").append({"keep": 0})
    assert list(journal.read(tmp_path / "j", "another")) == []
