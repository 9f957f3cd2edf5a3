"""getAmi, getParameter, and what EKS tells: getAddonVersion, getCluster, getClusterAuth."""

import base64
import re
from typing import Any

from sandbox.errors import CloudError
from sandbox.providers.aws.casing import camel
from sandbox.providers.aws.clients import Aws
from sandbox.providers.aws.tags import from_list, visible
from sandbox.wire.values import Properties, Secret

_TOKEN_SECONDS = 60
_IDENTITY_QUERY = "?Action=GetCallerIdentity&Version=2011-06-15"
_TOKEN_HEADER = "x-k8s-aws-id"


def get_ami(aws: Aws, arguments: Properties) -> Properties:
    """DescribeImages; the one match, or the newest if asked for."""
    query: dict[str, Any] = {"IncludeDeprecated": bool(arguments.get("includeDeprecated"))}
    if arguments.get("owners"):
        query["Owners"] = arguments["owners"]
    if arguments.get("filters"):
        query["Filters"] = [
            {"Name": one["name"], "Values": one["values"]} for one in arguments["filters"]
        ]
    images = aws.client("ec2").describe_images(**query)["Images"]
    if arguments.get("nameRegex"):
        wanted = re.compile(arguments["nameRegex"])
        images = [image for image in images if wanted.search(image.get("Name", ""))]
    if not images:
        raise CloudError("No image matches", f"Asked for: {query}")
    if len(images) > 1 and not arguments.get("mostRecent"):
        raise CloudError(
            f"{len(images)} images match", "Ask more closely, or for the most recent one."
        )
    images.sort(key=lambda image: image.get("CreationDate", ""))
    image = images[-1]
    plain: Properties = camel(
        {k: v for k, v in image.items() if k not in ("Tags", "BlockDeviceMappings")}
    )
    return (
        arguments
        | plain
        | {
            "id": image["ImageId"],
            "arn": f"arn:{aws.partition}:ec2:{aws.region}::image/{image['ImageId']}",
            "region": aws.region,
            "blockDeviceMappings": [_device(one) for one in image.get("BlockDeviceMappings") or ()],
            "tags": from_list(image.get("Tags")),
            "productCodes": [],
        }
    )


def _device(mapping: Any) -> Properties:
    ebs = {key[:1].lower() + key[1:]: str(value) for key, value in mapping.get("Ebs", {}).items()}
    return {
        "deviceName": mapping.get("DeviceName", ""),
        "noDevice": mapping.get("NoDevice", ""),
        "virtualName": mapping.get("VirtualName", ""),
        "ebs": ebs,
    }


def get_parameter(aws: Aws, arguments: Properties) -> Properties:
    """GetParameter of SSM."""
    answer = aws.client("ssm").get_parameter(
        Name=arguments["name"], WithDecryption=arguments.get("withDecryption", True)
    )["Parameter"]
    plain = answer["Type"] != "SecureString"
    return {
        "id": answer["Name"],
        "arn": answer.get("ARN", ""),
        "name": answer["Name"],
        "region": aws.region,
        "type": answer["Type"],
        "value": Secret(answer["Value"]),
        "insecureValue": answer["Value"] if plain else "",
        "version": answer.get("Version", 1),
    }


def get_addon_version(aws: Aws, arguments: Properties) -> Properties:
    """DescribeAddonVersions: the default for that Kubernetes, or the newest if asked for."""
    name, kubernetes = arguments["addonName"], arguments["kubernetesVersion"]
    answer = aws.client("eks").describe_addon_versions(addonName=name, kubernetesVersion=kubernetes)
    versions = [v for addon in answer["addons"] for v in addon["addonVersions"]]
    if not versions:
        raise CloudError(f"EKS has no add-on {name} for Kubernetes {kubernetes}")
    # EKS lists the newest first.
    chosen = versions[0]
    if not arguments.get("mostRecent"):
        chosen = next((v for v in versions if _is_default(v, kubernetes)), chosen)
    return arguments | {
        "id": name,
        "region": aws.region,
        "version": chosen["addonVersion"],
    }


def _is_default(version: Any, kubernetes: str) -> bool:
    return any(
        one.get("defaultVersion") and one.get("clusterVersion") == kubernetes
        for one in version.get("compatibilities", [])
    )


def get_cluster(aws: Aws, arguments: Properties) -> Properties:
    """DescribeCluster. Unlike the resource, single settings are lists here."""
    item = aws.client("eks").describe_cluster(name=arguments["name"])["cluster"]
    logging = (item.get("logging") or {}).get("clusterLogging", [])
    return {
        "id": item["name"],
        "clusterId": item.get("id") or "",
        "name": item["name"],
        "arn": item["arn"],
        "region": aws.region,
        "roleArn": item["roleArn"],
        "version": item["version"],
        "platformVersion": item.get("platformVersion", ""),
        "status": item["status"],
        "endpoint": item.get("endpoint", ""),
        "createdAt": item["createdAt"].isoformat(),
        "certificateAuthorities": [item.get("certificateAuthority") or {}],
        "identities": [{"oidcs": [item["identity"]["oidc"]]}] if item.get("identity") else [],
        "accessConfigs": [item.get("accessConfig") or {}],
        "enabledClusterLogTypes": sorted(
            kind for one in logging if one.get("enabled") for kind in one.get("types", [])
        ),
        "kubernetesNetworkConfigs": [item.get("kubernetesNetworkConfig") or {}],
        "upgradePolicies": [item.get("upgradePolicy") or {}],
        "vpcConfig": item["resourcesVpcConfig"],
        "tags": visible(item.get("tags")),
        "deletionProtection": item.get("deletionProtection", False),
        **{key: [] for key in _UNUSED},
    }


_UNUSED = (
    "computeConfigs",
    "controlPlaneScalingConfigs",
    "kubeApiServerConfigs",
    "kubeControllerManagerConfigs",
    "kubeSchedulerConfigs",
    "outpostConfigs",
    "remoteNetworkConfigs",
    "storageConfigs",
    "zonalShiftConfigs",
)
"""Settings that the sandbox's clusters never have; the SDK wants the keys."""


def get_cluster_auth(aws: Aws, arguments: Properties) -> Properties:
    """A token for the cluster: GetCallerIdentity, signed in a URL, as `aws eks get-token`."""
    from botocore.signers import RequestSigner

    name = arguments["name"]
    sts = aws.client("sts")
    signer = RequestSigner(
        sts.meta.service_model.service_id,
        aws.region,
        "sts",
        "v4",
        aws.credentials(),
        sts.meta.events,
    )
    url = signer.generate_presigned_url(
        {
            "method": "GET",
            # Signed for AWS's own address, wherever this is: who checks it looks at that.
            "url": f"https://sts.{aws.region}.{aws.dns_suffix}/{_IDENTITY_QUERY}",
            "body": {},
            "headers": {_TOKEN_HEADER: name},
            "context": {},
        },
        region_name=aws.region,
        expires_in=_TOKEN_SECONDS,
        operation_name="",
    )
    encoded = base64.urlsafe_b64encode(url.encode()).decode().rstrip("=")
    return {
        "id": name,
        "name": name,
        "region": aws.region,
        "token": Secret(f"k8s-aws-v1.{encoded}"),
    }
