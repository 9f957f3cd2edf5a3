"""An RDS instance that is there already: the form of the settings that name it, what they need of each other, and how the
parts of the kit that meet it call its things."""

from collections.abc import Collection, Mapping
from typing import Any, Final

from infra.contract.clusters import CLUSTER
from infra.contract.networks import VPC

INSTANCE: Final = "databaseInstance"
ADMIN: Final = "databaseAdminSecret"

INSTANCE_PATTERN: Final = r"(?=.{0,63}$)([a-z](-?[a-z0-9])*)?"
"""As RDS keeps an identifier: in small letters."""

SECRET_PATTERN: Final = (
    r"(arn:aws[a-z-]*:secretsmanager:[a-z0-9-]+:\d{12}:secret:[A-Za-z0-9/_+=.@!-]+-[A-Za-z0-9]{6})?"
)
"""RDS calls its own `rds!db-...`."""

OLDEST: Final = 16
"""PostgreSQL's major version. Before, whoever may make users may take any user's place who is no superuser: Airflow's login
would have reached everything in the instance."""

PORT: Final = 5432
"""Branches and their chart know no other."""

CONNECTIONS: Final = 100
"""How many Airflow may hold, ten times of what one takes: one that runs wild must not lock out others."""

NAMESPACE: Final = "database-admin"
"""Apart from Airflow's: who may start pods in a namespace, as the scheduler may, can mount any Secret and take any service
account there. No branch's namespace is called so."""

SERVICE_ACCOUNT: Final = "database-admin"

RELEASE_PARAMETER: Final = "server"
"""The value of charts/branch-database that says where such an instance is."""

OF_OWN: Final = ("databaseInstanceClass", "databaseStorageGb")
"""Settings of an instance that the environment makes."""


def mark(environment: str) -> str:
    """The comment on its users in the server: what has another, or none, is somebody else's and never touched."""
    return f"aerodrome:environment={environment}"


def elsewhere(arn: str, region: str, account: str = "") -> str:
    """What is wrong with a secret of another region or account; empty if it is of this one, or there is none."""
    if not arn or not region:
        return ""
    theirs, owner = arn.split(":")[3:5]
    if theirs != region:
        return f"the instance is in {region}, and this secret is in {theirs}"
    if account and owner != account:
        return f"the instance is in the account {account}, and this secret is of {owner}"
    return ""


def misfits(
    settings: Mapping[str, Any], given: Collection[str], region: str = ""
) -> list[tuple[str, str]]:
    """What is wrong with values that are right by themselves: the setting, and the words. `given`: those that are set."""
    if not settings[INSTANCE]:
        if settings[ADMIN]:
            return [(ADMIN, f"it counts with {INSTANCE} only, which is not set")]
        return []
    found = []
    if settings["database"] != "rds":
        found.append(("database", f"{INSTANCE} names an instance of RDS: set it to rds"))
    # With a cluster it is refused altogether.
    if not settings[VPC] and not settings.get(CLUSTER):
        found.append((VPC, f"{INSTANCE} needs it: only in the VPC of the instance pods reach it"))
    if not settings[ADMIN]:
        found.append(
            (ADMIN, f"{INSTANCE} needs the secret of a user that may make databases and users")
        )
    found += [
        (
            key,
            f"it describes an instance that the environment makes, and {INSTANCE} names one that is there",
        )
        for key in OF_OWN
        if key in given
    ]
    if words := elsewhere(settings[ADMIN], region):
        found.append((ADMIN, words))
    return found
