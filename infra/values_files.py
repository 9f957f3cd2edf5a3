"""One values file: read as YAML, with the place of every key, so that an error can name file, line and column.

What the keys mean is known to `values.py`. Here a file becomes maps, lists, text, numbers, true, false and null,
or problems.
"""

import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml
from yaml.constructor import ConstructorError

KeyPath = tuple[str | int, ...]
"""Keys, and positions in lists, from the top."""

LARGEST: Final = 1_000_000
"""Bytes. A values file has some hundred lines; what is larger was named by mistake."""

MOST_NODES: Final = 100_000
"""A file of a few lines can grow without end through aliases of aliases."""

_TYPES: Final = (str, bool, int, float, type(None))


@dataclass(frozen=True, order=True)
class Problem:
    """What is wrong at one place of one file."""

    file: str
    line: int
    column: int
    path: str
    reason: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        return f"{place}: {self.path}: {self.reason}" if self.path else f"{place}: {self.reason}"


@dataclass
class ValuesFile:
    """A values file: what it sets, and where. A file with problems sets what could be read of it."""

    name: str
    """As people know it: below the project."""

    values: dict[str, Any] = field(default_factory=dict)
    places: dict[KeyPath, tuple[int, int]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def problem(self, path: KeyPath, reason: str) -> Problem:
        """A problem at the place of `path`, or of the nearest key above it."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.places:
                line, column = self.places[path[:length]]
                return Problem(self.name, line, column, dotted(path), reason)
        return Problem(self.name, 0, 0, dotted(path), reason)

    def sets(self, path: KeyPath) -> bool:
        """Whether the file has this key, or an item of this list."""
        return path in self.places


def dotted(path: KeyPath) -> str:
    """A path as people write it: `workers.tolerations[0].key`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def read(path: Path, name: str) -> ValuesFile:
    """The file, with whatever is wrong with it in its `problems`."""
    found = ValuesFile(name)
    try:
        text = _text(path)
        loader = yaml.SafeLoader(text)
    except (_Unreadable, yaml.YAMLError) as error:
        found.problems.append(_syntax(name, error))
        return found
    try:
        node = loader.get_single_node()
        if node is None or node.tag == "tag:yaml.org,2002:null":
            return found
        if not isinstance(node, yaml.MappingNode):
            line, column = _place(node)
            reason = f"a values file holds keys and values at its top, not {_called(node)}"
            found.problems.append(Problem(name, line, column, "", reason))
            return found
        found.values = _Reader(loader, found).mapping(node, ())
    except (yaml.YAMLError, RecursionError) as error:
        found.problems.append(_syntax(name, error))
    finally:
        loader.dispose()
    return found


class _Unreadable(Exception):
    """A file that holds no text."""


def _text(path: Path) -> str:
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            # Opening a FIFO would wait for ever.
            raise _Unreadable("is no regular file")
        if found.st_size > LARGEST:
            raise _Unreadable(f"has {found.st_size} bytes; a values file has at most {LARGEST}")
        content = path.read_bytes()
    except FileNotFoundError:
        raise _Unreadable("there is no such file") from None
    except OSError as error:
        raise _Unreadable(f"cannot be read: {error.strerror}") from None
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _Unreadable(f"is not text in UTF-8 (byte {error.start})") from None
    if "\0" in text:
        raise _Unreadable(f"is not text: it has a NUL character at position {text.index(chr(0))}")
    return text


def _syntax(name: str, error: Exception) -> Problem:
    if isinstance(error, yaml.MarkedYAMLError) and (mark := error.problem_mark):
        reason = error.problem or "is not YAML"
        if "'\\t'" in reason:
            reason = "YAML is indented with blanks, not with tabs"
        return Problem(name, mark.line + 1, mark.column + 1, "", f"not YAML: {reason}")
    if isinstance(error, RecursionError):
        return Problem(name, 0, 0, "", "its values are nested too deeply")
    return Problem(name, 0, 0, "", str(error).replace("\n", " "))


def _place(node: yaml.Node) -> tuple[int, int]:
    return node.start_mark.line + 1, node.start_mark.column + 1


def _called(node: yaml.Node) -> str:
    match node:
        case yaml.SequenceNode():
            return "a list"
        case yaml.ScalarNode():
            return "a single value"
        case _:
            return "keys"


class _Reader:
    """Turns YAML's nodes into values, and writes down where each key stands."""

    def __init__(self, loader: yaml.SafeLoader, into: ValuesFile) -> None:
        self._loader = loader
        self._into = into
        self._nodes = 0
        self._open: list[int] = []
        """The nodes that are being read: an alias to one of them would never end."""

    def mapping(self, node: yaml.MappingNode, path: KeyPath) -> dict[str, Any]:
        self._enter(node)
        self._check_keys(node, path)
        # `<<: *other` merges another map; keys of this one go before its.
        self._loader.flatten_mapping(node)
        found: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = self._key(key_node)
            if key is None:
                continue
            self._into.places[(*path, key)] = _place(key_node)
            found[key] = self._value(value_node, (*path, key))
        self._open.pop()
        return found

    def _value(self, node: yaml.Node, path: KeyPath) -> Any:
        if isinstance(node, yaml.MappingNode):
            return self.mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            self._enter(node)
            items = []
            for index, item in enumerate(node.value):
                self._into.places[(*path, index)] = _place(item)
                items.append(self._value(item, (*path, index)))
            self._open.pop()
            return items
        self._count(node)
        value = self._loader.construct_object(node)
        if (
            not isinstance(value, _TYPES)
            or value in (float("inf"), float("-inf"))
            or value != value
        ):
            reason = f"{node.value!r} is read as a {type(value).__name__}; put text in quotes"
            self._into.problems.append(self._into.problem(path, reason))
            return str(node.value)
        return value

    def _check_keys(self, node: yaml.MappingNode, path: KeyPath) -> None:
        seen: dict[str, tuple[int, int]] = {}
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                continue
            line, column = _place(key_node)
            key = self._key(key_node)
            if key is None:
                shown = (
                    getattr(key_node, "value", "") if isinstance(key_node, yaml.ScalarNode) else ""
                )
                reason = (
                    f"the key {shown!r} is not text; put it in quotes"
                    if shown
                    else (f"a key is text, not {_called(key_node)}")
                )
                self._into.problems.append(
                    Problem(self._into.name, line, column, dotted(path), reason)
                )
            elif key in seen:
                first = seen[key][0]
                reason = f"is there twice; line {first} has it, too"
                self._into.problems.append(
                    Problem(self._into.name, line, column, dotted((*path, key)), reason)
                )
            else:
                seen[key] = (line, column)

    def _key(self, node: yaml.Node) -> str | None:
        is_text = isinstance(node, yaml.ScalarNode) and node.tag == "tag:yaml.org,2002:str"
        return str(node.value) if is_text else None

    def _enter(self, node: yaml.Node) -> None:
        self._count(node)
        if node.tag not in ("tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"):
            raise ConstructorError(None, None, f"no value has the tag {node.tag}", node.start_mark)
        if id(node) in self._open:
            raise ConstructorError(None, None, "an alias leads to itself", node.start_mark)
        self._open.append(id(node))

    def _count(self, node: yaml.Node) -> None:
        self._nodes += 1
        if self._nodes > MOST_NODES:
            reason = f"its aliases stand for more than {MOST_NODES} values"
            raise ConstructorError(None, None, reason, node.start_mark)


def paths(values: Any, path: KeyPath = ()) -> Iterator[KeyPath]:
    """The path of every value in maps that is not a map itself, and of empty maps."""
    if isinstance(values, dict) and (values or not path):
        for key, value in values.items():
            yield from paths(value, (*path, key))
    elif path:
        yield path
