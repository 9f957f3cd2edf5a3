"""The engine's own front door, for any Pulumi Python program.

    python -m sandbox.engine up --project-dir DIR --stack NAME --state-dir DIR

Progress goes to standard error, results to standard output. Exit code 0 on success, 1 if
something failed, 2 if the input was not right and nothing was changed.
"""

import argparse
import getpass
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sandbox.engine import operations
from sandbox.errors import KitError, UserError
from sandbox.wire.values import UNKNOWN, Secret, transform

_VERBS = ("preview", "up", "refresh", "destroy", "export", "import", "history", "passphrase")


def main(argv: list[str] | None = None) -> int:
    arguments = _parser().parse_args(argv)
    try:
        document = _perform(arguments)
    except KitError as error:
        sys.stderr.write(f"{error}\n")
        if arguments.json:
            _print({"result": "failed", **error.done(), "error": error.data()})
        return error.exit_code
    if document is not None:
        _print(document)
    return 0


def _print(document: Mapping[str, Any]) -> None:
    json.dump(document, sys.stdout, indent=2)
    sys.stdout.write("\n")


def _perform(arguments: argparse.Namespace) -> dict[str, Any] | None:
    request = _request(arguments)
    match arguments.verb:
        case "export":
            return operations.export(request)
        case "import":
            try:
                document = json.load(sys.stdin)
            except ValueError as error:
                raise UserError("Standard input holds no JSON", str(error)) from error
            operations.import_(request, document)
            return None
        case "history":
            return {"history": operations.history(request)}
        case "passphrase":
            count = operations.change_passphrase(request, _new_passphrase(arguments))
            return {"secrets": count}
    display = operations.Display(sys.stderr, diff=arguments.diff)
    match arguments.verb:
        case "preview":
            result = operations.preview(request, display)
        case "up":
            result = operations.up(request, display, skip_preview=arguments.skip_preview)
        case "refresh":
            result = operations.refresh(request, display)
        case _:
            result = operations.destroy(request, display)
    return _document(result) if arguments.json else None


def _request(arguments: argparse.Namespace) -> operations.Request:
    return operations.Request(
        project_dir=arguments.project_dir,
        stack=arguments.stack,
        state_dir=arguments.state_dir,
        config=_pairs(arguments.config),
        secret_config=_pairs(arguments.secret_config),
        config_file=arguments.config_file,
        parallel=arguments.parallel,
        targets=arguments.target,
        refresh=arguments.refresh,
        expect_no_changes=arguments.expect_no_changes,
        plugin_dirs=arguments.plugin_dir,
        patience=_patience(arguments.provider_timeout),
    )


def _patience(seconds: float | None) -> operations.Patience:
    if seconds is None:
        return operations.Patience()
    return operations.Patience(
        start=min(seconds, operations.Patience.start),
        question=min(seconds, operations.Patience.question),
        operation=seconds,
    )


def _new_passphrase(arguments: argparse.Namespace) -> str:
    """From a file or the terminal: others can see the arguments of a process."""
    file: Path | None = arguments.new_passphrase_file
    if file is not None:
        try:
            return file.read_text().strip()
        except OSError as error:
            raise UserError(f"{file} cannot be read", error.strerror or str(error)) from error
    if not sys.stdin.isatty():
        return sys.stdin.read().strip()
    first = getpass.getpass("New passphrase: ")
    if getpass.getpass("The same again: ") != first:
        raise UserError("The two passphrases differ", "Nothing was changed.")
    return first


def _pairs(texts: list[str]) -> dict[str, str]:
    pairs = {}
    for text in texts:
        key, sign, value = text.partition("=")
        if not sign:
            raise UserError(f"{text!r} is not of the form KEY=VALUE")
        pairs[key] = value
    return pairs


def _document(result: operations.Result) -> dict[str, Any]:
    return {
        "result": "succeeded",
        "changed": result.changed,
        "changes": {str(op): count for op, count in result.changes.items()},
        "outputs": transform(dict(result.outputs), _shown),
        "seconds": round(result.seconds, 3),
        "steps": [
            {
                "op": str(step.op),
                "urn": step.urn,
                "type": step.type,
                "name": step.name,
                "keys": list(step.keys),
                "seconds": round(step.seconds, 3),
            }
            for step in result.steps
        ],
    }


def _shown(value: Any) -> Any:
    if isinstance(value, Secret):
        return "[secret]"
    if value is UNKNOWN:
        return "[unknown]"
    known = value is None or isinstance(value, str | int | float | bool | dict | list)
    return value if known else str(value)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m sandbox.engine",
        description="Run a Pulumi Python program without the Pulumi CLI.",
    )
    parser.add_argument("verb", choices=_VERBS)
    parser.add_argument("--project-dir", type=Path, required=True, metavar="DIR")
    parser.add_argument("--stack", required=True, metavar="NAME")
    parser.add_argument("--state-dir", type=Path, required=True, metavar="DIR")
    parser.add_argument("--config", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument(
        "--secret-config",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="for trials only: others can see the arguments of a process",
    )
    parser.add_argument("--config-file", type=Path, metavar="FILE")
    parser.add_argument("--plugin-dir", type=Path, action="append", default=[], metavar="DIR")
    parser.add_argument("--parallel", type=int, metavar="N")
    parser.add_argument(
        "--provider-timeout",
        type=float,
        metavar="SECONDS",
        help="how long a provider may take for one thing, if the resource sets no limit",
    )
    parser.add_argument("--target", action="append", default=[], metavar="URN")
    parser.add_argument("--json", action="store_true", help="the result on standard output")
    parser.add_argument("--diff", action="store_true", help="show every property that changes")
    parser.add_argument("--refresh", action="store_true", help="look at the world first")
    parser.add_argument(
        "--new-passphrase-file",
        type=Path,
        metavar="FILE",
        help="for `passphrase`; without it, standard input or a question",
    )
    parser.add_argument("--skip-preview", action="store_true")
    parser.add_argument("--expect-no-changes", action="store_true")
    return parser


if __name__ == "__main__":
    sys.exit(main())
