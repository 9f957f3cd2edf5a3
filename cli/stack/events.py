"""The engine's events: what `--event-log` writes, a JSON document a line, as typed values.

The same stream that Pulumi's Automation API offers; its names are in the SDK's `apitype`.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_COLOR = re.compile(r"<\{%[^%]*%\}>")
"""Pulumi's own marks for colours in messages."""

_GIVEN_UP = re.compile(
    r"resource monitor (has terminated, shutting down|shut down)|^(error: )?(update|preview|refresh|destroy) failed$",
    re.IGNORECASE,
)
"""What a program says, mostly in a traceback, whose engine has ended the run."""

QUIET = ("same", "read")
"""Steps that leave everything as it is."""


@dataclass(frozen=True)
class Step:
    """What is done to one resource."""

    op: str
    urn: str
    type: str
    changed: Sequence[str] = ()
    """Paths of the properties that differ; of an update or a replacement."""

    @property
    def name(self) -> str:
        return name_of(self.urn)

    @property
    def loses_data(self) -> bool:
        """Whether something that holds data goes, to be made again empty or not at all."""
        return self.type in _HOLD_DATA and self.op in ("delete", "replace")


_HOLD_DATA = frozenset(
    {
        "aws:ec2/instance:Instance",
        "aws:ecr/repository:Repository",
        "aws:eks/cluster:Cluster",
        "aws:rds/instance:Instance",
        "aws:s3/bucket:Bucket",
        "kubernetes:core/v1:Namespace",
        "kubernetes:helm.sh/v3:Release",
    }
)
"""Databases, logs, images, the Rancher server, and what has disks in the cluster."""


@dataclass(frozen=True)
class Started:
    """A step began."""

    step: Step


@dataclass(frozen=True)
class Done:
    """A step ended well."""

    step: Step


@dataclass(frozen=True)
class Failed:
    """A step did not."""

    step: Step
    state: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """The resource as it would have been, or was; secrets are masked."""


@dataclass(frozen=True)
class Message:
    """What the program, a provider or the engine says. `severity`: info, info#err, warning, error or debug."""

    severity: str
    text: str
    urn: str = ""
    ephemeral: bool = False

    @property
    def is_error(self) -> bool:
        return self.severity == "error"

    @property
    def is_consequence(self) -> bool:
        """Whether it only says that the engine has given up, for a reason that another message has."""
        return bool(_GIVEN_UP.search(self.text))


@dataclass(frozen=True)
class Summary:
    """The end of an operation: steps by kind."""

    changes: Mapping[str, int]
    seconds: float


Event = Started | Done | Failed | Message | Summary


def name_of(urn: str) -> str:
    """The resource's name in the program."""
    return urn.rsplit("::", 1)[-1]


def parse(document: Mapping[str, Any]) -> Event | None:
    """None for an event that nobody here needs."""
    for key, value in document.items():
        match key:
            case "resourcePreEvent":
                return Started(_step(value["metadata"]))
            case "resOutputsEvent":
                return Done(_step(value["metadata"]))
            case "resOpFailedEvent":
                metadata = value["metadata"]
                return Failed(_step(metadata), metadata.get("new") or metadata.get("old") or {})
            case "diagnosticEvent":
                return Message(
                    str(value.get("severity", "info")),
                    plain(f"{value.get('prefix', '')}{value.get('message', '')}").rstrip(),
                    str(value.get("urn", "")),
                    bool(value.get("ephemeral")),
                )
            case "summaryEvent":
                counts = value.get("resourceChanges") or {}
                changes = {str(kind): int(n) for kind, n in counts.items()}
                return Summary(changes, float(value.get("durationSeconds") or 0))
    return None


def _step(metadata: Mapping[str, Any]) -> Step:
    changed = metadata.get("detailedDiff") or metadata.get("diffs") or ()
    return Step(
        str(metadata["op"]),
        str(metadata["urn"]),
        str(metadata.get("type", "")),
        tuple(sorted(changed)),
    )


def plain(text: str) -> str:
    """A message without marks for colours."""
    return _COLOR.sub("", text)


@dataclass
class EventLog:
    """A file that the CLI writes; read as it grows."""

    path: Path
    _position: int = 0
    _rest: bytes = field(default=b"", repr=False)

    def new(self) -> Iterator[Event]:
        """What came since the last call; a line that is not whole yet is kept for the next."""
        try:
            with self.path.open("rb") as stream:
                stream.seek(self._position)
                data = stream.read()
        except FileNotFoundError:
            return
        self._position += len(data)
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            if line.strip() and (event := parse(json.loads(line))) is not None:
                yield event
