"""getCluster, getClusters, getNodeGroups and getNodeGroup of EKS."""

from sandbox.providers.aws.clients import Aws
from sandbox.providers.aws.tags import visible
from sandbox.wire.values import Properties


def get_cluster(aws: Aws, arguments: Properties) -> Properties:
    """DescribeCluster, without compute, storage and Outposts, which the sandbox does not have."""
    found = aws.client("eks").describe_cluster(name=arguments["name"])["cluster"]
    plain = ("arn", "endpoint", "name", "platformVersion", "roleArn", "status", "version")
    return (
        arguments
        | {key: found.get(key) for key in plain}
        | {
            "id": found["name"],
            "region": aws.region,
            "accessConfigs": [found.get("accessConfig") or {}],
            "certificateAuthorities": [found["certificateAuthority"]],
            "createdAt": found["createdAt"].isoformat(),
            "tags": visible(found.get("tags")),
            "vpcConfig": found["resourcesVpcConfig"],
        }
    )


def get_clusters(aws: Aws, arguments: Properties) -> Properties:
    """ListClusters."""
    pages = aws.client("eks").get_paginator("list_clusters").paginate()
    names = [name for page in pages for name in page["clusters"]]
    return {"id": aws.region, "region": aws.region, "names": names}


def get_node_groups(aws: Aws, arguments: Properties) -> Properties:
    """ListNodegroups."""
    cluster = arguments["clusterName"]
    pages = aws.client("eks").get_paginator("list_nodegroups").paginate(clusterName=cluster)
    names = [name for page in pages for name in page["nodegroups"]]
    return arguments | {"id": cluster, "region": aws.region, "names": names}


def get_node_group(aws: Aws, arguments: Properties) -> Properties:
    """DescribeNodegroup, without launch templates, remote access and pools, which the sandbox does not have."""
    cluster, name = arguments["clusterName"], arguments["nodeGroupName"]
    answer = aws.client("eks").describe_nodegroup(clusterName=cluster, nodegroupName=name)
    group = answer["nodegroup"]
    plain = ("amiType", "capacityType", "diskSize", "instanceTypes", "releaseVersion", "status")
    return (
        arguments
        | {key: group.get(key) for key in (*plain, "version")}
        | {
            "id": f"{cluster}:{name}",
            "region": aws.region,
            "arn": group["nodegroupArn"],
            "labels": group.get("labels") or {},
            "launchTemplates": [],
            "nodeRoleArn": group["nodeRole"],
            "remoteAccesses": [],
            "resources": [],
            "scalingConfigs": [group["scalingConfig"]],
            "subnetIds": group["subnets"],
            "tags": visible(group.get("tags")),
            "taints": group.get("taints") or [],
            "updateConfigs": [],
            "warmPoolConfigs": [],
        }
    )
