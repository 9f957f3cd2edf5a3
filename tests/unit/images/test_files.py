"""What must be true of the images' files before anything is built: modes, locks, build steps."""

import ast
import re
import subprocess
from pathlib import Path

import pytest

from cli.operations import proof
from tests.unit.images.loading import IMAGES

ROOT = IMAGES.parent
AIRFLOW = IMAGES / "airflow"
PROVIDERS = {
    "amazon",
    "celery",
    "cncf-kubernetes",
    "elasticsearch",
    "fab",
    "postgres",
    "redis",
}


FOLDERS = sorted(path.parent.name for path in IMAGES.glob("*/Containerfile"))
"""Every image: the program builds all of them in the same way."""


def locked(name: str) -> dict[str, str]:
    """Package to version, of a lock file."""
    text = (AIRFLOW / name).read_text()
    return dict(re.findall(r"^([a-z0-9-]+)==(\S+)", text, re.MULTILINE))


def steps(image: str) -> list[str]:
    """The instructions of a Containerfile, each on one line."""
    text = re.sub(r"^\s*#.*\n", "", (IMAGES / image / "Containerfile").read_text(), flags=re.M)
    return [line for line in text.replace("\\\n", " ").splitlines() if line.strip()]


@pytest.mark.parametrize("script", ["airflow/entrypoint", "postgres/entrypoint", "postgres/drain"])
def test_entry_scripts_carry_the_run_bit_in_git_and_in_the_image(script: str) -> None:
    # The seed's image did not start: its entrypoint had lost the bit on a checkout.
    listed = subprocess.run(
        ["git", "ls-files", "--stage", f"images/{script}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert listed.startswith("100755 ")
    image, name = script.split("/")
    (copy,) = [s for s in steps(image) if s.startswith("COPY") and name in s.split()]
    assert "--chmod=755" in copy


def test_every_provider_that_the_kit_relies_on_is_locked() -> None:
    # The seed's image lacked the Amazon provider: no log ever reached S3.
    versions = locked("requirements.txt")
    missing = {p for p in PROVIDERS if f"apache-airflow-providers-{p}" not in versions}
    assert not missing
    assert "statsd" in versions


def test_the_lock_is_of_what_is_asked_for() -> None:
    versions = locked("requirements.txt")
    asked = [
        line
        for line in (AIRFLOW / "requirements.in").read_text().splitlines()
        if line and not line.startswith("#")
    ]
    for line in asked:
        package = re.split(r"[\[<=>~!]", line, maxsplit=1)[0]
        _, _, version = line.partition("==")
        assert package in versions
        assert not version or versions[package] == version


def _tracked(*patterns: str) -> list[str]:
    command = ["git", "ls-files", "--", *patterns]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    return done.stdout.splitlines()


# What a team adds to the image comes with nothing; its lock is tested where it is made.
ASKED = [name for name in _tracked("*.in") if not name.startswith("images/airflow/extra/")]
LOCKS = [f"{name.removesuffix('.in')}.txt" for name in ASKED]


@pytest.mark.parametrize("name", LOCKS)
def test_every_locked_package_has_a_hash(name: str) -> None:
    """In every lock that there is; and none names a package that it does not lock."""
    blocks = re.split(r"^(?=[A-Za-z0-9])", (ROOT / name).read_text(), flags=re.MULTILINE)[1:]
    assert blocks
    assert not [block for block in blocks if not re.match(r"[A-Za-z0-9._-]+(\[[^]]+\])?==", block)]
    assert not [block.split()[0] for block in blocks if "--hash=sha256:" not in block]


def test_every_lock_is_of_a_list() -> None:
    """A list without a lock fails above; a lock without a list would be renewed by nobody."""
    there = set(_tracked("requirements/*.txt"))
    assert len(there) > 5
    assert there <= set(LOCKS)


PIPED = re.compile(
    r"(?:curl|wget)\b[^\n;&]*\|\s*(?:sudo\s+)?(?:env\s+\S+\s+)*(?:ba|da|z)?sh\b|<\(\s*(?:curl|wget)|\$\(\s*(?:curl|wget)[^)]*\.sh"
)


@pytest.mark.parametrize(
    "text", ["curl -fsSL https://x | sh", "wget -qO- y | sudo bash -s -- a", "bash <(curl -s x)"]
)
def test_what_is_looked_for_is_found(text: str) -> None:
    assert PIPED.search(text)


def test_no_download_is_piped_into_a_shell() -> None:
    """Nowhere: not in images, scripts, workflows, boot files or what the documentation tells people to type."""
    found = []
    for name in _tracked():
        file = ROOT / name
        if name == "tests/unit/images/test_files.py" or not file.is_file() or file.is_symlink():
            continue
        joined = file.read_text(errors="replace").replace("\\\n", " ")
        found += [(name, match[0]) for match in PIPED.finditer(joined)]
    assert not found


def test_every_image_names_its_base_once_and_has_it_given() -> None:
    for file in sorted(IMAGES.glob("*/Containerfile")):
        text = file.read_text()
        stages = re.findall(r"^FROM (\S+)(?: AS (\S+))?", text, re.MULTILINE)
        own = {stage for _, stage in stages} | {"scratch", "${BASE_IMAGE}"}
        assert not [base for base, _ in stages if base not in own], file
        assert re.findall(r"^ARG BASE_IMAGE=(\S+)", text, re.MULTILINE), file


def test_the_image_and_the_kit_use_the_same_installer() -> None:
    assert (AIRFLOW / "uv.txt").read_text() == (ROOT / "requirements" / "uv.txt").read_text()


@pytest.mark.parametrize("name", ["go.in", "go.txt"])
@pytest.mark.parametrize("image", ["telegraf", "shipper"])
def test_images_and_the_kit_are_built_by_the_same_go(image: str, name: str) -> None:
    assert (IMAGES / image / name).read_text() == (ROOT / "requirements" / name).read_text()


def test_go_is_installed_alike_wherever_it_is() -> None:
    first, second = (IMAGES / name / "install-go" for name in ("telegraf", "shipper"))
    assert first.read_text() == second.read_text()


def test_chart_and_image_are_of_the_same_airflow() -> None:
    chart = (ROOT / "charts" / "airflow" / "Chart.yaml").read_text()
    found = re.search(r'^appVersion: "(.+)"$', chart, re.MULTILINE)
    assert found
    assert locked("requirements.txt")["apache-airflow"] == found[1]


@pytest.mark.parametrize("image", FOLDERS)
def test_the_base_can_be_exchanged(image: str) -> None:
    first = steps(image)[0]
    assert first == "ARG BASE_IMAGE=docker.io/library/debian:bookworm-slim"
    for step in steps(image):
        # `scratch` is the base of the stage in which nothing is built.
        if step.startswith("FROM") and step != "FROM scratch AS existing":
            assert step.split()[1] in ("${BASE_IMAGE}", "python", "base"), step


@pytest.mark.parametrize("image", FOLDERS)
def test_a_revision_builds_every_layer_anew(image: str) -> None:
    """The first step that runs anything uses the argument, and every other stage stands on its stage."""
    stages: dict[str, list[str]] = {}
    bases: dict[str, str] = {}
    for step in steps(image)[1:]:
        if step.startswith("FROM"):
            words = step.split()
            name = words[3] if len(words) > 3 else "last"
            stages[name], bases[name] = [], words[1]
        else:
            stages[name].append(step)
    (first,) = [name for name, base in bases.items() if base == "${BASE_IMAGE}"]
    runs = [step for step in stages[first] if step.startswith("RUN")]
    assert stages[first][0] == "ARG REVISION="
    assert 'REVISION="${REVISION}"' in runs[0]
    assert "apt-get upgrade" in runs[0]
    assert {base for name, base in bases.items() if name not in (first, "existing")} == {first}
    # Which the program asks for where the repository has the image.
    assert bases["existing"] == "scratch"


@pytest.mark.parametrize("image", FOLDERS)
def test_the_image_does_not_run_as_root(image: str) -> None:
    users = [step.split()[1] for step in steps(image) if step.startswith("USER")]
    assert users
    assert int(users[-1]) >= 50000


def test_dags_are_checked_and_come_last() -> None:
    # Last: a changed DAG rebuilds two small layers. Checked: nothing broken is pushed.
    kit, plugins, copy, owners, check = steps("airflow")[-5:]
    assert kit.split()[-2:] == ["kit_dags/", "/opt/airflow/kit_dags/"]
    assert plugins.split()[-2:] == ["plugins/", "/opt/airflow/plugins/"]
    assert copy.startswith("COPY")
    assert copy.split()[-3:] == ["--from=dags", "/build/dags/", "/opt/airflow/dags/"]
    assert owners == "ARG OWNERS="
    assert check == (
        'RUN AERODROME_OWNERS="${OWNERS}" '
        "python /opt/airflow/scripts/check_dags.py /opt/airflow/dags --record /opt/airflow/dags.json"
    )


@pytest.mark.parametrize("image", FOLDERS)
def test_steps_read_what_was_copied_and_nothing_else(image: str) -> None:
    # What is mounted is not in buildah's key of a layer: a changed file would not build it anew.
    mounted = [step for step in steps(image) if "--mount" in step]
    assert not mounted
    added = [step for step in steps(image) if step.startswith("ADD")]
    assert not added, "what an address answers is in no key either"


def test_the_scripts_that_the_chart_calls_are_in_the_image() -> None:
    templates = (ROOT / "charts" / "airflow" / "templates").rglob("*.*")
    called = {
        name
        for path in templates
        for name in re.findall(r"/opt/airflow/scripts/(\w+\.py)", path.read_text())
    }
    assert len(called) >= 4
    assert not {name for name in called if not (AIRFLOW / "scripts" / name).is_file()}


def test_the_start_file_is_what_python_runs() -> None:
    # In a .pth file only lines that begin with `import` are run.
    lines = (AIRFLOW / "start.pth").read_text().splitlines()
    code = [line for line in lines if not line.startswith("#")]
    assert code
    for line in code:
        assert line.startswith("import ")
        ast.parse(line)


class TestProofDag:
    PATH = AIRFLOW / "kit_dags" / f"{proof.DAG}.py"

    def decorator(self) -> dict[str, object]:
        """The literal arguments of @dag."""
        tree = ast.parse(self.PATH.read_text())
        (function,) = [n for n in tree.body if isinstance(n, ast.FunctionDef)]
        (call,) = [d for d in function.decorator_list if isinstance(d, ast.Call)]
        arguments: dict[str, object] = {}
        for keyword in call.keywords:
            if keyword.arg and isinstance(keyword.value, ast.Constant | ast.List | ast.Dict):
                arguments[keyword.arg] = ast.literal_eval(keyword.value)
        return arguments

    def test_it_runs_when_it_is_triggered_and_only_then(self) -> None:
        arguments = self.decorator()
        assert arguments["schedule"] is None
        assert arguments["is_paused_upon_creation"] is False

    def test_it_has_an_owner_and_tags(self) -> None:
        arguments = self.decorator()
        assert arguments["default_args"] == {"owner": "aerodrome", "retries": 0}
        assert arguments["tags"]

    def test_its_tasks_say_what_the_proof_looks_for(self) -> None:
        assert "aerodrome: the sum is" in self.PATH.read_text()


def test_what_a_build_does_not_need_stays_out_of_its_context() -> None:
    lines = (AIRFLOW / ".dockerignore").read_text().splitlines()
    ignored = [line for line in lines if not line.startswith("#")]
    copied = {word for step in steps("airflow") if step.startswith("COPY") for word in step.split()}
    for path in sorted(p for p in Path(AIRFLOW).iterdir() if p.name != "__pycache__"):
        name = f"{path.name}/" if path.is_dir() else path.name
        used = name in copied or name == "Containerfile"
        left_out = name in ignored or name.startswith(".")
        assert used != left_out, f"{name}: neither copied nor ignored, or both"
