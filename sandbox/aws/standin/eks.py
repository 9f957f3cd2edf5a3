"""EKS in front of a real Kubernetes: corrections of MiniStack's requests and answers.

Before MiniStack's handler: defaults that AWS fills in, and refusals of what the sandbox cannot
do. Behind it: the API server's address and certificate, tags as they are now, the cluster's
network. Clusters share the one Kubernetes of the sandbox.
"""

import base64
import re
import secrets
from collections.abc import Callable
from typing import Any

from sandbox.aws import access_policies
from sandbox.aws.standin import addons, cluster_versions, eks_updates, eks_upgrades, emulator
from sandbox.aws.standin.call import Call, Handler, json_answer
from sandbox.aws.standin.emulator import Answer
from sandbox.aws.standin.internals import records
from sandbox.aws.standin.settings import EmulatorSettings
from sandbox.instance import KUBERNETES_VERSION

NAME = r"([A-Za-z0-9_-]+)"
RECORDS = {
    "cluster": "arn",
    "nodegroup": "nodegroupArn",
    "addon": "addonArn",
    "association": "associationArn",
    "accessEntry": "accessEntryArn",
}
"""Members of answers that hold a resource with tags, and what its ARN is called there."""

Check = Callable[[Call, re.Match[str]], Call | Answer]


def handler(inner: Handler, settings: EmulatorSettings) -> Handler:
    """EKS with a Kubernetes: `inner` is MiniStack's handler."""

    async def answer(call: Call) -> Answer:
        for method, pattern, check in BEFORE:
            found = re.fullmatch(pattern, call.path)
            if found and call.method == method:
                checked = check(call, found)
                if isinstance(checked, tuple):
                    return checked
                call = checked
                break
        status, headers, body = await inner(call)
        if status >= 300:
            return status, headers, body
        return json_answer(await _complete(call, Call("", "", {}, body, {}).json(), settings))

    return answer


def _supported_versions(call: Call, _found: re.Match[str]) -> Answer:
    return addons.supported_versions(call)


def _cluster_versions(call: Call, _found: re.Match[str]) -> Answer:
    return cluster_versions.described(call)


def _new_cluster(call: Call, _found: re.Match[str]) -> Call | Answer:
    body = call.json()
    ec2 = records("ec2")
    subnets = body.get("resourcesVpcConfig", {}).get("subnetIds", [])
    unknown = [subnet for subnet in subnets if subnet not in ec2.subnets]
    if unknown or len(subnets) < 2:
        return emulator.error(
            "InvalidParameterException",
            f"Subnets of two zones are needed, unknown: {', '.join(unknown) or 'none'}",
        )
    vpc = ec2.subnets[subnets[0]]["VpcId"]
    body["resourcesVpcConfig"] = {**body["resourcesVpcConfig"], "vpcId": vpc}
    body.setdefault("version", KUBERNETES_VERSION)
    body.setdefault("kubernetesNetworkConfig", {})
    return call.with_json(body)


def _deleted_cluster(call: Call, found: re.Match[str]) -> Call | Answer:
    eks = records("eks")
    name = found[1]
    if any(group["clusterName"] == name for group in eks.nodegroups.values()):
        return emulator.error(
            "ResourceInUseException", f"Cluster has nodegroups attached: {name}", 409
        )
    if name in eks.clusters:
        # On AWS add-ons go with their cluster; MiniStack keeps them.
        for key, addon in list(eks.addons.items()):
            if addon["clusterName"] == name:
                del eks.addons[key]
                eks.tags.pop(addon["addonArn"], None)
        group = eks.clusters[name]["resourcesVpcConfig"]["clusterSecurityGroupId"]
        records("ec2").security_groups.pop(group, None)
        emulator.save("ec2")
    return call


def _new_nodegroup(call: Call, _found: re.Match[str]) -> Call | Answer:
    body = call.json()
    body.setdefault("amiType", "AL2023_x86_64_STANDARD")
    return call.with_json(body)


def _new_association(call: Call, _found: re.Match[str]) -> Call | Answer:
    unknown = {"targetRoleArn", "policy"} & call.json().keys()
    if unknown:
        return _not_here(f"{sorted(unknown)[0]} of a Pod Identity association")
    role = str(call.json().get("roleArn", ""))
    passed_to = {"iam:PassedToService": "pods.eks.amazonaws.com"}
    refused = emulator.may(call.headers, "iam:PassRole", role, passed_to) if role else ""
    return emulator.error("AccessDeniedException", refused, 403) if refused else call


def _new_policy(call: Call, _found: re.Match[str]) -> Call | Answer:
    body = call.json()
    policy = str(body.get("policyArn", "")).removeprefix(access_policies.POLICY_ARN)
    if policy not in access_policies.ROLES:
        return _not_here(f"the access policy {body.get('policyArn')}")
    patterns = [name for name in body.get("accessScope", {}).get("namespaces", []) if "*" in name]
    if patterns:
        return _not_here(f"namespaces by pattern: {patterns[0]}")
    return call


def _no_identity_provider(_call: Call, _found: re.Match[str]) -> Answer:
    return _not_here("an OIDC identity provider of a cluster")


