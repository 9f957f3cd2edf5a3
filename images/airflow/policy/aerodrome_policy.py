"""What the pods get that tasks start (KubernetesPodOperator), where they do not say it themselves; who may see a DAG; and in
which forms a secret is masked.

Airflow finds it by the entry point beside it, so that a team's own `airflow_local_settings.py` works as well;
its hook comes after this one and has the last word. Executor's pods have all of this from their template.
Imported by every process of Airflow's: so it imports next to nothing.
"""

import os
from typing import Any

from airflow.configuration import conf
from airflow.policies import hookimpl

# Not by the environment, which an interpreter of @task.virtualenv inherits: an Airflow in there has no such module, and
# would not start. This file is loaded before Airflow reads the setting.
if not conf.get("logging", "secret_mask_adapter", fallback=""):
    conf.set("logging", "secret_mask_adapter", "aerodrome_masking.forms")

SIDECAR = "airflow-xcom-sidecar"
"""The container beside a pod's own out of which the operator reads what the pod returns."""

UPSTREAMS = "alpine:"
"""How the sidecar's image begins unless somebody has chosen one: it comes from another registry."""


@hookimpl
def dag_policy(dag: Any) -> None:
    """Gives a DAG the access control of its owner, where access.yaml declares owners; its file's error if it claims more."""
    import aerodrome_owners

    if not (text := os.environ.get(aerodrome_owners.VARIABLE)):
        return
    owners = aerodrome_owners.declared(text)
    named = {str(task.owner) for task in dag.tasks}
    file = str(dag.relative_fileloc or dag.fileloc)
    try:
        dag.access_control = aerodrome_owners.access_of(
            owners, file, dag.dag_id, named, dag.access_control
        )
    except aerodrome_owners.Claimed as error:
        from airflow.exceptions import AirflowClusterPolicyViolation

        raise AirflowClusterPolicyViolation(str(error)) from None


@hookimpl
def pod_mutation_hook(pod: Any) -> None:
    """Fills in; changes nothing that the DAG has set. Pods of other namespaces are none of ours."""
    if pod.metadata.namespace not in (None, os.environ.get("AERODROME_NAMESPACE")):
        return
    image = os.environ.get("AERODROME_IMAGE")
    for container in pod.spec.containers:
        if image and container.name == SIDECAR and container.image.startswith(UPSTREAMS):
            container.image = image
    if os.environ.get("AERODROME_RESTRICTED_PODS") == "true":
        _confine(pod)


def _confine(pod: Any) -> None:
    """As Pod Security's level `restricted` demands. An image that runs as root is not made to work by it."""
    from kubernetes.client import models

    for container in [*(pod.spec.init_containers or []), *pod.spec.containers]:
        own = container.security_context = container.security_context or models.V1SecurityContext()
        if own.allow_privilege_escalation is None:
            own.allow_privilege_escalation = False
        if own.capabilities is None:
            own.capabilities = models.V1Capabilities(drop=["ALL"])
    whole = pod.spec.security_context = pod.spec.security_context or models.V1PodSecurityContext()
    if whole.run_as_non_root is None:
        whole.run_as_non_root = True
    if whole.seccomp_profile is None:
        whole.seccomp_profile = models.V1SeccompProfile(type="RuntimeDefault")
