"""Run the example DAGs on a deployed environment, and tell how that differs from the table.

As functions of an Airflow and of nothing else, so that they serve by hand on any environment, too:

    python -m tests.end_to_end.example_runs URL USER PASSWORD [DAG...]
"""

import sys
import time
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from cli.base.airflow import Airflow
from tests.end_to_end.example_states import EXPECTED, Expected

AT_ONCE = 5
"""Runs side by side: more of them only wait for each other on two cores."""

OVER = ("success", "failed")


class Api(Airflow):
    """What the examples ask of Airflow beyond what the command line does."""

    def start(self, dag: str, run: str, logical_date: str | None) -> None:
        body = {"dag_run_id": run, "logical_date": logical_date}
        self._send("POST", f"/api/v2/dags/{dag}/dagRuns", body)

    def runs_since(self, dag: str, since: str) -> list[dict[str, Any]]:
        answer = self._send("GET", f"/api/v2/dags/{dag}/dagRuns?start_date_gte={since}")
        found: list[dict[str, Any]] = answer["dag_runs"]
        return found

    def states(self, dag: str, run: str) -> dict[str, str]:
        """Every task instance's state, by its id and index."""
        found: dict[str, str] = {}
        while True:
            answer = self._send(
                "GET",
                f"/api/v2/dags/{dag}/dagRuns/{run}/taskInstances?limit=100&offset={len(found)}",
            )
            for one in answer["task_instances"]:
                index = one["map_index"]
                found[one["task_id"] + (f"[{index}]" if index >= 0 else "")] = str(one["state"])
            if len(found) >= answer["total_entries"]:
                return found

    def result(self, dag: str, run: str, task: str) -> Any:
        """What a task returned; of one whose value lies in S3 the address."""
        path = f"/api/v2/dags/{dag}/dagRuns/{run}/taskInstances/{task}/xcomEntries/return_value"
        return self._send("GET", f"{path}?stringify=false")["value"]

    def add_variable(self, key: str, value: str) -> None:
        self._send("POST", "/api/v2/variables", {"key": key, "value": value})

    def add_connection(self, name: str, password: str) -> None:
        body = {"connection_id": name, "conn_type": "http", "login": "user", "password": password}
        self._send("POST", "/api/v2/connections", body)

    def clear(self, dag: str, run: str, *tasks: str) -> None:
        """Those tasks run again, with what comes after them."""
        body = {
            "dag_run_id": run,
            "task_ids": list(tasks),
            "dry_run": False,
            "include_downstream": True,
            "only_failed": False,
        }
        self._send("POST", f"/api/v2/dags/{dag}/clearTaskInstances", body)

    def delete_run(self, dag: str, run: str) -> None:
        self._patiently("DELETE", f"/api/v2/dags/{dag}/dagRuns/{run}", None, self._headers())


@dataclass
class Round:
    """One run of each DAG, side by side as far as two cores allow."""

    api: Api
    dags: Collection[str]
    seconds: float = 600
    runs: dict[str, str] = field(default_factory=dict)
    """The run of each DAG, once it has one."""
    states: dict[str, str] = field(default_factory=dict)
    """How each run ended."""
    _began: datetime = field(default_factory=lambda: datetime.now(UTC))

    def go(self) -> "Round":
        """Starts all, and waits for all. What is not over in time has no state."""
        give_up = time.monotonic() + self.seconds
        for dag in self.dags:
            self.api.unpause(dag)
        waiting = [dag for dag in self.dags if not EXPECTED[dag].started_by]
        while len(self.states) < len(self.dags) and time.monotonic() < give_up:
            while waiting and len(self.runs) - len(self.states) < AT_ONCE:
                self._start(waiting)
            self._look()
            time.sleep(1)
        return self

    def _start(self, waiting: list[str]) -> None:
        """The next one, with the one that must have the same logical date."""
        dag = waiting.pop(0)
        other = EXPECTED[dag].together_with
        date = datetime.now(UTC).isoformat() if other else None
        for each in filter(None, (dag, other)):
            if each != dag:
                waiting.remove(each)
            self.runs[each] = f"example-{self._began:%Y%m%dT%H%M%S}"
            self.api.start(each, self.runs[each], date)

    def _look(self) -> None:
        for dag in self.dags:
            if dag in self.states:
                continue
            if dag not in self.runs and EXPECTED[dag].started_by in self.runs:
                found = self.api.runs_since(dag, f"{self._began:%Y-%m-%dT%H:%M:%SZ}")
                if found:
                    self.runs[dag] = str(found[0]["dag_run_id"])
            if dag in self.runs:
                state = self.api.run_state(dag, self.runs[dag])
                self.states |= {dag: state} if state in OVER else {}

    def differences(self) -> list[str]:
        """One line for everything that is not as the table says."""
        return [
            f"{dag}: {line}"
            for dag in self.dags
            for line in (
                self._differences(dag, EXPECTED[dag]) if dag in self.runs else ["did not start"]
            )
        ]

    def _differences(self, dag: str, expected: Expected) -> Iterable[str]:
        run = self.runs[dag]
        state = self.states.get(dag, "not over")
        if state != expected.run:
            yield f"the run is {state}, not {expected.run}"
        found = self.api.states(dag, run)
        for task in sorted(found.keys() | expected.tasks.keys()):
            if found.get(task) != expected.tasks.get(task):
                yield f"{task} is {found.get(task)}, not {expected.tasks.get(task)}"
        for task, value in expected.results.items():
            if found.get(task) == "success" and (
                value != (returned := self.api.result(dag, run, task))
            ):
                yield f"{task} returned {returned!r}, not {value!r}"
        for (task, attempt), line in expected.log_lines.items():
            if task in found and not any(
                line in one for one in self.api.log(dag, run, task, attempt)
            ):
                yield f"the log of try {attempt} of {task} lacks {line!r}"


def main(arguments: list[str]) -> int:
    url, user, password, *dags = arguments
    began = time.monotonic()
    with Api(url, user, password) as api:
        done = Round(api, dags or list(EXPECTED)).go()
        lines = done.differences()
    report = [*lines, f"{len(done.states)} runs in {time.monotonic() - began:.0f} s"]
    sys.stdout.write("\n".join(report) + "\n")
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
