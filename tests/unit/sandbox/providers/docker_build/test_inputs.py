"""Every file that an image of the kit is built from builds its layer anew when it changes.

The real Containerfile, by the real buildah, without its RUN steps: those read what was copied and nothing else
(tests/unit/images/test_files.py), and take a network and minutes.
"""

import json
import re
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sandbox import tools
from sandbox.providers import contract
from sandbox.providers.docker_build.context import files
from sandbox.providers.docker_build.provider import DockerBuildProvider
from sandbox.providers.docker_build.specification import TYPE
from tests.unit.sandbox.providers.docker_build.test_provider import ECR

IMAGES = tools.ROOT / "images"


def without_steps(containerfile: str) -> str:
    """Its stages and copies; what a step made has to be there for the copy that takes it from its stage."""
    joined = containerfile.replace("\\\n", " ")
    kept = [line for line in joined.splitlines() if not line.startswith(("RUN", "#", "LABEL"))]
    text = "\n".join(kept).replace("${BASE_IMAGE}", "scratch")
    return re.sub(r"COPY --from=builder .*", "COPY --from=builder / /from-builder/", text)


def _images() -> Iterator[Any]:
    """By name. Airflow's has ten times as many inputs as any other."""
    for name in sorted(path.parent.name for path in IMAGES.glob("*/Containerfile")):
        yield pytest.param(name, marks=pytest.mark.slow) if name == "airflow" else name


@pytest.fixture(params=_images())
def image(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A copy of an image's folder that can be built in no time."""
    folder = tmp_path / str(request.param)
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(IMAGES / str(request.param), folder, ignore=ignored)
    if (folder / "dags").is_dir():
        (folder / "dags" / ".airflowignore").write_text("_old/\n")
        (folder / "dags" / "team").mkdir()
        (folder / "dags" / "team" / "__init__.py").write_text("")
    recipe = folder / "Containerfile"
    recipe.write_text(without_steps(recipe.read_text()))
    return folder


def built(folder: Path, tag: str, registry: str) -> dict[str, bytes]:
    """Path to content, of the files of the image that a build of the folder makes."""
    tags = [f"{ECR}/demo/{folder.name}:{folder.parent.name}-{tag}"]
    inputs = {"context": {"location": str(folder)}, "push": True, "tags": tags}
    request = contract.CreateRequest(f"urn:pulumi:dev::demo::{TYPE}::tool", TYPE, "tool", inputs)
    digest = DockerBuildProvider().create(request).outputs["digest"]
    there, here = f"docker://{registry}/demo/{folder.name}@{digest}", folder.parent / tag
    options = ["--src-tls-verify=false", "--dest-decompress", "--quiet"]
    subprocess.run(["skopeo", "copy", *options, there, f"dir:{here}"], check=True)
    found: dict[str, bytes] = {}
    for layer in json.loads((here / "manifest.json").read_text())["layers"]:
        with tarfile.open(here / layer["digest"].partition(":")[2]) as tar:
            for entry in tar:
                if entry.isfile() and (content := tar.extractfile(entry)):
                    found[entry.name] = content.read()
    shutil.rmtree(here)
    return found


def inputs_of(folder: Path) -> list[Path]:
    """One file for each source of a copy, and each hidden one of dags/."""
    chosen: dict[str, Path] = {}
    for path in files(folder):
        name = path.relative_to(folder).as_posix()
        if name not in ("Containerfile", ".dockerignore"):
            chosen.setdefault(name if name.startswith("dags/") else name.partition("/")[0], path)
    return list(chosen.values())


def test_a_changed_input_is_in_the_image(image: Path, sandbox: str) -> None:
    inputs = inputs_of(image)
    # PgBouncer's is its entrypoint, InfluxDB's what sets it up.
    assert len(inputs) > {"airflow": 10, "pgbouncer": 0, "influxdb": 0}.get(image.name, 1)
    built(image, "first", sandbox)
    for number, path in enumerate(inputs):
        changed = f"changed: {number}".encode()
        path.write_bytes(changed)
        inside = built(image, str(number), sandbox)
        missing = f"{path.relative_to(image)} was changed, but its layer was not built anew"
        assert changed in inside.values(), missing
