"""Import every DAG of a folder as the dag-processor would, and fail if one does not.

The image build runs this after it has copied the DAGs: a DAG that does not import stops the
build with its file and its error, so that nothing broken is ever pushed. Needs Airflow, but
no database. The last lines of the output are the short form: one line for each bad file.
"""

import os
import sys
from pathlib import Path

FORCED_SETTINGS = {
    "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR",
    # A DAG may read a Variable while it is parsed: let it fail on "no such table" here, rather
    # than ask a database that a build machine does not have.
    "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": "sqlite:////tmp/check_dags.db",
}


def find_errors(folder: Path) -> tuple[dict[str, str], dict[str, str]]:
    """The DAGs (id to file) and the errors (file to traceback) of `folder`."""
    # Only now: the settings above must be in the environment when Airflow loads.
    from airflow.dag_processing.dagbag import DagBag
    from airflow.serialization.serialized_objects import DagSerialization

    bag = DagBag(dag_folder=str(folder), load_op_links=False)
    errors = {relative(path, folder): str(error) for path, error in bag.import_errors.items()}
    dags: dict[str, str] = {}
    for dag_id, dag in bag.dags.items():
        dags[dag_id] = relative(dag.fileloc, folder)
        try:
            DagSerialization.to_dict(dag)
        except Exception as error:
            # The dag-processor reports this as an import error too.
            errors[dags[dag_id]] = f"DAG {dag_id} cannot be serialized: {error}"
    return dags, errors


def relative(path: str, folder: Path) -> str:
    """The name by which the author knows the file."""
    return os.path.relpath(folder / path, folder)


def last_line(error: str) -> str:
    """The line of a traceback that says what happened."""
    lines = [line.strip() for line in error.splitlines() if line.strip()]
    return lines[-1] if lines else "no reason given"


def report(dags: dict[str, str], errors: dict[str, str]) -> tuple[int, str]:
    """Exit code and text."""
    if not dags and not errors:
        return 1, "No DAG found: the folder dags/ of the image holds no file that defines one.\n"
    if not errors:
        return 0, f"{len(dags)} DAGs import: {', '.join(sorted(dags))}\n"
    full = [f"--- {file}\n{error.rstrip()}\n" for file, error in sorted(errors.items())]
    short = [f"DAG {file} does not import: {last_line(e)}\n" for file, e in sorted(errors.items())]
    return 1, "".join(full + short)


def main(arguments: list[str]) -> int:
    """`check_dags.py FOLDER`."""
    os.environ.update(FORCED_SETTINGS)
    code, text = report(*find_errors(Path(arguments[0]).resolve()))
    (sys.stderr if code else sys.stdout).write(text)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
