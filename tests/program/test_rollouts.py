"""A change of any setting replaces the pods that read it, once, and no others; all settings are gone through."""

import hashlib
import itertools
import json
from typing import Any, NamedTuple

import pytest

from infra.contract.database_logins import Logins
from infra.contract.settings import SETTINGS
from tests.charts.rendering import Rendered, render_exactly
from tests.charts.rollouts import pods, read_anew, replaced
from tests.program.conftest import BASE, BRANCH, BRANCH_SECRETS
from tests.program.recording import SECRETS, Program, run_program

AIRFLOW = {"api-server", "scheduler", "dag-processor", "triggerer", "migration"}
NOBODY: set[str] = set()


class Change(NamedTuple):
    """A setting's other value, and whose pods it replaces."""

    value: str
    replaces: set[str]


CERTIFICATE = "arn:aws:acm:eu-north-1:123456789012:certificate/0a1b"
RANCHER_SECRET = "arn:aws:secretsmanager:eu-north-1:123456789012:secret:rancher-AbCdEf"
DATABASE_SECRET = "arn:aws:secretsmanager:eu-north-1:123456789012:secret:rds!db-0a1b-AbCdE"
BOTH_LOGINS = Logins.alone(SECRETS["databasePassword"]).with_idle("another/p@ssword").text()

BOTH_OF_CELERY = Logins.alone(SECRETS["celeryPassword"]).with_idle("another/p@ssword").text()

