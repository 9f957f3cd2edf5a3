"""The configuration: what is accepted, and how everything else is refused."""

import base64
import json
import subprocess
import sys
from pathlib import Path

import pytest

from infra.contract.configuration import SettingsError, load
from infra.contract.executors import EXECUTORS
from infra.contract.settings import SECRETS as MAKERS
from infra.contract.settings import SETTINGS

FERNET = base64.urlsafe_b64encode(bytes(32)).decode()
SECRETS = {
    "fernetKey": FERNET,
    "jwtSecret": "j" * 32,
    "apiSecretKey": "a" * 16,
    "databasePassword": "d" * 12,
    "adminPassword": "p" * 8,
    "celeryPassword": "celery-password",
    "checksumKey": "c" * 32,
    "metricsAdminPassword": "metrics-admin-password",
    "metricsWriterPassword": "metrics-writer-password",
    "metricsReaderPassword": "metrics-reader-password",
    "metricsDatabasePassword": "metrics-database-password",
    "grafanaAdminPassword": "grafana-admin-password",
    "logsWriterPassword": "logs-writer-password",
    "logsReaderPassword": "logs-reader-password",
}
MINIMAL = {"environment": "dev", **SECRETS}


def full(**keys: str) -> dict[str, str]:
    return {f"aerodrome:{key}": value for key, value in keys.items()}


def problems(secret: dict[str, str] = SECRETS, **keys: str) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        load(full(**MINIMAL, **keys), [f"aerodrome:{key}" for key in secret])
    return caught.value.problems


def problem(**keys: str) -> str:
    found = problems(**keys)
    assert len(found) == 1, found
    return found[0]


def load_with(**keys: str):  # type: ignore[no-untyped-def]
    return load(full(**{**MINIMAL, **keys}), [f"aerodrome:{key}" for key in SECRETS])


def test_an_environment_and_its_secrets_are_enough() -> None:
    settings, secrets = load_with()
    assert settings.environment == "dev"
    assert settings.executor == "KubernetesExecutor"
    assert secrets.fernet_key == FERNET


def test_text_becomes_what_the_field_is() -> None:
    settings, _ = load_with(
        nodeMax="7", spot="true", nodeInstanceTypes='["m7i.large", "m6i.large"]', branch="feature/x"
    )
    assert settings.node_max == 7
    assert settings.spot is True
    assert settings.node_instance_types == ("m7i.large", "m6i.large")
    assert settings.branch == "feature/x"


def test_other_namespaces_are_none_of_our_business() -> None:
    config = full(**MINIMAL) | {"aws:region": "eu-north-1", "kubernetes:context": "x"}
    load(config, [f"aerodrome:{key}" for key in SECRETS])


def test_a_misspelt_key_is_named_with_the_right_one() -> None:
    assert problem(nodeMaxx="3") == (
        "aerodrome:nodeMaxx is not a configuration key: did you mean aerodrome:nodeMax?"
    )


def test_an_unknown_key_is_answered_with_the_known_ones() -> None:
    message = problem(qqqq="3")
    assert message.startswith("aerodrome:qqqq is not a configuration key: known are ")
    assert "vpcCidr" in message


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("nodeMax", "many", "aerodrome:nodeMax is 'many': must be a whole number"),
        ("nodeMax", "1.5", "aerodrome:nodeMax is '1.5': must be a whole number"),
        ("nodeMax", "451", "aerodrome:nodeMax is '451': must be between 1 and 450"),
        ("spot", "yes", "aerodrome:spot is 'yes': must be true or false"),
        (
            "executor",
            "KubernetesExecuter",
            f"aerodrome:executor is 'KubernetesExecuter': must be one of {', '.join(EXECUTORS)}, or "
            "several with commas, not 'KubernetesExecuter' (did you mean KubernetesExecutor?)",
        ),
        (
            "nodeInstanceTypes",
            "m7i.large",
            "aerodrome:nodeInstanceTypes is 'm7i.large': must be a JSON list of strings, "
            'such as ["a", "b"]',
        ),
        (
            "nodeInstanceTypes",
            '["large"]',
            "aerodrome:nodeInstanceTypes is '[\"large\"]': must be EC2 instance types such as "
            "m7i.large, not 'large'",
        ),
        (
            "uiNodePort",
            "40000",
            "aerodrome:uiNodePort is '40000': must be between 0 and 32767",
        ),
        (
            "expires",
            "tomorrow",
            "aerodrome:expires is 'tomorrow': must be never, or a date such as 2027-01-31 or "
            "2027-01-31T18:00:00Z",
        ),
        (
            "vpcCidr",
            "8.8.0.0/16",
            "aerodrome:vpcCidr is '8.8.0.0/16': must be a private network (RFC 1918)",
        ),
        (
            "vpcCidr",
            "10.0.0.0/24",
            "aerodrome:vpcCidr is '10.0.0.0/24': must be between /16 and /22, so that four "
            "subnets of a useful size fit",
        ),
        (
            "kubernetesVersion",
            "latest",
            "aerodrome:kubernetesVersion is 'latest': must be a version such as 1.36",
        ),
    ],
)
def test_a_wrong_value_is_named_with_what_is_allowed(key: str, value: str, expected: str) -> None:
    assert problem(**{key: value}) == expected


