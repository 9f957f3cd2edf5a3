"""Grafana beside InfluxDB: its image, its names, who logs in. `charts/monitoring` deploys it, `aerodrome open grafana` leads there."""

from typing import Final

from infra.contract.metrics import RELEASE

GRAFANA: Final = "grafana"
"""The chart's group of values."""

IMAGE: Final = {
    "repository": "grafana/grafana",
    "tag": "12.2.1",
    "digest": "sha256:35c41e0fd0295f5d0ee5db7e780cf33506abfaf47686196f825364889dee878b",
}
"""The official one, from the registry that container runtimes ask by default. The kit builds none. Pods go by the digest: it must be that of the tag."""

SERVICE: Final = f"{RELEASE}-grafana"
PORT: Final = 3000

SECRET: Final = "monitoring-grafana"
"""The Secret with the password of `ADMIN`."""

ADMIN: Final = "admin"

CONTACTS_SECRET: Final = "monitoring-contacts"
"""The Secret with what is secret of whom alerts are sent to."""


def runbook_url(given: str, repository: str) -> str:
    """Where the pages of docs/runbooks can be read; empty if nobody knows.

    A repository is known without its scheme; that its files can be read under `blob/HEAD` is GitHub's way.
    """
    if given or not repository.startswith("github.com/"):
        return given
    return f"https://{repository}/blob/HEAD/docs/runbooks"