CHANGES = {
    # Another environment, whose pods bear its name.
    "environment": Change("other", AIRFLOW | {"database"}),
    "branch": Change("feature/y", NOBODY),
    "repository": Change("github.com/owner/name", NOBODY),
    "expires": Change("2027-02-03", NOBODY),
    "used": Change("2027-01-31", NOBODY),
    "protect": Change("true", NOBODY),
    "vpcCidr": Change("10.30.0.0/16", NOBODY),
    "clusterName": Change("another", NOBODY),
    "vpcId": Change("vpc-0123456789abcdef1", NOBODY),
    "privateSubnetIds": Change('["subnet-00000001", "subnet-00000005"]', NOBODY),
    "publicSubnetIds": Change('["subnet-00000004"]', NOBODY),
    # A living environment is refused the first (cli.operations.losses).
    "databaseInstance": Change("other-postgres", AIRFLOW),
    "databaseAdminSecret": Change(f"{DATABASE_SECRET}x", NOBODY),
    "natPerZone": Change("true", NOBODY),
    "vpcEndpoints": Change('["s3", "ecr"]', NOBODY),
    "endpointAccess": Change("private", NOBODY),
    # Airflow's through its image's digest, which only a build can tell; Grafana's is another release.
    "imageMirror": Change("registry.example.com/mirror", NOBODY),
    "httpProxy": Change("http://proxy.example.com:3128", AIRFLOW),
    "httpsProxy": Change("http://proxy.example.com:3128", AIRFLOW),
    "noProxy": Change('[".example.com"]', AIRFLOW),
    "budgetUsd": Change("400", NOBODY),
    "tags": Change('{"CostCenter": "1234"}', NOBODY),
    "permissionsBoundary": Change("arn:aws:iam::123456789012:policy/limit", NOBODY),
    "flowLogs": Change("true", NOBODY),
    "publicAccessCidrs": Change('["192.0.2.0/24"]', NOBODY),
    "deployRole": Change("arn:aws:iam::123456789012:role/deploy", NOBODY),
    "previewRole": Change("arn:aws:iam::123456789012:role/preview", NOBODY),
    "kubernetesVersion": Change("1.35", NOBODY),
    "nodeInstanceTypes": Change('["m6i.large"]', NOBODY),
    "nodeMin": Change("2", NOBODY),
    "nodeDesired": Change("3", NOBODY),
    "nodeMax": Change("5", NOBODY),
    "nodeDiskGb": Change("60", NOBODY),
    "spot": Change("true", NOBODY),
    # The scheduler keeps the pod that it starts for each task.
    "taskNodes": Change("true", {"scheduler"}),
    "taskNodeTypes": Change('["m7i.2xlarge"]', NOBODY),
    "taskNodeMax": Change("5", NOBODY),
    "taskNodeSpot": Change("true", NOBODY),
    "taskNodeIdleSeconds": Change("300", NOBODY),
    "logRetentionDays": Change("60", NOBODY),
    "taskLogDays": Change("60", NOBODY),
    "backupDays": Change("60", NOBODY),
    "databaseKeepDays": Change("90", NOBODY),
    "databaseArchiveDays": Change("90", NOBODY),
    # These two reach pods through the image's digest, which only a build can tell.
    "exampleDags": Change("false", NOBODY),
    "imageRevision": Change("2027-01-31", NOBODY),
    "dags": Change("s3", AIRFLOW),
    # With another source of DAG files they count for nothing.
    "gitRepository": Change("https://git.example/team/dags", NOBODY),
    "gitRef": Change("production", NOBODY),
    "gitFolder": Change("airflow/dags", NOBODY),
    "gitKnownHosts": Change("git.example ssh-ed25519 AAAAC3Nz", NOBODY),
    "gitUser": Change("oauth2", NOBODY),
    "gitToken": Change("a-token", NOBODY),
    "gitKey": Change("-----BEGIN PRIVATE KEY-----\nMC4CAQ==\n-----END PRIVATE KEY-----\n", NOBODY),
    "taskPolicies": Change('["arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"]', NOBODY),
    "secretsBackend": Change("secretsmanager", AIRFLOW),
    # The role's alone; without a backend nobody's.
    "secretsBackendKey": Change(
        "arn:aws:kms:us-east-1:123456789012:key/0a1b2c3d-0000-4000-8000-000000000000", NOBODY
    ),
    "valuesFiles": Change('["tests/program/values.yaml"]', AIRFLOW),
    "accessFile": Change("tests/program/roles.yaml", {"migration"}),
    "oidcIssuer": Change("https://login.example.org/realms/team", {"api-server"}),
    # Without an issuer they count for nothing.
    "oidcClientId": Change("airflow", NOBODY),
    "oidcClientSecret": Change("a-secret-of-a-client", NOBODY),
    "oidcScopes": Change("openid roles", NOBODY),
    "oidcGroupsClaim": Change("roles", NOBODY),
    "oidcUserClaim": Change("email", NOBODY),
    "celeryPassword": Change("another-queue-password", NOBODY),
    # Counts with an executor that has a queue: TestRotationOfCelerysPassword.
    "celeryLogins": Change(BOTH_OF_CELERY, NOBODY),
    "executor": Change("LocalExecutor", AIRFLOW),
    "database": Change("rds", AIRFLOW | {"database"}),
    "databaseStorageGb": Change("30", NOBODY),
    "databaseInstanceClass": Change("db.t4g.large", NOBODY),
    # PostgreSQL stays, and so does the migration, which goes straight to it.
    "pgbouncer": Change("true", (AIRFLOW - {"migration"}) | {"pgbouncer"}),
    "monitoring": Change("metrics", AIRFLOW),
    "metricsAdminPassword": Change("another-admin-password", NOBODY),
    "metricsWriterPassword": Change("another-writer-password", NOBODY),
    "metricsReaderPassword": Change("another-reader-password", NOBODY),
    "metricsDatabasePassword": Change("another-database-password", NOBODY),
    "influxdbUrl": Change("http://influxdb.example:8086", NOBODY),
    "influxdbDatabase": Change("airflow", NOBODY),
    "influxdbUser": Change("airflow", NOBODY),
    "influxdbPassword": Change("another-influxdb-password", NOBODY),
    "logsWriterPassword": Change("another-logs-writer-password", NOBODY),
    "logsReaderPassword": Change("another-logs-reader-password", NOBODY),
    "taskLogs": Change("elasticsearch", {"api-server"}),
    # Counts with logs.
    "elasticsearchUrl": Change("https://search.example.org:9243", NOBODY),
    "elasticsearchAuthority": Change(
        "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n", NOBODY
    ),
    "elasticsearchWriter": Change("ship", NOBODY),
    "elasticsearchReader": Change("look", NOBODY),
    "kibanaUrl": Change("https://kibana.example.org", NOBODY),
    # Grafana's alone, which is not of this release.
    "alertEmails": Change('["ops@example.org"]', NOBODY),
    "smtpHost": Change("smtp.example.org", NOBODY),
    "smtpPort": Change("465", NOBODY),
    "smtpFrom": Change("grafana@example.org", NOBODY),
    "smtpUser": Change("grafana", NOBODY),
    "smtpPassword": Change("a-password", NOBODY),
    "alertSlackUrl": Change("https://hooks.example.org/services/T/B/x", NOBODY),
    "alertWebhookUrl": Change("https://pager.example.org/v1", NOBODY),
    "alertWebhookToken": Change("a-token", NOBODY),
    "certificates": Change('["airflow.example.org:443"]', NOBODY),
    "grafana": Change("false", NOBODY),
    "runbookUrl": Change("https://git.example/docs/runbooks", NOBODY),
    "grafanaAdminPassword": Change("another-login-password", NOBODY),
    "uiServiceType": Change("NodePort", NOBODY),
    "uiNodePort": Change("30080", NOBODY),
    # The address is among Airflow's settings, which all pods read.
    "uiHost": Change("airflow.example.org", AIRFLOW),
    "uiPath": Change("/team", AIRFLOW),
    # Of the Ingress alone.
    "uiCertificateArn": Change(CERTIFICATE, NOBODY),
    "uiCertificateIssuer": Change("another", NOBODY),
    "uiCertificateSecret": Change("airflow-certificate", NOBODY),
    "uiIngressClass": Change("traefik", NOBODY),
    "uiIngressNamespace": Change("contour", NOBODY),
    "uiBranchHosts": Change("true", NOBODY),
    "adminUser": Change("alice", {"migration"}),
    "adminEmail": Change("alice@example.org", {"migration"}),
    "rancherEnabled": Change("false", NOBODY),
    "rancherInstanceType": Change("t3.xlarge", NOBODY),
    "rancherKeys": Change("2+1", NOBODY),
    "rancherHostname": Change("rancher.example.org", NOBODY),
    "rancherLetsEncryptEmail": Change("alice@example.org", NOBODY),
    "rancherCertificateSecret": Change(RANCHER_SECRET, NOBODY),
    "fernetKey": Change("ZmVkY2JhOTg3NjU0MzIxMGZlZGNiYTk4NzY1NDMyMTA=", AIRFLOW),
    # No pod reads it: it changes the checksums of what they read.
    "checksumKey": Change("another-key-of-checksums-32-characters", AIRFLOW | {"database"}),
    "jwtSecret": Change("another-jwt-secret-of-32-characters!", AIRFLOW),
    # The one that signs is among them.
    "acceptedJwtSecrets": Change(
        f"{SECRETS['jwtSecret']}\nanother-jwt-secret-of-32-characters!", AIRFLOW
    ),
    "apiSecretKey": Change("another-api-key-of-16", AIRFLOW),
    "databasePassword": Change("another/p@ssword", AIRFLOW | {"database"}),
    # Both users may log in: PostgreSQL's pod stays, the migration Job tells the server.
    "databaseLogins": Change(BOTH_LOGINS, {"migration"}),
    "adminPassword": Change("another-password", {"migration"}),
}

