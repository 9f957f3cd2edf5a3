"""A stack's configuration as Pulumi keeps it, checked and turned into `Settings` and `Secrets`.

Pulumi hands it over as strings. What is wrong with it is one `SettingsError` that names every problem.
"""

import difflib
import json
from collections.abc import Collection, Mapping
from typing import Any, Final, TypeVar

from infra.contract import (
    api_endpoints,
    clusters,
    dag_sources,
    database_logins,
    executors,
    existing_server,
    ingress,
    logs,
    networks,
    proxies,
    public_images,
    rancher_secret,
    rules,
    token_keys,
    versions,
)
from infra.contract.metrics import MonitoringScope
from infra.contract.secret_settings import Secrets
from infra.contract.settings import FORMER_KEYS, NAMESPACE, SETTINGS, Settings
from infra.contract.tenancy import Tenancy

T = TypeVar("T")

LOWEST_NODE_PORT: Final = 30_000
"""Where Kubernetes's own range of node ports begins."""

SMALLEST_RDS_DISK_GB: Final = 20

MOST_OF_A_BUDGET: Final = 10
"""Addresses that AWS sends a budget's notice to."""
EVERYONE: Final = frozenset({"0.0.0.0/0"})
"""Networks that have every address in them."""


class SettingsError(Exception):
    """The configuration is not usable; `problems` has one line for each fault."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def renewed(config: Mapping[str, T]) -> tuple[dict[str, T], list[str]]:
    """The configuration with former keys under their new names, and a warning for each.

    Raises SettingsError where both names of a key are set.
    """
    current, warnings, problems = dict(config), [], []
    for old, new in FORMER_KEYS.items():
        former, wanted = f"{NAMESPACE}:{old}", f"{NAMESPACE}:{new}"
        if former not in current:
            continue
        if wanted in current:
            problems.append(
                f"{former} and {wanted} are both set, and the first is the second's old name: "
                f"pulumi config rm {former}"
            )
            continue
        current[wanted] = current.pop(former)
        warnings.append(
            f"{former} is called {wanted} now; the old name works in this version and not in the next"
        )
    if problems:
        raise SettingsError(problems)
    return current, warnings


def load(config: Mapping[str, str], secret_keys: Collection[str]) -> tuple[Settings, Secrets]:
    """The stack's settings from Pulumi's configuration: full keys (`aerodrome:nodeMax`), string values.

    Raises SettingsError with every problem found.
    """
    given = {
        key.removeprefix(f"{NAMESPACE}:"): value
        for key, value in config.items()
        if key.startswith(f"{NAMESPACE}:")
    }
    problems = [_unknown(key) for key in given if key not in SETTINGS]
    plain: dict[str, Any] = {}
    secret: dict[str, Any] = {}
    for key, setting in SETTINGS.items():
        if key not in given:
            if setting.required:
                problems.append(f"{NAMESPACE}:{key} is not set: {_set_command(key)}")
            continue
        if setting.secret and f"{NAMESPACE}:{key}" not in secret_keys:
            problems.append(f"{NAMESPACE}:{key} must be a secret: {_set_command(key)}")
        value, problem = setting.parse(given[key])
        if problem:
            hidden = setting.secret or rules.may_hide_password(given[key])
            shown = "" if hidden else f" is {given[key]!r}:"
            problems.append(f"{NAMESPACE}:{key}{shown} {problem}")
        else:
            (secret if setting.secret else plain)[setting.field] = value
    if problems:
        raise SettingsError(problems)
    if plain.get("vpc_id") or plain.get("cluster_name"):
        # An entry in route tables that are another's is made when somebody asks for it, and not by default.
        plain.setdefault("vpc_endpoints", ())
    settings, secrets = Settings(**plain), Secrets(**secret)
    crossed = [
        *_check_together(settings),
        *_check_network(settings, given),
        *_check_server(settings, given, config.get("aws:region", "")),
        *_check_executor(settings, secrets),
        *_check_dags(settings, secrets),
        *_check_token_keys(secrets),
        *_check_database_logins(secrets),
        *_check_celery_logins(secrets),
        *_check_monitoring(settings, secrets),
        *_check_task_logs(settings),
        *_check_oidc(settings, secrets),
        *_check_versions(settings),
        *_check_ingress(settings, config.get("aws:region", "")),
        *_check_mirror(settings),
        *_check_proxies(settings),
        *_check_budget(settings),
        *_check_boundary(settings),
        *_check_endpoint(settings),
        *_check_rancher_certificate(settings, config.get("aws:region", "")),
    ]
    if crossed:
        raise SettingsError(crossed)
    return settings, secrets


def _check_together(settings: Settings) -> list[str]:
    problems = _check_tenancy(settings)
    if not settings.node_min <= settings.node_desired <= settings.node_max:
        problems.append(
            f"{NAMESPACE}:nodeDesired is {settings.node_desired}: must lie between "
            f"nodeMin ({settings.node_min}) and nodeMax ({settings.node_max})"
        )
    if settings.database == "rds" and settings.database_storage_gb < SMALLEST_RDS_DISK_GB:
        problems.append(
            f"{NAMESPACE}:databaseStorageGb is {settings.database_storage_gb}: "
            f"RDS takes no less than {SMALLEST_RDS_DISK_GB}"
        )
    if 0 < settings.ui_node_port < LOWEST_NODE_PORT:
        problems.append(
            f"{NAMESPACE}:uiNodePort is {settings.ui_node_port}: "
            f"must be 0 or between {LOWEST_NODE_PORT} and 32767"
        )
    return problems


def _check_network(settings: Settings, given: Collection[str]) -> list[str]:
    """A shared environment is in its base's."""
    if settings.tenancy == Tenancy.shared:
        return []
    values = {key: getattr(settings, one.field) for key, one in SETTINGS.items() if not one.secret}
    return [
        f"{NAMESPACE}:{key} is {_shown(values[key])}: {words}"
        for key, words in (*clusters.misfits(values, given), *networks.misfits(values, given))
    ]


