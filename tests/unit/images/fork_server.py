"""Run by an interpreter of the image's packages: imports what it is told once, and forks for each line that asks it to
run something. What it runs is a process of its own with an environment of its own; only the imports are shared.
"""

import importlib
import json
import os
import runpy
import sys
import traceback
from pathlib import Path
from typing import Any


def run(asked: dict[str, Any]) -> int:
    """As the interpreter runs a script, or `-c`; its status."""
    os.environ.clear()
    os.environ.update(asked["env"])
    for number, file in ((1, asked["stdout"]), (2, asked["stderr"])):
        os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    if settings := sys.modules.get("airflow.settings"):
        # Read from the environment when it was imported.
        settings.configure_vars()
        settings.configure_orm()
    script = asked["script"]
    sys.argv = [script or "-c", *asked["arguments"]]
    sys.path[0] = str(Path(script).parent) if script else ""
    try:
        if script:
            runpy.run_path(script, run_name="__main__")
        else:
            exec(compile(asked["code"], "<string>", "exec"), {"__name__": "__main__"})
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            return end.code or 0
        sys.stderr.write(f"{end.code}\n")
        return 1
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def main() -> None:
    for name in sys.argv[1:]:
        importlib.import_module(name)
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                status = run(json.loads(line))
                sys.stdout.flush()
                sys.stderr.flush()
            finally:
                os._exit(status)
        _, status = os.waitpid(pid, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
