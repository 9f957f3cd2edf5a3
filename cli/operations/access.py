"""Where an environment's cloud is: the sandbox's APIs on this machine, or AWS in a region."""

import os
from collections.abc import Mapping

from cli.base.environments import Environment
from cli.base.errors import UserError
from cli.base.settings import REGION_KEY
from cli.cloud.resource import Client
from cli.operations import sandboxes
from cli.session import Session

REGION_VARIABLES = ("AWS_REGION", "AWS_DEFAULT_REGION")


def cloud_of(
    session: Session,
    environment: Environment,
    region: str = "",
    variables: Mapping[str, str] = os.environ,
) -> tuple[Client, str]:
    """Makes clients of its services; and the region, empty where there is only one.

    The stack's configuration says the region; where it is gone, `region` or the variables of AWS'
    own tools do. Those also say whose credentials they are.
    """
    if environment.sandboxed:
        return session.client(sandboxes.running(session)), ""
    values = session.backend(environment).plain()
    found = region or values.get(REGION_KEY) or _first(variables)
    if not found:
        raise UserError(
            f'Nothing says in which region "{environment.name}" is',
            "Its stack has no configuration here. Say it as to AWS' own tools:",
            f"AWS_REGION=eu-central-1 ./aerodrome down --env {environment.name}",
        )
    return session.client(None, found), found


def _first(variables: Mapping[str, str]) -> str:
    return next((variables[name] for name in REGION_VARIABLES if variables.get(name)), "")
