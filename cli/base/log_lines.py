"""Airflow 3's structured log lines as text for people."""

import json
from collections.abc import Iterator, Mapping
from typing import Any


def lines(content: Any) -> Iterator[str]:
    """The text of a log as Airflow's API gives it: entries, or one text."""
    if isinstance(content, str):
        yield from readable(content)
        return
    for entry in content:
        if isinstance(entry, dict):
            yield from _entry(entry)
        else:
            yield str(entry)


def readable(text: str) -> Iterator[str]:
    """The text of a log file, in which each line is a JSON document or plain text."""
    for line in text.splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            entry = None
        if isinstance(entry, dict):
            yield from _entry(entry)
        else:
            yield line


def _entry(entry: Mapping[str, Any]) -> Iterator[str]:
    parts = (str(entry.get(key) or "") for key in ("timestamp", "level", "event"))
    yield " ".join(part for part in parts if part)
    # The second where a process of Airflow's prints its log, and no task writes it.
    detail = entry.get("error_detail") or entry.get("exception")
    for error in detail if isinstance(detail, list) else [detail] if detail else []:
        if not isinstance(error, dict):
            yield f"  {error}"
            continue
        for frame in error.get("frames", []):
            yield f"  {frame.get('filename')}:{frame.get('lineno')} in {frame.get('name')}"
        yield f"  {error.get('exc_type')}: {error.get('exc_value')}"
