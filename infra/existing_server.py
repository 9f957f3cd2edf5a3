"""An RDS instance that somebody else has made: what the program must know of it, asked before anything is made.

By its identifier alone, and nothing of it is changed or tagged: no parameter, no security group. That pods get in is its owner's to
allow; `preview` and `up` name the rule that is missing.
"""

from dataclasses import dataclass

import pulumi_aws as aws

from infra.contract.settings import Settings
from infra.contract.tenancy import Tenancy


@dataclass(frozen=True)
class ExistingServer:
    """As AWS describes it."""

    identifier: str
    host: str
    port: int


def find_existing_server(settings: Settings) -> ExistingServer | None:
    """The one that the settings name; None if they name none. A shared environment's database is in its base's."""
    if not settings.database_instance or settings.tenancy == Tenancy.shared:
        return None
    found = aws.rds.get_instance(db_instance_identifier=settings.database_instance)
    return ExistingServer(found.db_instance_identifier, found.address, int(found.port))
