"""Whose a DAG is, by its file, its id and the owners that its tasks name."""

import importlib.util
from types import ModuleType
from typing import Any

import pytest

from tests.unit.images.loading import IMAGES

OWNERS: dict[str, Any] = {
    "alpha": {"folders": ["alpha"], "prefixes": ["a_"], "access": {"alphas": ["can_read"]}},
    "inner": {"folders": ["alpha/inner"], "prefixes": ["a_i_"], "access": {"inners": ["can_edit"]}},
    "one": {"folders": ["shared"], "prefixes": [], "access": {"ones": ["can_read"]}},
    "two": {"folders": ["shared"], "prefixes": ["two_"], "access": {"twos": ["can_read"]}},
}
NOBODY: dict[str, Any] = {}


@pytest.fixture(scope="module")
def rules() -> ModuleType:
    file = IMAGES / "airflow" / "policy" / "aerodrome_owners.py"
    place = importlib.util.spec_from_file_location("aerodrome_owners", file)
    assert place is not None
    assert place.loader is not None
    loaded = importlib.util.module_from_spec(place)
    place.loader.exec_module(loaded)
    return loaded


@pytest.mark.parametrize(
    ("file", "dag", "named", "role"),
    [
        ("alpha/x.py", "x", set(), "alphas"),
        ("alpha/deep/er/x.py", "x", {"airflow"}, "alphas"),
        ("alpha/x.py", "x", {"alpha", "jane"}, "alphas"),
        # The innermost folder, the longest prefix.
        ("alpha/inner/x.py", "x", set(), "inners"),
        ("elsewhere/x.py", "a_x", set(), "alphas"),
        ("elsewhere/x.py", "a_i_x", set(), "inners"),
        ("shared/x.py", "x", {"two"}, "twos"),
        # A prefix decides where the folder leaves a choice.
        ("shared/x.py", "two_x", set(), "twos"),
        ("elsewhere/x.py", "x", {"jane"}, None),
        # A folder is no beginning of a name.
        ("alphabet/x.py", "x", set(), None),
        ("alpha.py", "x", set(), None),
    ],
)
def test_it_is_the_owners_whose_place_it_is(
    rules: ModuleType, file: str, dag: str, named: set[str], role: str | None
) -> None:
    found = rules.access_of(OWNERS, file, dag, named, None)
    assert set(found) == ({role} if role else set())
    # As Airflow has it, and so a second look at the same DAG changes nothing.
    assert rules.access_of(OWNERS, file, dag, named, found) == found


@pytest.mark.parametrize(
    ("file", "dag", "named", "own", "told"),
    [
        ("elsewhere/x.py", "x", {"alpha"}, None, 'the DAG "x" names the owner alpha, and may not: access.yaml has alpha: files in alpha/, ids that begin with a_'),
        ("alpha/x.py", "x", {"one"}, None, "names the owner one, and may not"),
        ("alpha/inner/x.py", "x", {"alpha"}, None, "names the owner alpha, and may not"),
        ("shared/x.py", "x", set(), None, 'the DAG "x" must have one owner out of one, two'),
        ("shared/x.py", "x", {"one", "two"}, None, "must have one owner out of one, two"),
        ("alpha/x.py", "two_x", set(), None, 'the DAG "two_x" has an id of two in a folder of alpha'),
        ("alpha/x.py", "x", set(), {"alphas": {"DAGs": {"can_edit"}}}, 'the DAG "x" has an access_control'),
        ("elsewhere/x.py", "x", set(), {"alphas": {"DAGs": {"can_read"}}}, "has an access_control"),
    ],
)  # fmt: skip
def test_who_claims_more_is_refused(
    rules: ModuleType, file: str, dag: str, named: set[str], own: Any, told: str
) -> None:
    with pytest.raises(rules.Claimed) as refused:
        rules.access_of(OWNERS, file, dag, named, own)
    assert told in str(refused.value)