WITH_HOST = {
    "uiHost": "airflow.example.com",
    "uiCertificateIssuer": "letsencrypt",
    "uiIngressNamespace": "traefik",
}

EXISTING_NETWORK = {
    "vpcId": "vpc-0123456789abcdef0",
    "privateSubnetIds": '["subnet-00000001", "subnet-00000002"]',
    "publicSubnetIds": '["subnet-00000003"]',
}

EXISTING_SERVER = {
    **EXISTING_NETWORK,
    "database": "rds",
    "databaseInstance": "team-postgres",
    "databaseAdminSecret": f"{DATABASE_SECRET}f",
}
EXISTING_CLUSTER = {"clusterName": "team", "rancherEnabled": "false"}

NEEDS: dict[str, dict[str, str]] = {
    "clusterName": EXISTING_CLUSTER,
    **dict.fromkeys(EXISTING_NETWORK, EXISTING_NETWORK),
    **dict.fromkeys(("databaseInstance", "databaseAdminSecret"), EXISTING_SERVER),
    "taskLogs": {"monitoring": "logs"},
    "oidcIssuer": {"oidcClientId": "airflow", "accessFile": "tests/program/groups.yaml"},
    **dict.fromkeys(("uiHost", "uiPath", "uiCertificateIssuer", "uiBranchHosts"), WITH_HOST),
    **dict.fromkeys(("uiIngressClass", "uiIngressNamespace"), WITH_HOST),
    "uiCertificateArn": {"uiHost": "airflow.example.com", "uiCertificateArn": f"{CERTIFICATE}b"},
    "uiCertificateSecret": {
        "uiHost": "airflow.example.com",
        "uiCertificateSecret": "former-certificate",
        "uiIngressNamespace": "traefik",
    },
    **{key: {"rancherEnabled": "false"} for key in ("imageMirror", "httpProxy", "httpsProxy")},
    "noProxy": {"rancherEnabled": "false", "httpsProxy": "http://proxy.example.com:3128"},
    "budgetUsd": {"alertEmails": '["ops@example.org"]'},
    "rancherLetsEncryptEmail": {"rancherHostname": "rancher.example.org"},
    "rancherCertificateSecret": {"rancherHostname": "rancher.example.org"},
}
"""What else must be set for a setting to be taken."""

