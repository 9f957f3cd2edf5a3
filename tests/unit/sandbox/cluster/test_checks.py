"""What is looked at before anything is changed."""

from pathlib import Path

import pytest

from sandbox.cluster import checks
from sandbox.errors import UserError
from sandbox.instance import Instance


@pytest.mark.parametrize("name", ["default", "a", "end-to-end-2", "x" * 32])
def test_good_names(name: str) -> None:
    checks.check_name(name)


@pytest.mark.parametrize("name", ["", "A", "1a", "a_b", "a/b", "..", "a-", "-a", "x" * 33, "a\n"])
def test_bad_names(name: str) -> None:
    with pytest.raises(UserError, match="is not a name for a sandbox"):
        checks.check_name(name)


def test_too_little_disk(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        checks.check_disk(tmp_path / "not" / "there" / "yet", needed=10**18)
    assert caught.value.summary.endswith(f"GB free at {tmp_path}")
    assert "AERODROME_STATE" in caught.value.detail


def test_enough_disk(tmp_path: Path) -> None:
    checks.check_disk(tmp_path, needed=1)


def test_an_overlay_cannot_hold_containers(tmp_path: Path) -> None:
    mountinfo = tmp_path / "mountinfo"
    mountinfo.write_text(
        "20 1 0:30 / / rw - overlay overlay rw\n21 20 8:1 / /var/lib rw - ext4 /dev/sda1 rw\n"
    )
    checks.check_file_system(Path("/var/lib/aerodrome/sandbox/x"), mountinfo)
    with pytest.raises(UserError, match="/srv/x is on an overlay"):
        checks.check_file_system(Path("/srv/x"), mountinfo)


def test_not_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(UserError, match="needs root"):
        checks.check_root()


def test_a_missing_program_comes_with_the_command_to_install_it(
    fake_tools: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "ip").write_text("")
    (tmp_path / "ip").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError) as caught:
        checks.check_programs()
    assert caught.value.summary == "Missing on this machine: nft"
    assert caught.value.command == "apt-get install -y nftables"


def test_a_program_that_was_not_built(fake_tools: Path) -> None:
    (fake_tools / "kubelet").unlink()
    with pytest.raises(UserError) as caught:
        checks.check_programs()
    assert "kubelet" in caught.value.summary
    assert caught.value.command == "make setup"


def test_no_memory_controller() -> None:
    with pytest.raises(UserError, match="no cgroup controller memory"):
        checks.check_cgroups(["cpu", "pids", "cpuset"])


def test_the_interface_is_anothers() -> None:
    instance = Instance("trial", 3, Path("/nowhere"))
    checks.check_interface(instance, {"lo", "eth0", "aerodrome4"})
    with pytest.raises(UserError, match="aerodrome3 is in use"):
        checks.check_interface(instance, {"lo", "aerodrome3"})


def test_the_first_free_network() -> None:
    assert checks.free_slot(set(), {"lo"}, ["192.0.2.0/24", "fe80::/64"]) == 0
    assert checks.free_slot({0}, {"aerodrome1"}, ["10.213.2.7", "10.213.3.0/25"]) == 4


def test_a_larger_network_of_another_takes_several() -> None:
    assert checks.free_slot(set(), set(), ["10.213.0.0/22"]) == 4


def test_no_network_left() -> None:
    with pytest.raises(UserError, match="and up, are in use"):
        checks.free_slot(set(), set(), ["10.0.0.0/8"])
