"""A folder as a version: equal content is the same version, and what cannot be one is refused by name."""

import gzip
import io
import os
import tarfile
from pathlib import Path

import pytest

from cli.base.errors import UserError
from cli.operations.dags import archive
from cli.operations.dags.archive import Changes, compare, pack


def names(packed: archive.Archive) -> list[str]:
    plain = gzip.decompress(packed.packed)
    with tarfile.open(fileobj=io.BytesIO(plain)) as opened:
        return opened.getnames()


def written(folder: Path, *paths: str) -> Path:
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(path)
    return folder


def test_times_modes_and_owners_make_no_other_version(tmp_path: Path) -> None:
    one = written(tmp_path / "one", "a.py", "pkg/b.py")
    two = written(tmp_path / "two", "pkg/b.py", "a.py")
    os.utime(two / "a.py", (1, 1))
    (two / "a.py").chmod(0o600)
    assert pack(one) == pack(two)
    (two / "a.py").write_text("other")
    assert pack(one).version != pack(two).version


def test_it_holds_what_the_image_would(tmp_path: Path) -> None:
    kept = (".airflowignore", "a.py", "pkg/.hidden", "query.sql")
    left = (".env", ".git/config", "pkg/__pycache__/b.pyc", ".mypy_cache/x", "pkg/.env")
    packed = pack(written(tmp_path, *kept, *left))
    assert sorted(packed.files) == sorted(kept)
    assert names(packed) == [".airflowignore", "a.py", "pkg", "pkg/.hidden", "query.sql"]


def test_examples_can_be_left_out(tmp_path: Path) -> None:
    packed = pack(written(tmp_path, "a.py", "examples/b.py", "pkg/examples/c.py"), ["examples"])
    assert sorted(packed.files) == ["a.py", "pkg/examples/c.py"]


def test_a_link_within_the_folder_stays_one(tmp_path: Path) -> None:
    written(tmp_path, "pkg/a.py")
    (tmp_path / "link.py").symlink_to("pkg/a.py")
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(pack(tmp_path).packed))) as opened:
        assert opened.getmember("link.py").linkname == "pkg/a.py"


@pytest.mark.parametrize("target", ["../outside", "/etc/passwd"])
def test_a_link_out_of_the_folder_is_refused_by_name(tmp_path: Path, target: str) -> None:
    (tmp_path / "link").symlink_to(target)
    with pytest.raises(UserError, match=r"link links out of the folder"):
        pack(tmp_path)


def test_a_pipe_is_refused_by_name(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UserError, match="pipe is neither a file nor a folder"):
        pack(tmp_path)


def test_too_much_is_refused(tmp_path: Path) -> None:
    with (tmp_path / "large").open("wb") as file:
        file.truncate(archive.MOST_BYTES + 1)
    with pytest.raises(UserError, match="too large"):
        pack(tmp_path)


def test_changes_are_told_by_file() -> None:
    changes = compare(
        {"same": "1", "changed": "2", "new": "3"}, {"same": "1", "changed": "1", "old": "1"}
    )
    assert changes == Changes(("new",), ("changed",), ("old",))
    assert changes.all == {"new", "changed", "old"}
