"""What a stack contains: every setting with its type, default, rule and reason.

A field here is all that a new setting takes: the program, the command line and `docs/settings.md` read it
from `SETTINGS`. How a stack's configuration becomes these records is in `configuration.py`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from infra.contract import (
    contacts,
    dag_sources,
    executors,
    logs,
    rancher_keys,
    secrets_backends,
    task_policies,
)
from infra.contract.account_settings import AccountSettings
from infra.contract.metrics import DATABASE, MonitoringScope
from infra.contract.naming import ENVIRONMENT_MAX_LENGTH, ENVIRONMENT_PATTERN
from infra.contract.people_settings import PeopleSettings
from infra.contract.rules import (
    Make,
    Setting,
    check_instance_types,
    check_network,
    check_networks,
    check_servers,
    check_values_files,
    required,
    setting,
    settings_of,
)
from infra.contract.secret_settings import Secrets
from infra.contract.tenancy import Tenancy

NAMESPACE: Final = "aerodrome"
"""The configuration namespace: Pulumi's project name."""

_NAME = ENVIRONMENT_PATTERN.pattern

# Basic authentication ends a name at its first colon.
_USER, _USER_IN_WORDS = r"[A-Za-z0-9._@-]{1,100}", "1 to 100 of A-Z a-z 0-9 . _ @ -"

# What CloudWatch accepts.
_RETENTION_DAYS = (1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827)


