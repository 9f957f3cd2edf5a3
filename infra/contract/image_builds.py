"""How an environment's images are built: `images/NAME`, and the arguments that its settings make of it."""

import json
from collections.abc import Mapping
from typing import Any, Final

from infra.contract import proxies, public_images
from infra.contract.dag_sources import GIT
from infra.contract.settings import Settings
from infra.contract.task_accounts import ACCOUNT

AIRFLOW: Final = "airflow"

EXAMPLE_DAGS: Final = "dags/examples"
"""In `images/airflow`."""

GIT_PACKAGES: Final = "git openssh-client"
"""Debian's, for DAG files from a git repository: 118 MB that no other image shall carry."""

OF_PLACES: Final = ("folders", "prefixes", "access", ACCOUNT)
"""What the build reads of an owner: what its tasks may ask for makes no other image."""


def left_out(settings: Settings, image: str) -> str:
    """The folder of an image's sources that it shall not hold; its Containerfile takes it away."""
    return "" if image != AIRFLOW or settings.example_dags else EXAMPLE_DAGS


def packages(settings: Settings, image: str) -> str:
    """Debian packages that an image needs beyond those of all its kind."""
    return GIT_PACKAGES if image == AIRFLOW and settings.dags == GIT else ""


def base(settings: Settings, image: str) -> str:
    """What an image is built on, where a mirror has it; empty for its Containerfile's own."""
    return public_images.base_argument(image, settings.image_mirror)


def proxy_arguments(settings: Settings) -> dict[str, str]:
    """By which proxy a build asks outside. It changes nothing of the image."""
    return proxies.build_arguments(settings.http_proxy, settings.https_proxy, settings.no_proxy)


def owners_argument(owners: Mapping[str, Any], image: str) -> str:
    """The declared owners of DAGs, as the build's check of DAG files reads them; empty if there are none."""
    if not owners or image != AIRFLOW:
        return ""
    places = {
        name: {key: one[key] for key in OF_PLACES if key in one} for name, one in owners.items()
    }
    return json.dumps(places, sort_keys=True)


def build_arguments(settings: Settings, image: str, owners: str = "") -> dict[str, str]:
    """Those that make another image and are set."""
    arguments = {
        "REVISION": settings.image_revision,
        "WITHOUT": left_out(settings, image),
        "PACKAGES": packages(settings, image),
        "OWNERS": owners,
        public_images.BASE_ARGUMENT: base(settings, image),
    }
    return {key: value for key, value in arguments.items() if value}
