"""The file of the saved objects: what Kibana's import takes."""

from pathlib import Path
from typing import Final

from kibana.content import all_objects

ROOT: Final = Path(__file__).resolve().parent.parent
FILE: Final = ROOT / "charts" / "monitoring" / "saved-objects" / "airflow-logs.ndjson"


def content() -> str:
    """One object a line."""
    return "".join(f"{one.as_line()}\n" for one in all_objects())


def write(file: Path = FILE) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content(), encoding="utf-8")