NEEDS_SECRETS = {"oidcIssuer": {"oidcClientSecret": "a-secret-of-a-client"}}

READ_BY_FEWER = {
    "checksumKey": NOBODY,
    # It is in the Secret of the key that signs, which the others read. Only a rotation sets it, between two of all pods.
    "acceptedJwtSecrets": {"api-server"},
}
"""Settings that replace more pods than read them."""

READ_BY_MORE = {
    # PostgreSQL is told while it runs, and reads them itself when it starts.
    "databaseLogins": {"migration", "database"},
}
"""Settings that replace fewer pods than read them."""

PLACE = {"tenancy", "base"}
"""What an environment stands on: nothing of it is left in place when that changes (cli.operations.losses)."""

NOT_OF_A_BRANCH = {"database", "databaseInstance", "taskNodes"}
"""Its base runs the database, and makes the nodes."""


class Deployed(NamedTuple):
    """The manifests that one run of the program leads to, and what its Secrets hold."""

    rendered: Rendered
    secrets: dict[str, dict[str, str]]


def deployed(program: Program) -> Deployed:
    release = program.one("kubernetes:helm.sh/v3:Release", "-airflow").inputs
    secrets = {
        secret.inputs["metadata"]["name"]: dict(secret.inputs["stringData"])
        for secret in program.of_type("kubernetes:core/v1:Secret")
    }
    namespace = program.one("kubernetes:core/v1:Namespace", "-namespace").inputs["metadata"]["name"]
    return Deployed(render_exactly(dict(release["values"]), "airflow", namespace), secrets)


def changed(key: str, value: str, config: dict[str, str], secrets: dict[str, str]) -> Any:
    if SETTINGS[key].secret:
        return config, {**secrets, key: value}
    return {**config, key: value}, secrets


def test_every_setting_is_gone_through() -> None:
    """A new one says whose pods it replaces."""
    assert sorted(CHANGES) == sorted(set(SETTINGS) - PLACE)


