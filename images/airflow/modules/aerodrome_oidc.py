"""What an OpenID provider says of a user: asked at the login, and again for as long as the user's session lasts.

Nothing of Flask AppBuilder is in here; the pages of the login are in `aerodrome_oidc_login.py`. Accounts of the provider are
in a table beside Airflow's, with the tokens by which the provider is asked again. The chart sets the variables, for
the api-server alone.
"""

import base64
import hashlib
import json
import logging
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

log = logging.getLogger(__name__)

PREFIX: Final = "AERODROME_OIDC_"
PROVIDER: Final = "oidc"
"""Its name in addresses: the provider is told .../auth/oauth-authorized/oidc."""

TIMEOUT: Final = 5
"""Seconds for one question to the provider, while somebody waits."""

TABLE: Final = "aerodrome_oidc"
MAKE_TABLE: Final = f"""
    create table if not exists {TABLE} (
        user_id integer primary key references ab_user (id) on delete cascade,
        issuer text not null, subject text not null, tokens text not null, groups text not null,
        checked_at double precision not null, ended boolean not null default false,
        unique (issuer, subject))"""
LOCK: Final = 0xAE01DC

Claims = Mapping[str, Any]


class UnavailableError(Exception):
    """The provider is away, or does not answer as one."""


class ClientError(UnavailableError):
    """The provider does not accept this Airflow: its client id or secret is wrong, or its address."""


class EndedError(Exception):
    """The provider does not vouch for the user any more."""


@dataclass(frozen=True)
class Settings:
    """What the chart says of the provider."""

    issuer: str
    client_id: str
    client_secret: str = field(repr=False)
    scopes: str = "openid profile email groups"
    groups_claim: str = "groups"
    user_claim: str = "preferred_username"
    check_seconds: float = 60.0
    groups: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Airflow's roles, by the provider's groups."""

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> "Settings":
        """From variables, which are there where the first one is."""

        def text(name: str, default: str = "") -> str:
            return environment.get(PREFIX + name) or default

        return cls(
            issuer=text("ISSUER"),
            client_id=text("CLIENT_ID"),
            client_secret=text("CLIENT_SECRET"),
            scopes=text("SCOPES", cls.scopes),
            groups_claim=text("GROUPS_CLAIM", cls.groups_claim),
            user_claim=text("USER_CLAIM", cls.user_claim),
            check_seconds=float(text("CHECK_SECONDS", str(cls.check_seconds))),
            groups=json.loads(text("GROUPS", "{}")),
        )

    def remote_app(self) -> dict[str, Any]:
        """As Authlib takes it: the authorization code flow with state, nonce and PKCE."""
        return {
            "client_id": self.client_id,
            "client_secret": self.client_secret,
            "server_metadata_url": f"{self.issuer.rstrip('/')}/.well-known/openid-configuration",
            "client_kwargs": {
                "scope": self.scopes,
                "code_challenge_method": "S256",
                "default_timeout": TIMEOUT,
            },
        }

    def groups_of(self, claims: Claims) -> list[str]:
        """Of a user. A provider may leave out the claim of one who has none, and give a single one as text."""
        found = claims.get(self.groups_claim) or []
        return sorted({str(one) for one in ([found] if isinstance(found, str) else found)})

    def roles_of(self, groups: Collection[str]) -> list[str]:
        """The names of Airflow's roles."""
        return sorted({role for group in groups for role in self.groups.get(group, ())})


