"""The settings of how people get to Airflow's UI, and who they are there.

`settings.py` has all others, and inherits these.
"""

from dataclasses import dataclass

from infra.contract import ingress
from infra.contract.rules import check_yaml_file, setting


@dataclass(frozen=True, kw_only=True)
class PeopleSettings:
    """What concerns the people who use Airflow."""

    ui_service_type: str = setting(
        "ClusterIP",
        """How Airflow's UI is reached. Default ClusterIP (`kubectl port-forward`): a public UI
        is a decision.""",
        choices=("ClusterIP", "NodePort", "LoadBalancer"),
    )

    ui_node_port: int = setting(
        0,
        """The nodes' port that leads to the UI, with uiServiceType NodePort: 30000 to 32767.
        Default 0: Kubernetes chooses one, so that environments on one cluster do not meet.""",
        minimum=0,
        maximum=32767,
    )

    ui_host: str = setting(
        "",
        """The UI's DNS name, for people's way in by HTTPS through an Ingress, with exactly one of uiCertificateArn,
        uiCertificateIssuer and uiCertificateSecret. Default: none. `docs/https.md`.""",
        check=ingress.check_host,
    )

    ui_path: str = setting(
        "",
        "The folder of that host where the UI is, such as /airflow. Default: all of the host.",
        check=ingress.check_path,
    )

    ui_certificate_arn: str = setting(
        "",
        """Its certificate in AWS Certificate Manager, in the environment's region: the AWS Load Balancer Controller, which
        you install, then makes an internal load balancer. Default: none.""",
        check=ingress.check_arn,
    )

    ui_certificate_issuer: str = setting(
        "",
        """Who makes its certificate: a ClusterIssuer of the cert-manager that you install, or Issuer/NAME for one in the
        environment's namespace. Default: none.""",
        check=ingress.check_issuer,
    )

    ui_certificate_secret: str = setting(
        "",
        "A Secret with its certificate, which you keep in the environment's namespace. Default: none.",
        check=ingress.check_name,
    )

    ui_ingress_class: str = setting(
        "",
        """Who serves it: an IngressClass of the cluster. Default `alb` with uiCertificateArn, else the cluster's default.""",
        check=ingress.check_name,
    )

    ui_ingress_namespace: str = setting(
        "",
        """Where the ingress controller's pods are: only they reach the UI. Needed without uiCertificateArn. Default: none.""",
        check=ingress.check_name,
    )

    ui_branch_hosts: bool = setting(
        False,
        """Whether branches on this environment are at NAME.HOST below its uiHost, with its class and its issuer or ARN. DNS,
        and a certificate by ARN, must then have *.HOST. Default false.""",
    )

    admin_user: str = setting(
        "admin",
        "The name of Airflow's first administrator.",
        pattern=r"[A-Za-z0-9._@-]{1,64}",
        allowed="1 to 64 of A-Z a-z 0-9 . _ @ -",
    )

    admin_email: str = setting(
        "admin@example.com",
        "The administrator's e-mail address; Airflow insists on one.",
        pattern=r"[^@\s]+@[^@\s]+",
        allowed="an e-mail address",
    )

    access_file: str = setting(
        "",
        """The file with Airflow's roles and users: a path from the project's folder. Default `access.yaml`, if there is
        one; without it people keep roles and users in the UI. `docs/access.md`.""",
        check=check_yaml_file,
    )

    oidc_issuer: str = setting(
        "",
        """The address of an OpenID provider with which people log in to Airflow; `groups` of the access file gives its groups
        roles. Needs oidcClientId and oidcClientSecret. Default: none, accounts are in Airflow's database.
        `docs/access.md`.""",
        pattern=r"(https://[A-Za-z0-9.-]+(:[0-9]{1,5})?(/[A-Za-z0-9._~%+-]+)*/?)?",
        allowed="an address such as https://login.example.com/realms/team",
    )

    oidc_client_id: str = setting(
        "",
        "Airflow's name at that provider. Needed with oidcIssuer.",
        pattern=r"[\x21-\x7e]{0,255}",
        allowed="at most 255 characters without blanks",
    )

    oidc_scopes: str = setting(
        "openid profile email groups",
        """What Airflow asks the provider for, with blanks between. Default: identity, address and groups. Some providers have
        no scope groups, and some want offline_access for a session that is longer than a token.""",
        pattern=r"([\x21-\x7e]+ )*openid( [\x21-\x7e]+)*",
        allowed="names with one blank between, openid one of them",
    )

    oidc_groups_claim: str = setting(
        "groups",
        "The claim in which the provider says a user's groups. Default groups.",
        pattern=r"[\x21-\x7e]{1,255}",
        allowed="1 to 255 characters without blanks",
    )

    oidc_user_claim: str = setting(
        "preferred_username",
        """The claim in which the provider says a user's name, which the account in Airflow gets when it is made. Whose
        account it is goes by the provider's `sub` alone. Default preferred_username.""",
        pattern=r"[\x21-\x7e]{1,255}",
        allowed="1 to 255 characters without blanks",
    )
