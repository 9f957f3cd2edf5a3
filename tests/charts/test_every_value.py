"""Every value of the schema changes what is rendered: one that renders nothing is a promise that is not kept."""

import json
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest
import yaml

from tests.charts.rendering import CHART, Rendered, merge, render
from tests.charts.test_oidc import OIDC
from tests.charts.test_task_logs import SEARCHED

Node = dict[str, Any]

SCHEMA: Node = json.loads((CHART / "values.schema.json").read_text())
DEFAULTS: Node = yaml.safe_load((CHART / "values.yaml").read_text())

CONTAINER = {"name": "extra", "image": "registry.example/extra:1"}
TERM = {"labelSelector": {"matchLabels": {"a": "b"}}, "topologyKey": "zone"}

FORMS: dict[str, Any] = {
    "quantities": {"cpu": "77m"},
    "selector": {"changed": "yes"},
    "labels": {"changed": "yes"},
    "annotations": {"changed": "yes"},
    "tolerations": [{"key": "changed", "operator": "Exists"}],
    "env": {"CHANGED": "yes"},
    "secretEnv": {"CHANGED": {"name": "changed", "key": "key"}},
    "volumes": [{"name": "changed", "emptyDir": {}}],
    "volumeMounts": [{"name": "tmp", "mountPath": "/changed"}],
    "containers": [CONTAINER],
    "spread": [{"maxSkew": 3, "topologyKey": "changed", "whenUnsatisfiable": "DoNotSchedule"}],
    "priorityClass": "changed",
    "size": "77Mi",
}
"""A value of each form that no default has."""

