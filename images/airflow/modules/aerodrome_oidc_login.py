"""The login by OpenID Connect, in Flask AppBuilder: its pages, its accounts, and the look at each request.

`webserver_config.py` chooses the security manager, the chart the auth manager, both for the api-server alone. Accounts of
Airflow's own, the administrator's first of all, log in with their password on a page beside it: that works while the provider
is away.
"""

import asyncio
import logging
import os
from collections.abc import Mapping
from functools import partial
from typing import Any, Final
from urllib.parse import urlencode, urljoin

from aerodrome_oidc import (
    PROVIDER,
    Accounts,
    Claims,
    ClientError,
    EndedError,
    Provider,
    Sealed,
    Settings,
    UnavailableError,
)
from airflow.api_fastapi.app import AUTH_MANAGER_FASTAPI_APP_PREFIX, get_cookie_path
from airflow.api_fastapi.auth.managers.base_auth_manager import COOKIE_NAME_JWT_TOKEN
from airflow.configuration import conf
from airflow.providers.fab.auth_manager.fab_auth_manager import FabAuthManager
from airflow.providers.fab.auth_manager.models import User
from airflow.providers.fab.auth_manager.security_manager.override import (
    FabAirflowSecurityManagerOverride,
)
from airflow.providers.fab.www.views import get_safe_url, redirect
from airflow.utils.session import create_session
from flask import flash, g, make_response, render_template_string, request, session
from flask_appbuilder import expose
from flask_appbuilder.security.decorators import no_cache
from flask_appbuilder.security.forms import LoginForm_db
from flask_appbuilder.security.views import AuthView
from flask_login import login_user

log = logging.getLogger(__name__)

NEXT: Final = "oidc_next"
"""In the session: where to go after the login."""

HINT: Final = "oidc_hint"
"""In the session of who has logged in at the provider, with access or without: the sealed ID token, or nothing, for the
logout there."""

PAGE: Final = """
{% extends "appbuilder/base.html" %}
{% block content %}
<div class="container"><div class="mainbox col-md-6 col-md-offset-3" style="margin-top:50px">
  <div class="panel panel-primary">
    <div class="panel-heading"><div class="panel-title">{{ title }}</div></div>
    <div class="panel-body" style="padding-top:30px">
      {% for line in lines %}<p>{{ line }}</p>{% endfor %}
      <a class="btn btn-primary btn-block" href="{{ provider }}">{{ button }}</a>
      <p style="margin-top:20px">
        <a href="{{ local }}">Log in with a password of this Airflow</a></p>
      {% if logout %}<p><a href="{{ logout }}">Log out at the provider, to log in as somebody else</a></p>{% endif %}
    </div>
  </div>
</div></div>
{% endblock %}
"""

AWAY: Final = "Whoever is logged in stays logged in. Try again in a minute."


class RefusedError(Exception):
    """No login, and why, for the user to read."""