def _check_server(settings: Settings, given: Collection[str], region: str) -> list[str]:
    """A shared environment has its base's."""
    if settings.tenancy == Tenancy.shared:
        return []
    values = {key: getattr(settings, one.field) for key, one in SETTINGS.items() if not one.secret}
    return [
        f"{NAMESPACE}:{key} is {_shown(values[key])}: {words}"
        for key, words in existing_server.misfits(values, given, region)
    ]


def _shown(value: Any) -> str:
    """As the configuration has it."""
    return json.dumps(list(value) if isinstance(value, tuple) else value)


def _check_executor(settings: Settings, secrets: Secrets) -> list[str]:
    if executors.executor(settings.executor).needs_redis and not secrets.celery_password:
        return [
            f"{NAMESPACE}:celeryPassword is not set, and {settings.executor} needs it: "
            f"./aerodrome up makes it up, or {_set_command('celeryPassword')}"
        ]
    return []


def _check_monitoring(settings: Settings, secrets: Secrets) -> list[str]:
    if settings.monitoring == MonitoringScope.none:
        return []
    if settings.tenancy == Tenancy.shared:
        return [
            f"{NAMESPACE}:monitoring is {settings.monitoring!r}: the metrics and logs of a shared environment are in its "
            f"base's: ./aerodrome config set monitoring {settings.monitoring} --env {settings.base}"
        ]
    scope = MonitoringScope(settings.monitoring)
    needed: dict[str, str] = {}
    if scope.with_metrics and settings.influxdb_url:
        needed |= {"influxdbPassword": secrets.influxdb_password}
    elif scope.with_metrics:
        needed |= {
            "metricsAdminPassword": secrets.metrics_admin_password,
            "metricsWriterPassword": secrets.metrics_writer_password,
            "metricsReaderPassword": secrets.metrics_reader_password,
        }
    if scope.with_metrics:
        needed["metricsDatabasePassword"] = secrets.metrics_database_password
    if scope.with_metrics and settings.grafana:
        needed["grafanaAdminPassword"] = secrets.grafana_admin_password
    if scope.with_logs:
        needed |= {
            "logsWriterPassword": secrets.logs_writer_password,
            "logsReaderPassword": secrets.logs_reader_password,
        }
    missing = [
        f"{NAMESPACE}:{key} is not set, and monitoring needs it: "
        + ("./aerodrome up makes it up, or " if SETTINGS[key].make else "")
        + _set_command(key)
        for key, value in needed.items()
        if not value
    ]
    if scope.with_metrics and settings.influxdb_url and not settings.influxdb_user:
        missing.append(
            f"{NAMESPACE}:influxdbUser is not set, and influxdbUrl needs it: "
            "./aerodrome config set influxdbUser NAME"
        )
    if scope.with_metrics and settings.grafana:
        missing += _check_contacts(settings, secrets)
    return missing + _check_grafana(settings, secrets, needed)


