"""`python -m kibana` writes the file of the saved objects; `python -m kibana FILE ...` checks such files."""

import sys
from collections.abc import Sequence
from pathlib import Path

from kibana import check, files


def main(arguments: Sequence[str]) -> int:
    """The exit code: 2 if Kibana would not import a file."""
    if not arguments:
        files.write()
        return 0
    wrong = 0
    for name in arguments:
        try:
            found = check.problems(Path(name).read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            found = [f"cannot be read: {error}"]
        wrong += bool(found)
        sys.stderr.writelines(f"{name}: {one}\n" for one in found)
    if wrong:
        sys.stderr.write(
            "Saved objects are made from kibana/content.py. To write them again:\n    .ci/docs\n"
        )
    return 2 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
