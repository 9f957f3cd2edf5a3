"""What a failed run of the Pulumi CLI means: who must act, why, and the next command.

The CLI has one exit code for most failures. What tells them apart are its words, which are
matched here and nowhere else, and whether anything was changed.
"""

import re
import signal
from collections.abc import Sequence
from dataclasses import dataclass

from cli.base.errors import KitError, UserError
from cli.stack import room
from cli.stack.command import Ended
from cli.stack.events import Message, name_of


@dataclass(frozen=True)
class _Kind:
    """One kind of failure that has an explanation of its own."""

    pattern: re.Pattern[str]
    summary: str
    detail: str = ""
    command: str = ""
    harmless: bool = False
    """Whether the step that fails with it has changed nothing."""


def _kind(
    pattern: str, summary: str, detail: str = "", command: str = "", *, harmless: bool = False
) -> _Kind:
    return _Kind(re.compile(pattern, re.IGNORECASE | re.DOTALL), summary, detail, command, harmless)


_PLUGIN_DIED = re.compile(r"exited prematurely|could not read plugin \[.*?\]: exit")

_KINDS = (
    _kind(
        r"DAG file \S+: ",
        "Airflow would not take a DAG file; the image was not built, and nothing was rolled out",
        "{reason}",
        "./aerodrome up --env {stack}",
        harmless=True,
    ),
    _kind(
        r"The Kubernetes API of \S+ is not reached: ",
        "The Kubernetes API is not reached; nothing in the cluster was changed",
        "{reason}",
        "./aerodrome up --env {stack}",
    ),
    _kind(
        r"eliding undecryptable secrets for stack reference",
        'The base\'s secrets cannot be read with the passphrase of "{stack}"',
        "{reason}\nA base that this version has deployed needs none of them to be read. Bring it up first:",
        "./aerodrome up --env {base}",
    ),
    _kind(
        r"incorrect passphrase|passphrase must be set|unable to find either.*PASSPHRASE",
        'The passphrase does not open the secrets of "{stack}"',
        "The state and the configuration were encrypted with another one. Set\n"
        "PULUMI_CONFIG_PASSPHRASE or PULUMI_CONFIG_PASSPHRASE_FILE to that.",
    ),
    _kind(
        r"currently locked by",
        'Another run of Pulumi is running on "{stack}"',
        "{reason}\nWait for it. If it is gone, and was on another machine:",
        "pulumi cancel --stack {stack}",
    ),
    _kind(
        r"no space left on device",
        room.DISK_FULL,
        "{reason}",
        room.SHOW_SPACE,
    ),
    _kind(
        r"(could not deserialize|unmarshal|invalid character|unexpected end of JSON|load snapshot"
        r"|unexpected EOF).*?(checkpoint|snapshot|deployment|stack|\.json)"
        r"|checkpoint.*(invalid character|unexpected end)"
        r"|failed to load.*(invalid character|unexpected end)",
        'The state of "{stack}" is damaged',
        "{reason}\nPulumi keeps the one before the last change beside it (.bak).",
        "pulumi stack export --stack {stack}",
    ),
    _kind(
        r"could not parse .*Pulumi\.[^ ]+\.yaml|unable to load.*stack configuration"
        r"|failed to (load|unmarshal|parse).*(ya?ml)",
        'The configuration file of "{stack}" cannot be read',
        "{reason}",
    ),
    _kind(
        _PLUGIN_DIED.pattern,
        "A plugin of Pulumi exited unexpectedly: {plugin}",
        "{reason}",
        "{retry}",
    ),
    _kind(
        r"no resource plugin|could not load plugin|failed to load (resource )?plugin"
        r"|failed to load language plugin|no language plugin",
        "A plugin of Pulumi is missing or does not start",
        "{reason}",
        "./aerodrome doctor",
    ),
)


_PLUGIN = re.compile(r"pulumi-(?:resource|language)-([\w-]+)")
_BASE = re.compile(r"stack reference '[^']*/([^'/]+)'")
_GOES_ON = "What had been done is in the state; the same command continues from there."


@dataclass(frozen=True)
class Extent:
    """How far a run came that failed."""

    done: bool = False
    """Whether a step that changes something was carried out."""

    touched: bool = False
    """The same, or whether one failed, which may have changed something first."""


