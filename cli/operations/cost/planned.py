"""The things that an environment's settings will make, on either tenancy: the cost before the first `up`.

The program itself is asked, as for its settings: `python -m infra.registrations` runs it with no cloud. The
answer is kept for as long as the program's files and the settings are the same.
"""

import hashlib
import json
import re
import subprocess
import sys
from collections.abc import Mapping
from functools import cache, reduce
from pathlib import Path
from typing import Any

import yaml

from cli.base.errors import KitError
from cli.base.paths import ROOT, cache_dir
from cli.base.record import write_atomically
from cli.cloud.catalogue import BY_COMPONENT
from cli.operations.bootstrap.requested_settings import RequestedSettings
from cli.operations.cost.prices import Prices
from cli.operations.cost.things import Line, Thing
from infra.contract import executors
from infra.contract.pooling import PGBOUNCER
from infra.contract.settings import NAMESPACE

ALWAYS_ON = {
    "api-server": ("apiServer",),
    "scheduler": ("scheduler",),
    "dag-processor": ("dagProcessor",),
    "triggerer": ("triggerer",),
    "redis": ("redis",),
    "celery-worker": ("celery", "workers"),
    "flower": ("flower",),
    PGBOUNCER: ("pgbouncer",),
}
"""The pods of a shared environment: where the chart's values have each. Its database is its base's."""

OF_BASES = ("budgetUsd", "monitoring", "uiBranchHosts")
"""Settings that a shared environment refuses, for they are its base's."""

MEMORY = {"c": 2, "m": 4, "r": 8, "t": 4}
"""GiB for each vCPU, by the first letter of an instance family; a `large` has two."""


def dedicated(wanted: RequestedSettings, environment: str) -> list[Thing]:
    """The resources of a dedicated environment."""
    return registered(wanted, environment)[0]


def shared(wanted: RequestedSettings, environment: str) -> list[Thing]:
    """The resources of a shared environment beside those of its base. Its logs and images are in the base's bucket and
    repository, where they are billed by use."""
    return registered(wanted, environment)[1]


def registered(wanted: RequestedSettings, environment: str) -> list[list[Thing]]:
    """What the environment registers on a cluster of its own, and what on that of another like it."""
    own = {
        key.removeprefix(f"{NAMESPACE}:"): value
        for key, value in {**wanted.configured, **wanted.given}.items()
        if key.startswith(f"{NAMESPACE}:")
    }
    alone = {**own, "environment": environment, "tenancy": "dedicated", "base": ""}
    base = "base" if environment != "base" else "another"
    on_it = {key: value for key, value in alone.items() if key not in OF_BASES}
    stacks = {base: alone, environment: {**on_it, "tenancy": "shared", "base": base}}
    asked = [
        {"stack": f"organization/aerodrome/{name}", "config": config}
        for name, config in stacks.items()
    ]
    return [
        # What a component of pulumi-eks makes is registered outside of the program, with the same inputs.
        [
            Thing(BY_COMPONENT.get(item["type"], item["type"]), item["name"], item["inputs"])
            for item in registered
        ]
        for registered in json.loads(_answer(json.dumps(asked)))
    ]


def _answer(asked: str) -> str:
    content = b"".join(file.read_bytes() for file in _program_files())
    name = hashlib.sha256(content + asked.encode()).hexdigest()[:16]
    cached = cache_dir() / "registrations" / f"{name}.json"
    if cached.exists():
        return cached.read_text()
    done = subprocess.run(
        [sys.executable, "-m", "infra.registrations"],
        cwd=ROOT,
        input=asked,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise KitError("The program's resources cannot be listed", done.stderr.strip()[-2000:])
    write_atomically(cached, done.stdout, 0o644)
    return done.stdout


def _program_files() -> list[Path]:
    return [*sorted((ROOT / "infra").rglob("*.py")), ROOT / "charts" / "airflow" / "executors.json"]


def pods(wanted: RequestedSettings, prices: Prices) -> Line:
    """The share of the base's workers that a shared environment takes while no task runs."""
    kind = str(wanted.value("nodeInstanceTypes")[0])
    processors, memory = requests(
        str(wanted.value("executor")), pgbouncer=bool(wanted.value("pgbouncer"))
    )
    price, size = prices.rate(kind), size_of(kind)
    share = None if price is None or size is None else max(processors / size[0], memory / size[1])
    return Line(
        "pods",
        "Airflow's",
        None if price is None or share is None else price * share,
        f"{processors:g} vCPU and {memory:g} GiB of one {kind}",
    )


@cache
def requests(executor: str, *, pgbouncer: bool = False) -> tuple[float, float]:
    """vCPUs and GiB that the chart asks for with this executor, with PgBouncer or without."""
    values = _values()
    asked = _pods(executor, values, pgbouncer=pgbouncer)
    wanted = executors.executor(executor)
    if wanted.in_scheduler:
        # As `airflow.schedulerResources` of the chart has it.
        each = {"cpu": 0, "memory": values["scheduler"]["taskMemory"]["requests"]}
        asked.append((wanted.parallelism, each))
    return (
        round(sum(count * quantity(each["cpu"]) for count, each in asked), 3),
        round(sum(count * quantity(each["memory"]) for count, each in asked), 3),
    )


@cache
def pod_count(executor: str, *, pgbouncer: bool = False) -> int:
    """How many pods those are."""
    return sum(count for count, _ in _pods(executor, _values(), pgbouncer=pgbouncer))


def _values() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(
        (ROOT / "charts" / "airflow" / "values.yaml").read_text()
    )
    return found


def _pods(
    executor: str, values: Mapping[str, Any], *, pgbouncer: bool
) -> list[tuple[int, dict[str, Any]]]:
    """Of each component, how many, and what one asks for."""
    found = []
    components = executors.executor(executor).components
    for component in (*components, *([PGBOUNCER] if pgbouncer else [])):
        part = reduce(lambda found, key: found[key], ALWAYS_ON[component], values)
        count = int(part.get("replicas", part.get("fewest", 1)))
        found.append((count, part["resources"]["requests"]))
    return found


def _values_key(component: str) -> str:
    """The chart's values of a component: `dagProcessor` of `dag-processor`."""
    first, *others = component.split("-")
    return first + "".join(word.capitalize() for word in others)


def quantity(text: str) -> float:
    """Kubernetes' `100m` as 0.1, `512Mi` as 0.5 (GiB)."""
    found = re.fullmatch(r"([0-9.]+)(m|Mi|Gi|)", str(text))
    if found is None:
        raise ValueError(f"{text} is no quantity that the chart's values have")
    return float(found[1]) * {"m": 1 / 1000, "Mi": 1 / 1024, "Gi": 1.0, "": 1.0}[found[2]]


def task_requests() -> tuple[float, float]:
    """vCPUs and GiB that the pod of a task asks for, unless the task or the values say otherwise."""
    asked = _values()["workers"]["resources"]["requests"]
    return quantity(asked["cpu"]), quantity(asked["memory"])


def size_of(kind: str) -> tuple[float, float] | None:
    """vCPUs and GiB of an instance type, by its name; None if the name says neither."""
    per_vcpu = MEMORY.get(kind[:1])
    times = Prices.times_large(kind)
    return None if per_vcpu is None or times is None else (2 * times, 2 * times * per_vcpu)
