"""EKS Auth: AssumeRoleForPodIdentity, which MiniStack does not have.

A pod's token, checked by the API server, is exchanged for credentials of the role that the
cluster associates with the pod's service account, if the role trusts pods.eks.amazonaws.com.
"""

import asyncio
import re
import time
import uuid
from typing import Any

from sandbox.aws.standin import emulator
from sandbox.aws.standin.call import Call, Handler, json_answer
from sandbox.aws.standin.emulator import Answer
from sandbox.aws.standin.internals import records
from sandbox.aws.standin.kubernetes import AUDIENCE, BadToken, Subject, Unreachable, subject_of
from sandbox.aws.standin.settings import EmulatorSettings

SERVICE_PRINCIPAL = AUDIENCE
SECONDS = 6 * 3600
"""How long Pod Identity's credentials live on AWS."""

PATH = r"/clusters/([A-Za-z0-9_-]+)/assume-role-for-pod-identity"


def handler(settings: EmulatorSettings) -> Handler:
    async def answer(call: Call) -> Answer:
        found = re.fullmatch(PATH, call.path)
        if not found or call.method != "POST":
            return emulator.error("InvalidRequestException", f"No route for {call.path}")
        if found[1] not in records("eks").clusters:
            return emulator.error(
                "ResourceNotFoundException", f"No cluster found for name: {found[1]}.", 404
            )
        token = str(call.json().get("token", ""))
        try:
            subject = await asyncio.to_thread(subject_of, token, settings.cluster_kubeconfig)
        except BadToken as error:
            return emulator.error("InvalidTokenException", str(error))
        except Unreachable as error:
            return emulator.error("ServiceUnavailableException", str(error), 503)
        return assume(found[1], subject)

    return answer


def assume(cluster: str, subject: Subject) -> Answer:
    """Credentials for a pod whose token was checked."""
    association = _association(cluster, subject)
    if association is None:
        return emulator.error(
            "ResourceNotFoundException",
            f"No Pod Identity association found for service account {subject.service_account} "
            f"in namespace {subject.namespace} of cluster {cluster}.",
            404,
        )
    role_arn = association["roleArn"]
    role = records("iam").roles.get(role_arn.rpartition("/")[2])
    tags = {} if association["disableSessionTags"] else _session_tags(cluster, subject)
    if role is None or role["Arn"] != role_arn or not trusts(role, cluster, tags):
        return emulator.error(
            "AccessDeniedException",
            f"Unauthorized Exception! EKS does not have permissions to assume the associated "
            f"role {role_arn}.",
            403,
        )
    name = f"eks-{cluster}-{subject.pod_name}"[:27] + f"-{uuid.uuid4()}"
    session = emulator.new_session(role, name, tags, SECONDS)
    return json_answer(
        {
            "subject": {
                "namespace": subject.namespace,
                "serviceAccount": subject.service_account,
            },
            "audience": AUDIENCE,
            "podIdentityAssociation": {
                "associationArn": association["associationArn"],
                "associationId": association["associationId"],
            },
            "assumedRoleUser": {"arn": session["arn"], "assumeRoleId": session["id"]},
            "credentials": {
                "accessKeyId": session["access_key_id"],
                "secretAccessKey": session["secret_access_key"],
                "sessionToken": session["session_token"],
                "expiration": int(time.time()) + SECONDS,
            },
        }
    )


def trusts(role: dict[str, Any], cluster: str, tags: dict[str, str]) -> bool:
    """Whether the role's trust policy lets EKS Pod Identity assume it, and tag the session."""
    policy = emulator.policy_document(role["AssumeRolePolicyDocument"])
    statements = policy.get("Statement", [])
    if isinstance(statements, dict):
        statements = [statements]
    # MiniStack's evaluator knows no service principals: leave the statements that name ours
    # (or everybody), and let it judge their effect, action and conditions.
    ours = [{**s, "Principal": "*"} for s in statements if _names_us(s.get("Principal"))]
    keys: dict[str, Any] = {
        "aws:sourceaccount": emulator.account(),
        "aws:sourcearn": _cluster_arn(cluster),
        **{f"aws:requesttag/{key}".lower(): value for key, value in tags.items()},
        "aws:tagkeys": list(tags),
    }
    actions = ["sts:AssumeRole", "sts:TagSession"] if tags else ["sts:AssumeRole"]
    return all(
        emulator.trust_allows({"Statement": ours}, SERVICE_PRINCIPAL, action, role["Arn"], keys)
        for action in actions
    )


def _names_us(principal: object) -> bool:
    if not isinstance(principal, dict):
        return principal == "*"
    services = principal.get("Service", [])
    return SERVICE_PRINCIPAL in ([services] if isinstance(services, str) else services)


def _association(cluster: str, subject: Subject) -> dict[str, Any] | None:
    for item in records("eks").pod_identity_associations.values():
        if (item["clusterName"], item["namespace"], item["serviceAccount"]) == (
            cluster,
            subject.namespace,
            subject.service_account,
        ):
            found: dict[str, Any] = item
            return found
    return None


def _cluster_arn(cluster: str) -> str:
    return f"arn:aws:eks:{emulator.region()}:{emulator.account()}:cluster/{cluster}"


def _session_tags(cluster: str, subject: Subject) -> dict[str, str]:
    """The tags that EKS gives each session."""
    return {
        "eks-cluster-arn": _cluster_arn(cluster),
        "eks-cluster-name": cluster,
        "kubernetes-namespace": subject.namespace,
        "kubernetes-service-account": subject.service_account,
        "kubernetes-pod-name": subject.pod_name,
        "kubernetes-pod-uid": subject.pod_uid,
    }
