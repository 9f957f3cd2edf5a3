"""Settings of the login pages (Flask AppBuilder): accounts are in Airflow's own database, or in an OpenID provider's as well."""

import os

from flask_appbuilder.const import AUTH_DB, AUTH_OAUTH

AUTH_TYPE = AUTH_DB
WTF_CSRF_ENABLED = True

if os.environ.get("AERODROME_OIDC_ISSUER"):
    from aerodrome_oidc import PROVIDER, Settings
    from aerodrome_oidc_login import SecurityManager

    AUTH_TYPE = AUTH_OAUTH
    SECURITY_MANAGER_CLASS = SecurityManager
    # Accounts are made by the security manager, which knows the groups.
    AUTH_USER_REGISTRATION = False
    OAUTH_PROVIDERS = [
        {
            "name": PROVIDER,
            "icon": "fa-sign-in",
            "token_key": "access_token",
            "remote_app": Settings.read(os.environ).remote_app(),
        }
    ]