def _check_task_logs(settings: Settings) -> list[str]:
    """What a shared environment's base has is known when it is deployed."""
    if settings.task_logs == logs.S3 or settings.tenancy == Tenancy.shared:
        return []
    if MonitoringScope(settings.monitoring).with_logs:
        return []
    return [
        f"{NAMESPACE}:taskLogs is {settings.task_logs!r}, and monitoring {settings.monitoring!r} has no logs: "
        f"./aerodrome config set monitoring logs, or ./aerodrome config set taskLogs {logs.S3}"
    ]


def _check_oidc(settings: Settings, secrets: Secrets) -> list[str]:
    """What the login at a provider needs. Without an issuer the others are kept, and count for nothing."""
    parts = {
        "oidcClientId": settings.oidc_client_id,
        "oidcClientSecret": secrets.oidc_client_secret,
    }
    return [
        f"{NAMESPACE}:{key} is not set, and oidcIssuer needs it: {_set_command(key)}"
        for key, value in parts.items()
        if settings.oidc_issuer and not value
    ]


def _check_contacts(settings: Settings, secrets: Secrets) -> list[str]:
    """What a way of sending alerts needs beside itself."""
    needs = [
        ("alertEmails", settings.alert_emails, "smtpHost", settings.smtp_host),
        ("alertEmails", settings.alert_emails, "smtpFrom", settings.smtp_from),
        ("smtpUser", settings.smtp_user, "smtpPassword", secrets.smtp_password),
        ("smtpPassword", secrets.smtp_password, "smtpUser", settings.smtp_user),
        (
            "alertWebhookToken",
            secrets.alert_webhook_token,
            "alertWebhookUrl",
            secrets.alert_webhook_url,
        ),
    ]
    return [
        f"{NAMESPACE}:{other} is not set, and {key} needs it: {_set_command(other)}"
        for key, value, other, there in needs
        if value and not there
    ]


def _check_grafana(settings: Settings, secrets: Secrets, needed: Mapping[str, str]) -> list[str]:
    """Grafana reads these with what its files and variables say, where a `$` begins a name."""
    if "grafanaAdminPassword" not in needed:
        return []
    read = {
        **{key: needed.get(key, "") for key in ("metricsReaderPassword", "influxdbPassword")},
        "grafanaAdminPassword": secrets.grafana_admin_password,
        "smtpPassword": secrets.smtp_password,
        "alertSlackUrl": secrets.alert_slack_url,
        "alertWebhookUrl": secrets.alert_webhook_url,
        "alertWebhookToken": secrets.alert_webhook_token,
    }
    return [
        f"{NAMESPACE}:{key} has a $ in it, which Grafana takes for a variable: {_set_command(key)}, "
        f"or ./aerodrome config set grafana false"
        for key, value in read.items()
        if "$" in value
    ]


def _check_versions(settings: Settings) -> list[str]:
    """The cluster, and what is to run in it or to manage it. A shared environment has neither."""
    if settings.tenancy == Tenancy.shared:
        return []
    return [*_check_karpenter(settings), *_check_rancher(settings)]


def _check_karpenter(settings: Settings) -> list[str]:
    """It refuses to start with a cluster that it does not know."""
    if not settings.task_nodes or versions.KARPENTER.takes(settings.kubernetes_version):
        return []
    return [
        f"{NAMESPACE}:kubernetesVersion is {settings.kubernetes_version!r}: {versions.KARPENTER}: "
        f"./aerodrome config set taskNodes false, or choose another version"
    ]


def _check_rancher(settings: Settings) -> list[str]:
    if not settings.rancher_enabled:
        return []
    problems = [
        f"the versions of infra/contract/versions.py do not fit each other: {misfit}"
        for misfit in versions.misfits(versions.PINNED)
    ]
    if reason := versions.unmanaged(settings.kubernetes_version):
        problems.append(
            f"{NAMESPACE}:kubernetesVersion is {settings.kubernetes_version!r}: {reason}: choose one of "
            f"{', '.join(versions.managed())}, or pulumi config set {NAMESPACE}:rancherEnabled false"
        )
    return problems