@pytest.mark.parametrize("key", CHANGES)
def test_a_setting_replaces_the_pods_that_read_it(key: str, program: Program) -> None:
    change = CHANGES[key]
    config = {"environment": "test", **NEEDS.get(key, {})}
    secrets = {**SECRETS, **NEEDS_SECRETS.get(key, {})}
    before = deployed(run_program(config, secrets) if key in NEEDS else program)
    after = deployed(run_program(*changed(key, change.value, config, secrets)))
    assert replaced(before.rendered, after.rendered) == change.replaces
    anew = read_anew(before.rendered, after.rendered, before.secrets, after.secrets)
    assert anew == {**READ_BY_FEWER, **READ_BY_MORE}.get(key, change.replaces)


REFUSED_FOR_A_BRANCH = {
    *(
        "environment",
        "monitoring",
        "taskLogs",
        "databaseLogins",
        "celeryLogins",
        "oidcIssuer",
        "uiBranchHosts",
    ),
    "budgetUsd",
}
"""It may not have its base's name, nor what its base does for it or, here, does not, nor its password, nor half a login, nor branches."""


@pytest.mark.parametrize("key", [key for key in CHANGES if key not in REFUSED_FOR_A_BRANCH])
def test_so_does_a_branchs(key: str, program: Program, shared: Program) -> None:
    change = CHANGES[key]
    stacks, config = {BASE: program}, {**BRANCH, **NEEDS.get(key, {})}
    before = deployed(run_program(config, BRANCH_SECRETS, stacks) if key in NEEDS else shared)
    after = deployed(run_program(*changed(key, change.value, config, BRANCH_SECRETS), stacks))
    expected = NOBODY if key in NOT_OF_A_BRANCH else change.replaces - {"database"}
    assert replaced(before.rendered, after.rendered) == expected
    anew = read_anew(before.rendered, after.rendered, before.secrets, after.secrets)
    assert anew == READ_BY_FEWER.get(key, expected)


def test_a_branchs_password_reaches_the_server_and_no_other_secret_does(
    program: Program, shared: Program
) -> None:
    def checksum(**secrets: str) -> str:
        stacks = {BASE: program}
        run = run_program(BRANCH, {**BRANCH_SECRETS, **secrets}, stacks)
        release = run.one("kubernetes:helm.sh/v3:Release", "-branch-database")
        return str(release.inputs["values"]["secretsChecksum"])

    same = checksum()
    assert checksum(adminPassword="another-password") == same
    assert checksum(databasePassword="another/p@ssword") != same


