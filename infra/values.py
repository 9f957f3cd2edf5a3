"""The user's values of the chart: files beside the program, checked and merged over what the program computes.

`values/common.yaml` is for every environment, `values/NAME.yaml` for the one of that name, and the setting
`valuesFiles` names more; later ones win. They are read before anything is registered, so that a fault changes
nothing, and all faults are told at once: `check` raises one `ValuesError`. How a file is read is in
`values_files.py`, Airflow's own options are in `airflow_options.py`.
"""

import copy
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Final

import yaml

from infra import airflow_options, declared
from infra.content import PROJECT_ROOT
from infra.declared import StackSecrets
from infra.values_files import KeyPath, Problem, ValuesFile, read
from infra.values_schema import faults, missing

CHART = PROJECT_ROOT / "charts" / "airflow"

FOLDER: Final = "values"

COMMON: Final = f"{FOLDER}/common.yaml"

_BUILT = "the program builds and pushes the image: change images/airflow"
_STORED = "the program makes the bucket, and its roles go by this folder"

OWNED: Final[Mapping[str, str]] = {
    "global": "no template uses it",
    "environment": "it is the setting environment, which the command line sets",
    "image.repository": _BUILT,
    "image.digest": _BUILT,
    "image.tag": _BUILT,
    "secrets": "the program makes the Secrets: set their content with ./aerodrome config set KEY --secret",
    "secretsChecksums": "it follows from the secrets: ./aerodrome config set KEY --secret",
    "executor": "./aerodrome config set executor NAME",
    "serviceAccount.name": "the role in AWS is for this account",
    "logs.bucket": _STORED,
    "logs.prefix": _STORED,
    "logs.region": _STORED,
    "ui.serviceType": "./aerodrome config set uiServiceType TYPE",
    "ui.nodePort": "./aerodrome config set uiNodePort PORT",
    "ui.port": "the command line and other environments know this port",
    "ui.host": "./aerodrome config set uiHost HOST",
    "ui.ingress.className": "./aerodrome config set uiIngressClass NAME",
    "ui.ingress.certificateArn": "./aerodrome config set uiCertificateArn ARN",
    "ui.ingress.issuer": "./aerodrome config set uiCertificateIssuer NAME",
    "ui.ingress.secret": "./aerodrome config set uiCertificateSecret NAME",
    "ui.ingress.namespace": "./aerodrome config set uiIngressNamespace NAME",
    "ui.ingress.loadBalancerGroup": "./aerodrome config set uiBranchHosts true, or false",
    "postgres.enabled": "./aerodrome config set database in-cluster, or rds",
    "postgres.image": "the program builds and pushes the image: change images/postgres",
    "postgres.storage.size": "./aerodrome config set databaseStorageGb GB",
    "postgres.storage.storageClass": "the program makes the cluster's class",
    "postgres.storage.whenDeleted": "./aerodrome config set protect true, or false",
    "postgres.admittedNamespaces": "branches are let in by the program",
    "pgbouncer.enabled": "./aerodrome config set pgbouncer true, or false",
    "pgbouncer.image": "the program builds and pushes the image: change images/pgbouncer",
    "pgbouncer.server": "the program knows the server: ./aerodrome config set database in-cluster, or rds",
    "databaseMonitor": "./aerodrome config set monitoring metrics, all, or none",
    "proxy.http": "./aerodrome config set httpProxy ADDRESS",
    "proxy.https": "./aerodrome config set httpsProxy ADDRESS",
    "proxy.exceptions": "./aerodrome config set noProxy LIST",
    "metrics": "./aerodrome config set monitoring metrics, all, or none: the base's, for a shared environment",
    "taskLogs": "./aerodrome config set taskLogs s3, or elasticsearch",
    "oidc.issuer": "./aerodrome config set oidcIssuer ADDRESS",
    "oidc.clientId": "./aerodrome config set oidcClientId NAME",
    "oidc.scopes": "./aerodrome config set oidcScopes SCOPES",
    "oidc.groupsClaim": "./aerodrome config set oidcGroupsClaim NAME",
    "oidc.userClaim": "./aerodrome config set oidcUserClaim NAME",
    "celery.createResultsDatabase": "a branch's database is made in its base's server",
    "redis.image": "the program builds and pushes the image: change images/redis",
    "redis.storage.storageClass": "the program makes the cluster's class",
    "workers.ownNodes": "./aerodrome config set taskNodes true, or false: the base's, for a shared environment",
    "backup.enabled": "./aerodrome config set backupDays DAYS, or 0",
    "backup.bucket": _STORED,
    "backup.prefix": _STORED,
    "backup.serviceAccount": "the role in AWS is for this account",
    "databaseClean.enabled": "./aerodrome config set databaseKeepDays DAYS, or 0",
    "databaseClean.keepDays": "./aerodrome config set databaseKeepDays DAYS",
    "databaseClean.bucket": _STORED,
    "databaseClean.prefix": _STORED,
    "databaseClean.serviceAccount": "the role in AWS is for this account",
    "access": "write access.yaml beside the program (docs/access.md)",
    "xcom.prefix": _STORED,
    "secretsBackend.service": "./aerodrome config set secretsBackend secretsmanager, parameterstore, or none",
    "secretsBackend.folder": "Airflow's role in AWS goes by this folder",
    "secretsBackend.region": "Airflow's role in AWS is for this region",
    "dags.source": "./aerodrome config set dags SOURCE",
    "dags.s3.bucket": _STORED,
    "dags.s3.prefix": _STORED,
    "dags.git.repository": "./aerodrome config set gitRepository URL",
    "dags.git.ref": "./aerodrome config set gitRef REF",
    "dags.git.folder": "./aerodrome config set gitFolder FOLDER",
    "dags.git.knownHosts": "./aerodrome config set gitKnownHosts KEYS",
    "networkPolicies.enabled": "environments in one cluster are kept apart by them",
}
"""What the program alone decides, each with what to do instead."""


