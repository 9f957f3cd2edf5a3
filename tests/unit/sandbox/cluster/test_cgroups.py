"""Cgroups of both versions: joined, counted, frozen out and removed."""

import os
from pathlib import Path

import pytest

from sandbox.cluster import cgroups
from sandbox.cluster.cgroups import Hierarchy

HYBRID = """\
25 1 0:22 / {0}/memory rw,relatime shared:9 - cgroup cgroup rw,memory
26 1 0:23 / {0}/cpuset rw,relatime - cgroup cgroup rw,cpuset
27 1 0:24 / {0}/unified rw,relatime - cgroup2 cgroup2 rw
28 1 0:25 / {0}/other rw,relatime - tmpfs tmpfs rw
"""


@pytest.fixture
def machine(tmp_path: Path) -> list[Hierarchy]:
    """A hybrid machine: version 1 for two controllers, and version 2 without any."""
    for name in ("memory", "cpuset", "unified", "other"):
        (tmp_path / name).mkdir()
    for name in ("cpuset.cpus", "cpuset.mems"):
        (tmp_path / "cpuset" / name).write_text("0-1\n")
    (tmp_path / "unified" / "cgroup.controllers").write_text("")
    mountinfo = tmp_path / "mountinfo"
    mountinfo.write_text(HYBRID.format(tmp_path))
    return cgroups.hierarchies(mountinfo)


def test_finds_both_versions_and_nothing_else(machine: list[Hierarchy]) -> None:
    assert [(h.path.name, h.unified) for h in machine] == [
        ("memory", False),
        ("cpuset", False),
        ("unified", True),
    ]
    assert "memory" in machine[0].controllers


def test_joins_a_leaf_in_every_hierarchy(machine: list[Hierarchy]) -> None:
    for hierarchy in machine[1:2]:
        for folder in ("aerodrome-x", "aerodrome-x/programs"):
            (hierarchy.path / folder).mkdir()
            # The kernel makes these with the folder.
            for name in ("cpuset.cpus", "cpuset.mems"):
                (hierarchy.path / folder / name).write_text("\n")
    cgroups.join("aerodrome-x", machine)
    for hierarchy in machine:
        leaf = hierarchy.path / "aerodrome-x" / "programs"
        assert (leaf / "cgroup.procs").read_text() == str(os.getpid())
    assert (machine[1].path / "aerodrome-x/programs/cpuset.cpus").read_text() == "0-1\n"


def test_version_2_hands_its_controllers_down(tmp_path: Path) -> None:
    machine = [Hierarchy(tmp_path, frozenset({"memory", "cpu"}), unified=True)]
    cgroups.join("aerodrome-x", machine)
    assert (tmp_path / "cgroup.subtree_control").read_text() == "+cpu +memory"
    assert (tmp_path / "aerodrome-x" / "cgroup.subtree_control").read_text() == "+cpu +memory"


def test_sees_the_processes_of_pods_too(machine: list[Hierarchy]) -> None:
    pod = machine[0].path / "aerodrome-x" / "kubepods" / "pod1"
    pod.mkdir(parents=True)
    (pod / "cgroup.procs").write_text("17\n18\n")
    own = machine[1].path / "aerodrome-x"
    own.mkdir()
    # Zero is a process of another pid namespace, which cannot be named here.
    (own / "cgroup.procs").write_text("18\n19\n0\n")
    assert cgroups.pids("aerodrome-x", machine) == {17, 18, 19}


def test_memory_leaves_out_what_the_kernel_could_take_back(machine: list[Hierarchy]) -> None:
    top = machine[0].path / "aerodrome-x"
    top.mkdir()
    (top / "memory.usage_in_bytes").write_text("1000\n")
    (top / "memory.stat").write_text("cache 900\ntotal_inactive_file 300\n")
    assert cgroups.memory_bytes("aerodrome-x", machine) == 700


def test_removes_the_deepest_first(machine: list[Hierarchy]) -> None:
    (machine[0].path / "aerodrome-x" / "kubepods" / "pod1").mkdir(parents=True)
    (machine[2].path / "aerodrome-x" / "programs").mkdir(parents=True)
    assert cgroups.remove("aerodrome-x", machine) == []
    assert cgroups.remaining("aerodrome-x", machine) == []


def test_names_what_cannot_be_removed(machine: list[Hierarchy]) -> None:
    busy = machine[0].path / "aerodrome-x"
    busy.mkdir()
    (busy / "a-file-keeps-it").write_text("")
    assert cgroups.remove("aerodrome-x", machine, seconds=0.1) == [busy]
