"""People's way to the UI by HTTPS: its settings, what they need of each other, and what a branch takes over of its base's."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

ALB: Final = "alb"
"""The IngressClass that the AWS Load Balancer Controller makes by default."""

TRAEFIK: Final = "traefik"
"""That of Traefik, as its chart makes it. A route of it has TLS, or plain HTTP: the chart must make one for each."""

CERTIFICATES: Final = ("uiCertificateArn", "uiCertificateIssuer", "uiCertificateSecret")

_LABEL: Final = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"


@dataclass(frozen=True)
class Way:
    """How people reach one environment's UI."""

    host: str
    path: str = ""
    certificate_arn: str = ""
    issuer: str = ""
    secret: str = ""
    ingress_class: str = ""
    namespace: str = ""
    networks: tuple[str, ...] = ()
    """Where a load balancer's addresses are."""

    group: str = ""
    """Environments of one share a load balancer."""

    @property
    def url(self) -> str:
        return f"https://{self.host}{self.path}"

    @property
    def class_name(self) -> str:
        return self.ingress_class or (ALB if self.certificate_arn else "")

    def values(self) -> dict[str, Any]:
        """The chart's, below `ui`."""
        return {
            "host": self.host,
            "baseUrl": self.url,
            "ingress": {
                "className": self.class_name,
                "certificateArn": self.certificate_arn,
                "loadBalancerGroup": self.group if self.certificate_arn else "",
                "issuer": self.issuer,
                "secret": self.secret,
                "plainHttp": self.class_name == TRAEFIK,
                "namespace": self.namespace,
                "networks": list(self.networks),
            },
        }

    def of_branches(self) -> dict[str, Any]:
        """What branches below this one take over. No Secret and no Issuer of its namespace: theirs are others."""
        return {
            "host": self.host,
            "certificate_arn": self.certificate_arn,
            "issuer": self.issuer,
            "ingress_class": self.ingress_class,
            "namespace": self.namespace,
            "networks": list(self.networks),
            "group": self.group,
        }


def of_branch(environment: str, offered: Mapping[str, Any]) -> Way | None:
    """The way to a branch's UI below its base's, which offers this; None if it offers nothing."""
    if not offered:
        return None
    taken = {**offered, "networks": tuple(offered["networks"])}
    return Way(**{**taken, "host": f"{environment}.{offered['host']}"})


def check_host(value: str) -> str | None:
    """A DNS name of two parts or more."""
    if value and (len(value) > 253 or not re.fullmatch(rf"{_LABEL}(\.{_LABEL})+", value)):
        return (
            "must be a DNS name such as airflow.example.org, in small letters and without https://"
        )
    return None


def check_path(value: str) -> str | None:
    """A folder of a host."""
    if re.fullmatch(r"(/[A-Za-z0-9._~-]+)*", value):
        return None
    return "must be a folder such as /airflow, without a slash at its end"


def check_arn(value: str) -> str | None:
    """A certificate of AWS Certificate Manager."""
    form = r"arn:aws[a-z-]*:acm:[a-z0-9-]+:\d{12}:certificate/[A-Za-z0-9-]+"
    if not value or re.fullmatch(form, value):
        return None
    return "must be the ARN of a certificate, such as arn:aws:acm:REGION:ACCOUNT:certificate/ID"


def check_name(value: str) -> str | None:
    """What an object in Kubernetes may be called."""
    if not value or re.fullmatch(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?", value):
        return None
    return "must be the name of an object in Kubernetes: a-z, 0-9, - and ."


def check_issuer(value: str) -> str | None:
    """The name of a ClusterIssuer, or an Issuer."""
    return check_name(value.removeprefix("Issuer/") or "-") if value else None


def elsewhere(arn: str, region: str) -> str:
    """What is wrong with a certificate of another region; empty if it is of this one, or there is none."""
    if not arn or arn.split(":")[3] == region:
        return ""
    return f"a load balancer in {region} takes certificates of {region} only"


def misfits(
    settings: Mapping[str, Any], *, region: str = "", shared: bool = False
) -> list[tuple[str, str]]:
    """What is wrong with values that are right by themselves: the setting, and the words."""
    host, given = settings["uiHost"], [key for key in CERTIFICATES if settings[key]]
    if not host:
        needless = [key for key in (*given, "uiPath") if settings[key]]
        return [(key, "it counts with uiHost only, which is not set") for key in needless] + (
            [("uiBranchHosts", "branches are below uiHost, which is not set")]
            if settings["uiBranchHosts"]
            else []
        )
    found = []
    if not given:
        found.append(("uiHost", f"it needs a certificate: set one of {', '.join(CERTIFICATES)}"))
    found += [(key, f"{given[0]} is set, too, and one certificate is enough") for key in given[1:]]
    arn = settings["uiCertificateArn"]
    if words := region and elsewhere(arn, region):
        found.append(("uiCertificateArn", words))
    if not arn and not settings["uiIngressNamespace"]:
        found.append(
            ("uiIngressNamespace", "it is not set, and uiHost needs it: who else may reach the UI?")
        )
    own = settings["uiCertificateSecret"] or settings["uiCertificateIssuer"].startswith("Issuer/")
    if settings["uiBranchHosts"] and shared:
        found.append(("uiBranchHosts", "a shared environment carries no branches"))
    elif settings["uiBranchHosts"] and (own or settings["uiPath"]):
        words = "a certificate of this namespace" if own else "a folder of a host"
        found.append(
            (
                "uiBranchHosts",
                f"branches cannot be below {words}: use a ClusterIssuer or an ARN, without uiPath",
            )
        )
    return found