class TestRotationOfTheDatabasesPassword:
    """The steps of ADR 33: in none of them is PostgreSQL's pod replaced, and Airflow's are in the second alone."""

    NEW = "another/p@ssword"

    def stages(self, old: str) -> list[dict[str, str]]:
        alone = Logins.alone(old)
        both = alone.with_idle(self.NEW)
        accesses = [(old, ""), (old, both.text()), (self.NEW, both.text())]
        accesses.append((self.NEW, both.only(self.NEW).text()))
        return [
            {"databasePassword": password, **({"databaseLogins": text} if text else {})}
            for password, text in accesses
        ]

    @pytest.mark.parametrize("pooled", ["true", "false"])
    def test_of_a_base(self, pooled: str) -> None:
        config = {"environment": "test", "pgbouncer": pooled}
        runs = [
            deployed(run_program(config, {**SECRETS, **stage}))
            for stage in self.stages(SECRETS["databasePassword"])
        ]
        pool = {"pgbouncer"} if pooled == "true" else NOBODY
        steps = [
            replaced(before.rendered, after.rendered) for before, after in itertools.pairwise(runs)
        ]
        assert steps == [{"migration"}, AIRFLOW, {"migration"}]
        urls = [
            run.secrets["airflow-pgbouncer" if pool else "airflow-database"]["connection"]
            for run in runs
        ]
        users = [str(url).partition("://")[2].partition(":")[0] for url in urls]
        assert users == ["airflow", "airflow", "airflow_second", "airflow_second"]
        old = SECRETS["databasePassword"]
        assert [
            (
                run.secrets["airflow-logins"]["password"],
                run.secrets["airflow-logins"]["second-password"],
            )
            for run in runs
        ] == [(old, ""), (old, self.NEW), (old, self.NEW), ("", self.NEW)]
        if pool:
            lists = [str(run.secrets["airflow-pgbouncer"]["users"]) for run in runs]
            assert [
                ("airflow" in text, "airflow_second" in text)
                for text in (
                    {line.split()[0].strip('"') for line in users.splitlines()} for users in lists
                )
            ] == [(True, False), (True, True), (True, True), (False, True)]

    def test_on_rds_the_instance_has_the_first_users_password(self) -> None:
        """Whoever Airflow logs in as; and while that is the second, one that none of Airflow's pods has."""
        config = {"environment": "test", "database": "rds"}
        old = SECRETS["databasePassword"]
        *stages, rotated = self.stages(old)
        back = Logins.alone(old).with_idle(self.NEW).only(self.NEW).with_idle("a-third-password")
        stages += [rotated, {**rotated, "databaseLogins": back.text()}]
        programs = [run_program(config, {**SECRETS, **stage}) for stage in stages]
        instances = [one.one("aws:rds/instance:Instance") for one in programs]
        idle = Logins.alone(old).with_idle(self.NEW).only(self.NEW).of_rds
        passwords = [one.inputs["password"] for one in instances]
        assert passwords == [old, old, old, idle, "a-third-password"]
        assert all("password" in one.secret_inputs for one in instances)
        runs = [deployed(one) for one in programs]
        steps = [
            replaced(before.rendered, after.rendered) for before, after in itertools.pairwise(runs)
        ]
        assert steps == [{"migration"}, AIRFLOW, {"migration"}, {"migration"}]
        for run, password, second in zip(runs, passwords, ["", *(self.NEW,) * 4], strict=True):
            assert run.secrets["airflow-logins"] == {
                "password": password,
                "second-username": "airflow_second",
                "second-password": second,
                "owner": "airflow__owner",
            }
        last = json.dumps([text for name, text in runs[3].secrets.items() if "logins" not in name])
        assert idle not in last

    def test_of_a_branch(self, program: Program) -> None:
        programs = [
            run_program(BRANCH, {**BRANCH_SECRETS, **stage}, {BASE: program})
            for stage in self.stages(BRANCH_SECRETS["databasePassword"])
        ]
        runs = [deployed(one) for one in programs]
        steps = [
            replaced(before.rendered, after.rendered) for before, after in itertools.pairwise(runs)
        ]
        assert steps == [NOBODY, AIRFLOW, NOBODY]
        values = [
            one.one("kubernetes:helm.sh/v3:Release", "-branch-database").inputs["values"]
            for one in programs
        ]
        assert len({one["secretsChecksum"] for one in values[:2]}) == 2
        assert values[1]["secretsChecksum"] == values[2]["secretsChecksum"]
        assert values[2]["secretsChecksum"] != values[3]["secretsChecksum"]
        assert {one["secondUser"] for one in values} == {f"{values[0]['database']}_second"}

    def test_a_password_that_is_set_by_hand_reaches_the_server(self) -> None:
        """After a rotation, too: its pod sets it when it starts."""
        config = {"environment": "test"}
        rotated = deployed(run_program(config, {**SECRETS, **self.stages("a-first-password")[-1]}))
        by_hand = deployed(
            run_program(config, {**SECRETS, "databasePassword": "set-by-hand-by-me"})
        )
        assert "database" in replaced(rotated.rendered, by_hand.rendered)


WITH_QUEUE = {"executor": "CeleryExecutor", "pgbouncer": "true"}
OF_QUEUE = {"scheduler", "celery-worker", "flower", "worker-autoscaler"}


