"""Whether the certificate that is given for the Rancher server will do: read and tried out before anything is changed.

As the server tries it out itself, each hour. The one that runs keeps a good certificate when the secret has a bad one: then it is told,
and no reason to stop. Neither the key nor anything else of the secret is shown.
"""

import json
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from cli.base.environments import Environment
from cli.base.errors import UserError
from cli.cloud.errors import translated, unless_gone
from cli.cloud.resource import Client
from cli.operations.bootstrap.requested_settings import RequestedSettings
from infra.contract.rancher_certificate import seconds_left
from infra.contract.rancher_secret import elsewhere
from infra.contract.secrets_backends import SECRETS_MANAGER

SETTING = "rancherCertificateSecret"
SOON: Final = 21
"""Days before the end of a certificate from which on that is told."""

_DAY: Final = 24 * 3600
_INCOMPLETE: Final = (2, 20, 21)
_SELF_SIGNED: Final = (18, 19)
_EXPIRED, _NOT_YET, _HOST = 10, 9, 62
"""OpenSSL's numbers for what is wrong with a certificate (X509_V_ERR_...)."""


@dataclass(frozen=True)
class GivenCertificate:
    """What is configured, and whether a server runs with it."""

    environment: Environment
    region: str
    secret: str
    host: str
    deployed: bool


def asked(
    environment: Environment, requested: RequestedSettings, region: str, user_data: list[Any]
) -> GivenCertificate | None:
    """None where no certificate is given, or what goes with it is missing: the program names that."""
    secret, host = str(requested.value(SETTING)), str(requested.value("rancherHostname"))
    if not secret or not host or not requested.value("rancherEnabled"):
        return None
    there = any(secret in str(each) for each in user_data)
    return GivenCertificate(environment, region, secret, host, there)


def check(client: Client, wanted: GivenCertificate, report: Callable[[str], None]) -> None:
    """UserError with what is wrong with it. CloudError if AWS does not give it out, which only the server can read then."""
    account = str(client("sts").get_caller_identity()["Account"])
    if words := elsewhere(wanted.secret, wanted.region, account):
        raise _refused(wanted, f"{SETTING} is {wanted.secret}", words)
    with translated(f"read {wanted.secret}, the certificate of Rancher"):
        found = unless_gone(client(SECRETS_MANAGER).get_secret_value, SecretId=wanted.secret)
    words = "there is no such secret" if found is None else ""
    left = 0.0
    try:
        if found is not None:
            left = judge(wanted.host, found.get("SecretString") or "")
    except ValueError as error:
        words = str(error)
    if words and not wanted.deployed:
        raise _refused(wanted, "Rancher's certificate will not do", f"{wanted.secret}: {words}.")
    if words:
        report(f"Rancher keeps its certificate, because {wanted.secret} will not do: {words}")
    elif left < SOON * _DAY:
        report(
            f"Rancher's certificate expires in {int(left // _DAY)} days: the server takes a renewed one from {wanted.secret}"
        )


def judge(host: str, content: str) -> float:
    """Seconds until it expires. ValueError with what is wrong with the secret's content."""
    try:
        given = json.loads(content)
    except ValueError:
        given = None
    if not isinstance(given, dict):
        raise ValueError("it has no JSON object with `certificate` and `key`")
    for part in ("certificate", "key"):
        if not given.get(part):
            raise ValueError(f"it has no `{part}`")
    for part in ("certificate", "key", "authority"):
        if not isinstance(given.get(part) or "", str):
            raise ValueError(f"`{part}` is not a text")
    if "ENCRYPTED" in given["key"]:
        raise ValueError("its key has a passphrase, which nobody could type at the server")
    if given.get("authority"):
        _trusted(given["authority"])
    try:
        return seconds_left(host, given)
    except ssl.SSLCertVerificationError as error:
        raise ValueError(_why(error, host, bool(given.get("authority")))) from None
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise ValueError("its key is not that of its first certificate") from None
        raise ValueError(
            f"its certificate and key are no PEM texts that OpenSSL takes ({error.reason})"
        ) from None


def _trusted(authority: str) -> None:
    try:
        ssl.create_default_context(cadata=authority)
    except ssl.SSLError as error:
        raise ValueError(f"its authority is no certificate in PEM ({error.reason})") from None


def _why(error: ssl.SSLCertVerificationError, host: str, private: bool) -> str:
    code = error.verify_code
    if code == _HOST:
        return f"its certificate is not for {host}, which is rancherHostname"
    if code == _EXPIRED:
        return "a certificate in it has expired"
    if code == _NOT_YET:
        return "a certificate in it is not valid yet"
    if code in _INCOMPLETE and private:
        return "its chain is incomplete: from its first certificate on, each one's issuer is wanted, up to `authority`"
    if code in _INCOMPLETE:
        return (
            "its chain is incomplete, or ends at an authority that only you know: intermediate certificates belong behind the first one in "
            "`certificate`, and the certificate of an authority of your own into `authority`"
        )
    if code in _SELF_SIGNED:
        return "it is of an authority that only you know: its certificate belongs into `authority`"
    return f"clients would refuse it: {error.verify_message}"


def _refused(wanted: GivenCertificate, summary: str, detail: str) -> UserError:
    return UserError(
        summary,
        f"{detail}\nNothing was changed. How the secret must be: docs/rancher.md.",
        f"./aerodrome config set {SETTING} ARN --env {wanted.environment.name}",
    )
