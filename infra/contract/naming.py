"""The only place where names and tags are made. Pure functions of environment and git branch.

Everything that has a name of its own in the account carries the environment in it, so that two
environments never meet. Pulumi adds a random suffix to most names; those that must be known
beforehand (the cluster and what refers to it by name) are used as they are.
"""

import hashlib
import re
import unicodedata
from dataclasses import dataclass

from infra.contract.metrics import MONITOR

PREFIX = "aerodrome"

BRANCH_LOGS = "branches"
"""The folder of a base's log bucket in which each of its branches has one."""

XCOMS = "xcom"
"""The folder in which a bucket, or a branch's folder, holds what tasks pass on and is too large for the
database."""

DAGS = "dag-versions"
"""The folder in which a bucket holds the versions of its environment's DAG files."""

BRANCH_DAGS = "branch-dag-versions"
"""The same for branches, each with a folder of its own. Not below `BRANCH_LOGS`, where all is forgotten in
time: a version is needed as long as it runs."""

BUDGET = "month"
"""The part of a budget's name that is its own. Budgets are found by name: their tags can be asked for one by one only."""

RANCHER_TOKEN = "rancher-token"
"""The part of the name of the secret in which an environment's own Rancher leaves its token."""

PIPELINE_PATH = f"/{PREFIX}-pipeline/"
"""Where the roles of pipelines lie: they outlive the environments, and go with bootstrap's other things."""

AIRFLOW = "airflow"
"""Airflow's namespace and database where it has a cluster of its own."""

ENVIRONMENT_MAX_LENGTH = 28
"""IAM role names end at 64 characters: 'aerodrome-' + 28 + the longest role's own part (18) + Pulumi's
suffix (8). No other name has less room."""

ENVIRONMENT_PATTERN = re.compile(r"[a-z](-?[a-z0-9])*")
"""Small letters, digits and single hyphens: what is left when S3, PostgreSQL, Kubernetes, DNS and EKS
have all had their say."""

HASH_LENGTH = 6
"""16 million names: two of a thousand branches that read alike meet once in 30 repositories."""

BASE_IN_BRANCH_MAX_LENGTH = 12
"""How much of a base's name is in its branches' names; the rest is in the hash."""

TAG_ENVIRONMENT = f"{PREFIX}:environment"
TAG_BRANCH = f"{PREFIX}:branch"
TAG_EXPIRES = f"{PREFIX}:expires"
TAG_USED = f"{PREFIX}:used"
TAG_BASE = f"{PREFIX}:base"
TAG_REPOSITORY = f"{PREFIX}:repository"
TAG_BOOTSTRAP = f"{PREFIX}:bootstrap"
"""On what bootstrap makes: it belongs to the account and outlives the environments, so it does not carry
`TAG_ENVIRONMENT`, by which they are deleted."""

LABEL_ENVIRONMENT = f"{PREFIX}/environment"
LABEL_BASE = f"{PREFIX}/base"
"""In Kubernetes, where keys have one `/` and no `:`."""

LABEL_TASKS = f"{PREFIX}/tasks"
"""On nodes that are for tasks alone: their label, and the taint that keeps others off. The value of both is `true`."""

# What AWS accepts in every service's tag values; EC2 allows more, IAM and EKS do not.
_NOT_IN_TAG_VALUES = re.compile(r"[^A-Za-z0-9 +\-=._:/@]")
_TAG_VALUE_MAX_LENGTH = 256


@dataclass(frozen=True)
class Names:
    """The names of one environment."""

    environment: str
    shared: bool = False
    """Whether it lives in the cluster, the database server, the bucket and the repository of a base
    environment: then those names, too, must tell it from its neighbours."""

    existing_server: bool = False
    """Whether its database is in a server that was there before it: its names there must be no neighbour's, either."""

    @property
    def stack(self) -> str:
        """The Pulumi stack."""
        return self.environment

    @property
    def cluster(self) -> str:
        """The EKS cluster; also the name of its Pulumi component."""
        return self.of()

    @property
    def control_plane_log_group(self) -> str:
        """Where EKS writes the control plane's logs: EKS's own rule, not ours."""
        return f"/aws/eks/{self.cluster}/cluster"

    @property
    def iam_path(self) -> str:
        """IAM users, groups, roles and policies of the environment lie under this path."""
        return f"/{PREFIX}/{self.environment}/"

    @property
    def namespace(self) -> str:
        """Where Airflow lies in the cluster."""
        return f"{AIRFLOW}-{self.environment}" if self.shared else AIRFLOW

    @property
    def database(self) -> str:
        """Airflow's database, and the user that owns it. No environment's name has a `_`."""
        apart = self.shared or self.existing_server
        return f"{AIRFLOW}_{self.environment.replace('-', '_')}" if apart else AIRFLOW

    def _beside_database(self, part: str) -> str:
        """Something of its own in the same server. Two `_` are in no other environment's name, and in a server that was there
        already that could be a neighbour's."""
        return f"{self.database}{'__' if self.existing_server else '_'}{part}"

    @property
    def second_user(self) -> str:
        """The other user of the database, by whom Airflow logs in while the first one's password is idle."""
        return self._beside_database("second")

    @property
    def database_owner(self) -> str:
        """On RDS, who owns the database as soon as there is a second user, and never logs in. No branch's database is
        called so: no environment's name has two hyphens in a row."""
        return f"{self.database}__owner"

    @property
    def role(self) -> str:
        """Airflow's role in IAM; Pulumi adds a suffix. Every environment has one and it is made early, so it
        carries the tags that each use of the environment changes."""
        return self.of("airflow")

    @property
    def branch_boundary(self) -> str:
        """The policy beyond which no role of a branch on it may go; below `iam_path`."""
        return self.of("branches")

    @property
    def database_release(self) -> str:
        """The Helm release that makes and drops a branch's database; it is in the base's namespace."""
        return f"database-{self.environment}"

    @property
    def results_database(self) -> str:
        """The database of the results of Celery's tasks, and its user: beside Airflow's, in the same server."""
        return self._beside_database("celery")

    @property
    def monitor_user(self) -> str:
        """By whom Telegraf reads the figures of its server: a member of `pg_monitor` where the server is its own, and of nothing else."""
        return self._beside_database("monitor") if self.existing_server else MONITOR

    @property
    def second_results_user(self) -> str:
        """The other user of that database, as `second_user` is of Airflow's."""
        return f"{self.results_database}_second"

    @property
    def log_prefix(self) -> str:
        """The folder of task logs in the bucket; `/` ends it, so that none begins like another."""
        return f"{BRANCH_LOGS}/{self.environment}" if self.shared else "task-logs"

    @property
    def backup_prefix(self) -> str:
        """The folder of the database's backups in the log bucket."""
        return "backups"

    @property
    def archive_prefix(self) -> str:
        """The folder of the database's old rows in the log bucket."""
        return "database-archive"

    @property
    def xcom_prefix(self) -> str:
        """The folder of large XComs in the bucket. A branch's goes with all else of the branch; a base's is
        beside its logs, which more people may read."""
        return f"{self.log_prefix}/{XCOMS}" if self.shared else XCOMS

    @property
    def dags_prefix(self) -> str:
        """The folder of the versions of its DAG files in the bucket."""
        return f"{BRANCH_DAGS}/{self.environment}" if self.shared else DAGS

    @property
    def image_tag_prefix(self) -> str:
        """What an image's tag begins with: branches push into their base's repository, which forgets old
        images of each separately. No environment's name has a `.`, so none begins like another."""
        return f"{self.environment}."

    def of(self, *parts: str) -> str:
        """`aerodrome-ENVIRONMENT-PART...`"""
        return "-".join((PREFIX, self.environment, *parts))

    def service_host(self, service: str) -> str:
        """A Service's name inside the cluster, from any namespace."""
        return f"{service}.{self.namespace}.svc.cluster.local"


