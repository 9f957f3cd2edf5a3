"""`python -m kibana` writes the file of the saved objects; `check FILE ...` checks such files, `import URL` loads them into a Kibana."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from kibana import check, files
from kibana.errors import KibanaError
from kibana.importing import Kibana

PASSWORD = "KIBANA_PASSWORD"


def main(arguments: Sequence[str]) -> int:
    """The exit code: 2 if Kibana would not take a file, or does not."""
    asked = _parser().parse_args(arguments)
    if asked.what == "check":
        return _check(asked.files)
    if asked.what == "import":
        return _import(asked)
    files.write()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m kibana", description=__doc__)
    verbs = parser.add_subparsers(dest="what")
    checked = verbs.add_parser("check", help="check files of saved objects")
    checked.add_argument("files", nargs="+", metavar="FILE")
    loaded = verbs.add_parser(
        "import", help=f"load the saved objects into a Kibana; the password is in {PASSWORD}"
    )
    loaded.add_argument("url", metavar="URL", help="its address; of a space: URL/s/SPACE")
    loaded.add_argument("--user", required=True, help="who may write saved objects there")
    loaded.add_argument("--authority", type=Path, help="a file with the certificate of its signer")
    loaded.add_argument("--wait", type=float, default=60.0, help="seconds for Kibana to get ready")
    return parser


def _import(asked: argparse.Namespace) -> int:
    try:
        if PASSWORD not in os.environ:
            raise KibanaError(f"The variable {PASSWORD} has no password")
        if not asked.url.startswith(("http://", "https://")):
            raise KibanaError(f"{asked.url} is no address such as https://kibana.example.com")
        if asked.authority is not None and not asked.authority.is_file():
            raise KibanaError(f"{asked.authority} is no file")
        kibana = Kibana(asked.url, asked.user, os.environ[PASSWORD], asked.authority)
        kibana.wait(asked.wait)
        count = kibana.load(files.FILE.read_text(encoding="utf-8"))
    except KibanaError as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    sys.stdout.write(f"{count} saved objects are in {asked.url}\n")
    return 0


def _check(names: Sequence[str]) -> int:
    wrong = 0
    for name in names:
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
