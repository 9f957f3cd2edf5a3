"""Files appear whole, and secret ones for root alone."""

from pathlib import Path

from sandbox import files


def test_a_secret_is_never_readable_by_others(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "key"
    files.write(path, b"secret", mode=0o600)
    assert path.read_bytes() == b"secret"
    assert path.stat().st_mode & 0o777 == 0o600


def test_nothing_but_the_file_stays(tmp_path: Path) -> None:
    files.write(tmp_path / "a", "one")
    files.write(tmp_path / "a", "two")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert (tmp_path / "a").read_text() == "two"


def test_a_missing_or_damaged_file_reads_as_none(tmp_path: Path) -> None:
    assert files.read_json(tmp_path / "none") is None
    (tmp_path / "half").write_text('{"a": ')
    assert files.read_json(tmp_path / "half") is None
