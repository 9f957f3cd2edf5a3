"""What is added to the image: files in a copy of images/airflow, and a package index on this machine."""

import contextlib
import threading
import zipfile
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from cli.base.errors import UserError
from cli.operations.image import LOCK_HEADER, Image

BASE = "idna==3.7 \\\n    --hash=sha256:" + "1" * 64 + "\n"


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


def wheel(index: Path, name: str, version: str, *requires: str) -> None:
    """Puts a package without content into the index."""
    folder = index / "simple" / name
    folder.mkdir(parents=True, exist_ok=True)
    info = f"{name}-{version}.dist-info"
    path = folder / f"{name}-{version}-py3-none-any.whl"
    needs = "".join(f"Requires-Dist: {one}\n" for one in requires)
    with zipfile.ZipFile(path, "w") as archive:
        metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}"
        archive.writestr(f"{info}/METADATA", metadata)
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    links = "".join(f'<a href="{one.name}">{one.name}</a>' for one in sorted(folder.glob("*.whl")))
    (folder / "index.html").write_text(links)


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The URL of a package index with a few packages, which uv is told of."""
    folder = tmp_path / "index"
    wheel(folder, "humanize", "4.0")
    wheel(folder, "humanize", "4.1")
    wheel(folder, "old", "1.0", "idna<3")
    for version in ("2.0", "3.7"):
        wheel(folder, "idna", version)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    url = f"http://127.0.0.1:{server.server_port}/simple"
    monkeypatch.setenv("UV_DEFAULT_INDEX", url)
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv-cache"))
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "UV_FIND_LINKS"):
        monkeypatch.delenv(name, raising=False)
    yield url
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def image(tmp_path: Path) -> Image:
    folder = tmp_path / "airflow"
    (folder / "extra").mkdir(parents=True)
    (folder / "plugins").mkdir()
    for name in ("requirements.in", "packages.txt", "env"):
        (folder / "extra" / name).write_text("# Yours.\n")
    (folder / "extra" / "requirements.txt").write_text(LOCK_HEADER)
    (folder / "requirements.txt").write_text(BASE)
    return Image(folder)


def contents(image: Image) -> dict[str, str]:
    return {path.name: path.read_text() for path in image.extra.iterdir()}


@contextlib.contextmanager
def nothing_changes(image: Image) -> Iterator[None]:
    before = contents(image)
    yield
    assert contents(image) == before


def test_a_package_is_written_and_locked(image: Image, index: str) -> None:
    assert image.add(["humanize"], ["libsnappy1v5"]) == {"humanize": "4.1"}
    now = contents(image)
    assert now["requirements.in"].endswith("\nhumanize\n")
    assert "humanize==4.1 \\\n    --hash=sha256:" in now["requirements.txt"]
    assert now["packages.txt"].endswith("\nlibsnappy1v5\n")
    assert not [text for text in now.values() if index in text or "127.0.0.1" in text]
    assert image.data() == {
        "packages": [{"wanted": "humanize", "version": "4.1"}],
        "debian": ["libsnappy1v5"],
        "environment": [],
        "plugins": [],
    }


def test_added_again_it_takes_the_place_of_the_first(image: Image, index: str) -> None:
    image.add(["Humanize"], [])
    assert image.add(["humanize==4.0"], []) == {"humanize": "4.0"}
    wanted = contents(image)["requirements.in"].splitlines()
    assert [line for line in wanted if not line.startswith("#")] == ["humanize==4.0"]


def test_a_lock_is_kept_until_an_upgrade_is_asked_for(image: Image, index: str) -> None:
    image.add(["humanize==4.0"], [])
    (image.extra / "requirements.in").write_text("humanize\n")
    assert image.lock() == {"humanize": "4.0"}
    assert image.lock(upgrade=True) == {"humanize": "4.1"}


def test_a_lock_of_nothing_is_what_the_kit_comes_with(image: Image, index: str) -> None:
    with nothing_changes(image):
        assert image.lock() == {}


def test_a_conflict_with_the_image_names_both_versions(image: Image, index: str) -> None:
    with nothing_changes(image), pytest.raises(UserError) as caught:
        image.add(["idna==2.0"], [])
    assert "idna==2.0" in caught.value.detail
    assert (
        "The image itself has idna==3.7 (images/airflow/requirements.txt)." in caught.value.detail
    )


def test_a_conflict_of_a_dependency_names_both(image: Image, index: str) -> None:
    with nothing_changes(image), pytest.raises(UserError) as caught:
        image.add(["old"], [])
    assert "idna<3" in caught.value.detail
    assert (
        "The image itself has idna==3.7 (images/airflow/requirements.txt)." in caught.value.detail
    )


def test_an_unknown_package_is_named(image: Image, index: str) -> None:
    with (
        nothing_changes(image),
        pytest.raises(UserError, match="There is no package nowhere-to-be"),
    ):
        image.add(["nowhere-to-be"], ["libsnappy1v5"])


def test_an_index_that_does_not_answer(
    image: Image, index: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_DEFAULT_INDEX", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    with (
        nothing_changes(image),
        pytest.raises(UserError, match="The package index does not answer"),
    ):
        image.add(["humanize"], [])


@pytest.mark.parametrize("text", ["-e .", "--index-url=x", "a b", "git+https://x/y", "a==", ""])
def test_what_is_no_requirement_is_refused(image: Image, text: str) -> None:
    with nothing_changes(image), pytest.raises(UserError, match="is not a requirement"):
        image.add([text], [])


def test_an_index_in_the_file_is_refused(image: Image) -> None:
    (image.extra / "requirements.in").write_text(
        "--index-url https://me:hush@example.com\nhumanize\n"
    )
    with nothing_changes(image), pytest.raises(UserError) as caught:
        image.lock()
    assert "hush" not in str(caught.value)


def test_variables_are_listed_without_their_values(image: Image) -> None:
    (image.extra / "env").write_text("# mine\nTEAM=blue\n")
    (image.folder / "plugins" / "mine.py").write_text("")
    assert image.data()["environment"] == ["TEAM"]
    assert image.data()["plugins"] == ["mine.py"]
