"""The Debian base of the images, since no image registry is needed or asked."""

import re
from pathlib import Path

from sandbox import tools
from sandbox.setup.task import Log, made_whole

_URL = re.compile(r"^(?:URIs:|deb(?: \[[^]]*\])?)\s+(https?://\S+/debian)/?\s", re.MULTILINE)


def mirror() -> str:
    """The mirror that apt's own sources name; empty where they name none: debootstrap has a default."""
    sources = [Path("/etc/apt/sources.list"), *sorted(Path("/etc/apt/sources.list.d").glob("*"))]
    for source in sources:
        if not source.is_file():
            continue
        found = _URL.search(source.read_text(errors="replace"))
        if found:
            return found[1]
    return ""


def build(log: Log) -> None:
    """Pack what debootstrap installs into a tar."""
    with made_whole(tools.base_image_dir()) as folder:
        root = folder / "root"
        log.run(
            [
                "debootstrap",
                "--variant=minbase",
                f"--include={','.join(tools.BASE_PACKAGES)}",
                tools.BASE_SUITE,
                root,
                *filter(None, [mirror()]),
            ]
        )
        for waste in (
            "var/cache/apt/archives",
            "var/lib/apt/lists",
            "usr/share/doc",
            "usr/share/man",
            "usr/share/locale",
        ):
            log.run(["find", root / waste, "-mindepth", "1", "-delete"])
        log.run(
            ["tar", "--numeric-owner", "--sort=name", "-C", root, "-cf", folder / "rootfs.tar", "."]
        )
        log.run(["rm", "-rf", "--one-file-system", root])