def failure(
    verb: str,
    stack: str,
    ended: Ended,
    messages: Sequence[Message],
    *,
    extent: Extent = Extent(),
    retry: str,
    executable: str,
) -> KitError:
    """The error of a run that ended with a code other than 0.

    UserError (exit 2) only where nothing was changed and a person must act first.
    """
    changed = extent.touched
    reason = _reason(ended, messages)
    if not messages and (unusable := _unusable(ended)):
        return UserError(
            f"The Pulumi CLI does not work: {unusable}",
            f"{executable}\n{reason}".rstrip(),
            "./aerodrome doctor",
        )
    elided = (message.text for message in messages if _BASE.search(message.text))
    everything = "\n".join([*elided, reason])
    kind = next((kind for kind in _KINDS if kind.pattern.search(everything)), None)
    if kind is not None:
        plugin, base = _PLUGIN.search(reason), _BASE.search(everything)
        words = {
            "stack": stack,
            "reason": f"{reason}\n{_GOES_ON}" if changed else reason,
            "retry": retry,
            "plugin": plugin[1] if plugin else "?",
            "base": base[1] if base else "?",
        }
        made = KitError if (extent.done if kind.harmless else changed) else UserError
        return made(
            kind.summary.format(**words), kind.detail.format(**words), kind.command.format(**words)
        )
    errors = [message for message in messages if message.is_error]
    if verb in ("up", "preview") and not changed and _are_the_programs(errors):
        return UserError("The program failed; nothing was changed", reason, retry)
    detail = f"{reason}\n{_GOES_ON}" if changed else reason
    return KitError(_summary(verb, errors, ended.code), detail, retry)


def _unusable(ended: Ended) -> str:
    """Why it looks as if it were no working Pulumi, or one that is too old; empty if it does not."""
    if -ended.code in _CRASHES:
        return f"it was ended by {_signal(ended.code)}"
    if ended.code in _NOT_STARTED:
        return f"it ended with exit code {ended.code}"
    old = _TOO_OLD.search(ended.failure_text)
    return f"it is too old ({old[0]})" if old else ""


_CRASHES = (signal.SIGILL, signal.SIGBUS, signal.SIGSEGV, signal.SIGSYS)

_NOT_STARTED = (126, 127, 132, 139)
"""What shells say: not executable, not found; and of programs that died of SIGILL or SIGSEGV."""

_TOO_OLD = re.compile(r"unknown (flag|shorthand flag|command):? \S+")


def _summary(verb: str, errors: Sequence[Message], code: int) -> str:
    names = list(dict.fromkeys(name_of(error.urn) for error in errors if error.urn))
    # The stack itself is named in the engine's own summary, which says nothing more.
    names = [name for name in names if not name.startswith("aerodrome-")] or names
    if names:
        return f"`pulumi {verb}` failed at {', '.join(names[:3])}"
    if code < 0:
        return f"`pulumi {verb}` was ended by {_signal(code)}"
    return f"`pulumi {verb}` failed with exit code {code}"


def _signal(code: int) -> str:
    """Python's exit code of a process that a signal ended."""
    return signal.Signals(-code).name


_PROGRAM_ERROR = "info#err"
"""The severity of what the program itself wrote to its standard error: tracebacks."""


def _reason(ended: Ended, messages: Sequence[Message]) -> str:
    errors = []
    for message in _reasons(messages):
        if message.severity == _PROGRAM_ERROR and not message.ephemeral:
            errors.append(message.text.rstrip())
        elif message.is_error and message.text.strip():
            where = f"{name_of(message.urn)}: " if message.urn else ""
            errors.append(f"{where}{message.text.strip()}")
    lines = [line for line in ended.failure_text.splitlines() if line.strip()]
    return "\n".join(dict.fromkeys(errors)) or "\n".join(lines[-15:])


def _reasons(messages: Sequence[Message]) -> Sequence[Message]:
    """Without what only follows from another error."""
    reasons = [message for message in messages if not message.is_consequence]
    if any(_PLUGIN_DIED.search(message.text) for message in reasons):
        # Whatever the program asked of it has failed, too.
        reasons = [each for each in reasons if not each.text.startswith(_TRACEBACK)]
    return reasons if any(each.is_error for each in reasons) else messages


_TRACEBACK = "error: Program failed with an unhandled exception"


def _are_the_programs(errors: Sequence[Message]) -> bool:
    """Whether no resource failed, only what registers them."""
    return bool(errors) and all(not error.urn or _STACK in error.urn for error in errors)


_STACK = "::pulumi:pulumi:Stack::"
