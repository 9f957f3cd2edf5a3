"""What the sandbox's mount namespace lays over the host's folders."""

from pathlib import Path

from sandbox.cluster import leftovers, mounts
from sandbox.layout import Layout


def test_a_folder_inside_another_is_kept_with_it(tmp_path: Path) -> None:
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    other = tmp_path / "c"
    other.mkdir()
    link = tmp_path / "link"
    link.symlink_to(inner)
    paths = [inner, link, other, tmp_path / "a", tmp_path / "absent"]
    assert mounts.outermost(paths) == [tmp_path / "a", other]


def test_programs_in_the_node_ask_its_own_dns(layout: Layout) -> None:
    mounts.write_files(layout)
    assert (layout.config / "resolv.conf").read_text() == "nameserver 10.244.0.1\n"
    assert "10.213.5.2 aerodrome-trial" in (layout.config / "hosts").read_text()


def test_the_kubelet_sees_the_kernel_settings_that_it_would_make(layout: Layout) -> None:
    mounts.write_files(layout)
    settings = layout.config / "sysctl"
    assert (settings / "vm" / "overcommit_memory").read_text() == "1\n"
    assert (settings / "kernel" / "panic_on_oops").read_text() == "1\n"


def test_mounts_below_a_folder_are_found_but_not_those_beside_it(tmp_path: Path) -> None:
    mountinfo = tmp_path / "mountinfo"
    lines = [
        f"{number} 1 0:22 / {point} rw - tmpfs tmpfs rw"
        for number, point in enumerate(["/", "/s/one", "/s/one/kubelet/x", "/s/one-more"])
    ]
    mountinfo.write_text("\n".join(lines))
    assert leftovers.mounts_below(Path("/s/one"), mountinfo) == ["/s/one", "/s/one/kubelet/x"]