@pytest.mark.parametrize("network", ["10.9.0.0/16", "172.31.0.0/18", "192.168.4.0/22"])
def test_a_private_network_is_taken(network: str) -> None:
    assert load_with(vpcCidr=network)[0].vpc_cidr == network


@pytest.mark.parametrize(
    "network",
    ["127.0.0.0/16", "169.254.0.0/16", "198.18.0.0/16", "172.32.0.0/16", "240.0.0.0/16"],
)
def test_a_network_of_another_kind_is_not(network: str) -> None:
    assert "must be a private network (RFC 1918)" in problem(vpcCidr=network)


@pytest.mark.parametrize("name", ["", "Dev", "feature/x", "-dev", "dev-", "a--b", "1dev", "d" * 29])
def test_an_environment_name_that_does_not_fit_aws_is_refused(name: str) -> None:
    with pytest.raises(SettingsError, match=r"aerodrome:environment is .*: must be 1 to 28 of a-z"):
        load_with(environment=name)


@pytest.mark.parametrize("name", ["d", "dev", "a1-b2", "d" * 28])
def test_good_environment_names(name: str) -> None:
    assert load_with(environment=name)[0].environment == name


def test_what_must_be_set_is_asked_for_with_the_command() -> None:
    with pytest.raises(SettingsError) as caught:
        load({}, [])
    assert caught.value.problems == [
        "aerodrome:environment is not set: pulumi config set aerodrome:environment VALUE",
        *(
            f"aerodrome:{key} is not set: pulumi config set --secret aerodrome:{key} VALUE"
            for key in SECRETS
            if SETTINGS[key].required
        ),
    ]


