"""What tasks of an owner's DAGs are in AWS where `access.yaml` gives the owner `taskPolicies`: a service account and a role of
their own, with the owner's logs and XComs. All other tasks then share another one, which reaches none of those.

Airflow puts a task's log in a folder named after its DAG (`dag_id=...`), and so are XComs. An owner's are told by the beginning of
the DAG's id, as a policy of IAM can: its DAGs have one of its prefixes, wherever their files are.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from infra.contract import task_policies

KEY: Final = "taskPolicies"
"""Of an owner in the file."""

ACCOUNT: Final = "account"
"""The name of its tasks' service account, in what the image and the chart are told of an owner."""

OTHERS: Final = "airflow-tasks"
"""The service account of the tasks of DAGs that are no such owner's."""

MOST_PREFIXES: Final = 40
"""Of all such owners: each is named in the policy of other tasks, and IAM takes 10,240 characters for a role's."""

_LENGTH: Final = 10
"""What a role's name has room for: `Names.ENVIRONMENT_MAX_LENGTH` says how it is counted."""

KeyPath = tuple[str | int, ...]
Owners = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class TaskAccount:
    """One service account, and whose logs and XComs are for it."""

    name: str
    part: str
    """Of the names of what belongs to it; empty for that of other tasks."""

    own: tuple[str, ...]
    """Beginnings of DAG ids; `""` is any."""

    read: tuple[str, ...]
    """Of DAGs whose XComs it may read as well."""

    foreign: tuple[str, ...]
    """Of DAGs among those whose logs it must not have, and whose XComs it must not write."""

    unread: tuple[str, ...]
    """Of DAGs among those whose XComs it must not read."""

    policies: task_policies.TaskPolicies


def part_of(owner: str) -> str:
    """What stands for an owner in names of AWS and Kubernetes, which know no capitals and little room."""
    plain = re.sub(r"[^a-z0-9]+", "-", owner.lower()).strip("-")
    if plain == owner and len(plain) <= _LENGTH:
        return plain
    digest = hashlib.sha256(owner.encode()).hexdigest()[:6]
    return f"{plain[: _LENGTH - 7].strip('-')}-{digest}".strip("-")


def name_of(owner: str) -> str:
    """Of the service account of an owner's tasks."""
    return f"{OTHERS}-{part_of(owner)}"


def declared(owners: Owners) -> dict[str, task_policies.TaskPolicies]:
    """What the file gives the tasks of each owner that has a role of its own."""
    return {
        name: task_policies.parse(json.dumps(owner[KEY]))
        for name, owner in owners.items()
        if KEY in owner
    }


def accounts(owners: Owners, given: Mapping[str, task_policies.TaskPolicies]) -> list[TaskAccount]:
    """All of an environment; none where no owner has a role of its own. `owners` without faults."""
    if not given:
        return []
    every = {prefix: name for name in given for prefix in owners[name]["prefixes"]}
    none = task_policies.TaskPolicies((), ())
    others = TaskAccount(OTHERS, "", ("",), (), (*every,), (*every,), none)
    return [others, *(_account(name, owners, given) for name in sorted(given))]


def _account(
    name: str, owners: Owners, given: Mapping[str, task_policies.TaskPolicies]
) -> TaskAccount:
    own = tuple(owners[name]["prefixes"])
    shown = [one for one in given if one != name and name in _asked_by(owners[one])]
    read = tuple(prefix for one in shown for prefix in owners[one]["prefixes"])
    every = {prefix for one in given for prefix in owners[one]["prefixes"]}
    foreign = _below(every - {*own}, own)
    unread = _below(every - {*own, *read}, (*own, *read))
    return TaskAccount(
        name_of(name), part_of(name), own, tuple(sorted({*read} - {*own})), foreign, unread, given[name]
    )  # fmt: skip


def faults(owners: Owners) -> Iterator[tuple[KeyPath, str]]:
    """Of the file's owners, as it has them."""
    given = [name for name, owner in owners.items() if KEY in owner]
    for name in given:
        yield from _own_faults(name, owners)
        yield from _prefix_faults(name, owners)
    for name, owner in owners.items():
        for kind in ("taskViewers", "taskEditors"):
            for index, other in enumerate(owner.get(kind, ())):
                if other in owners and (other in given) != (name in given):
                    with_, without = (other, name) if other in given else (name, other)
                    yield (
                        ("owners", name, kind, index),
                        f"{with_} has {KEY}, and {without} has none: tasks without a role of their own cannot be told "
                        f"apart in AWS, where large XComs are; say {KEY}: [] for {without}",
                    )
    if given and sum(len(owners[name].get("prefixes", ())) for name in given) > MOST_PREFIXES:
        yield (
            ("owners", given[-1], "prefixes"),
            f"owners with {KEY} have more than {MOST_PREFIXES} prefixes together, more than a policy of IAM has room for",
        )


def _own_faults(name: str, owners: Owners) -> Iterator[tuple[KeyPath, str]]:
    if wrong := task_policies.check(json.dumps(owners[name][KEY])):
        yield ("owners", name, KEY), wrong
    if not owners[name].get("prefixes"):
        yield (
            ("owners", name, KEY),
            "needs prefixes: in AWS the logs and XComs of its DAGs are told from others by the beginnings of their ids",
        )


def _prefix_faults(name: str, owners: Owners) -> Iterator[tuple[KeyPath, str]]:
    """Prefixes that a policy could not keep apart."""
    own = tuple(owners[name].get("prefixes", ()))
    read = [
        prefix
        for one, owner in owners.items()
        if name in _asked_by(owner)
        for prefix in owner.get("prefixes", ())
    ]
    for other, owner in owners.items():
        if other == name:
            continue
        for index, prefix in enumerate(owner.get("prefixes", ())):
            if KEY not in owner and any(prefix.startswith(mine) for mine in own):
                text = f"begins like one of {name}, which has {KEY}: say {KEY} (or []) here as well"
                yield ("owners", other, "prefixes", index), text
            # Who is refused all below `prefix` has nothing of his own there.
            elif prefix not in own and _between(prefix, (*own, *read)):
                yield (
                    ("owners", other, "prefixes", index),
                    f"lies between prefixes of what {name}'s tasks may read, which a policy of IAM cannot say",
                )


def _between(prefix: str, allowed: Sequence[str]) -> bool:
    above = any(prefix.startswith(one) and prefix != one for one in allowed)
    return above and any(one.startswith(prefix) and prefix != one for one in allowed)


def _below(prefixes: set[str], allowed: Sequence[str]) -> tuple[str, ...]:
    return tuple(sorted(one for one in prefixes if any(one.startswith(each) for each in allowed)))


def _asked_by(owner: Mapping[str, Any]) -> set[str]:
    return {*owner.get("taskViewers", ()), *owner.get("taskEditors", ())}
