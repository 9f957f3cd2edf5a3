"""What an environment's cloud is to everybody else: AWS (`aws_cloud`) or the sandbox (`sandbox_cloud`).

Which of the two it is, is decided once, in `cli.session.Session.cloud`.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from cli.base.lease_stores import Store
from cli.base.phases import Phases
from cli.cloud.kubernetes import Kubernetes
from cli.cloud.resource import Client

REGION_VARIABLES = ("AWS_REGION", "AWS_DEFAULT_REGION")


class Cloud(Protocol):
    """Where one environment lives, and how it is reached there."""

    asks: bool
    """Whether a change costs money, and is confirmed first."""

    phases: int
    """How many phases `begin` and `end` add to a run, one each."""

    configures: bool
    """Whether `up` makes the environment's configuration; otherwise bootstrap has made it."""

    has_passphrase: bool
    """Whether the environment's secrets are encrypted with a passphrase of this machine."""

    keeps_kubernetes: bool
    """Whether Kubernetes outlives the EKS cluster that stands for it."""

    runs_instances: bool
    """Whether an EC2 instance is a machine that runs, and not a record of one."""

    default_region: str
    """Where it is if nothing says so; empty where somebody must say it."""

    @property
    def state(self) -> Path | None:
        """The folder of Pulumi's state, if it is on this machine."""

    @property
    def where(self) -> str:
        """For messages: like ` on the sandbox "default"`; empty on AWS."""

    def settings(self, *, shared: bool) -> Mapping[str, str]:
        """What the environment's configuration must say because it lives here."""

    def refusal(self, key: str, value: str) -> str:
        """Why a setting cannot have this value here; empty if it can."""

    def unlock(self, *, make: bool = False) -> None:
        """Sees to it that what encrypts its secrets is there; UserError if it is lost.

        Only what writes secrets may `make` it: looking at nothing leaves nothing behind.
        """

    def variables(self) -> dict[str, str]:
        """All environment variables of the Pulumi CLI."""

    def run_variables(self, variables: Mapping[str, str]) -> dict[str, str]:
        """Those of a run of the program, which talks to the cluster, in place of `variables`."""

    def begin(self, phases: Phases) -> None:
        """Brings up what the environment lives in, before its deployment."""

    def end(self, phases: Phases, *, keep: bool) -> str:
        """Removes that after the environment. Returns why it is kept, if it is."""

    def is_up(self) -> bool: ...
    def require(self) -> None:
        """UserError if it is not up."""

    def trouble(self) -> str:
        """Why the environment cannot be reached; empty if nothing is known against it."""

    def life(self) -> str:
        """Tells one life of the cloud from the next; empty where there is only one, or none yet."""

    def holds(self) -> bool:
        """Whether what was deployed is still there: it goes with the life of a sandbox."""

    def neighbours(self) -> list[str]:
        """Names of the environments that are known to live on the same sandbox."""

    def client(self, region: str | None = None) -> Client:
        """Makes boto3 clients."""

    def region(self, chosen: str, plain: Mapping[str, str]) -> str:
        """Which region to look in, by its configuration; empty where there is only one."""

    def lease_store(self, region: str) -> Store | None:
        """Where the environment's lease lies; None in an account that bootstrap did not prepare."""

    def kubernetes(
        self, namespace: str, outputs: Mapping[str, Any], cluster: str = "", region: str = ""
    ) -> Kubernetes:
        """The Kubernetes of a stack with these outputs; without a kubeconfig in them, by the cluster's name."""

    def own_addresses(self) -> tuple[str, ...]:
        """Where a dedicated environment's UI always answers, the nearest first."""

    def addresses(self, service: Mapping[str, Any]) -> tuple[str, ...]:
        """Where a Service is reached from outside of the cluster; none if only a forwarded port leads there."""

    def status(self) -> dict[str, Any] | None:
        """The sandbox as data; None where there is none."""

    def process_logs(self) -> Path | None:
        """The folder with a log for each process of the sandbox; None where there is none."""


def reached(cloud: Cloud, chosen: str, plain: Mapping[str, str]) -> tuple[Client, str]:
    """Clients for the region of an environment with that configuration, and the region itself: empty where
    there is only one. UserError if nothing says which it is."""
    region = cloud.region(chosen, plain)
    return cloud.client(region or None), region
