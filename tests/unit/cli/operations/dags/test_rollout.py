"""What the running Airflow must have parsed after a rollout, and which runs it is named for."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from cli.base.errors import KitError
from cli.operations.dags import image, rollout, unfinished
from cli.operations.dags.image import DagOfImage, ImageRecord
from cli.operations.dags.rollout import ParseLimits
from cli.operations.dags.unfinished import UnfinishedRun

SINCE = datetime(2027, 3, 1, 12, 0, tzinfo=UTC)
BEFORE, AFTER = "2027-03-01T11:59:00Z", "2027-03-01T12:00:01Z"
QUICK = ParseLimits(idle=0.05, pause=0.01)


@dataclass
class FakeAirflow:
    """Airflow's lists: DAGs by the time of their last parse, errors, and runs with their tasks."""

    parsed: dict[str, list[str]] = field(default_factory=dict)
    """DAG to times, one for each look; the last one stays."""

    broken: list[dict[str, Any]] = field(default_factory=list)
    runs: list[dict[str, Any]] = field(default_factory=list)
    states: dict[str, str] = field(default_factory=dict)
    now: dict[str, set[str]] = field(default_factory=dict)
    changes: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)

    def dags(self) -> list[dict[str, Any]]:
        found = []
        for dag, times in self.parsed.items():
            time = times.pop(0) if len(times) > 1 else times[0]
            found.append({"dag_id": dag, "bundle_name": image.BUNDLE, "last_parsed_time": time})
        return found

    def broken_files(self) -> list[dict[str, Any]]:
        return self.broken

    def unfinished_runs(self) -> list[dict[str, Any]]:
        return self.runs

    def tasks(self, dag: str, run: str) -> list[dict[str, Any]]:
        return [{"task_id": task, "state": state} for task, state in self.states.items()]

    def task_ids(self, dag: str) -> set[str]:
        return self.now.get(dag, set())

    def change_run(self, dag: str, run: str, change: dict[str, str]) -> None:
        self.changes.append((dag, run, change))


def broken(file: str, trace: str, bundle: str = image.BUNDLE) -> dict[str, Any]:
    return {"filename": file, "stack_trace": trace, "bundle_name": bundle}


def record(*dags: str, **files: str) -> ImageRecord:
    found = tuple(DagOfImage(image.BUNDLE, f"{dag}.py", dag) for dag in dags)
    return ImageRecord(files, found)


class TestParsing:
    said: list[str]

    def check(self, airflow: FakeAirflow, known: ImageRecord | None) -> None:
        self.said = []
        rollout.check(airflow, known, SINCE, self.said.append, QUICK)

    def test_it_waits_for_a_parse_after_the_rollout(self) -> None:
        self.check(FakeAirflow({"a": [BEFORE, BEFORE, AFTER]}), record("a"))
        assert self.said == ["1 DAGs parsed by the running Airflow, no import error"]

    def test_every_file_that_airflow_does_not_take_is_listed(self) -> None:
        errors = [broken("a.py", "Traceback\nKeyError: 'x'\n"), broken("b.py", "SyntaxError: no")]
        with pytest.raises(KitError) as caught:
            self.check(FakeAirflow({}, errors), record("a"))
        assert caught.value.summary == "The running Airflow does not take 2 DAG files"
        assert "a.py: KeyError: 'x'" in caught.value.detail
        assert "b.py: SyntaxError: no" in caught.value.detail

    def test_errors_of_other_bundles_are_not_the_deployments(self) -> None:
        self.check(FakeAirflow({"a": [AFTER]}, [broken("x.py", "no", "from-git")]), record("a"))

    def test_a_file_of_which_airflow_says_nothing_is_named(self) -> None:
        # A process that is killed while it imports leaves no import error behind.
        with pytest.raises(KitError) as caught:
            self.check(FakeAirflow({"a": [AFTER], "b": [BEFORE]}), record("a", "b"))
        assert caught.value.summary == "The running Airflow has not parsed 1 DAG file"
        assert "b.py: DAG b" in caught.value.detail

    def test_without_a_record_errors_are_listed_none_the_less(self) -> None:
        with pytest.raises(KitError):
            self.check(FakeAirflow({}, [broken("a.py", "no")]), None)


class TestUnfinishedRuns:
    RUN = UnfinishedRun("a", "r1", "a.py changes", ("b",))

    def folder(self, tmp_path: Path, **files: str) -> Path:
        for name, text in files.items():
            (tmp_path / f"{name}.py").write_text(text)
        return tmp_path

    def touched(self, folder: Path, known: ImageRecord) -> list[UnfinishedRun]:
        airflow = FakeAirflow(
            runs=[{"dag_id": "a", "dag_run_id": "r1"}, {"dag_id": "elsewhere", "dag_run_id": "r2"}],
            states={"a": "success", "b": "up_for_retry"},
        )
        return unfinished.touched(airflow, known, known.changed(folder), folder)

    def test_a_run_whose_file_changes_is_named_with_what_it_has_yet_to_do(
        self, tmp_path: Path
    ) -> None:
        folder = self.folder(tmp_path, a="new")
        assert self.touched(folder, record("a", **{"a.py": "old"})) == [self.RUN]

    def test_a_run_whose_file_goes_is_named(self, tmp_path: Path) -> None:
        (found,) = self.touched(tmp_path, record("a", **{"a.py": "old"}))
        assert found.why == "a.py goes"

    def test_a_changed_module_may_be_used_by_any_dag(self, tmp_path: Path) -> None:
        folder = self.folder(tmp_path, a="same", module="new")
        same = image.content(folder / "a.py")
        (found,) = self.touched(folder, record("a", **{"a.py": same, "module.py": "old"}))
        assert found.why == "module.py changes, which it may use"

    def test_nothing_is_named_if_nothing_changes(self, tmp_path: Path) -> None:
        folder = self.folder(tmp_path, a="same", added="new")
        assert not self.touched(folder, record("a", **{"a.py": image.content(folder / "a.py")}))

    def settled(self, airflow: FakeAirflow) -> list[tuple[str, str, dict[str, str]]]:
        unfinished.settle(airflow, [self.RUN], print)
        return airflow.changes

    def test_a_run_whose_unfinished_work_is_gone_does_not_end_green(self) -> None:
        airflow = FakeAirflow(
            {"a": [AFTER]}, states={"a": "success", "b": "removed"}, now={"a": {"a"}}
        )
        ((dag, run, change),) = self.settled(airflow)
        assert (dag, run, change["state"]) == ("a", "r1", "failed")
        assert "b had not finished when a deployment removed it" in change["note"]

    def test_a_run_that_has_more_to_do_goes_on_and_says_what_is_missing(self) -> None:
        airflow = FakeAirflow(
            {"a": [AFTER]}, states={"c": "running", "b": "removed"}, now={"a": {"c"}}
        )
        ((_, _, change),) = self.settled(airflow)
        assert set(change) == {"note"}

    def test_a_run_of_a_vanished_dag_does_not_stay_for_ever(self) -> None:
        ((_, _, change),) = self.settled(FakeAirflow(states={"b": "up_for_retry"}))
        assert change["state"] == "failed"

    def test_a_run_whose_tasks_are_all_still_there_is_left_alone(self) -> None:
        airflow = FakeAirflow({"a": [AFTER]}, states={"b": "up_for_retry"}, now={"a": {"b"}})
        assert self.settled(airflow) == []