def _tags(call: Call, found: re.Match[str]) -> Call | Answer:
    """MiniStack tags every EKS resource but Pod Identity associations."""
    eks = records("eks")
    arn = found[1]
    if "podidentityassociation/" not in arn:
        return call
    if arn not in {item["associationArn"] for item in eks.pod_identity_associations.values()}:
        return emulator.error("ResourceNotFoundException", f"No resource found for ARN: {arn}", 404)
    if call.method == "POST":
        eks.tags[arn] = {**eks.tags.get(arn, {}), **call.json().get("tags", {})}
    elif call.method == "DELETE":
        gone = call.query.get("tagKeys", [])
        eks.tags[arn] = {k: v for k, v in eks.tags.get(arn, {}).items() if k not in gone}
    else:
        return json_answer({"tags": eks.tags.get(arn, {})})
    return json_answer({})


BEFORE: tuple[tuple[str, str, Check], ...] = (
    ("GET", "/addons/supported-versions", _supported_versions),
    ("GET", "/cluster-versions", _cluster_versions),
    ("POST", "/clusters", _new_cluster),
    ("DELETE", f"/clusters/{NAME}", _deleted_cluster),
    ("POST", f"/clusters/{NAME}/node-groups", _new_nodegroup),
    ("POST", f"/clusters/{NAME}/addons", addons.new),
    ("POST", f"/clusters/{NAME}/addons/{NAME}/update", addons.changed),
    ("POST", f"/clusters/{NAME}/pod-identity-associations", _new_association),
    ("POST", f"/clusters/{NAME}/pod-identity-associations/{NAME}", _new_association),
    ("POST", f"/clusters/{NAME}/access-entries/.+/access-policies", _new_policy),
    ("POST", f"/clusters/{NAME}/identity-provider-configs/associate", _no_identity_provider),
    ("POST", f"/clusters/{NAME}/update-config", eks_updates.cluster_config),
    ("POST", f"/clusters/{NAME}/node-groups/{NAME}/update-config", eks_updates.nodegroup_config),
    ("POST", f"/clusters/{NAME}/updates", eks_upgrades.cluster_version),
    ("POST", f"/clusters/{NAME}/node-groups/{NAME}/update-version", eks_upgrades.nodegroup_version),
    ("POST", f"/clusters/{NAME}/insights", eks_upgrades.insights),
    ("GET", f"/clusters/{NAME}/updates", eks_updates.listed),
    ("GET", f"/clusters/{NAME}/updates/([0-9a-f-]+)", eks_updates.describe),
    ("GET", "/tags/(.+)", _tags),
    ("POST", "/tags/(.+)", _tags),
    ("DELETE", "/tags/(.+)", _tags),
)


def _not_here(what: str) -> Answer:
    return emulator.error("InvalidParameterException", f"The sandbox's EKS does not support {what}")


async def _complete(call: Call, body: dict[str, Any], settings: EmulatorSettings) -> dict[str, Any]:
    """MiniStack's answer as EKS would give it."""
    eks = records("eks")
    if call.method == "POST" and call.path == "/clusters":
        body["cluster"] = await _with_security_group(body["cluster"])
    for record in RECORDS.keys() & body.keys():
        # MiniStack shows the tags of creation; later ones are in a table of their own.
        shown = body[record]
        shown["tags"] = dict(eks.tags.get(shown[RECORDS[record]], {}))
    if "cluster" in body:
        body["cluster"] |= _connection(body["cluster"], settings)
    if "update" in body:
        eks_updates.remember(body["update"], call.path)
    return body


def _connection(cluster: dict[str, Any], settings: EmulatorSettings) -> dict[str, Any]:
    """The cluster's endpoint, certificate authority and OIDC issuer."""
    identity = cluster["identity"]["oidc"]["issuer"].rpartition("/")[2]
    authority = base64.b64encode(settings.cluster_ca.read_bytes()).decode()
    return {
        "endpoint": settings.cluster_endpoint,
        "certificateAuthority": {"data": authority},
        "identity": {
            "oidc": {"issuer": f"https://oidc.eks.{emulator.region()}.amazonaws.com/id/{identity}"}
        },
    }


async def _with_security_group(shown: dict[str, Any]) -> dict[str, Any]:
    """EKS makes a real security group for a cluster; MiniStack only an id for it."""
    network = records("eks").clusters[shown["name"]]["resourcesVpcConfig"]
    group = await emulator.new_security_group(
        name=f"eks-cluster-sg-{shown['name']}-{secrets.randbelow(10**9)}",
        description="EKS created security group applied to ENI that is attached to EKS Control"
        " Plane master nodes, as well as any managed workloads.",
        vpc=network["vpcId"],
        tag=("aws:eks:cluster-name", shown["name"]),
    )
    network["clusterSecurityGroupId"] = group
    emulator.save("ec2")
    shown["resourcesVpcConfig"] = dict(network)
    return shown


def repair() -> None:
    """After a restart: a cluster whose making was cut short has nobody left to finish it."""
    with emulator.scope():
        for cluster in records("eks").clusters.values():
            if cluster["status"] == "CREATING":
                cluster["status"] = "ACTIVE"
