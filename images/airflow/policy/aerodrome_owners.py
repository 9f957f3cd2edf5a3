"""Whose a DAG is, and who may do what with it: by `access.yaml`, not by the DAG's file.

The file's folder and the beginning of the DAG's id say which owners it may have; where that is one, nobody has to say
more, and where there are several, the `owner` of its tasks is one of them. Imported by every process of Airflow's: so
it imports next to nothing.
"""

import json
from collections.abc import Mapping
from functools import cache
from typing import Any

VARIABLE = "AERODROME_OWNERS"

ACCOUNT = "account"
"""Of an owner whose tasks are somebody of their own in AWS: their service account."""

Owners = Mapping[str, Mapping[str, Any]]
Access = dict[str, dict[str, set[str]]]
"""By role and kind of resource: what Airflow calls a DAG's access control."""


class Claimed(Exception):
    """A DAG wants to be whose it may not be, or decides itself who may see it."""


@cache
def declared(text: str) -> Owners:
    """The owners, of the variable's content."""
    owners: Owners = json.loads(text)
    return owners


def access_of(owners: Owners, file: str, dag_id: str, named: set[str], own: Any) -> Access:
    """The access control of a DAG of this file and id, whose tasks name these owners.

    Claimed if it may not be theirs, or if its file has an access control of its own.
    """
    owner = owner_of(owners, file, dag_id, named)
    found: Access = {}
    for role, actions in owners[owner]["access"].items() if owner else ():
        found[role] = {"DAGs": set(actions)}
    if own is not None and own != found:
        raise Claimed(
            f'the DAG "{dag_id}" has an access_control; here access.yaml says who may see it: take it out'
        )
    return found


def owner_of(owners: Owners, file: str, dag_id: str, named: set[str]) -> str:
    """Empty if it is nobody's: only who may see all DAGs sees it then. Claimed if it may not be whose it says."""
    named = named & owners.keys()
    may_be = _candidates(owners, file, dag_id)
    if wrong := sorted(named - may_be):
        places = "; ".join(f"{one}: {_places(owners[one])}" for one in wrong)
        raise Claimed(
            f'the DAG "{dag_id}" names the owner {", ".join(wrong)}, and may not: access.yaml has {places}'
        )
    if len(named) > 1 or (not named and len(may_be) > 1):
        which = ", ".join(sorted(named or may_be))
        raise Claimed(
            f'the DAG "{dag_id}" must have one owner out of {which}: say owner= for all of its tasks'
        )
    owner = next(iter(named or may_be), "")
    if (
        owner
        and owners[owner].get(ACCOUNT)
        and not dag_id.startswith(tuple(owners[owner]["prefixes"]))
    ):
        prefixes = ", ".join(owners[owner]["prefixes"])
        raise Claimed(
            f'the id of the DAG "{dag_id}" must begin with {prefixes}: its owner {owner} has taskPolicies in access.yaml, and AWS '
            "tells its logs and XComs from others by that"
        )
    return owner


def _candidates(owners: Owners, file: str, dag_id: str) -> set[str]:
    """The owners of the innermost folder that has any; else those of the longest prefix. Both, if both say something,
    must agree: a prefix in somebody else's folder would take his name."""
    folders = {
        name: max((len(one) for one in owner["folders"] if file.startswith(f"{one}/")), default=-1)
        for name, owner in owners.items()
    }
    prefixes = {
        name: max((len(one) for one in owner["prefixes"] if dag_id.startswith(one)), default=-1)
        for name, owner in owners.items()
    }
    by_folder, by_prefix = _longest(folders), _longest(prefixes)
    if by_folder and by_prefix:
        if both := by_folder & by_prefix:
            return both
        raise Claimed(
            f'the DAG "{dag_id}" has an id of {", ".join(sorted(by_prefix))} in a folder of '
            f"{', '.join(sorted(by_folder))}"
        )
    return by_folder or by_prefix


def hold_to_first(
    owners: Owners, dag_id: str, new: tuple[str, set[str]], first: tuple[str, set[str]]
) -> None:
    """Claimed if a DAG that another file has would get another owner: its runs and its tasks' rights would be his.

    Each is a file and the owners that the DAG's tasks name in it.
    """
    try:
        was = owner_of(owners, first[0], dag_id, first[1])
    except Claimed:
        # access.yaml has changed since; the file will be refused.
        return
    if was != owner_of(owners, new[0], dag_id, new[1]):
        raise Claimed(f'the DAG "{dag_id}" is there already, in {first[0]}, of {was or "no owner"}')


def holders(owners: Owners, kind: str, name: str) -> set[str]:
    """Whose a connection, a variable or an asset is: of the longest prefix. Nobody's is everybody's.

    Without regard to case, as Airflow's own look-up in environment variables is: there `Fin_x` is `fin_x`, too.
    """
    upper = name.upper()
    return _longest(
        {
            owner: max(
                (len(one) for one in rules.get(kind, ()) if upper.startswith(one.upper())),
                default=-1,
            )
            for owner, rules in owners.items()
        }
    )


def held_below(owners: Owners, kind: str, prefix: str) -> set[str]:
    """Whoever holds a name that begins so."""
    upper = prefix.upper()
    below = {
        owner
        for owner, rules in owners.items()
        if any(one.upper().startswith(upper) for one in rules.get(kind, ()))
    }
    return below | holders(owners, kind, prefix)


def may_ask(owners: Owners, owner: str, target: str, *, changes: bool) -> bool:
    """Whether tasks of one owner may ask about another's DAGs, or run them. An empty one is nobody."""
    if owner == target:
        return True
    rules = owners.get(target, {})
    allowed = {*rules.get("taskEditors", ())}
    if not changes:
        allowed |= {*rules.get("taskViewers", ())}
    return owner in allowed


def _longest(lengths: Mapping[str, int]) -> set[str]:
    best = max(lengths.values(), default=-1)
    return {name for name, length in lengths.items() if length == best and length >= 0}


def _places(owner: Mapping[str, Any]) -> str:
    folders = [f"files in {one}/" for one in owner["folders"]]
    return ", ".join(folders + [f"ids that begin with {one}" for one in owner["prefixes"]])