class ValuesError(Exception):
    """The values files are not usable; `problems` has one entry for each fault."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


@dataclass(frozen=True)
class UserValues:
    """What the files say together, and what is to be told of it."""

    values: dict[str, Any] = field(default_factory=dict)
    warnings: Sequence[str] = ()


@cache
def _schema() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
    return loaded


@cache
def chart_defaults() -> dict[str, Any]:
    """The chart's own values.yaml."""
    loaded: dict[str, Any] = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
    return loaded


def check(
    environment: str,
    more: Sequence[str] = (),
    root: Path = PROJECT_ROOT,
    secrets: StackSecrets = StackSecrets(),
) -> UserValues:
    """The values of an environment, whose configuration has these secrets for declarations. ValuesError with
    everything that is wrong with them."""
    files = list(_files(environment, more, root))
    problems = [problem for file in files for problem in file.problems]
    warnings: list[str] = []
    together: dict[str, Any] = {}
    for file in files:
        _normalize(file.values)
        owned = list(_owned(file))
        refused = [path for path, _ in owned]
        problems += [file.problem(path, reason) for path, reason in owned]
        problems += [
            file.problem(path, reason)
            for path, reason in faults(_schema(), file.values)
            if not any(path[: len(one)] == one for one in refused)
        ]
        for remark in _options(file):
            told = file.problem(remark.path, remark.text)
            if remark.warning:
                warnings.append(str(told))
            else:
                problems.append(told)
        together = merge(together, file.values)
    problems += _together(files, together)
    for finding in declared.check(together, secrets):
        told = _blamed(files, finding.path).problem(finding.path, finding.text)
        if finding.warning:
            warnings.append(str(told))
        else:
            problems.append(told)
    if problems:
        raise ValuesError(sorted(dict.fromkeys(problems), key=_order(files)))
    return UserValues(together, warnings)


def _files(environment: str, more: Sequence[str], root: Path) -> Iterator[ValuesFile]:
    for name in (COMMON, f"{FOLDER}/{environment}.yaml"):
        if os.path.lexists(root / name):
            yield read(root / name, name)
        other = f"{name.removesuffix('.yaml')}.yml"
        if os.path.lexists(root / other):
            reason = f"is not read under this name; call it {Path(name).name}"
            yield ValuesFile(other, problems=[Problem(other, 0, 0, "", reason)])
    for name in more:
        yield read(root / name, name)


def _order(files: Sequence[ValuesFile]) -> Any:
    names = [file.name for file in files]
    return lambda problem: (names.index(problem.file), problem)


def _normalize(values: dict[str, Any]) -> None:
    """Airflow's options as text, however they were written: 32, true, "32"."""
    config = values.get("config")
    for options in config.values() if isinstance(config, dict) else ():
        if isinstance(options, dict):
            for name, value in options.items():
                options[name] = airflow_options.as_text(value)


def _owned(file: ValuesFile) -> Iterator[tuple[KeyPath, str]]:
    for key, instead in OWNED.items():
        path = tuple(key.split("."))
        if file.sets(path):
            yield path, f"is the program's alone: {instead}"


def _options(file: ValuesFile) -> Iterator[airflow_options.Remark]:
    config = file.values.get("config")
    if isinstance(config, dict):
        yield from airflow_options.check(config)


def _together(files: Sequence[ValuesFile], values: dict[str, Any]) -> list[Problem]:
    """What only shows in all values at once, such as a required key that is missing."""
    set_values = merge({}, values, keep_null=False)
    effective = merge(chart_defaults(), set_values)
    found = []
    for path, reason in missing(_schema(), effective):
        # What the program fills in is not the files' fault.
        if any(file.sets(path[:1]) for file in files):
            found.append(_blamed(files, path).problem(path, reason))
    return found


def _blamed(files: Sequence[ValuesFile], path: KeyPath) -> ValuesFile:
    """The last of those that set most of the path."""
    return max(
        reversed(files), key=lambda file: sum(file.sets(path[:n]) for n in range(1, len(path) + 1))
    )


def merge(
    base: Mapping[str, Any], over: Mapping[str, Any], *, keep_null: bool = True
) -> dict[str, Any]:
    """Values over others, as Helm merges them: maps by key, everything else replaced, null removes."""
    merged = dict(base)
    for key, value in over.items():
        old = merged.get(key)
        if value is None and not keep_null:
            merged.pop(key, None)
        elif isinstance(value, Mapping):
            below = old if isinstance(old, Mapping) else {}
            merged[key] = merge(below, value, keep_null=keep_null)
        else:
            merged[key] = copy.deepcopy(value)
    return merged


def over(computed: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """What the chart gets: the user's values over the program's.

    A null leaves the chart's default. Helm would take that away, too, and no template can do without.
    """
    return merge(computed, values, keep_null=False)
