"""The settings that the program knows, asked of the program itself.

The command line never imports `infra`; it runs `python -m infra.settings --json`, and
keeps the answer for as long as the program's files are the same.
"""

import difflib
import hashlib
import json
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Self

from cli.base.errors import KitError, UserError
from cli.base.paths import ROOT, cache_dir
from cli.base.record import write_atomically

NAMESPACE = "aerodrome"
REGION_KEY = "aws:region"
DEFAULT_REGION = "us-east-1"
"""Of an environment whose configuration names none; the sandbox's AWS is there, too."""

"""Not the program's: its AWS provider reads it."""


@dataclass(frozen=True)
class Setting:
    """One configuration key of the program, as it describes itself."""

    key: str
    type: str
    default: Any = None
    required: bool = False
    secret: bool = False
    choices: tuple[str, ...] = ()
    minimum: int | None = None
    maximum: int | None = None
    pattern: str = ""
    allowed: str = ""
    doc: str = ""

    @classmethod
    def of(cls, item: Mapping[str, Any]) -> Self:
        known = {field.name for field in fields(cls)}
        values = {name: value for name, value in item.items() if name in known}
        values["choices"] = tuple(str(choice) for choice in item.get("choices") or ())
        return cls(**values)

    def problem(self, value: str) -> str:
        """What is wrong with `value`; empty if the program would take it.

        The program checks more (networks, keys that depend on each other): it has the last word.
        """
        if self.choices:
            return "" if value in self.choices else f"It must be one of {', '.join(self.choices)}."
        match self.type:
            case "boolean" if value not in ("true", "false"):
                return "It must be true or false."
            case "integer" if not re.fullmatch(r"-?[0-9]{1,9}", value):
                return "It must be a whole number."
            case "integer" if not self._within(int(value)):
                return f"It must be between {self.minimum} and {self.maximum}."
            case "list" if not _is_list(value):
                return 'It must be a JSON list of texts, such as ["a", "b"].'
            case "string" if self.pattern and not re.fullmatch(self.pattern, value):
                return f"It must be {self.allowed}."
        return ""

    def _within(self, number: int) -> bool:
        above = self.minimum is None or number >= self.minimum
        return above and (self.maximum is None or number <= self.maximum)


def settings() -> dict[str, Setting]:
    """Every setting by its key."""
    found = (Setting.of(item) for item in json.loads(_answer()))
    return {setting.key: setting for setting in found}


def qualified(key: str) -> str:
    """`key` as Pulumi writes it: with its namespace, the project's own by default."""
    return key if ":" in key else f"{NAMESPACE}:{key}"


def check(key: str, value: str, known: Mapping[str, Setting]) -> None:
    """UserError if the program would refuse `key`, or `value` for it."""
    namespace, _, name = qualified(key).partition(":")
    if namespace != NAMESPACE:
        # Other namespaces belong to providers (aws:region); they check their own.
        return
    setting = declared(name, known)
    if problem := setting.problem(value):
        shown = "this value" if setting.secret else f'"{value}"'
        raise UserError(
            f'Configuration key "{name}" does not take {shown}', f"{problem}\n{setting.doc}"
        )


def declared(name: str, known: Mapping[str, Setting]) -> Setting:
    """The setting called `name`. UserError with the nearest names if there is none."""
    if name in known:
        return known[name]
    lower = {key.lower(): key for key in known}
    near = difflib.get_close_matches(name.lower(), lower, n=3, cutoff=0.6)
    names = ", ".join(f'"{lower[key]}"' for key in near)
    raise UserError(
        f'No configuration key "{name}"',
        f"Did you mean {names}?" if names else "No key has a name like that.",
        "./aerodrome config list --all",
    )


def _is_list(value: str) -> bool:
    try:
        items = json.loads(value)
    except ValueError:
        return False
    return isinstance(items, list) and all(isinstance(item, str) for item in items)


def _answer() -> str:
    sources = sorted((ROOT / "infra").rglob("*.py"))
    content = b"".join(file.read_bytes() for file in sources)
    name = hashlib.sha256(content).hexdigest()[:16]
    cached = cache_dir() / "settings" / f"{name}.json"
    if cached.exists():
        return cached.read_text()
    answer = ask_program("list its settings", "infra.settings", "--json")
    write_atomically(cached, answer, 0o644)
    return answer


def ask_program(doing: str, *module: str, given: str = "", root: Path = ROOT) -> str:
    """What a module of the program prints: it runs as a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", *module],
        cwd=root,
        input=given,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise KitError(f"The program cannot {doing}", done.stderr.strip()[-2000:])
    return done.stdout