class LoginView(AuthView):  # type: ignore[misc]  # no Airflow where types are checked
    """The pages below /auth/login, and where the provider sends its users back to."""

    route_base = ""
    login_template = "appbuilder/general/security/login_db.html"

    @expose("/login/")
    @no_cache
    def login(self) -> Any:
        if g.user is not None and g.user.is_authenticated:
            return redirect(self.appbuilder.get_url_for_index)
        return self._page(200, [], "Log in")

    @expose("/login/oidc")
    @no_cache
    def provider(self) -> Any:
        """Sends the browser to the provider."""
        manager = self.appbuilder.sm
        try:
            manager.accounts.provider.reach()
        except UnavailableError as error:
            return self._away(error)
        session[NEXT] = get_safe_url(request.args.get("next", ""))
        return manager.oauth_remotes[PROVIDER].authorize_redirect(
            _outside(f"oauth-authorized/{PROVIDER}")
        )

    @expose("/oauth-authorized/oidc")
    @no_cache
    def authorized(self) -> Any:
        """Where the provider sends the browser back to, with a code."""
        from authlib.common.errors import AuthlibBaseError
        from joserfc.errors import JoseError
        from requests import RequestException

        manager = self.appbuilder.sm
        try:
            wanted = manager.accounts.provider.wanted()
            token = manager.oauth_remotes[PROVIDER].authorize_access_token(claims_options=wanted)
            session[HINT] = manager.hint(token)
            claims, kept = manager.accounts.provider.first(token)
            user = manager.admit(claims, kept)
        except RefusedError as error:
            log.warning("A login by OpenID Connect is refused: %s", error)
            return self._page(403, [str(error)], "No access", logout=_address("logout/"))
        except AuthlibBaseError as error:
            return self._refused(error)
        except (JoseError, EndedError) as error:
            log.warning("The OpenID provider's answer is not valid: %s", error)
            return self._page(400, ["The provider's answer is not valid. Log in again."], "Log in")
        except (UnavailableError, RequestException) as error:
            return self._away(error)
        next_url = session.pop(NEXT, None) or self.appbuilder.get_url_for_index
        manager._rotate_session_id()
        login_user(user, remember=False)
        # Airflow's own view of a provider does so: the session must be there before the UI asks for anything.
        session.modified = True
        return redirect(next_url)

    @expose("/login/local", methods=["GET", "POST"])
    @no_cache
    def local(self) -> Any:
        """The password of an account of Airflow's own."""
        if g.user is not None and g.user.is_authenticated:
            return redirect(self.appbuilder.get_url_for_index)
        form = LoginForm_db()
        if form.validate_on_submit():
            next_url = get_safe_url(request.args.get("next", ""))
            user = self.appbuilder.sm.auth_user_db(form.username.data, form.password.data)
            if not user:
                flash(str(self.invalid_login_message), "warning")
                return redirect(_address("login/local", next_url))
            login_user(user, remember=False)
            return redirect(next_url)
        return self.render_template(
            self.login_template, title=self.title, form=form, appbuilder=self.appbuilder
        )

    @expose("/logout/")
    @no_cache
    def logout(self) -> Any:
        """Ends the session here, and at the provider if it is the provider's."""
        at_provider, hint = HINT in session, self.appbuilder.sm.open_hint(session.get(HINT))
        super().logout()
        # With it goes the row that a copy of the cookie would lead to.
        session.clear()
        answer = make_response(
            self._at_provider(hint) if at_provider else redirect(_address("login/"))
        )
        secure = request.scheme == "https"
        answer.delete_cookie(
            COOKIE_NAME_JWT_TOKEN, path=get_cookie_path(), secure=secure, httponly=True
        )
        return answer

    def _at_provider(self, hint: str) -> Any:
        """Leads the browser to the provider's logout, or says that there is none."""
        provider = self.appbuilder.sm.accounts.provider
        issuer = provider.settings.issuer
        why = f"Airflow cannot log you out at {issuer}"
        try:
            if address := provider.logout(_outside("login/"), hint):
                return redirect(address)
        except UnavailableError as error:
            log.warning("Nobody can be logged out at the OpenID provider: %s", error)
            why = f"{issuer} cannot be reached"
        lines = [
            f"You are logged out of this Airflow. {why}: you may still be logged in there.",
            "Log out there, too, before somebody else uses this browser.",
        ]
        return self._page(200, lines, "Logged out")

    def _refused(self, error: Any) -> Any:
        """What the provider says instead of a token, or what Authlib finds wrong with the answer."""
        if error.error in ("invalid_client", "unauthorized_client"):
            return self._away(ClientError(f"it refuses: {error.error}"))
        log.warning("A login by OpenID Connect has failed: %s", error.error)
        if error.error == "access_denied":
            lines = ["The provider has not let you in, or you have not agreed to it."]
            return self._page(403, lines, "No access")
        if error.error == "mismatching_state":
            lines = [
                "This login did not begin in this browser, or has ended meanwhile. Log in again."
            ]
        else:
            lines = [f"The provider has not confirmed the login ({error.error}). Log in again."]
        return self._page(400, lines, "Log in")

    def _away(self, error: Exception) -> Any:
        issuer = self.appbuilder.sm.accounts.provider.settings.issuer
        log.error("The login by OpenID Connect at %s does not work: %s", issuer, error)
        if isinstance(error, ClientError):
            line = f"{issuer} does not accept this Airflow: its client id, its secret or its address is wrong."
            return self._page(502, [line, "Tell whoever runs it."], "No login")
        return self._page(503, [f"{issuer} cannot be reached.", AWAY], "No login for now")

    def _page(self, status: int, lines: list[str], title: str, logout: str = "") -> Any:
        text = render_template_string(
            PAGE,
            title=title,
            lines=lines,
            provider=_address("login/oidc", request.args.get("next", "")),
            local=_address("login/local", request.args.get("next", "")),
            logout=logout,
            button="Log in again" if lines else "Log in with OpenID Connect",
            appbuilder=self.appbuilder,
            base_template=self.appbuilder.base_template,
        )
        return text, status


def _address(page: str, next_url: str = "") -> str:
    """Of a page of the login, with the folder that `base_url` may have: Flask does not know that one."""
    query = f"?{urlencode({'next': next_url})}" if next_url else ""
    return f"{AUTH_MANAGER_FASTAPI_APP_PREFIX}/{page}{query}"


def _outside(page: str) -> str:
    """An address of a page that the provider must know."""
    base = conf.get("api", "base_url", fallback="") or request.host_url
    return urljoin(base, _address(page))


