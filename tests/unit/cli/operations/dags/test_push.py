"""What a push takes for granted, what it has checked again, and which versions it removes."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest

from cli.base.environments import Environment
from cli.base.errors import KitError, UserError
from cli.operations.dags import push, versions
from cli.operations.dags.archive import Changes
from cli.operations.dags.push import Expected, KnownDags, WaitLimits
from cli.operations.live import Live
from infra.contract.outputs import Outputs

NOW = datetime(2027, 6, 1, tzinfo=UTC)
KNOWN = KnownDags({"a": "a.py", "b": "b.py"}, {"a.py": "token-a", "b.py": "token-b"}, {"b.py": "1"})
QUICK = WaitLimits(idle=0.05, pause=0.01)


class Airflow:
    """An Airflow that has parsed what a test says."""

    def __init__(self, *dags: tuple[str, str, str], runs: tuple[str, ...] = ()) -> None:
        self._dags, self._runs = dags, runs
        self.broken: list[dict[str, Any]] = []
        self.asked: list[str] = []

    def dags(self) -> list[dict[str, Any]]:
        keys = ("dag_id", "relative_fileloc", "bundle_version")
        return [
            {**dict(zip(keys, one, strict=True)), "bundle_name": "dags-folder"}
            for one in self._dags
        ]

    def unfinished_runs(self) -> list[dict[str, Any]]:
        return [{"dag_id": "a", "dag_run_id": "1", "bundle_version": one} for one in self._runs]

    def broken_files(self) -> list[dict[str, Any]]:
        return self.broken

    def parse_soon(self, token: str) -> None:
        self.asked.append(token)

    def tasks(self, dag: str, run: str) -> list[dict[str, Any]]:
        raise NotImplementedError

    def task_ids(self, dag: str) -> set[str]:
        raise NotImplementedError

    def change_run(self, dag: str, run: str, change: dict[str, str]) -> None:
        raise NotImplementedError


class Store:
    """Published versions by age in days."""

    def __init__(self, **ages: int) -> None:
        self.kept = {name: NOW - timedelta(days=age) for name, age in ages.items()}

    def names(self) -> dict[str, datetime]:
        return dict(self.kept)

    def remove(self, name: str) -> None:
        del self.kept[name]


@pytest.mark.parametrize(
    ("changes", "checked"),
    [
        (Changes(changed=("a.py",)), {"a.py"}),
        (Changes(added=("c.py",), changed=("a.py",)), {"a.py", "c.py"}),
        # What others import may break any of them.
        (Changes(changed=("team.py",)), None),
        (Changes(removed=("b.py",)), None),
    ],
)
def test_only_what_can_have_broken_is_checked(changes: Changes, checked: set[str] | None) -> None:
    assert push._to_check(changes, KNOWN) == checked


def test_it_is_over_when_the_changed_files_are_parsed_at_the_version() -> None:
    airflow = Airflow(("a", "a.py", "new"), ("b", "b.py", "old"))
    expected = Expected(frozenset({("a", "a.py")}))
    push.awaited(airflow, "new", Changes(changed=("a.py",)), expected, KNOWN, QUICK)
    assert airflow.asked == ["token-a"]


def test_what_is_not_parsed_is_named_and_where_to_look() -> None:
    airflow = Airflow(("a", "a.py", "old"), ("gone", "g.py", "old"))
    expected = Expected(frozenset({("a", "a.py")}), frozenset({"gone"}))
    with pytest.raises(KitError) as late:
        push.awaited(airflow, "new", Changes(changed=("a.py",)), expected, KNOWN, QUICK)
    assert late.value.detail.startswith("a.py: DAG a\nDAG gone is still there")
    assert late.value.command == "./aerodrome logs dag-processor"


def test_an_import_error_of_a_changed_file_ends_it_and_one_from_before_does_not() -> None:
    airflow = Airflow(("b", "b.py", "new"))
    error = {"bundle_name": "dags-folder", "filename": "b.py", "stack_trace": "x\nKeyError: 'y'"}
    changes, expected = Changes(changed=("b.py",)), Expected(frozenset({("b", "b.py")}))
    airflow.broken = [{**error, "timestamp": "1"}]
    push.awaited(airflow, "new", changes, expected, KNOWN, QUICK)
    airflow.broken = [{**error, "timestamp": "2"}]
    with pytest.raises(KitError) as refused:
        push.awaited(airflow, "new", changes, expected, KNOWN, QUICK)
    assert "b.py: KeyError: 'y'" in refused.value.detail


def test_old_versions_go_unless_a_run_or_a_dag_or_the_way_back_needs_them() -> None:
    store = Store(v1=90, v2=80, v3=70, v4=60, v5=50, v6=40, v7=35, v8=3, v9=2)
    airflow = Airflow(("a", "a.py", "v3"), runs=("v1",))
    removed = push.tidy(cast(Any, store), airflow, "v2", NOW)
    # v5 to v9 are the last five.
    assert removed == ["v4"]


def test_a_young_version_stays() -> None:
    store = Store(**{f"v{number}": 29 for number in range(9)})
    assert push.tidy(cast(Any, store), Airflow(), "v0", NOW) == []


@pytest.mark.parametrize(
    ("source", "command"),
    [
        ("image", "./aerodrome config set dags s3 --env dev && ./aerodrome up --env dev"),
        ("git", "./aerodrome config get gitRepository --env dev"),
    ],
)
def test_where_dags_are_not_pushed_the_way_is_said(source: str, command: str) -> None:
    live = SimpleNamespace(
        environment=Environment("dev"),
        outputs=Outputs({"dags": source}),
        session=SimpleNamespace(same=" --env dev"),
    )
    with pytest.raises(UserError) as refused:
        versions.of(cast(Live, live))
    assert refused.value.command == command
