"""How old the secrets of an environment are, and which of its components read them."""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from cli.base.errors import KitError
from cli.base.settings import qualified
from cli.cloud import errors
from cli.cloud.kubernetes import Kubernetes, Object
from cli.operations.live import COMPONENT_LABEL, Live
from cli.operations.rotation.applicable import ACCESS_KEY
from cli.stack import rotation
from cli.stack.backends import Found
from infra.contract import database_logins, logs, metrics, token_keys
from infra.contract.secret_contents import KEPT_IN
from infra.contract.secrets_backends import SECRETS_MANAGER
from infra.contract.settings import SETTINGS

HANDED_OVER: Final = "aws:secretsmanager/secret:Secret"
_CURRENT: Final = "AWSCURRENT"
_SECRET: Final = "kubernetes:core/v1:Secret"
_OF_OTHERS: Final = (token_keys.ACCEPTED, database_logins.SETTING, database_logins.CELERY_SETTING)
"""Settings of a rotation that is under way, or has been: they have other secrets' values."""

_WORKLOADS: Final = "deployments,statefulsets,jobs,cronjobs"


@dataclass(frozen=True)
class SecretAge:
    """One secret."""

    name: str
    """A setting, or an access key's name in the stack."""

    made: date | None
    """None if nobody knows."""

    exact: bool
    """False: it may be older, for it is known only since when it is deployed."""

    users: tuple[str, ...]
    """Components whose pods read it."""

    deployed: bool = True
    """False: no Secret of the cluster has it. The password of Celery's queue is there for executors to come."""

    def days(self, today: date) -> int | None:
        return (today - self.made).days if self.made else None

    def data(self, today: date) -> dict[str, Any]:
        """For programs."""
        return {
            "secret": self.name,
            "made": self.made.isoformat() if self.made else "",
            "exact": self.exact,
            "days": self.days(today),
            "usedBy": list(self.users),
            "deployed": self.deployed,
        }


def of(live: Live) -> list[SecretAge]:
    """Those that are configured, then the access keys, then Rancher's token."""
    backend = live.backend
    configured, known, resources = backend.configured(), rotation.made(backend), backend.resources()
    clusters = [live.kubernetes]
    if _deployed(resources, {metrics.SECRET, logs.SECRET}):
        clusters.append(live.cloud.kubernetes(metrics.NAMESPACE, live.outputs))
    readers = _readers(clusters)
    found = []
    for key, setting in SETTINGS.items():
        if not setting.secret or key in _OF_OTHERS or qualified(key) not in configured:
            continue
        names = set(KEPT_IN.get(key, ()))
        there = _deployed(resources, names)
        made = known.get(key) or min(
            (day for one in there if (day := _day(one.created))), default=None
        )
        users = sorted({user for name in names for user in readers.get(name, ())})
        found.append(SecretAge(key, made, key in known, tuple(users), bool(there) or not names))
    return [*found, *access_keys(resources), *handed_over(live, resources)]


def handed_over(live: Live, resources: Iterable[Found]) -> list[SecretAge]:
    """The token that Rancher's server has left for the registration, and renews each month; without a date where AWS does
    not tell it."""
    found = []
    for one in resources:
        if one.type != HANDED_OVER:
            continue
        with suppress(KitError), errors.translated("look at the token of Rancher"):
            versions = live.client(SECRETS_MANAGER).list_secret_version_ids(SecretId=one.id)[
                "Versions"
            ]
            made = [
                each["CreatedDate"].date() for each in versions if _CURRENT in each["VersionStages"]
            ]
            found.append(
                SecretAge(one.name, max(made, default=None), True, ("Rancher",), bool(made))
            )
            continue
        found.append(SecretAge(one.name, None, False, ("Rancher",)))
    return found


def access_keys(resources: Iterable[Found]) -> list[SecretAge]:
    """The access keys of a stack: there is one where nothing else is known to its user."""
    return [
        SecretAge(one.name, _day(one.created), True, ("Rancher",))
        for one in resources
        if one.type == ACCESS_KEY
    ]


def older(found: Iterable[SecretAge], days: int, today: date) -> list[str]:
    """The names of those that are deployed and older than that, or of unknown age."""
    return [
        one.name
        for one in found
        if one.deployed and ((age := one.days(today)) is None or age > days)
    ]


def _deployed(resources: Iterable[Found], names: set[str]) -> list[Found]:
    """The Secrets of these names in the cluster, as the state has them."""
    return [one for one in resources if one.type == _SECRET and one.id.rpartition("/")[2] in names]


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text[:10])
    except ValueError:
        return None


def _readers(namespaces: Iterable[Kubernetes]) -> dict[str, set[str]]:
    """Components by the name of a Secret that their pods refer to; nothing if the cluster cannot be asked."""
    readers: dict[str, set[str]] = {}
    items: list[Object] = []
    for namespace in namespaces:
        with suppress(KitError):
            items += namespace.objects(_WORKLOADS, selector="app.kubernetes.io/part-of=aerodrome")
    for item in items:
        component = item["metadata"].get("labels", {}).get(COMPONENT_LABEL, "")
        for name in _referred(item):
            readers.setdefault(name, set()).add(str(component))
    return readers


def _referred(value: Any) -> set[str]:
    """The names of Secrets anywhere in a workload's specification."""
    if isinstance(value, list):
        return {name for one in value for name in _referred(one)}
    if not isinstance(value, dict):
        return set()
    found = {name for one in value.values() for name in _referred(one)}
    for key, name in (("secretKeyRef", "name"), ("secretRef", "name"), ("secret", "secretName")):
        reference: Object = value.get(key) or {}
        if isinstance(reference, dict) and name in reference:
            found.add(str(reference[name]))
    return found