@dataclass(frozen=True, kw_only=True)
class Settings(PeopleSettings, AccountSettings):
    """One environment. Keys are the fields' names in camelCase, under `aerodrome:`."""

    environment: str = required(
        """The environment's name; part of every name in the account. Required, because a
        stack's name may hold characters that AWS refuses.""",
        pattern=rf"(?=.{{1,{ENVIRONMENT_MAX_LENGTH}}}$){_NAME}",
        allowed=f"1 to {ENVIRONMENT_MAX_LENGTH} of a-z, 0-9 and -, starting with a letter, "
        "no - at the end and no --",
    )

    branch: str = setting(
        "",
        "The git branch that the environment belongs to, as a tag. Default: none.",
        pattern=r"[^\x00-\x1f]{0,255}",
        allowed="at most 255 printable characters",
    )

    repository: str = setting(
        "",
        """The git repository of that branch, like `github.com/owner/name`, as a tag: by it
        `sweep` knows whose branches it may look for. The command line writes it. Default: none.""",
        pattern=r"[^\x00-\x1f]{0,255}",
        allowed="at most 255 printable characters",
    )

    tenancy: str = setting(
        Tenancy.dedicated,
        """What the environment stands on: a network and a cluster of its own, or those of its
        base environment. Default dedicated; a branch is best off with shared, which costs its
        pods only. With shared, all that describes network, cluster, database server and Rancher
        is the base's.""",
        choices=tuple(Tenancy),
    )

    base: str = setting(
        "",
        """The environment whose cluster, database server, bucket and repositories a shared
        environment uses. Required with tenancy shared; a dedicated environment has none.""",
        pattern=rf"(?=.{{0,{ENVIRONMENT_MAX_LENGTH}}}$)({_NAME})?",
        allowed="the name of an environment",
    )

    expires: str = setting(
        "never",
        """When the environment may be swept, UTC, as a tag. Default never: a forgotten date
        must not delete production.""",
        pattern=r"never|\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d)?Z)?",
        allowed="never, or a date such as 2027-01-31 or 2027-01-31T18:00:00Z",
    )

    used: str = setting(
        "",
        """The day when somebody last used the environment, UTC, as a tag. The command line
        writes it. Default: not kept.""",
        pattern=r"(\d{4}-\d\d-\d\d)?",
        allowed="a date such as 2027-01-31, or empty",
    )

    protect: bool = setting(
        False,
        """Whether data outlives the stack: the log bucket, the image repositories and an RDS
        database then refuse to be deleted, and the volume of a database in the cluster stays as
        a disk. Default false: a branch must leave nothing.""",
    )

    vpc_cidr: str = setting(
        "10.20.0.0/16",
        """The network's addresses, /16 to /22. Every pod takes one, so the default is the
        largest that AWS allows.""",
        check=check_network,
    )

    flow_logs: bool = setting(
        False,
        """Whether VPC Flow Logs record the network's traffic, into the log bucket below
        `AWSLogs/`, for as long as task logs. Default false: AWS bills them by the gigabyte, and
        a branch has no use for them.""",
    )

    public_access_cidrs: tuple[str, ...] = setting(
        ("0.0.0.0/0",),
        """Who may reach the Kubernetes API and the Rancher server from outside: a JSON list of
        networks. Default everyone, as EKS does (callers still need IAM); name your own networks
        in production.""",
        check=check_networks,
    )

    deploy_role: str = setting(
        "",
        """The role with which a pipeline deploys branches on this environment: it administers
        the cluster, and gives no branch's role more than the branches' logs and XComs. Default:
        none; `bootstrap --github` sets it.""",
        pattern=r"(arn:[a-z-]+:iam::\d{12}:role/\S+)?",
        allowed="the ARN of an IAM role",
    )

    preview_role: str = setting(
        "",
        """The role with which a pipeline previews branches: it reads the cluster. Default:
        none; `bootstrap --github` sets it.""",
        pattern=r"(arn:[a-z-]+:iam::\d{12}:role/\S+)?",
        allowed="the ARN of an IAM role",
    )

    kubernetes_version: str = setting(
        "1.36",
        """The version of EKS's control plane and nodes. Pinned: an upgrade is a decision. One that EKS offers, none
        older than the cluster's, and one minor version at a time. With Rancher it must be
        one that this Rancher was validated with, 1.34 to 1.36 (`infra/contract/versions.py`).""",
        pattern=r"1\.\d\d",
        allowed="a version such as 1.36",
    )

    node_instance_types: tuple[str, ...] = setting(
        ("m7i.large",),
        """The workers' instance types, a JSON list; with spot several are better. Default: 2
        vCPU, 8 GiB, which holds Airflow's own pods and a handful of tasks. Their processor must be that of the
        images, x86_64.""",
        check=check_instance_types,
    )

    node_min: int = setting(1, "The fewest workers. Default 1.", minimum=0, maximum=450)

    node_desired: int = setting(
        2,
        """The workers to start with. Once the group is there, its size belongs to an autoscaler, or to whoever
        changes it in AWS: `up` keeps the size that it finds, between nodeMin and nodeMax. Default 2, one in
        each zone.""",
        minimum=0,
        maximum=450,
    )

    node_max: int = setting(
        4,
        "The most workers: the ceiling of what a runaway DAG can cost. Default 4.",
        minimum=1,
        maximum=450,
    )

    node_disk_gb: int = setting(
        50,
        """Each worker's disk in GB. Default 50: images of about 1 GB each, and the tasks'
        scratch space.""",
        minimum=20,
        maximum=16_384,
    )

    spot: bool = setting(
        False,
        """Whether workers are spot instances: about a third of the price, taken away at two
        minutes' notice. Default false.""",
    )

    task_nodes: bool = setting(
        False,
        """Whether tasks have nodes of their own: Karpenter makes them when pods of tasks wait for room, from none up to
        taskNodeMax, and takes away those that are idle. Airflow's own pods stay on the workers. Default false.
        Counts with an executor whose tasks are pods; a branch's tasks use its base's. `docs/task-nodes.md`.""",
    )

    task_node_types: tuple[str, ...] = setting(
        ("m7i.large", "m7i.xlarge", "m6i.large", "m6i.xlarge"),
        """The instance types of those nodes, a JSON list; of those that hold the waiting pods Karpenter takes the
        cheapest. Default: 2 and 4 vCPU, 8 and 16 GiB, of two generations. Their processor must be that of the images,
        x86_64.""",
        check=check_instance_types,
    )

    task_node_max: int = setting(
        10,
        "The most nodes for tasks, with taskNodes: the ceiling of what they can cost. Default 10.",
        minimum=1,
        maximum=450,
    )

    task_node_spot: bool = setting(
        False,
        """Whether nodes for tasks are spot instances where there are any, and on-demand where not: a task whose node is
        taken away ends at two minutes' notice, and Airflow tries it again if the task has retries. Default false.""",
    )

    task_node_idle_seconds: int = setting(
        60,
        """How long a node for tasks is kept without a task, seconds. Default 60: a new one takes about that long to come.""",
        minimum=0,
        maximum=86_400,
    )

    log_retention_days: int = setting(
        30,
        "How long CloudWatch keeps the control plane's logs, days. Default 30.",
        choices=_RETENTION_DAYS,
    )

    task_log_days: int = setting(
        90,
        "How long the bucket keeps task logs and large XComs, days. Default 90.",
        minimum=1,
        maximum=3650,
    )

    backup_days: int = setting(
        14,
        """How long a nightly backup of Airflow's database is kept in the log bucket, days; 0 makes none.
        Default 14. A shared environment makes none: it lives for days.""",
        minimum=0,
        maximum=3650,
    )

    database_keep_days: int = setting(
        365,
        """How long a run stays in Airflow's database after its end, days; then it is moved to the log bucket, with its
        tasks and XComs, and so are old entries of the audit log. 0 moves nothing. Default 365: last year's run can be
        compared with this one's, and the database does not fill its disk. A shared environment moves nothing: it
        lives for days.""",
        minimum=0,
        maximum=3650,
    )

    database_archive_days: int = setting(
        1095,
        """How long the bucket keeps what was moved out of the database, days; 0 keeps it for as long as there is the
        bucket. Default three years.""",
        minimum=0,
        maximum=36_500,
    )

    executor: str = setting(
        executors.DEFAULT,
        """How Airflow runs tasks: each in a pod of its own, all inside the scheduler's pod, or there one
        at a time (sequential). Several at once with commas, such as LocalExecutor,KubernetesExecutor: the
        first for tasks and DAGs that name none. Default KubernetesExecutor; `docs/executors.md` helps to
        choose.""",
        check=executors.check,
    )

    example_dags: bool = setting(
        True,
        """Whether the image holds the DAGs of `images/airflow/dags/examples`. Default true: they
        show one concept each, and start nothing by themselves. Say false in production, where
        they only take the DAG processor's time.""",
    )

    dags: str = setting(
        dag_sources.IMAGE,
        """Where Airflow has its DAG files from: the image; versions in the log bucket, which
        `aerodrome dags push` publishes in seconds; or a git repository, which Airflow follows. With s3 and git
        a run ends with the code that it began with. Default image; `docs/dags.md` helps to choose.""",
        choices=dag_sources.SOURCES,
    )

    git_repository: str = setting(
        "",
        """The repository of the DAG files, with dags git: https://HOST/PATH or ssh://git@HOST/PATH (also
        git@HOST:PATH). No password in it: that is gitToken, or gitKey. Default: none.""",
        check=dag_sources.check_repository,
    )

    git_ref: str = setting(
        "main",
        "The branch, tag or commit of that repository that Airflow follows. Default main.",
        pattern=r"[A-Za-z0-9][A-Za-z0-9._/+-]{0,199}",
        allowed="the name of a branch or tag, or a commit",
    )

    git_folder: str = setting(
        "",
        "The folder of the DAG files in that repository. Default: all of it.",
        check=dag_sources.check_folder,
    )

    git_known_hosts: str = setting(
        "",
        """The keys of the repository's host, in the form of ssh's known_hosts (`ssh-keyscan HOST`, compared with
        what the host publishes). Needed for a repository over ssh: another host is then refused.
        Default: none.""",
        check=dag_sources.check_known_hosts,
    )

    git_user: str = setting(
        "git",
        """The user of gitToken. Default git, which GitHub and GitLab take with any token.""",
        pattern=r"[A-Za-z0-9._@+-]{1,100}",
        allowed="1 to 100 of A-Z a-z 0-9 . _ @ + -",
    )

    task_policies: str = setting(
        "[]",
        """What tasks may do in AWS besides writing their logs: a JSON list of ARNs of managed
        policies and of statements, such as `[{"Effect": "Allow", "Action": "s3:GetObject",
        "Resource": "arn:aws:s3:::lake/*"}]`. Default none. A branch that a pipeline deploys gets
        no more than its base's statements and its own logs: that boundary its role cannot pass.""",
        check=task_policies.check,
    )

    secrets_backend: str = setting(
        secrets_backends.NONE,
        """Where Airflow looks for connections and variables before its own database: none, AWS Secrets Manager, or the
        Parameter Store of Systems Manager, in a folder that only this environment's role may read. Default none.
        `docs/secrets.md` says what they must be called.""",
        choices=secrets_backends.BACKENDS,
    )

    secrets_backend_key: str = setting(
        "",
        """The KMS key that those secrets are encrypted with, as the ARN of a key: Airflow's role may then decrypt with it.
        Default none: AWS's own keys of the two services need no permission.""",
        pattern=secrets_backends.KEY_PATTERN.pattern,
        allowed="the ARN of a KMS key, arn:aws:kms:REGION:ACCOUNT:key/ID",
    )

    image_revision: str = setting(
        "",
        """Any text, a date for example: another one builds the images anew from the ground up, with the
        base image and the Debian packages of that day. For security updates; otherwise an image is built
        when its files change. Default: none.""",
        pattern=r"[A-Za-z0-9._-]{0,40}",
        allowed="at most 40 of A-Z a-z 0-9 . _ -",
    )

    database: str = setting(
        "in-cluster",
        """Where Airflow's metadata lies: a PostgreSQL pod with a volume, or Amazon RDS. Default
        in-cluster, which is cheaper; RDS has backups and survives a zone.""",
        choices=("in-cluster", "rds"),
    )

    database_storage_gb: int = setting(
        20, "The database's disk in GB. Default 20; RDS takes no less.", minimum=5, maximum=16_384
    )

    database_instance_class: str = setting(
        "db.t4g.small",
        """The RDS instance's class, with database rds. Default 2 vCPU, 2 GiB: enough for
        Airflow's metadata.""",
        pattern=r"db\.[a-z0-9-]+\.[a-z0-9-]+",
        allowed="such as db.t4g.small",
    )

    pgbouncer: bool = setting(
        False,
        """Whether PgBouncer stands between Airflow's processes and PostgreSQL: however many connections they
        open, the server has ten of them at most. Default false: it is one more hop, and PostgreSQL holds the
        connections of a few processes. `docs/database.md` says when it is worth it.""",
    )

    monitoring: str = setting(
        MonitoringScope.none,
        """What of its own and its branches the environment keeps: metrics, in an InfluxDB; logs, in an
        Elasticsearch, beside those in S3; all, or none. Default none: each is two more pods and a disk or two. A shared
        environment's are in its base's, where that has them. `docs/monitoring.md`, `docs/logs.md`.""",
        choices=tuple(MonitoringScope),
    )

    influxdb_url: str = setting(
        "",
        """The address of an InfluxDB 1.6 or a later 1.x that is yours, as this machine and the cluster reach it: with monitoring
        metrics or all, metrics go there, and the environment has none of its own. Default: one of its own. A change takes
        that one away, and its data. `docs/monitoring.md`.""",
        pattern=r"(https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?)?",
        allowed="an address without a path, such as https://influxdb.example.com:8086",
    )

    influxdb_database: str = setting(
        DATABASE,
        "The database there, which exists, with influxdbUrl. Default metrics.",
        pattern=r"[A-Za-z0-9_.-]{1,64}",
        allowed="1 to 64 of A-Z a-z 0-9 _ . -",
    )

    influxdb_user: str = setting(
        "",
        "The user there, who may read and write that database. Needed with influxdbUrl.",
        pattern=r"[A-Za-z0-9_.@-]{0,64}",
        allowed="at most 64 of A-Z a-z 0-9 _ . @ -",
    )

    grafana: bool = setting(
        True,
        """Whether metrics come with a Grafana: dashboards and alerts, with monitoring metrics or all. Default true: it is
        one more pod without a disk. A sandbox has none: its image cannot be had there. `docs/monitoring.md`.""",
    )

    runbook_url: str = setting(
        "",
        """Where the pages of `docs/runbooks` can be read in a browser, for the links of alerts. Default: in the repository of
        the environment's branch, if that is one of GitHub; otherwise alerts have no links.""",
        pattern=r"(https?://[A-Za-z0-9._~:/?@&+=%-]+)?",
        allowed="an address such as https://git.example.com/team/kit/docs/runbooks",
    )

    task_logs: str = setting(
        logs.S3,
        """Where Airflow's UI and API read logs of tasks: s3, or elasticsearch, and S3 for what is not there: what has just
        ended, or is older than the setting. Tasks write to S3 in any case. Needs monitoring logs or all, of a shared
        environment its base's. Default s3, which has the log of every task. `docs/logs.md`.""",
        choices=logs.TASK_LOG_SOURCES,
    )

    elasticsearch_url: str = setting(
        "",
        """An Elasticsearch of your own, version 8 or later, for monitoring logs or all: the environment then deploys the
        shippers alone. Its users are elasticsearchWriter and elasticsearchReader, their passwords logsWriterPassword and
        logsReaderPassword. `up` asks it before anything is changed. Default: the kit's own. `docs/logs.md`.""",
        pattern=r"(https://[A-Za-z0-9.-]+(:[0-9]{1,5})?)?",
        allowed="an address such as https://search.example.com:9200",
    )

    elasticsearch_authority: str = setting(
        "",
        """The certificate of the authority that proves that Elasticsearch, in PEM. Default: the public authorities do.""",
        pattern=r"(\s*-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s-]+-----END CERTIFICATE-----\s*)?",
        allowed="one certificate or several in PEM",
    )

    elasticsearch_writer: str = setting(
        logs.WRITER,
        """The user who adds lines there. Default writer.""",
        pattern=_USER,
        allowed=_USER_IN_WORDS,
    )

    elasticsearch_reader: str = setting(
        logs.READER,
        """The user who reads the environment's lines there. Default reader.""",
        pattern=_USER,
        allowed=_USER_IN_WORDS,
    )

    kibana_url: str = setting(
        "",
        """Where people reach a Kibana that shows the environment's logs: with taskLogs elasticsearch Airflow's UI links to
        a task's lines there, and `aerodrome open kibana` opens it. Default: none.""",
        pattern=r"(https?://[A-Za-z0-9._~:/@%+-]+)?",
        allowed="an address such as https://kibana.example.com",
    )

    alert_emails: tuple[str, ...] = setting(
        (),
        """Whom Grafana sends alerts to by e-mail, a JSON list of addresses: needs smtpHost and smtpFrom. Default none. The other
        ways are the secrets alertSlackUrl and alertWebhookUrl; `docs/monitoring.md`.""",
        check=contacts.check_addresses,
    )

    smtp_host: str = setting(
        "", "The server that takes Grafana's e-mail. Default: none.", check=contacts.check_host
    )

    smtp_port: int = setting(
        587,
        """Its port. Default 587, where TLS begins by STARTTLS; with 465 there is TLS from the beginning. EC2 lets port 25
        out on request only.""",
        minimum=1,
        maximum=65535,
    )

    smtp_from: str = setting(
        "",
        "Whom Grafana's e-mail is from, an address. Default: none.",
        check=contacts.check_address,
    )

    smtp_user: str = setting(
        "",
        "Who logs in to that server, with smtpPassword and only by TLS. Default: nobody.",
        pattern=r"[^\s$]{0,256}",
        allowed="a name without blanks and without a $",
    )

    certificates: tuple[str, ...] = setting(
        (),
        """Servers with TLS whose certificates are watched, with monitoring metrics: a JSON list of HOST:PORT, such as the
        address of the UI. Elasticsearch's own is watched anyway. Default none.""",
        check=check_servers,
    )

    values_files: tuple[str, ...] = setting(
        (),
        """Files with values of Airflow's chart, on top of `values/common.yaml` and the one of the environment's
        name: a JSON list of paths from the project's folder, the last wins. `up --values FILE` writes it. Default none.""",
        check=check_values_files,
    )

    rancher_enabled: bool = setting(
        True,
        "Whether the environment has a Rancher server and the IAM user it needs. Default true.",
    )

    rancher_instance_type: str = setting(
        "t3.large",
        """The Rancher server's instance type. Default 2 vCPU, 8 GiB: the least that Rancher
        supports.""",
        pattern=r"[a-z0-9-]+\.[a-z0-9-]+",
        allowed="an EC2 instance type",
    )

    rancher_keys: str = setting(
        rancher_keys.DEFAULT,
        """Which access keys Rancher's user in IAM has, by number: `2` the second, `2+1` and `2-1` beside it the first, which
        works or is deactivated. Default 1. `secrets rotate rancher` writes it.""",
        check=rancher_keys.check,
    )

    rancher_hostname: str = setting(
        "",
        """The Rancher server's DNS name. Default: its address under sslip.io, which needs no
        DNS zone.""",
        pattern=r"([a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)+)?",
        allowed="a DNS name",
    )

    rancher_lets_encrypt_email: str = setting(
        "",
        """Has Let's Encrypt vouch for the Rancher server under `rancherHostname`; its notices go to this address. Default:
        none, and the server makes an authority of its own, which nobody else knows. A change replaces the server.""",
        pattern=r"([A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+)?",
        allowed="an e-mail address",
    )

    rancher_certificate_secret: str = setting(
        "",
        """The ARN of a secret in AWS Secrets Manager with a certificate for `rancherHostname` and its key: the server reads it each
        hour (`docs/rancher.md`). Default: none. A change of the ARN replaces the server, one of its content does not.""",
        pattern=r"(arn:aws[a-z-]*:secretsmanager:[a-z0-9-]+:\d{12}:secret:[A-Za-z0-9/_+=.@-]+-[A-Za-z0-9]{6})?",
        allowed="the whole ARN of a secret, such as arn:aws:secretsmanager:REGION:ACCOUNT:secret:NAME-AbCdEf",
    )


SETTINGS: Mapping[str, Setting] = {**settings_of(Settings), **settings_of(Secrets)}
"""All settings by key, in the order of the fields."""

SECRETS: Mapping[str, Make] = {key: one.make for key, one in SETTINGS.items() if one.make}
"""What makes up a value for each secret that can be made up, by its key."""

FORMER_KEYS: Mapping[str, str] = {"rung": "tenancy"}
"""Keys of the version before, each with its new one. They work in this version, with a warning; the next one
empties the table."""
