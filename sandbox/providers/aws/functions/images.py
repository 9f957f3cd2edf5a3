"""getAuthorizationToken and getImages of ECR."""

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


def get_images(aws: Aws, arguments: Properties) -> Properties:
    """ListImages."""
    client, name = aws.client("ecr"), arguments["repositoryName"]
    registry = arguments.get("registryId")
    more = {"registryId": registry} if registry else {}
    pages = client.get_paginator("list_images").paginate(repositoryName=name, **more)
    found = [image for page in pages for image in page["imageIds"]]
    return arguments | {
        "id": name,
        "region": aws.region,
        "imageIds": [
            {"imageDigest": image["imageDigest"], "imageTag": image.get("imageTag", "")}
            for image in found
        ],
    }
