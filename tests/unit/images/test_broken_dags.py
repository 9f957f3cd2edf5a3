"""Broken DAG files that no check has stopped (from git, say): what the dag-processor says of them in Airflow's UI.

In the image's own Airflow, as real processes. Each broken file is named, and the good one beside them is there.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.images import postgresql, real_airflow
from tests.unit.images.postgresql import MASTER, MASTER_PASSWORD
from tests.unit.images.real_airflow import until
from tests.unit.images.test_check_dags import BAD, dag, written

SAID = {
    "argparse_dag.py": "SystemExit",
    "endless.py": "DagBag import timeout",
    "syntax.py": "SyntaxError",
    "module.py": "No module named 'a_module_that_is_not_there'",
    "cycle.py": "Cycle detected",
    "killed.py": "exit status 3",
}
"""What an author must read of each."""


@pytest.fixture(scope="module")
def errors(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The import errors, by file."""
    folder = tmp_path_factory.mktemp("dags")
    written(folder, {name: BAD[name] for name in SAID} | {"good.py": dag("good")})
    bundle = {
        "name": "team",
        "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle",
        "kwargs": {"path": str(folder)},
    }
    more = {"AIRFLOW__CORE__DAGBAG_IMPORT_TIMEOUT": "3"}
    home = tmp_path_factory.mktemp("airflow")
    with (
        postgresql.running("15") as server,
        real_airflow.running(
            home,
            server.url(MASTER, MASTER_PASSWORD, MASTER),
            [bundle],
            more,
            ("api-server", "dag-processor"),
        ) as airflow,
        airflow.api() as api,
    ):
        until(lambda: len(api.import_errors()) == len(SAID) and api.has_dag("good"))
        yield {Path(file).name: text for file, text in api.import_errors()}


@pytest.mark.parametrize("file", SAID)
def test_each_is_named_with_the_reason(errors: dict[str, str], file: str) -> None:
    assert SAID[file] in errors[file]
