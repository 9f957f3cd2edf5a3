"""The chart's values: what the program computes, and what the user's files make of it."""

from typing import Any

import pytest

from infra.values import OWNED, chart_defaults
from infra.values_files import paths
from tests.program.conftest import BASE, BRANCH, BRANCH_SECRETS
from tests.program.recording import SECRETS, Program, run_program

DEFAULTS = (
    "scheduler.parallelism",
    "config.scheduler.num_stuck_in_queued_retries",
    "workers.restrictedPods",
    "missingSecrets",
    "ui.baseUrl",
    "ui.ingress.networks",
    "ui.ingress.plainHttp",
)
"""What the program sets and users may set otherwise."""

FILE = "tests/program/values.yaml"


def values(program: Program) -> dict[str, Any]:
    found: dict[str, Any] = program.one("kubernetes:helm.sh/v3:Release", "-airflow").inputs[
        "values"
    ]
    return found


def _known(path: str) -> bool:
    return any(path == key or path.startswith(f"{key}.") for key in (*OWNED, *DEFAULTS))


@pytest.mark.parametrize("which", ["program", "shared"])
def test_all_that_the_program_sets_is_its_own_or_named_as_a_default(
    which: str, request: pytest.FixtureRequest
) -> None:
    computed = values(request.getfixturevalue(which))
    found = [".".join(map(str, path)) for path in paths(computed)]
    assert found
    assert not [path for path in found if not _known(path)]


def test_what_is_the_programs_own_is_a_value_of_the_chart() -> None:
    for key in OWNED:
        node: Any = chart_defaults()
        for part in key.split("."):
            assert part in node or key == "global", key
            node = node.get(part)


def test_the_files_go_over_what_the_program_computes(program: Program) -> None:
    config = {**BRANCH, "valuesFiles": f'["{FILE}"]'}
    branch = run_program(config, BRANCH_SECRETS, {BASE: program})
    found = values(branch)
    assert found["scheduler"] == {"parallelism": 5, "replicas": 2}
    # A default of the program that the file takes away, and an option written as a number.
    assert found["config"] == {"scheduler": {}, "core": {"max_active_tasks_per_dag": "7"}}
    assert found["executor"] == "KubernetesExecutor"
    assert found["networkPolicies"] == {"enabled": True}


def test_a_fault_in_a_file_ends_the_program_before_it_registers_anything() -> None:
    with pytest.raises(Exception, match=r"none\.yaml: there is no such file"):
        run_program({"environment": "test", "valuesFiles": '["values/none.yaml"]'}, SECRETS)