class Provider:
    """The provider's answers, by Authlib's client of it."""

    def __init__(self, settings: Settings, remote: Any) -> None:
        self.settings = settings
        self.remote = remote

    def reach(self) -> None:
        """Asks for its description, anew: a browser must not be sent to who is away. UnavailableError."""
        with _translated():
            # Empty: Authlib adds to what it has, and would keep an address that the provider has given up.
            self.remote.server_metadata = {}
            told = str(self.remote.load_server_metadata().get("issuer", ""))
        if told.rstrip("/") != self.settings.issuer.rstrip("/"):
            raise ClientError(f"it says that it is {told!r}")

    def wanted(self) -> dict[str, Any]:
        """What an ID token must say, for Authlib: by itself it takes one that is for nobody, or for another client with
        this one's name beside it. UnavailableError."""
        with _translated():
            issuer = self.remote.load_server_metadata()["issuer"]
        return {"iss": {"values": [issuer]}, "aud": {"values": [self.settings.client_id]}}

    def logout(self, back: str, hint: str = "") -> str:
        """The address at which the provider ends the browser's session and leads it `back`; empty if it has none. `hint`
        is the login's ID token: without it providers ask the user. UnavailableError."""
        self.reach()
        with _translated():
            if not self.remote.load_server_metadata().get("end_session_endpoint"):
                return ""
            made = self.remote.create_logout_url(back, hint, client_id=self.settings.client_id)
        return str(made["url"])

    def first(self, token: Mapping[str, Any]) -> tuple[Claims, dict[str, Any]]:
        """What is said of who has just logged in, and the tokens to ask again. `token` is Authlib's answer, with a
        checked ID token."""
        claims = dict(token.get("userinfo") or {})
        more = self._userinfo(token) or {}
        if more.get("sub") == claims.get("sub"):
            claims |= more
        in_id_token = self.settings.groups_claim in (token.get("userinfo") or {})
        kept = _kept(token)
        kept["by_id_token"] = in_id_token and self.settings.groups_claim not in more
        return claims, kept

    def again(
        self, subject: str, tokens: Mapping[str, Any]
    ) -> tuple[Claims | None, dict[str, Any]]:
        """What is said of a user now, and the tokens for the next time; no claims where the provider has no way to say
        more before the user logs in again. EndedError, UnavailableError."""
        claims: Claims | None
        kept = dict(tokens)
        live = time.time() < float(tokens.get("expires_at") or float("inf"))
        if tokens.get("by_id_token"):
            claims = None
            if tokens.get("refresh_token"):
                claims, kept = self._renew(tokens)
            if claims is None:
                # No refresh token, or no ID token for it: until the login's own token ends nothing more is said.
                if not live:
                    raise EndedError("its token has expired")
                return None, {**kept, "refresh_token": "", "expires_at": tokens.get("expires_at")}
        else:
            claims = self._userinfo(tokens) if live else None
            if claims is None and tokens.get("refresh_token"):
                _, kept = self._renew(tokens)
                claims = self._userinfo(kept)
        if claims is None:
            raise EndedError("its token has expired, or was revoked")
        if claims.get("sub") != subject:
            raise EndedError("it speaks of somebody else")
        return claims, kept

    def _userinfo(self, token: Mapping[str, Any]) -> Claims | None:
        """None where the provider takes the token no longer, or has no such address."""
        # Without the refresh token, by which Authlib would get another one that nobody keeps.
        bearer = {key: token[key] for key in ("access_token", "token_type") if key in token}
        with _translated():
            if not (url := self.remote.load_server_metadata().get("userinfo_endpoint")):
                return None
            answer = self.remote.get(url, token=bearer)
            if answer.status_code in (400, 401, 403):
                return None
            answer.raise_for_status()
            found: Claims = answer.json()
        return found

    def _renew(self, tokens: Mapping[str, Any]) -> tuple[Claims | None, dict[str, Any]]:
        """By the refresh token; claims if there is an ID token in the answer."""
        from authlib.integrations.requests_client import OAuth2Session

        with _translated():
            url, wanted = self.remote.load_server_metadata()["token_endpoint"], self.wanted()
            with OAuth2Session(
                self.settings.client_id, self.settings.client_secret, default_timeout=TIMEOUT
            ) as session:
                got = session.refresh_token(url, refresh_token=tokens["refresh_token"])
            claims = None
            if got.get("id_token"):
                claims = self.remote.parse_id_token(got, nonce=None, claims_options=wanted)
        return claims, {**tokens, **_kept(got)}


def _kept(token: Mapping[str, Any]) -> dict[str, Any]:
    names = ("access_token", "token_type", "refresh_token", "expires_at")
    return {name: token[name] for name in names if token.get(name)}


@contextmanager
def _translated() -> Iterator[None]:
    """What Authlib and requests raise, as what it means."""
    import requests
    from authlib.common.errors import AuthlibBaseError
    from joserfc.errors import JoseError

    try:
        yield
    except AuthlibBaseError as error:
        if error.error == "invalid_grant":
            raise EndedError("it has ended the session") from error
        raise ClientError(f"it refuses: {error.error}") from error
    except JoseError as error:
        raise EndedError(f"its token is not valid: {error.error}") from error
    except (requests.RequestException, ValueError, KeyError) as error:
        raise UnavailableError(type(error).__name__) from error


class Sealed:
    """Tokens in the database, by the key of the sessions: whoever replaces that ends the sessions anyway."""

    def __init__(self, key: str) -> None:
        from cryptography.fernet import Fernet

        digest = hashlib.sha256(b"aerodrome oidc tokens" + key.encode()).digest()
        self._fernet = Fernet(base64.urlsafe_b64encode(digest))

    def seal(self, tokens: Mapping[str, Any]) -> str:
        return self._fernet.encrypt(json.dumps(tokens).encode()).decode()

    def open(self, text: str) -> dict[str, Any]:
        from cryptography.fernet import InvalidToken

        try:
            found: dict[str, Any] = json.loads(self._fernet.decrypt(text.encode()))
        except InvalidToken as error:
            raise EndedError("the key of the sessions is another one") from error
        return found


