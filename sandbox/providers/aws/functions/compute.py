"""getAmi and getAddonVersion."""

import re
from typing import Any

from sandbox.errors import CloudError
from sandbox.providers.aws.casing import camel
from sandbox.providers.aws.clients import Aws
from sandbox.providers.aws.tags import from_list
from sandbox.wire.values import Properties


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
