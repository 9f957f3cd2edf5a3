"""The secrets of a stack's configuration, each with its rule, its reason and how one is made. They are settings, too: `settings.py`."""

from dataclasses import dataclass

from infra.contract import contacts, dag_sources, database_logins, token_keys
from infra.contract.database_logins import check_celery
from infra.contract.rules import (
    at_least,
    check_fernet,
    fernet_key,
    given_secret,
    later_secret,
    secret,
    token,
)


@dataclass(frozen=True)
class Secrets:
    """What must be a Pulumi secret: `pulumi config set --secret aerodrome:KEY`. Made once for a stack."""

    fernet_key: str = secret(
        "Encrypts connections and variables in Airflow's database. Losing it loses them.",
        check=check_fernet,
        make=fernet_key,
    )

    jwt_secret: str = secret(
        "Signs the tokens between Airflow's components, 32 characters or more.",
        check=at_least(token_keys.SHORTEST),
        make=token(48),
    )

    api_secret_key: str = secret(
        "Signs the UI's sessions, 16 characters or more.", check=at_least(16), make=token(32)
    )

    database_password: str = secret(
        "The password of Airflow's database user, 12 characters or more.",
        check=at_least(12),
        make=token(24),
    )

    admin_password: str = secret(
        "The first administrator's password, 8 characters or more.",
        check=at_least(8),
        make=token(12),
    )

    celery_password: str = later_secret(
        """Lets Airflow and Celery's workers in to Redis, and to the database of the tasks' results, 12
        characters or more. Needed by an executor with Redis; `up` makes it up for environments that were
        deployed without. Tasks can read it.""",
        check=at_least(12),
        make=token(24),
    )

    checksum_key: str = later_secret(
        """Makes the checksums of Secrets by which pods are replaced when what they read has changed, 32 characters
        or more. `up` makes it up for environments that were deployed without, which replaces all pods once; until
        then the Fernet key does it.""",
        check=at_least(32),
        make=token(32),
    )

    metrics_admin_password: str = later_secret(
        """The password of InfluxDB's administrator, 12 characters or more. Needed with monitoring metrics, as the two
        that follow; `up` makes them up for environments that were deployed without.""",
        check=at_least(12),
        make=token(24),
    )

    metrics_writer_password: str = later_secret(
        "The password with which Telegraf writes to InfluxDB, and cannot read.",
        check=at_least(12),
        make=token(24),
    )

    metrics_reader_password: str = later_secret(
        "The password with which metrics are read from InfluxDB, those of branches as well.",
        check=at_least(12),
        make=token(24),
    )

    metrics_database_password: str = later_secret(
        """The password with which Telegraf asks Airflow's PostgreSQL for its figures, and can read no table. Needed
        with monitoring metrics; `up` makes it up for environments that were deployed without.""",
        check=at_least(12),
        make=token(24),
    )

    grafana_admin_password: str = later_secret(
        """The password of Grafana's administrator, `admin`, 12 characters or more. Needed with monitoring metrics and
        grafana; `up` makes it up for environments that were deployed without.""",
        check=at_least(12),
        make=token(24),
    )

    alert_slack_url: str = given_secret(
        "The address of an incoming webhook of Slack, or of what takes the same: Grafana sends alerts there.",
        check=contacts.check_secure_url,
    )

    alert_webhook_url: str = given_secret(
        "An address to which Grafana posts alerts, as JSON.", check=contacts.check_url
    )

    alert_webhook_token: str = given_secret(
        "What it sends to alertWebhookUrl as `Authorization: Bearer`.", check=contacts.check_bearer
    )

    smtp_password: str = given_secret("The password of smtpUser.", check=contacts.check_password)

    logs_writer_password: str = later_secret(
        """The password with which lines of logs are added to Elasticsearch, 12 characters or more. Needed with
        monitoring logs, as the next one; `up` makes them up for environments that were deployed without.""",
        check=at_least(12),
        make=token(24),
    )

    logs_reader_password: str = later_secret(
        """The password with which lines of logs are read from Elasticsearch, those of branches as well. The
        passwords of the readers of one environment follow from it.""",
        check=at_least(12),
        make=token(24),
    )

    accepted_jwt_secrets: str = given_secret(
        """While `jwtSecret` is replaced: whose tokens are accepted, in place of its own, one secret a line. `secrets rotate jwt`
        sets it, and takes it away in the end; leave it alone.""",
        check=token_keys.check,
    )

    database_logins: str = given_secret(
        """The passwords of the two users by whom Airflow logs in to its database in turn, as JSON. `secrets rotate database`
        sets it; leave it alone. `databasePassword` is one of them.""",
        check=database_logins.check,
    )

    celery_logins: str = given_secret(
        """The two passwords by which Celery's queue, and the users of its results in turn, let somebody in, as JSON. `secrets
        rotate celery` sets it; leave it alone. `celeryPassword` is one of them.""",
        check=check_celery,
    )

    influxdb_password: str = given_secret(
        "The password of influxdbUser. Needed with influxdbUrl.", check=at_least(1)
    )

    oidc_client_secret: str = given_secret(
        "The secret of oidcClientId. Needed with oidcIssuer; the api-server alone has it.",
        check=at_least(8),
    )

    git_token: str = given_secret(
        """An access token that may read the repository of the DAG files, with https. Tasks can read it: let it
        read that repository and nothing else.""",
        check=dag_sources.check_token,
    )

    git_key: str = given_secret(
        """A private key that may read the repository of the DAG files (a deploy key), with ssh and without a
        passphrase. Tasks can read it: let it read that repository and nothing else.""",
        check=dag_sources.check_key,
    )
