"""getAuthorizationToken, getCredentials and getRepository of ECR."""

import base64

from sandbox.providers.aws.clients import Aws
from sandbox.wire.values import Properties, Secret


def get_authorization_token(aws: Aws, arguments: Properties) -> Properties:
    """GetAuthorizationToken."""
    registry = arguments.get("registryId")
    more = {"registryIds": [registry]} if registry else {}
    data = aws.client("ecr").get_authorization_token(**more)["authorizationData"][0]
    token = data["authorizationToken"]
    user, _, password = base64.b64decode(token).decode().partition(":")
    return {
        "id": aws.region,
        "region": aws.region,
        "registryId": registry,
        "authorizationToken": Secret(token),
        "expiresAt": data["expiresAt"].isoformat(),
        "password": Secret(password),
        "proxyEndpoint": data["proxyEndpoint"],
        "userName": user,
    }


def get_credentials(aws: Aws, arguments: Properties) -> Properties:
    """The former name, for one registry."""
    answer = get_authorization_token(aws, arguments)
    keys = ("id", "registryId", "authorizationToken", "expiresAt", "proxyEndpoint")
    return {key: answer[key] for key in keys}


def get_repository(aws: Aws, arguments: Properties) -> Properties:
    """DescribeRepositories, ListTagsForResource."""
    ecr = aws.client("ecr")
    item = ecr.describe_repositories(repositoryNames=[arguments["name"]])["repositories"][0]
    tags = ecr.list_tags_for_resource(resourceArn=item["repositoryArn"])["tags"]
    return {
        "id": item["repositoryName"],
        "name": item["repositoryName"],
        "arn": item["repositoryArn"],
        "region": aws.region,
        "registryId": item["registryId"],
        "repositoryUrl": item["repositoryUri"],
        "imageTagMutability": item.get("imageTagMutability"),
        "imageScanningConfigurations": [item.get("imageScanningConfiguration") or {}],
        "encryptionConfigurations": [item.get("encryptionConfiguration") or {}],
        "imageTagMutabilityExclusionFilters": [],
        "mostRecentImageTags": [],
        "tags": {tag["Key"]: tag["Value"] for tag in tags},
    }