class TestRotationOfCelerysPassword:
    """In no step is Redis' pod replaced, nor PostgreSQL's nor PgBouncer's; those that send and take tasks are in the second."""

    NEW = "another/queue's p@ssword"

    def stages(self, old: str) -> list[dict[str, str]]:
        alone = Logins.alone(old)
        both = alone.with_idle(self.NEW)
        accesses = [(old, ""), (old, both.text()), (self.NEW, both.text())]
        accesses.append((self.NEW, both.only(self.NEW).text()))
        return [
            {"celeryPassword": password, **({"celeryLogins": text} if text else {})}
            for password, text in accesses
        ]

    def steps(self, runs: list[Deployed]) -> list[set[str]]:
        return [replaced(one.rendered, other.rendered) for one, other in itertools.pairwise(runs)]

    def test_of_a_base(self) -> None:
        config = {"environment": "test", **WITH_QUEUE}
        old = SECRETS["celeryPassword"]
        runs = [deployed(run_program(config, {**SECRETS, **stage})) for stage in self.stages(old)]
        there = OF_QUEUE & pods(runs[0].rendered).keys()
        assert {"scheduler", "celery-worker", "flower"} <= there
        assert self.steps(runs) == [{"migration"}, {"migration", *there}, {"migration"}]
        results = [run.secrets["airflow-celery"]["result-backend"] for run in runs]
        assert [url.partition("://")[2].partition(":")[0] for url in results] == [
            *("airflow_celery",) * 2,
            *("airflow_celery_second",) * 2,
        ]
        queues = [run.secrets["airflow-celery-logins"] for run in runs]
        assert [(one["password"], one["second-password"]) for one in queues] == [
            (old, ""),
            (old, self.NEW),
            (old, self.NEW),
            ("", self.NEW),
        ]
        lists = [str(run.secrets["airflow-pgbouncer"]["users"]) for run in runs]
        assert [
            ('"airflow_celery" ' in users, '"airflow_celery_second" ' in users) for users in lists
        ] == [(True, False), (True, True), (True, True), (False, True)]

    def test_of_a_branch(self, program: Program) -> None:
        programs = [
            run_program({**BRANCH, **WITH_QUEUE}, {**BRANCH_SECRETS, **stage}, {BASE: program})
            for stage in self.stages(BRANCH_SECRETS["celeryPassword"])
        ]
        runs = [deployed(one) for one in programs]
        there = OF_QUEUE & pods(runs[0].rendered).keys()
        assert self.steps(runs) == [NOBODY, there, NOBODY]
        values = [
            one.one("kubernetes:helm.sh/v3:Release", "-branch-database").inputs["values"]
            for one in programs
        ]
        sums = [one["secretsChecksum"] for one in values]
        assert sums[1] == sums[2]
        assert len(set(sums)) == 3
        results = values[0]["results"]
        assert results["secondUser"] == f"{results['database']}_second"

    def test_a_password_that_is_set_by_hand_reaches_the_queue(self) -> None:
        """After a rotation, too: its pod reads it when it starts."""
        config = {"environment": "test", **WITH_QUEUE}
        rotated = deployed(run_program(config, {**SECRETS, **self.stages("a-first-password")[-1]}))
        by_hand = deployed(run_program(config, {**SECRETS, "celeryPassword": "set-by-hand-by-me"}))
        assert {"redis", "pgbouncer", *OF_QUEUE & pods(by_hand.rendered).keys()} <= replaced(
            rotated.rendered, by_hand.rendered
        )


def test_a_bases_new_database_reaches_the_pods_of_a_branch(shared: Program) -> None:
    moved = run_program({"environment": "test", "database": "rds"}, SECRETS)
    before = deployed(shared)
    after = deployed(run_program(BRANCH, BRANCH_SECRETS, {BASE: moved}))
    assert replaced(before.rendered, after.rendered) == AIRFLOW


def test_no_checksum_lets_a_password_be_guessed(program: Program) -> None:
    """A plain hash could be compared with that of each guess."""
    text = json.dumps(deployed(program).rendered.objects)
    for name, content in deployed(program).secrets.items():
        for value in [*content.values(), json.dumps(content, sort_keys=True)]:
            assert hashlib.sha256(value.encode()).hexdigest() not in text, name
