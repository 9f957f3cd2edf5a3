"""### KubernetesPodOperator: a task that is a pod of your own making

The task's pod starts another one, with an image, a command and resources of its own, follows its log, and takes
it away. Three ways: plain; with a result, which the pod writes to `/airflow/xcom/return.json`; and deferrable,
where the triggerer waits for the pod and the task's own pod goes in the meantime.

**When to use it.** For what does not fit into Airflow's image: another language, other libraries, a GPU. What runs in
Airflow's image anyway is a `@task`; it has a pod of its own already, which `executor_config` shapes.

**What to look at.** The task's log has the pod's lines in it. The security contexts say what a namespace with Pod
Security's level *restricted* demands, as every branch's does: no root, no privileges.
"""

import os
from datetime import datetime
from typing import Any

from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator
from airflow.sdk import dag, task
from kubernetes.client import models as k8s

CONFINED = k8s.V1SecurityContext(
    allow_privilege_escalation=False, capabilities=k8s.V1Capabilities(drop=["ALL"])
)

POD: dict[str, Any] = {
    # The environment's own image, so that the example needs no other; yours would stand here.
    "image": os.environ.get("AERODROME_IMAGE", "airflow"),
    "cmds": ["python", "-c"],
    "automount_service_account_token": False,
    "security_context": k8s.V1PodSecurityContext(
        run_as_non_root=True,
        run_as_user=50000,
        seccomp_profile=k8s.V1SeccompProfile(type="RuntimeDefault"),
    ),
    "container_security_context": CONFINED,
    "xcom_sidecar_container_security_context": CONFINED,
    "container_resources": k8s.V1ResourceRequirements(
        requests={"cpu": "50m", "memory": "64Mi"}, limits={"memory": "128Mi"}
    ),
}

RETURN = """
import json, pathlib
pathlib.Path("/airflow/xcom/return.json").write_text(json.dumps({"answer": 42}))
"""


@dag(
    schedule=None,
    start_date=datetime(2026, 1, 1),
    default_args={"owner": "examples", "retries": 0},
    tags=["example"],
    doc_md=__doc__,
)
def example_kubernetes_pod() -> None:
    """Plain, with a result, deferrable."""
    KubernetesPodOperator(task_id="plain", arguments=["print('hello from a pod')"], **POD)

    answer = KubernetesPodOperator(
        task_id="with_result", arguments=[RETURN], do_xcom_push=True, **POD
    )

    KubernetesPodOperator(
        task_id="deferred",
        arguments=["import time; time.sleep(10); print('waited for by the triggerer')"],
        deferrable=True,
        poll_interval=5,
        **POD,
    )

    @task
    def read(result: dict[str, int]) -> int:
        return result["answer"]

    read(answer.output)


example_kubernetes_pod()
