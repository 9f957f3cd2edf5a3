"""Debian packages: some installed, some only unpacked beside our tools."""

import shutil
import subprocess
from pathlib import Path

from sandbox.errors import UserError
from sandbox.setup.task import Log

INSTALLED_PACKAGES = (
    "buildah",
    "ca-certificates",
    "conntrack",
    "debootstrap",
    "iproute2",
    # What Podman's network is made with, in the tests; and what its conmon is linked with.
    "iptables",
    "libglib2.0-0",
    # What PostgreSQL, unpacked for the tests, is linked with.
    "libldap-2.5-0",
    "libpq5",
    "libxml2",
    "nftables",
    "python3-venv",
    "skopeo",
    "tzdata",
    "util-linux",
)
"""Programs and libraries only: none of these starts a service by being installed."""


def missing_packages() -> list[str]:
    """Those of INSTALLED_PACKAGES that this machine does not have."""
    query = subprocess.run(
        ["dpkg-query", "-W", "-f=${Package} ${db:Status-Status}\n", *INSTALLED_PACKAGES],
        capture_output=True,
        text=True,
        check=False,
    )
    present = {line.split()[0] for line in query.stdout.splitlines() if line.endswith(" installed")}
    return [name for name in INSTALLED_PACKAGES if name not in present]


def check_debian() -> None:
    """UserError if this machine's packages are not Debian's."""
    if shutil.which("apt-get") is None or shutil.which("dpkg-query") is None:
        raise UserError(
            "This machine has no apt-get",
            "The sandbox is set up from Debian 12's packages and supports only Debian.",
        )


def update_lists(log: Log) -> None:
    """Fetch the package lists anew: those of a fresh image may be old or absent."""
    log.run(["apt-get", "update", "-q"])


def install(log: Log) -> None:
    """Install what is missing, without recommended extras and without questions."""
    log.run(
        ["apt-get", "install", "-q", "-y", "--no-install-recommends", *missing_packages()],
        env={"DEBIAN_FRONTEND": "noninteractive"},
    )


def unpack(log: Log, packages: tuple[str, ...], target: Path) -> None:
    """The files of `packages` under `target`, with no installation script run."""
    downloads = target / "downloads"
    downloads.mkdir(parents=True)
    # apt drops its rights for a download and could not write to root's cache folder.
    log.run(
        ["apt-get", "-q", "-o", "APT::Sandbox::User=root", "download", *packages], cwd=downloads
    )
    for package in sorted(downloads.glob("*.deb")):
        log.run(["dpkg-deb", "-x", package, target])
    shutil.rmtree(downloads)