class Accounts:
    """The provider's accounts, and whether each still has access.

    The provider is asked about a user at the first request after `check_seconds`, whichever process gets it: the row
    says when it was asked last, and is locked meanwhile, so that a refresh token is used once.
    """

    def __init__(self, provider: Provider, sessions: Callable[[], Any], sealed: Sealed) -> None:
        """`sessions` opens a session of SQLAlchemy's as a context that commits."""
        self.provider = provider
        self._sessions = sessions
        self._sealed = sealed
        self._fine_until: dict[int, float] = {}
        self._made = False
        self._making = threading.Lock()

    @contextmanager
    def session(self) -> Iterator[Any]:
        from sqlalchemy import text

        with self._sessions() as session:
            if not self._made:
                with self._making:
                    session.execute(text(f"select pg_advisory_xact_lock({LOCK})"))
                    session.execute(text(MAKE_TABLE))
                    session.commit()
                    self._made = True
            yield session

    def is_the_providers(self, user_id: int) -> bool:
        with self.session() as session:
            return self._row(session, user_id) is not None

    def fresh(self, user_id: int) -> bool:
        """Whether nothing is to be asked about the user yet."""
        return time.time() < self._fine_until.get(user_id, 0.0)

    def has_access(self, user_id: int) -> bool:
        """Asks the provider, if it is time, and brings the user's roles to what it says. True for accounts of
        Airflow's own."""
        now, every = time.time(), self.provider.settings.check_seconds
        self._fine_until.pop(user_id, None)
        with self.session() as session:
            row = self._row(session, user_id, " for update")
            if row is None:
                self._fine_until[user_id] = now + every
                return True
            if row.ended:
                return False
            if now < row.checked_at + every:
                self._fine_until[user_id] = row.checked_at + every
                return True
            if row.issuer != self.provider.settings.issuer:
                self._end(session, user_id, "another provider is set")
                return False
            return self._ask(session, row)

    def _ask(self, session: Any, row: Any) -> bool:
        groups, sealed = json.loads(row.groups), row.tokens
        try:
            claims, tokens = self.provider.again(row.subject, self._sealed.open(row.tokens))
            if claims is not None:
                groups = self.provider.settings.groups_of(claims)
            sealed = self._sealed.seal(tokens)
        except EndedError as error:
            self._end(session, row.user_id, str(error))
            return False
        except UnavailableError as error:
            # Whoever is at work stays at work; what has changed counts when the provider is back.
            log.warning("The OpenID provider cannot be asked about user %s: %s", row.user_id, error)
        roles = self.provider.settings.roles_of(groups)
        if not roles:
            self._end(session, row.user_id, "none of the groups has a role")
            return False
        self._give(session, row.user_id, roles)
        now = time.time()
        self._write(session, row.user_id, tokens=sealed, groups=json.dumps(groups), checked_at=now)
        self._fine_until[row.user_id] = now + self.provider.settings.check_seconds
        return True

    def find(self, session: Any, subject: str) -> int | None:
        """The account of a user of the provider."""
        from sqlalchemy import text

        query = text(f"select user_id from {TABLE} where issuer = :issuer and subject = :subject")
        given = {"issuer": self.provider.settings.issuer, "subject": subject}
        found: int | None = session.execute(query, given).scalar()
        return found

    def begin(
        self, session: Any, user_id: int, subject: str, tokens: Mapping[str, Any], groups: list[str]
    ) -> None:
        """A login of an account, which may be a new one."""
        from sqlalchemy import text

        session.execute(
            text(
                f"insert into {TABLE} (user_id, issuer, subject, tokens, groups, checked_at) "
                "values (:user, :issuer, :subject, :tokens, :groups, :now) "
                "on conflict (user_id) do update set tokens = excluded.tokens, "
                "groups = excluded.groups, checked_at = excluded.checked_at, ended = false"
            ),
            {
                "user": user_id,
                "issuer": self.provider.settings.issuer,
                "subject": subject,
                "tokens": self._sealed.seal(tokens),
                "groups": json.dumps(groups),
                "now": time.time(),
            },
        )
        self._give(session, user_id, self.provider.settings.roles_of(groups))

    def end(self, session: Any, user_id: int, why: str) -> None:
        self._fine_until.pop(user_id, None)
        self._end(session, user_id, why)

    def _end(self, session: Any, user_id: int, why: str) -> None:
        log.info("User %s has no access any more, by the OpenID provider: %s", user_id, why)
        self._give(session, user_id, [])
        self._write(session, user_id, ended=True, tokens="", groups="[]")

    def _row(self, session: Any, user_id: int, more: str = "") -> Any:
        from sqlalchemy import text

        query = text(f"select * from {TABLE} where user_id = :user{more}")
        return session.execute(query, {"user": user_id}).one_or_none()

    def _write(self, session: Any, user_id: int, **values: Any) -> None:
        from sqlalchemy import text

        places = ", ".join(f"{name} = :{name}" for name in values)
        query = text(f"update {TABLE} set {places} where user_id = :user")
        session.execute(query, {"user": user_id, **values})

    def _give(self, session: Any, user_id: int, names: Sequence[str]) -> None:
        """Exactly these roles, and no group of Flask AppBuilder's, by which there would be more."""
        from airflow.providers.fab.auth_manager.models import Role, User
        from sqlalchemy import select

        user = session.get(User, user_id)
        roles = list(session.scalars(select(Role).where(Role.name.in_(names))).unique())
        if {one.id for one in user.roles} != {one.id for one in roles}:
            user.roles = roles
        if user.groups:
            user.groups = []
        session.flush()