def _check_ingress(settings: Settings, region: str) -> list[str]:
    values = {
        key: getattr(settings, one.field) for key, one in SETTINGS.items() if key.startswith("ui")
    }
    shared = settings.tenancy == Tenancy.shared
    return [
        f"{NAMESPACE}:{key} is {values[key]!r}: {words}"
        for key, words in ingress.misfits(values, region=region, shared=shared)
    ]


def _check_mirror(settings: Settings) -> list[str]:
    """It holds what the kit knows to be pulled."""
    words = public_images.misfit(lambda key: getattr(settings, SETTINGS[key].field))
    return (
        [f"{NAMESPACE}:{public_images.SETTING} is {settings.image_mirror!r}: {words}"]
        if words
        else []
    )


def _check_proxies(settings: Settings) -> list[str]:
    dedicated = settings.tenancy == Tenancy.dedicated
    wrong = proxies.misfits(
        settings.http_proxy,
        settings.https_proxy,
        settings.no_proxy,
        rancher=dedicated and settings.rancher_enabled,
    )
    return [f"{NAMESPACE}:{key} is set: {words}" for key, words in wrong]


def _check_budget(settings: Settings) -> list[str]:
    """AWS takes no budget that tells nobody, and ten addresses for one notice."""
    if not settings.budget_usd:
        return []
    if settings.tenancy == Tenancy.shared:
        return [
            f"{NAMESPACE}:budgetUsd is {settings.budget_usd}: what AWS bills of a shared environment is its base's: "
            f"./aerodrome config set budgetUsd {settings.budget_usd} --env {settings.base}"
        ]
    if not settings.alert_emails:
        return [
            f"{NAMESPACE}:alertEmails is not set, and budgetUsd needs it: {_set_command('alertEmails')}"
        ]
    if len(settings.alert_emails) > MOST_OF_A_BUDGET:
        return [
            f"{NAMESPACE}:alertEmails has {len(settings.alert_emails)} addresses: budgetUsd takes {MOST_OF_A_BUDGET} at most"
        ]
    return []


def _check_boundary(settings: Settings) -> list[str]:
    """AWS takes one boundary for a role, and a pipeline's branches have one by which the pipeline is held."""
    if not settings.permissions_boundary or not settings.deploy_role:
        return []
    return [
        f"{NAMESPACE}:permissionsBoundary is set, and so is {NAMESPACE}:deployRole: roles of the pipeline's branches have a boundary of "
        f"the kit's, and AWS takes one for each: pulumi config rm {NAMESPACE}:deployRole"
    ]


def _check_endpoint(settings: Settings) -> list[str]:
    """The way to a private endpoint leads by a worker."""
    if settings.endpoint_access != api_endpoints.PRIVATE or settings.tenancy == Tenancy.shared:
        return []
    problems = []
    if settings.node_min < 1:
        problems.append(
            f"{NAMESPACE}:nodeMin is {settings.node_min}, and endpointAccess is private: without a worker no way leads to the "
            f"Kubernetes API: pulumi config set {NAMESPACE}:nodeMin 1"
        )
    return problems


def _check_rancher_certificate(settings: Settings, region: str) -> list[str]:
    """What a certificate needs: a name that is ours. Let's Encrypt needs a way to ask the server for it, too."""
    if settings.tenancy == Tenancy.shared or not settings.rancher_enabled:
        return []
    key, email = f"{NAMESPACE}:rancherLetsEncryptEmail", settings.rancher_lets_encrypt_email
    given, secret = f"{NAMESPACE}:rancherCertificateSecret", settings.rancher_certificate_secret
    problems = []
    if (email or secret) and not settings.rancher_hostname:
        problems.append(
            f"{NAMESPACE}:rancherHostname is not set, and {key if email else given} needs it: a name of your own, which "
            f"leads to the server: {_set_command('rancherHostname')}"
        )
    if email and not EVERYONE & set(settings.public_access_cidrs):
        problems.append(
            f"{key} is {email!r}, and {NAMESPACE}:publicAccessCidrs lets only "
            f"{', '.join(settings.public_access_cidrs)} in: Let's Encrypt asks the server itself, from addresses "
            f"that nobody knows: pulumi config rm {key}"
        )
    if email and secret:
        problems.append(
            f"{given} is {secret!r}: {key} is set, too, and one certificate is enough: pulumi config rm {key}"
        )
    if words := region and rancher_secret.elsewhere(secret, region):
        problems.append(f"{given} is {secret!r}: {words}")
    return problems