def test_a_secret_in_clear_is_refused_without_repeating_it() -> None:
    with pytest.raises(SettingsError) as caught:
        load(full(**MINIMAL), [f"aerodrome:{key}" for key in SECRETS if key != "jwtSecret"])
    assert caught.value.problems == [
        "aerodrome:jwtSecret must be a secret: pulumi config set --secret aerodrome:jwtSecret VALUE"
    ]


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        ("fernetKey", "0123456789abcdef", "must be 32 bytes in URL-safe base64 (44 characters)"),
        ("jwtSecret", "hunter2", "must have at least 32 characters"),
        ("databasePassword", "hunter2", "must have at least 12 characters"),
    ],
)
def test_a_bad_secret_is_named_but_never_shown(key: str, value: str, reason: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load_with(**{key: value})
    assert len(caught.value.problems) == 1
    assert caught.value.problems[0].startswith(f"aerodrome:{key} {reason}")
    assert value not in str(caught.value)


def test_secrets_do_not_show_in_a_print() -> None:
    _, secrets = load_with()
    assert FERNET not in repr(secrets)
    assert "pppp" not in repr(secrets)


def test_a_fernet_key_may_be_on_its_way_out() -> None:
    other = base64.urlsafe_b64encode(b"n" * 32).decode()
    assert load_with(fernetKey=f"{other},{FERNET}")[1].fernet_key == f"{other},{FERNET}"


def test_numbers_that_do_not_fit_together() -> None:
    assert problem(nodeDesired="9") == (
        "aerodrome:nodeDesired is 9: must lie between nodeMin (1) and nodeMax (4)"
    )
    assert problem(database="rds", databaseStorageGb="10") == (
        "aerodrome:databaseStorageGb is 10: RDS takes no less than 20"
    )


def test_all_problems_are_told_at_once() -> None:
    assert len(problems(nodeMax="x", spot="x", nonsense="x")) == 3


def test_every_key_is_documented() -> None:
    for setting in SETTINGS.values():
        assert len(setting.doc) > 20, setting.key
        assert setting.doc.endswith("."), setting.key


def test_every_default_is_a_value_that_would_be_accepted() -> None:
    for setting in SETTINGS.values():
        if setting.required or setting.secret:
            continue
        match setting.default:
            case bool() as default:
                text = str(default).lower()
            case tuple() as default:
                text = json.dumps(default)
            case default:
                text = str(default)
        load_with(**{setting.key: text})


def test_a_secret_that_is_made_up_is_one_that_would_be_accepted() -> None:
    load_with(**{key: make() for key, make in MAKERS.items()})
    assert MAKERS.keys() == SECRETS.keys()


def test_the_shared_facts_need_no_pulumi() -> None:
    """The command line may not load the program's libraries: they take a second."""
    code = "import sys, infra.contract.configuration; assert 'pulumi' not in sys.modules"
    root = Path(__file__).resolve().parents[4]
    subprocess.run([sys.executable, "-c", code], check=True, cwd=root)


def test_a_port_that_no_node_offers() -> None:
    assert problem(uiNodePort="8080") == (
        "aerodrome:uiNodePort is 8080: must be 0 or between 30000 and 32767"
    )


def test_a_shared_environment_names_its_base() -> None:
    settings, _ = load_with(tenancy="shared", base="prod")
    assert (settings.tenancy, settings.base) == ("shared", "prod")
    assert problem(tenancy="shared") == (
        "aerodrome:base is not set: tenancy shared needs a base environment: "
        "pulumi config set aerodrome:base VALUE"
    )


def test_a_dedicated_environment_has_no_base() -> None:
    assert problem(base="prod") == (
        "aerodrome:base is 'prod': only an environment of tenancy shared has a base"
    )


def test_nothing_stands_on_itself() -> None:
    assert problem(tenancy="shared", base="dev") == (
        "aerodrome:base is 'dev': an environment can not stand on itself"
    )


@pytest.mark.parametrize("base", ["-", "Prod", "p" * 29, "a_b"])
def test_a_base_is_named_as_environments_are(base: str) -> None:
    assert "must be the name of an environment" in problem(tenancy="shared", base=base)


def test_the_last_use_is_a_day() -> None:
    settings, _ = load_with(used="2027-01-31")
    assert settings.used == "2027-01-31"
    assert "such as 2027-01-31" in problem(used="yesterday")


def test_an_executor_with_redis_needs_its_password() -> None:
    without = {key: value for key, value in SECRETS.items() if key != "celeryPassword"}
    given = {**full(**without, environment="dev", executor="CeleryExecutor")}
    with pytest.raises(SettingsError) as caught:
        load(given, list(given))
    assert caught.value.problems == [
        "aerodrome:celeryPassword is not set, and CeleryExecutor needs it: ./aerodrome up makes it up, or "
        "pulumi config set --secret aerodrome:celeryPassword VALUE"
    ]
    given["aerodrome:executor"] = "KubernetesExecutor"
    assert load(given, list(given))[1].celery_password == ""


def test_lets_encrypt_needs_a_name_and_a_way_to_the_server() -> None:
    email = {"rancherLetsEncryptEmail": "alice@example.org"}
    assert "aerodrome:rancherHostname is not set" in problem(**email)
    named = {**email, "rancherHostname": "rancher.example.org"}
    assert load_with(**named)
    closed = {**named, "publicAccessCidrs": '["192.0.2.0/24"]'}
    assert "lets only 192.0.2.0/24 in" in problem(**closed)
    assert "an e-mail address" in problem(rancherLetsEncryptEmail="alice")
    # Without a server it counts for nothing.
    assert load_with(**email, rancherEnabled="false")
    assert load_with(**email, tenancy="shared", base="base")


def test_a_certificate_that_is_given_needs_a_name_and_is_of_the_servers_region() -> None:
    arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:rancher-AbCdEf"
    secret = {"rancherCertificateSecret": arn}
    assert "aerodrome:rancherHostname is not set, and aerodrome:rancherCertificateSecret needs" in (
        problem(**secret)
    )
    named = {**secret, "rancherHostname": "rancher.example.org"}
    # It is asked for by nobody: people of any network may be the only ones.
    assert load_with(**named, publicAccessCidrs='["192.0.2.0/24"]')
    twice = problem(**named, rancherLetsEncryptEmail="alice@example.org")
    assert "one certificate is enough: pulumi config rm aerodrome:rancherLetsEncryptEmail" in twice
    for other in (arn.replace("secretsmanager", "acm"), arn[:-7], "rancher", f"{arn}-"):
        assert "the whole ARN of a secret" in problem(**named | {"rancherCertificateSecret": other})
    assert load_with(**secret, rancherEnabled="false")
    elsewhere = full(**MINIMAL, **named) | {"aws:region": "eu-north-1"}
    with pytest.raises(SettingsError, match="reads secrets of eu-north-1, and this one is in eu-c"):
        load(elsewhere, [f"aerodrome:{key}" for key in SECRETS])


def test_a_kubernetes_that_rancher_does_not_manage_is_refused() -> None:
    for version in ("1.33", "1.37"):
        assert problem(kubernetesVersion=version) == (
            f"aerodrome:kubernetesVersion is '{version}': Rancher 2.15 takes Kubernetes 1.34 to 1.36 "
            "(rancher/rancher #55306 and #54374): choose one of 1.34, 1.35, 1.36, or "
            "pulumi config set aerodrome:rancherEnabled false"
        )
    assert load_with(kubernetesVersion="1.37", rancherEnabled="false")
    assert problem(kubernetesVersion="1.37", rancherEnabled="false", taskNodes="true") == (
        "aerodrome:kubernetesVersion is '1.37': Karpenter 1.13 takes Kubernetes 1.26 to 1.36 "
        "(pkg/providers/version of aws/karpenter-provider-aws v1.13.1): "
        "./aerodrome config set taskNodes false, or choose another version"
    )
    assert load_with(kubernetesVersion="1.37", tenancy="shared", base="base")
