"""Elasticsearch for the tests: the same distribution as its image's, and the Java and Maven that it needs."""

import shutil

from sandbox import tools
from sandbox.setup.task import Log, made_whole

_PACKAGES = ("openjdk-17-jre-headless", "maven")


def has_java() -> bool:
    """Whether the machine has what `fetch` and the server need, from wherever."""
    return all(shutil.which(name) for name in ("java", "mvn"))


def install_java(log: Log) -> None:
    """From Debian. Neither starts anything."""
    log.run(
        ["apt-get", "install", "-q", "-y", "--no-install-recommends", *_PACKAGES],
        env={"DEBIAN_FRONTEND": "noninteractive"},
    )


def fetch(log: Log) -> None:
    """By the script with which its image's build does it."""
    with made_whole(tools.elasticsearch_dir()) as folder:
        log.run(["sh", tools.ELASTICSEARCH_IMAGE / "fetch-distribution", folder])