def _check_dags(settings: Settings, secrets: Secrets) -> list[str]:
    """What a git repository needs. Without dags git the settings are kept, and count for nothing."""
    if settings.dags != dag_sources.GIT:
        return []
    if not settings.git_repository:
        return [
            f"{NAMESPACE}:gitRepository is not set, and dags git needs it: "
            f"{_set_command('gitRepository')}"
        ]
    over_ssh = dag_sources.over_ssh(settings.git_repository)
    needed = {"gitKey": secrets.git_key, "gitKnownHosts": settings.git_known_hosts}
    problems = [
        f"{NAMESPACE}:{key} is not set, and a repository over ssh needs it: {_set_command(key)}"
        for key, value in needed.items()
        if over_ssh and not value
    ]
    useless = "gitToken" if over_ssh else "gitKey"
    if secrets.git_token if over_ssh else secrets.git_key:
        problems.append(
            f"{NAMESPACE}:{useless} is set, and a repository over {'ssh' if over_ssh else 'https'} "
            f"does not use it: pulumi config rm {NAMESPACE}:{useless}"
        )
    return problems


def _check_token_keys(secrets: Secrets) -> list[str]:
    """Airflow must accept the tokens that it signs."""
    accepted = token_keys.split(secrets.accepted_jwt_secrets)
    if not accepted or secrets.jwt_secret in accepted:
        return []
    return [
        f"{NAMESPACE}:acceptedJwtSecrets does not have the value of {NAMESPACE}:jwtSecret: no token of Airflow would be "
        f"accepted: pulumi config rm {NAMESPACE}:acceptedJwtSecrets"
    ]


def _check_celery_logins(secrets: Secrets) -> list[str]:
    """The queue must take the password with which tasks are sent."""
    text, key = secrets.celery_logins, database_logins.CELERY_SETTING
    if not text or secrets.celery_password in database_logins.parse(text).passwords:
        return []
    return [
        f"{NAMESPACE}:celeryPassword is none of {NAMESPACE}:{key}: ./aerodrome secrets rotate celery makes another one while "
        f"tasks run. To set one by hand: ./aerodrome config rm {key}"
    ]


def _check_database_logins(secrets: Secrets) -> list[str]:
    """The server must know the user by whom Airflow logs in."""
    text, key = secrets.database_logins, database_logins.SETTING
    if not text:
        return []
    if secrets.database_password not in database_logins.parse(text).passwords:
        return [
            f"{NAMESPACE}:databasePassword is none of {NAMESPACE}:{key}: ./aerodrome secrets rotate database makes another "
            f"one while Airflow works. To set one by hand: ./aerodrome config rm {key}"
        ]
    return []


def _check_tenancy(settings: Settings) -> list[str]:
    if settings.tenancy == Tenancy.shared and not settings.base:
        return [
            f"{NAMESPACE}:base is not set: tenancy shared needs a base environment: "
            f"{_set_command('base')}"
        ]
    if settings.tenancy == Tenancy.dedicated and settings.base:
        return [
            f"{NAMESPACE}:base is {settings.base!r}: only an environment of tenancy shared has a base"
        ]
    if settings.base == settings.environment:
        return [f"{NAMESPACE}:base is {settings.base!r}: an environment can not stand on itself"]
    return []


def _unknown(key: str) -> str:
    near = difflib.get_close_matches(key, SETTINGS, n=1)
    hint = (
        f"did you mean {NAMESPACE}:{near[0]}?"
        if near
        else f"known are {', '.join(sorted(SETTINGS))}"
    )
    return f"{NAMESPACE}:{key} is not a configuration key: {hint}"


def _set_command(key: str) -> str:
    option = "--secret " if SETTINGS[key].secret else ""
    return f"pulumi config set {option}{NAMESPACE}:{key} VALUE"