SPECIAL: dict[str, Any] = {
    "config": {"core": {"default_timezone": "Europe/Paris"}},
    "pools": {"changed": {"slots": 7}},
    "variables": {"changed": "yes"},
    "connections": {"changed": {"type": "http"}},
    "prune": ["pools"],
    "access": '{"roles": {}, "users": {}, "prune": []}',
    "image.repository": "registry.example/changed",
    "image.digest": f"sha256:{'2' * 64}",
    "image.tag": "changed",
    "image.pullSecrets": ["changed"],
    "postgres.image.repository": "registry.example/changed",
    "postgres.image.digest": f"sha256:{'2' * 64}",
    "postgres.image.tag": "changed",
    "postgres.storage.size": "77Gi",
    "ui.baseUrl": "https://changed.example",
    "ui.nodePort": 31234,
    "ui.loadBalancerSourceRanges": ["10.0.0.0/8"],
    "ui.loginFailures": "3 per minute",
    "oidc.issuer": "https://changed.example",
    "oidc.clientId": "changed",
    "oidc.scopes": "openid changed",
    "ui.contentSources": ["https://changed.example"],
    "ui.host": "changed.example",
    "ui.ingress.className": "changed",
    "ui.ingress.certificateArn": "arn:aws:acm:eu-west-3:123456789012:certificate/changed",
    "ui.ingress.loadBalancerGroup": "changed",
    "ui.ingress.issuer": "changed",
    "ui.ingress.secret": "changed",
    "ui.ingress.namespace": "changed",
    "ui.ingress.networks": ["10.7.0.0/16"],
    "proxy.http": "http://changed.example:3128",
    "proxy.https": "http://changed.example:3128",
    "proxy.exceptions": ["changed.example"],
    "logs.region": "eu-west-3",
    "taskLogs.elasticsearch.url": "https://changed.example",
    "taskLogs.elasticsearch.indices": "changed.*",
    "executor": "LocalExecutor",
    "dags.source": "s3",
    "dags.s3.bucket": "changed",
    "secretsBackend.service": "parameterstore",
    "secretsBackend.region": "eu-west-3",
    "xcom.compression": "bz2",
    "xcom.sweepSchedule": "7 3 * * *",
    "backup.schedule": "7 3 * * *",
    "databaseClean.schedule": "7 3 * * *",
    "scheduler.taskMemory.requests": "77Mi",
    "scheduler.taskMemory.limits": "777Mi",
    "celery.workers.most": 7,
    "celery.autoscale": "9,1",
    "celery.pool": "solo",
    "celery.queues": ["changed"],
    "redis.image.repository": "registry.example/changed",
    "redis.image.digest": f"sha256:{'2' * 64}",
    "redis.image.tag": "changed",
    "redis.storage.size": "77Gi",
    "pgbouncer.enabled": True,
    "pgbouncer.image.repository": "registry.example/changed",
    "pgbouncer.image.digest": f"sha256:{'2' * 64}",
    "pgbouncer.image.tag": "changed",
    "workers.ownNodes": "changed/tasks",
    "affinity": {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": []}},
}
"""Values whose rule this test cannot satisfy by itself."""

TAGGED: Node = {"image": {"digest": "", "tag": "v1"}}

CELERY: Node = {"executor": "CeleryExecutor"}
POOLED: Node = {
    "secrets": {"pgbouncer": "my-pgbouncer"},
    "pgbouncer": {"enabled": True, "image": {"repository": "pgbouncer", "digest": "", "tag": "v1"}},
}
SECOND_PASSWORD: Node = {**CELERY, "secrets": {"celeryLogins": "my-celery-logins"}}
SCALED: Node = {**CELERY, "celery": {"workers": {"most": 5}}}

FROM_S3: Node = {"logs": {"bucket": "my-logs"}, "dags": {"source": "s3"}}
FROM_GIT: Node = {
    "secrets": {"git": "my-git"},
    "dags": {"source": "git", "git": {"repository": "https://git.example/dags"}},
}

DECLARED: Node = {
    "secrets": {"declared": "my-declared"},
    "variables": {"token": {"config": "token"}},
}

ACCESS: Node = {
    "secrets": {"access": "my-access"},
    "access": '{"roles": {}, "users": {}, "prune": []}',
}

MONITORED: Node = {
    "secrets": {"monitor": "my-monitor"},
    "databaseMonitor": {"role": "my_monitor", "namespace": "my-monitoring"},
    "networkPolicies": {"enabled": True},
}

HOST: Node = {"networkPolicies": {"enabled": True}, "ui": {"host": "airflow.example"}}
BY_ISSUER: Node = merge(HOST, {"ui": {"ingress": {"issuer": "some"}}})
ARN = "arn:aws:acm:eu-west-1:123456789012:certificate/0a1b"
BY_ARN: Node = merge(HOST, {"ui": {"ingress": {"certificateArn": ARN}}})

AROUND: dict[str, Node] = {
    "ui.host": {"ui": {"ingress": {"issuer": "some"}}},
    "ui.ingress": BY_ISSUER,
    "ui.ingress.certificateArn": BY_ARN,
    "ui.ingress.loadBalancerGroup": BY_ARN,
    "ui.ingress.secret": merge(HOST, {"ui": {"ingress": {"secret": "some"}}}),
    # Without what is on here, these have nothing to change; a group stands for all of its values.
    "image.tag": TAGGED,
    "postgres.image.tag": {"postgres": TAGGED},
    "ui.nodePort": {"ui": {"serviceType": "NodePort"}},
    "ui.loadBalancerSourceRanges": {"ui": {"serviceType": "LoadBalancer"}},
    "logs.prefix": {"logs": {"bucket": "my-logs"}},
    "dags.source": {"logs": {"bucket": "my-logs"}},
    "dags.s3": FROM_S3,
    "dags.git": FROM_GIT,
    "secrets.git": FROM_GIT,
    "secretsChecksums.git": FROM_GIT,
    "postgres.admittedNamespaces": {"networkPolicies": {"enabled": True}},
    "apiServer.autoscaling.minReplicas": {"apiServer": {"autoscaling": {"enabled": True}}},
    "apiServer.autoscaling.maxReplicas": {"apiServer": {"autoscaling": {"enabled": True}}},
    "apiServer.autoscaling.targetCPUUtilizationPercentage": {
        "apiServer": {"autoscaling": {"enabled": True}}
    },
    "redis.image.tag": {**CELERY, "redis": TAGGED},
    "celery.workers.scaleInDelaySeconds": SCALED,
    "scheduler.taskMemory": {"executor": "LocalExecutor"},
    "backup.enabled": {"backup": {"bucket": "my-logs"}},
    "backup": {"backup": {"enabled": True, "bucket": "my-bucket"}},
    "databaseClean.enabled": {"databaseClean": {"bucket": "my-logs"}},
    "databaseClean": {"databaseClean": {"enabled": True, "bucket": "my-bucket"}},
    "proxy.exceptions": {"proxy": {"https": "http://proxy.example:3128"}},
    "metrics": {"metrics": {"enabled": True, "host": "telegraf"}},
    "metrics.enabled": {"metrics": {"host": "telegraf"}},
    "taskLogs": SEARCHED,
    "taskLogs.source": merge(SEARCHED, {"taskLogs": {"source": "s3"}}),
    "secrets.taskLogs": SEARCHED,
    "secretsChecksums.taskLogs": SEARCHED,
    "oidc": OIDC,
    "secrets.oidc": OIDC,
    "secretsChecksums.oidc": OIDC,
    "xcom": {"logs": {"bucket": "my-logs"}},
    "secretsBackend": {"secretsBackend": {"service": "secretsmanager"}},
    "celery": CELERY,
    "redis": CELERY,
    "flower": CELERY,
    "pgbouncer": POOLED,
    "pgbouncer.enabled": merge(POOLED, {"pgbouncer": {"enabled": False}}),
    "secrets.pgbouncer": POOLED,
    "secretsChecksums.pgbouncer": POOLED,
    "secretsChecksums.pgbouncerUsers": POOLED,
    "secrets.celery": CELERY,
    "secretsChecksums.celery": CELERY,
    "secrets.celeryLogins": CELERY,
    "secretsChecksums.celeryLogins": SECOND_PASSWORD,
    "secretsChecksums.redisServer": SECOND_PASSWORD,
    "secrets.declared": DECLARED,
    "secretsChecksums.declared": DECLARED,
    "secrets.access": ACCESS,
    "secretsChecksums.access": ACCESS,
    "databaseMonitor": MONITORED,
    "secretsChecksums.logins": {"secrets": {"logins": "my-logins"}},
    "secretsChecksums.databaseServer": {"secrets": {"logins": "my-logins"}},
    "secrets.monitor": MONITORED,
    "secretsChecksums.monitor": MONITORED,
    "disruptionBudgets.enabled": {"scheduler": {"replicas": 2}},
}

NOT_RENDERED = {
    # Helm's own: a chart may be a part of another.
    "global",
}


def resolved(node: Node) -> tuple[Node, str]:
    """The node with what it refers to, and the name of that form."""
    form = ""
    for one in (node, *node.get("allOf", [])):
        if "$ref" in one:
            form = one["$ref"].rsplit("/", 1)[1]
            node = SCHEMA["definitions"][form] | node
    return node, form


def leaves(node: Node, path: str = "") -> Iterator[tuple[str, Node, str]]:
    """Every value that is not a group of others: its path, its rule, its form."""
    for key, child in node.get("properties", {}).items():
        rule, form = resolved(child)
        here = f"{path}{key}"
        if form != "affinity" and rule.get("properties"):
            yield from leaves(rule, f"{here}.")
        else:
            yield here, rule, form


LEAVES = {path: (rule, form) for path, rule, form in leaves(SCHEMA)}


def default(path: str) -> Any:
    value: Any = DEFAULTS
    for key in path.split("."):
        value = value.get(key) if isinstance(value, dict) else None
    return value


def another(path: str) -> Any:
    """A value that the schema allows, and that is not the default."""
    rule, form = LEAVES[path]
    if path in SPECIAL:
        return SPECIAL[path]
    if form in SPECIAL or form in FORMS:
        return deepcopy(SPECIAL.get(form, FORMS.get(form)))
    known = default(path)
    kinds = rule["type"] if isinstance(rule["type"], list) else [rule["type"]]
    if choices := rule.get("enum"):
        return next(one for one in choices if one not in ("", known))
    if "boolean" in kinds:
        return not known
    if "string" in kinds and path.endswith((".cpu", ".memory", ".ephemeral-storage")):
        return "77Mi"
    if "integer" in kinds or "number" in kinds:
        low = rule.get("minimum", 1)
        return low + 1 if known in (low, None) else low
    if "string" in kinds:
        return "changed"
    if "object" in kinds:
        return {"changed": "yes"}
    raise AssertionError(f"no value known for {path}: add one to SPECIAL or FORMS")


def nested(path: str, value: Any) -> Node:
    for key in reversed(path.split(".")):
        value = {key: value}
    return value  # type: ignore[no-any-return]


def shown(rendered: Rendered) -> str:
    assert rendered.error == ""
    return json.dumps(rendered.objects, sort_keys=True)


def test_the_walk_sees_the_values() -> None:
    assert len(LEAVES) > 200
    assert {"scheduler.probes.startup.periodSeconds", "workers.env"} <= set(LEAVES)


@pytest.mark.parametrize("path", [path for path in LEAVES if path not in NOT_RENDERED])
def test_it_changes_what_is_rendered(path: str) -> None:
    groups = [path.rsplit(".", parts)[0] for parts in range(path.count(".") + 1)]
    around = next((AROUND[group] for group in groups if group in AROUND), {})
    before = shown(render(around))
    after = shown(render(merge(around, nested(path, another(path)))))
    assert after != before
