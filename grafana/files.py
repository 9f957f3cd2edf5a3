"""Every file for Grafana and what it must contain."""

from pathlib import Path
from typing import Final

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from grafana import provisioning
from grafana.boards import BOARDS

ROOT: Final = Path(__file__).resolve().parent.parent
FOLDER: Final = ROOT / "charts" / "monitoring" / "files"


def dashboard(name: str) -> str:
    """The JSON of a dashboard, its panels numbered: links and alerts name them by their numbers."""
    model = BOARDS[name]().build()
    for number, panel in enumerate(model.panels or (), start=1):
        panel.id_val = number
    return JSONEncoder(sort_keys=True, indent=2, ensure_ascii=False).encode(model) + "\n"


def contents() -> dict[str, str]:
    """By the path below `FOLDER`."""
    return {
        **{f"dashboards/{name}.json": dashboard(name) for name in BOARDS},
        "provisioning/alerting/rules.yaml": provisioning.rules(),
        "provisioning/datasources/influxdb.yaml": provisioning.data_sources(),
        "provisioning/dashboards/folders.yaml": provisioning.dashboard_folders(),
    }


def write(folder: Path = FOLDER) -> None:
    """Writes all, and removes what is no longer made."""
    wanted = contents()
    for path in folder.rglob("*"):
        if path.is_file() and path.relative_to(folder).as_posix() not in wanted:
            path.unlink()
    for name, text in wanted.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
