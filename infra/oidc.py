"""The login by an OpenID provider, as a part of charts/airflow: its values, and the content of its Secret."""

from typing import Any

import pulumi

from infra.stack import Stack


def oidc_values(stack: Stack) -> dict[str, Any]:
    """The chart's value `oidc`; nothing where accounts are in Airflow's database."""
    settings = stack.settings
    if not settings.oidc_issuer:
        return {}
    return {
        "oidc": {
            "issuer": settings.oidc_issuer,
            "clientId": settings.oidc_client_id,
            "scopes": settings.oidc_scopes,
            "groupsClaim": settings.oidc_groups_claim,
            "userClaim": settings.oidc_user_claim,
        }
    }


def oidc_secret(stack: Stack) -> dict[str, pulumi.Input[str]]:
    """The content of the chart's Secret `oidc`."""
    if not stack.settings.oidc_issuer:
        return {}
    return {"client-secret": stack.secrets.oidc_client_secret}
