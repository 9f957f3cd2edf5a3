"""The outputs of an environment's stack: the keys, their types and meaning, on both sides of the stack.

The program exports by these keys and a branch's program reads its base by them; the command line reads a
deployed environment as an `Outputs`. Keys are a contract with what is deployed: a new one may come, none may
change its meaning. Both tenancies have the same, so that every verb works on any environment.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final, Generic, TypeVar, overload

from infra.contract.tenancy import Tenancy

CONTRACT: Final = 1
"""What a dedicated environment offers to those that stand on it, as a number. To be raised when a shared
environment needs more of its base than before: an output, a script in its image, a rule in its cluster."""

T = TypeVar("T")


class Output(Generic[T]):
    """One output: asked of the class it is itself, asked of a record its value there."""

    def __init__(
        self, key: str, default: T, doc: str, *, secret: bool = False, former: str = ""
    ) -> None:
        self.key = key
        self.default = default
        """The value where a stack does not have it: of an older version, not deployed to its end, or a
        shared environment, which offers nothing to others."""
        self.doc = doc
        self.secret = secret
        self.former = former
        """Its key in the version before: read where the new one is missing, and exported for this version."""

    @property
    def keys(self) -> tuple[str, ...]:
        return (self.key, self.former) if self.former else (self.key,)

    @overload
    def __get__(self, record: None, owner: type) -> "Output[T]": ...
    @overload
    def __get__(self, record: "Outputs", owner: type) -> T: ...
    def __get__(self, record: "Outputs | None", owner: type) -> "Output[T] | T":
        if record is None:
            return self
        found = (record.get(key) for key in self.keys)
        return next((value for value in found if value is not None), self.default)


class Outputs(Mapping[str, Any]):
    """The outputs of one stack, by name and by key. A secret one is only asked for when it is read."""

    environment = Output("environment", "", "The environment's name.")
    tenancy = Output("tenancy", "", "`dedicated` or `shared`.", former="rung")
    base = Output("base", "", "The base of a shared environment.")
    branch = Output("branch", "", "The git branch that it belongs to.")
    expires = Output("expires", "", "The last day that it is kept, or `never`.")
    protect = Output("protect", False, "Whether its data outlives the stack.")
    region = Output("region", "", "The AWS region.")
    cluster_name = Output("clusterName", "", "The EKS cluster that it lives in.")
    kubeconfig = Output(
        "kubeconfig", "", "How kubectl reaches that cluster; it asks AWS for a token."
    )
    namespace = Output("namespace", "", "Airflow's namespace there.")
    log_bucket = Output("logBucket", "", "The bucket with the logs of tasks.")
    log_prefix = Output("logPrefix", "", "The folder of this environment in it.")
    backup_prefix = Output(
        "backupPrefix", "", "The folder of the database's backups in that bucket, if it makes any."
    )
    archive_prefix = Output(
        "archivePrefix", "", "The folder of the database's old rows there, if any are moved."
    )
    dags = Output("dags", "image", "Where its DAG files come from: `image`, `git` or `s3`.")
    dags_prefix = Output(
        "dagsPrefix", "", "The folder of the versions of its DAG files in that bucket, with `s3`."
    )
    repository_url = Output("repositoryUrl", "", "Where Airflow's image is.")
    image_ref = Output("imageRef", "", "That image by digest, as pods use it.")
    built_tags: Output[Mapping[str, str]] = Output(
        "builtTags", {}, "By image: the tag that this stack built, empty if it found the image."
    )
    built_by: Output[Mapping[str, Mapping[str, str]]] = Output(
        "builtBy",
        {},
        "By image: the arguments with the proxy by which its last build asked outside.",
    )
    admin_user = Output("adminUser", "", "The first administrator's name.")
    admin_secret_name = Output("adminSecretName", "", "The Kubernetes Secret with the password.")
    ui_service = Output("uiService", "", "The Service of Airflow's UI and API.")
    ui_port = Output("uiPort", 0, "The port of that Service.")

    ui_url = Output("uiUrl", "", "Where people reach the UI by HTTPS; empty without uiHost.")

    flower_service = Output("flowerService", "", "The Service of Flower, where Celery runs tasks.")
    flower_port = Output("flowerPort", 0, "The port of that Service.")

    metrics_host = Output(
        "metricsHost",
        "",
        "Where Airflow's metrics are taken in, its branches' as well; empty without monitoring.",
    )

    logs_url = Output(
        "logsUrl",
        "",
        "Where pods find the logs' Elasticsearch, its branches' as well; empty without.",
    )

    branch_ui: Output[Mapping[str, Any]] = Output(
        "branchUi",
        {},
        "What a branch's way to its UI takes over of it; empty without uiBranchHosts.",
    )
    task_nodes = Output(
        "taskNodes",
        "",
        "The key of the label and the taint of nodes for tasks, its branches' as well; empty without such nodes.",
    )

    contract = Output("contract", 0, "What it offers to branches: the program's CONTRACT.")
    log_bucket_arn = Output("logBucketArn", "", "The bucket, for the roles of branches.")
    repositories: Output[Mapping[str, Any]] = Output(
        "repositories", {}, "By image: `url`, `name` and `registryId` of its repository."
    )
    postgres_image_ref = Output(
        "postgresImageRef", "", "PostgreSQL's image, if it runs in the cluster."
    )
    database_host = Output("databaseHost", "", "Where the database server is.")
    database_tls = Output("databaseTls", False, "Whether that takes TLS.")
    database_admin_secret_name = Output(
        "databaseAdminSecretName", "", "The Kubernetes Secret of the user that makes databases."
    )
    database_instance = Output(
        "databaseInstance",
        "",
        "The RDS instance that was there before it, in which its database is; empty otherwise.",
    )
    storage_class = Output("storageClass", "", "The StorageClass of disks.")
    branch_boundary = Output("branchBoundary", "", "What no role of a branch may go beyond.")

    rancher_address = Output("rancherAddress", "", "Where the Rancher server is.")
    rancher_token_secret = Output(
        "rancherTokenSecret",
        "",
        "The secret of AWS in which that server leaves a token of its API.",
    )
    rancher_access_key_id = Output("rancherAccessKeyId", "", "For Rancher's cloud credential.")
    rancher_secret_access_key = Output(
        "rancherSecretAccessKey", "", "The other half of that key.", secret=True
    )

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = values

    def __getitem__(self, key: str) -> Any:
        return self._values[key]

    def __contains__(self, key: object) -> bool:
        return key in self._values

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    @property
    def shared(self) -> bool:
        return self.tenancy == Tenancy.shared


def refusal(base: str, outputs: Outputs) -> tuple[str, str, str] | None:
    """Why no environment can stand on the one called `base`, which has these outputs; None if one can.

    The reason, what to do about it, and the command that does.
    """
    if outputs.tenancy not in ("", Tenancy.dedicated):
        return (
            f'Environment "{base}" is itself shared, and carries no other',
            f"Its base is {outputs.base}: set the base to that.",
            f"./aerodrome up --base {outputs.base}",
        )
    if outputs.contract < CONTRACT:
        return (
            f'The base environment "{base}" was deployed by an older version, or not to its end',
            "Bring it up to date first:",
            f"./aerodrome up --env {base}",
        )
    return None