def pipeline_role(environment: str, purpose: str) -> str:
    """The role of a pipeline for the branches on an environment; `purpose` is `preview` or `deploy`."""
    return f"{PREFIX}-{environment}-{purpose}"


def state_bucket(account: str, region: str) -> str:
    """The bucket of the account's stacks in a region; bucket names are the whole world's."""
    return f"{PREFIX}-state-{account}-{region}"


def secrets_key_alias(environment: str) -> str:
    """The alias of the KMS key that encrypts the secrets of an environment and of its branches."""
    return f"alias/{PREFIX}-{environment}"


def secrets_provider(environment: str, region: str) -> str:
    """What Pulumi calls that key: a stack's `--secrets-provider`."""
    return f"awskms://{secrets_key_alias(environment)}?region={region}"


def state_backend(account: str, region: str) -> str:
    """What Pulumi calls that bucket: the argument of `pulumi login`."""
    return f"s3://{state_bucket(account, region)}?region={region}"


def is_environment(name: str) -> bool:
    """Whether every resource could carry that environment's name."""
    return len(name) <= ENVIRONMENT_MAX_LENGTH and bool(ENVIRONMENT_PATTERN.fullmatch(name))


def branch_environment(base: str, branch: str) -> str:
    """The environment of a git branch on a base environment: `BASE-READABLE-HASH`.

    The hash is of both full names, so branches that read alike (in case, in what is cut off, in what no
    resource's name may hold) do not meet; a branch of emoji alone is `BASE-HASH`.
    """
    digest = hashlib.sha256(f"{base}\0{branch}".encode()).hexdigest()[:HASH_LENGTH]
    head = branches_begin(base)
    room = ENVIRONMENT_MAX_LENGTH - len(head) - len(digest) - 1
    return head + "-".join(part for part in (_readable(branch)[:room].strip("-"), digest) if part)


def branches_begin(base: str) -> str:
    """How the names of all branches' environments on a base begin."""
    return f"{base[:BASE_IN_BRANCH_MAX_LENGTH].rstrip('-')}-"


def _readable(branch: str) -> str:
    """What is left of a branch's name in small letters, digits and hyphens: `Fix/Größe` is `fix-grosse`."""
    plain = unicodedata.normalize("NFKD", branch.casefold()).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")


def tags(
    environment: str,
    branch: str,
    expires: str,
    base: str = "",
    used: str = "",
    repository: str = "",
) -> dict[str, str]:
    """What every resource carries: sweeping and cost reports go by it. The last three only where there
    is something to tell, and the day of the last use on one resource alone (`Names.role`)."""
    own = {
        TAG_ENVIRONMENT: tag_value(environment),
        TAG_BRANCH: tag_value(branch),
        TAG_EXPIRES: tag_value(expires),
    }
    optional = {
        TAG_BASE: tag_value(base),
        TAG_USED: tag_value(used),
        TAG_REPOSITORY: tag_value(repository),
    }
    return own | {key: value for key, value in optional.items() if value}


def labels(environment: str, base: str = "") -> dict[str, str]:
    """What namespaces in Kubernetes carry. An environment's name is a label's value as it is."""
    return {LABEL_ENVIRONMENT: environment} | ({LABEL_BASE: base} if base else {})


def tag_value(text: str) -> str:
    """`text` with what AWS refuses in a tag value replaced by `_`; git branches may hold more."""
    return _NOT_IN_TAG_VALUES.sub("_", text)[:_TAG_VALUE_MAX_LENGTH]
