"""Load a script of an image as a module: the images' folders are no packages."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

IMAGES = Path(__file__).resolve().parents[3] / "images"
SCRIPTS = IMAGES / "airflow" / "scripts"


def script(name: str, folder: Path = SCRIPTS) -> ModuleType:
    """FOLDER/NAME.py. In the image the scripts see one another, so here too."""
    specification = importlib.util.spec_from_file_location(name, folder / f"{name}.py")
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules[name] = module
    sys.path.insert(0, str(folder))
    try:
        specification.loader.exec_module(module)
    finally:
        sys.path.remove(str(folder))
    return module