class SecurityManager(FabAirflowSecurityManagerOverride):  # type: ignore[misc]  # no Airflow where types are checked
    """Accounts of the provider beside those of Airflow's own."""

    authoauthview = LoginView

    def _init_auth(self) -> None:
        super()._init_auth()
        provider = Provider(Settings.read(os.environ), self.oauth_remotes[PROVIDER])
        self._sealed = Sealed(conf.get_mandatory_value("api", "secret_key"))
        self.accounts = Accounts(provider, partial(create_session, scoped=False), self._sealed)

    def hint(self, token: Mapping[str, Any]) -> str:
        """Of Authlib's answer, what the session keeps for the logout at the provider."""
        # Sessions are rows of the database; a cookie would be too small for it.
        fits = conf.get("fab", "session_backend") == "database"
        kept = token.get("id_token") if fits else None
        return self._sealed.seal({"id_token": kept}) if kept else ""

    def open_hint(self, sealed: str | None) -> str:
        try:
            return str(self._sealed.open(sealed)["id_token"]) if sealed else ""
        except EndedError:
            return ""

    def load_user(self, pk: int) -> User | None:
        """Of a session, for Flask AppBuilder's own pages."""
        user = super().load_user(pk)
        if user is None or self.accounts.fresh(user.id):
            return user
        if not self.accounts.has_access(user.id):
            return None
        self.session.expire(user)
        return user

    def auth_user_db(
        self, username: str, password: str, rotate_session_id: bool = True
    ) -> User | None:
        """By password. An account of the provider has none, whatever was set for it."""
        user = super().auth_user_db(username, password, rotate_session_id)
        if user is not None and self.accounts.is_the_providers(user.id):
            log.warning("%s is an account of the OpenID provider, and has no password", username)
            return None
        return user

    def admit(self, claims: Claims, tokens: Mapping[str, Any]) -> User:
        """The account of who has logged in at the provider, with the roles of the groups. RefusedError."""
        settings = self.accounts.provider.settings
        subject, groups = str(claims.get("sub", "")), settings.groups_of(claims)
        if not subject:
            raise RefusedError("The provider does not say who you are (sub).")
        with self.accounts.session() as work:
            user_id = self.accounts.find(work, subject)
            if not settings.roles_of(groups):
                if user_id is not None:
                    self.accounts.end(work, user_id, "none of the groups has a role")
                    work.commit()
                raise RefusedError(_without_role(settings, claims, groups))
            if user_id is None:
                user_id = _new_account(work, settings, claims)
            user = work.get(User, user_id)
            if not user.active:
                raise RefusedError(f"The account {user.username} is deactivated in this Airflow.")
            self.accounts.begin(work, user_id, subject, tokens, groups)
        # Whatever this request knew of the user before.
        self.session.expire_all()
        found: User = self.get_user_by_id(user_id)
        self.update_user_auth_stat(found)
        return found


def _without_role(settings: Settings, claims: Claims, groups: list[str]) -> str:
    who = claims.get(settings.user_claim) or claims.get("email") or claims["sub"]
    which = f"none of your groups ({', '.join(groups)})" if groups else "you are in no group that"
    return (
        f"You are logged in at the provider as {who}, and {which} has a role in this Airflow. "
        "Ask whoever runs it: groups are given roles in access.yaml."
    )


def _new_account(work: Any, settings: Settings, claims: Claims) -> int:
    """For a user whom this Airflow sees for the first time. Nobody gets an account of Airflow's own by bearing its name."""
    from sqlalchemy import func, select

    name = str(claims.get(settings.user_claim) or "")
    if not name:
        raise RefusedError(
            f"The provider does not say your name ({settings.user_claim}). Tell whoever runs this Airflow."
        )
    if work.scalar(select(User.id).where(func.lower(User.username) == name.lower())) is not None:
        raise RefusedError(
            f"The name {name} is an account's in this Airflow already, which is not yours by the provider. "
            "Log in with its password, or tell whoever runs this Airflow."
        )
    email = str(claims.get("email") or "")
    taken = select(User.id).where(func.lower(User.email) == email.lower())
    if not email or work.scalar(taken) is not None:
        # Each account has an address, and no two have the same.
        email = f"{name}@no-address.invalid"
    first, _, last = str(claims.get("name") or name).partition(" ")
    user = User(
        username=name,
        email=email,
        first_name=str(claims.get("given_name") or first),
        last_name=str(claims.get("family_name") or last or "-"),
        active=True,
        password=None,
    )
    work.add(user)
    work.flush()
    return int(user.id)


class AuthManager(FabAuthManager):  # type: ignore[misc]  # no Airflow where types are checked
    """Airflow's, which looks at each request whether the provider is to be asked about its user."""

    def get_url_logout(self) -> str:
        """Flask AppBuilder's page, which is the view's above; Airflow's own without a slash knows no provider."""
        return f"{super().get_url_logout()}/"

    async def get_user_from_token(self, token: str) -> Any:
        """Of a cookie as well as of a header: the token alone says who somebody was when it was made."""
        from jwt import ExpiredSignatureError

        user = await super().get_user_from_token(token)
        accounts = self.appbuilder.sm.accounts
        if accounts.fresh(user.id):
            return user
        allowed = await asyncio.to_thread(accounts.has_access, user.id)
        self.cache.pop(user.id, None)
        if not allowed:
            # By which the UI goes to the login.
            raise ExpiredSignatureError("The OpenID provider does not vouch for the user any more")
        return await super().get_user_from_token(token)