def test_where_no_owner_is_declared_nobody_is_refused(rules: ModuleType) -> None:
    assert rules.access_of({}, "any/x.py", "x", {"alpha"}, None) == NOBODY


HELD: dict[str, Any] = {
    "fin": {"variables": ["fin_"], "taskViewers": ["ops"], "taskEditors": ["lead"]},
    "pay": {"variables": ["fin_pay_", "common_"]},
    "tax": {"variables": ["common_"]},
    "ops": {},
    "lead": {},
}


@pytest.mark.parametrize(
    ("name", "holders"),
    [
        ("fin_x", {"fin"}),
        ("fin_", {"fin"}),
        ("fin", set()),
        ("x_fin_", set()),
        # The longest prefix; of several owners with the same, each.
        ("fin_pay_x", {"pay"}),
        ("common_x", {"pay", "tax"}),
        # Airflow looks for AIRFLOW_VAR_ and the name in capitals.
        ("FIN_x", {"fin"}),
        ("\N{LATIN SMALL LIGATURE FI}n_x", {"fin"}),
    ],
)
def test_a_name_is_theirs_who_have_its_prefix(
    rules: ModuleType, name: str, holders: set[str]
) -> None:
    assert rules.holders(HELD, "variables", name) == holders
    assert rules.holders(HELD, "connections", name) == set()


@pytest.mark.parametrize(
    ("prefix", "owners"),
    [
        ("", {"fin", "pay", "tax"}),
        ("f", {"fin", "pay"}),
        ("FIN_", {"fin", "pay"}),
        ("fin_a", {"fin"}),
        ("fin_pay_a", {"pay"}),
        ("other", set()),
    ],
)
def test_a_list_shows_what_begins_so(rules: ModuleType, prefix: str, owners: set[str]) -> None:
    assert rules.held_below(HELD, "variables", prefix) == owners


@pytest.mark.parametrize(
    ("owner", "target", "reads", "changes"),
    [
        ("fin", "fin", True, True),
        ("ops", "fin", True, False),
        ("lead", "fin", True, True),
        ("pay", "fin", False, False),
        ("", "fin", False, False),
        ("fin", "ops", False, False),
        ("fin", "", False, False),
        ("", "", True, True),
    ],
)
def test_tasks_ask_about_their_owners_dags_and_of_those_that_name_it(
    rules: ModuleType, owner: str, target: str, reads: bool, changes: bool
) -> None:
    assert rules.may_ask(HELD, owner, target, changes=False) == reads
    assert rules.may_ask(HELD, owner, target, changes=True) == changes


def test_a_dag_that_is_another_owners_stays_his(rules: ModuleType) -> None:
    first = ("alpha/x.py", set[str]())
    with pytest.raises(
        rules.Claimed, match=r'^the DAG "x" is there already, in alpha/x\.py, of alpha$'
    ):
        rules.hold_to_first(OWNERS, "x", ("elsewhere/x.py", set()), first)
    with pytest.raises(rules.Claimed, match=r"in elsewhere/x\.py, of no owner"):
        rules.hold_to_first(OWNERS, "x", first, ("elsewhere/x.py", set()))
    # Within an owner it may move; and what is refused by itself keeps nobody out.
    rules.hold_to_first(OWNERS, "x", ("alpha/y.py", set()), first)
    rules.hold_to_first(OWNERS, "x", first, ("shared/x.py", set()))


def test_a_dag_whose_owner_has_an_account_has_its_prefix(rules: ModuleType) -> None:
    owners = {"alpha": {**OWNERS["alpha"], "account": "airflow-tasks-alpha"}}
    assert rules.owner_of(owners, "alpha/x.py", "a_x", set()) == "alpha"
    with pytest.raises(rules.Claimed, match=r'^the id of the DAG "x" must begin with a_: '):
        rules.owner_of(owners, "alpha/x.py", "x", set())
    assert rules.owner_of(owners, "elsewhere/x.py", "x", set()) == ""
