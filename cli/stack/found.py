"""Looks in the cloud for what an interrupted creation may have made: one row a type of resource.

Three ways lead to an answer. A name in the inputs: it exists, or not. Tags: each resource has its
own `Name` beside those of its environment, from its first moment. And what is attached to
something else, which is asked. Ids are in the form in which Pulumi's provider imports.

Some creations are safe to repeat: settings that are put, and attachments. Others go on in the cloud
after whoever asked for them is gone: these are waited for.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from botocore.exceptions import WaiterError

from cli.cloud import ownership
from cli.cloud.errors import gone_is_fine, translated, unless_gone
from cli.cloud.kubernetes import Kubernetes
from cli.cloud.resource import pairs
from cli.stack import helm_releases, objects
from cli.stack.pending import RELEASE, Look, Made, Pending, Repeatable

Client = Callable[[str], Any]
"""Makes a boto3 client of a service."""

Inputs = Mapping[str, Any]


@dataclass(frozen=True)
class Asked:
    """What a row has to go by."""

    client: Client
    inputs: Inputs
    known: frozenset[str]
    """Ids that the state has already: they are other resources."""

    since: datetime | None = None
    """When the state was last written before the run was interrupted; None if it does not say."""


class _Undecidable(Exception):
    """Nothing in the inputs is this resource's alone."""


Row = Callable[[Asked], str | None]
"""The id of what was made; None if nothing was."""


def _repeat(asked: Asked) -> None:
    """Made again, it is the same one."""


def _named(service: str, call: str, argument: str, key: str = "name") -> Row:
    """Asked for by the name in its inputs, which is its id."""

    def row(asked: Asked) -> str | None:
        operation = getattr(asked.client(service), call)
        found = unless_gone(operation, **{argument: asked.inputs[key]})
        return None if found is None or _foreign(found, asked) else str(asked.inputs[key])

    return row


def _foreign(answer: Mapping[str, Any], asked: Asked) -> bool:
    """Whether it bears the name, but is another environment's, or nobody's: then AWS refuses the creation."""
    wanted = _tags_of(asked).get(ownership.TAG_ENVIRONMENT)
    for part in (answer, *answer.values()):
        for each in part if isinstance(part, list) else [part]:
            for key in ("Tags", "tags", "TagList"):
                if isinstance(each, dict) and key in each:
                    has = each[key] if isinstance(each[key], dict) else pairs(each[key])
                    return wanted is not None and has.get(ownership.TAG_ENVIRONMENT) != wanted
    return False


def _tags_of(asked: Asked) -> Mapping[str, Any]:
    return asked.inputs.get("tagsAll") or asked.inputs.get("tags") or {}


def _tagged(call: str, answer_key: str, id_key: str) -> Row:
    """One of EC2's, by all of its tags."""

    def row(asked: Asked) -> str | None:
        tags = _tags_of(asked)
        filters = [{"Name": f"tag:{key}", "Values": [str(value)]} for key, value in tags.items()]
        if "Name" not in tags:
            raise _Undecidable
        # NatGateways name their argument in another way than all others.
        argument = "Filter" if call == "describe_nat_gateways" else "Filters"
        answer = getattr(asked.client("ec2"), call)(**{argument: filters})
        items = list(_instances(answer)) if call == "describe_instances" else answer[answer_key]
        found = [str(item[id_key]) for item in items if not _ended(item)]
        return next((each for each in found if each not in asked.known), None)

    return row


def _instances(answer: Any) -> Iterator[Any]:
    for reservation in answer["Reservations"]:
        yield from reservation["Instances"]


def _ended(item: Mapping[str, Any]) -> bool:
    state = item.get("State")
    name = state.get("Name") if isinstance(state, dict) else state
    return name in ("terminated", "shutting-down", "deleted", "deleting", "failed")


def _policy(asked: Asked) -> str | None:
    iam, name = asked.client("iam"), asked.inputs["name"]
    for page in iam.get_paginator("list_policies").paginate(Scope="Local"):
        for policy in page["Policies"]:
            if policy["PolicyName"] == name:
                return str(policy["Arn"])
    return None


def _oidc_provider(asked: Asked) -> str | None:
    host = str(asked.inputs["url"]).removeprefix("https://")
    listed = asked.client("iam").list_open_id_connect_providers()["OpenIDConnectProviderList"]
    return next((str(one["Arn"]) for one in listed if one["Arn"].endswith(f"/{host}")), None)


def _access_key(asked: Asked) -> None:
    """Its secret was shown once, to who is gone: the key is deleted, and another one made."""
    iam, user = asked.client("iam"), asked.inputs["user"]
    for key in iam.list_access_keys(UserName=user)["AccessKeyMetadata"]:
        older = asked.since and key["CreateDate"] < asked.since - _BEFORE
        # An older one is somebody else's.
        if key["AccessKeyId"] not in asked.known and not older:
            iam.delete_access_key(UserName=user, AccessKeyId=key["AccessKeyId"])


_BEFORE = timedelta(hours=1)
"""How long before the last change of the state the creation may have begun, with clocks that differ."""


def _key(asked: Asked) -> str | None:
    kms, wanted = asked.client("kms"), _tags_of(asked)
    for page in kms.get_paginator("list_keys").paginate():
        for key in page["Keys"]:
            if key["KeyId"] in asked.known:
                continue
            about = kms.describe_key(KeyId=key["KeyId"])["KeyMetadata"]
            if about["KeyState"] == "PendingDeletion" or about["KeyManager"] != "CUSTOMER":
                continue
            tags = kms.list_resource_tags(KeyId=key["KeyId"])["Tags"]
            has = {tag["TagKey"]: tag["TagValue"] for tag in tags}
            if wanted and wanted.items() <= has.items():
                return str(key["KeyId"])
    return None


def _alias(asked: Asked) -> str | None:
    name = str(asked.inputs["name"])
    for page in asked.client("kms").get_paginator("list_aliases").paginate():
        if any(alias["AliasName"] == name for alias in page["Aliases"]):
            return name
    return None


def _route(asked: Asked) -> str | None:
    table = asked.inputs["routeTableId"]
    wanted = (asked.inputs.get(key) for key in _DESTINATIONS)
    destination = next(str(value) for value in wanted if value)
    tables = asked.client("ec2").describe_route_tables(RouteTableIds=[table])["RouteTables"]
    for route in tables[0]["Routes"] if tables else ():
        if destination in (route.get(key) for key in _DESTINATIONS.values()):
            return f"{table}_{destination}"
    return None


_DESTINATIONS = {
    "destinationCidrBlock": "DestinationCidrBlock",
    "destinationIpv6CidrBlock": "DestinationIpv6CidrBlock",
    "destinationPrefixListId": "DestinationPrefixListId",
}


def _route_table_association(asked: Asked) -> str | None:
    table, subnet = asked.inputs["routeTableId"], asked.inputs["subnetId"]
    filters = [{"Name": "association.subnet-id", "Values": [subnet]}]
    found = asked.client("ec2").describe_route_tables(Filters=filters)["RouteTables"]
    return f"{subnet}/{table}" if any(one["RouteTableId"] == table for one in found) else None


def _security_group_rule(asked: Asked) -> None:
    """It has no id of its own to import it by: taken out, and made again."""
    inputs, ec2 = asked.inputs, asked.client("ec2")
    permission: dict[str, Any] = {"IpProtocol": str(inputs["protocol"])}
    if permission["IpProtocol"] != "-1":
        permission |= {"FromPort": int(inputs["fromPort"]), "ToPort": int(inputs["toPort"])}
    group = inputs["securityGroupId"]
    other = group if inputs.get("self") else inputs.get("sourceSecurityGroupId")
    if other:
        permission["UserIdGroupPairs"] = [{"GroupId": other}]
    if inputs.get("cidrBlocks"):
        permission["IpRanges"] = [{"CidrIp": block} for block in inputs["cidrBlocks"]]
    revoke = (
        ec2.revoke_security_group_egress
        if inputs["type"] == "egress"
        else ec2.revoke_security_group_ingress
    )
    with gone_is_fine():
        revoke(GroupId=group, IpPermissions=[permission])


def _vpc_rule(egress: bool) -> Row:
    """A rule with an id of its own, told by all that it says."""

    def row(asked: Asked) -> str | None:
        inputs = asked.inputs
        listed = asked.client("ec2").describe_security_group_rules(
            Filters=[{"Name": "group-id", "Values": [inputs["securityGroupId"]]}]
        )["SecurityGroupRules"]
        for rule in listed:
            other = rule.get("ReferencedGroupInfo", {}).get("GroupId")
            if (
                rule["IsEgress"] == egress
                and rule["IpProtocol"] == str(inputs["ipProtocol"])
                and _ports(rule.get("FromPort"), rule.get("ToPort"))
                == _ports(inputs.get("fromPort"), inputs.get("toPort"))
                and rule.get("CidrIpv4") == inputs.get("cidrIpv4")
                and rule.get("CidrIpv6") == inputs.get("cidrIpv6")
                and other == inputs.get("referencedSecurityGroupId")
            ):
                return str(rule["SecurityGroupRuleId"])
        return None

    return row


def _ports(first: Any, last: Any) -> tuple[int, int]:
    """All of them are -1 to AWS, and not said in a program."""
    return (int(-1 if first is None else first), int(-1 if last is None else last))


def _eks(call: str, argument: str, key: str) -> Row:
    """A part of a cluster; its id is `CLUSTER:PART`."""

    def row(asked: Asked) -> str | None:
        cluster, part = asked.inputs["clusterName"], asked.inputs[key]
        operation = getattr(asked.client("eks"), call)
        found = unless_gone(operation, clusterName=cluster, **{argument: part})
        return None if found is None else f"{cluster}:{part}"

    return row


def _pod_identity(asked: Asked) -> str | None:
    inputs = asked.inputs
    listed = asked.client("eks").list_pod_identity_associations(
        clusterName=inputs["clusterName"],
        namespace=inputs["namespace"],
        serviceAccount=inputs["serviceAccount"],
    )["associations"]
    return f"{inputs['clusterName']},{listed[0]['associationId']}" if listed else None


def _inline_policy(of: str) -> Row:
    """A policy in a role, a user or a group; its id is `OWNER:POLICY`."""

    def row(asked: Asked) -> str | None:
        owner, policy = asked.inputs[of.lower()], asked.inputs["name"]
        # Given as a whole resource, or by its name.
        name = owner["id"] if isinstance(owner, dict) else owner
        operation = getattr(asked.client("iam"), f"get_{of.lower()}_policy")
        found = unless_gone(operation, **{f"{of}Name": name, "PolicyName": policy})
        return None if found is None else f"{name}:{policy}"

    return row


def _log_group(asked: Asked) -> str | None:
    name = asked.inputs["name"]
    listed = asked.client("logs").describe_log_groups(logGroupNamePrefix=name)["logGroups"]
    return name if any(group["logGroupName"] == name for group in listed) else None


def _repository(asked: Asked) -> str | None:
    name = str(asked.inputs["name"])
    operation = asked.client("ecr").describe_repositories
    return None if unless_gone(operation, repositoryNames=[name]) is None else name


ROWS: Mapping[str, Row] = {
    "aws:cloudwatch/logGroup:LogGroup": _log_group,
    "aws:ec2/eip:Eip": _tagged("describe_addresses", "Addresses", "AllocationId"),
    "aws:ec2/eipAssociation:EipAssociation": _repeat,
    "aws:ec2/instance:Instance": _tagged("describe_instances", "Reservations", "InstanceId"),
    "aws:ec2/internetGateway:InternetGateway": _tagged(
        "describe_internet_gateways", "InternetGateways", "InternetGatewayId"
    ),
    "aws:ec2/natGateway:NatGateway": _tagged(
        "describe_nat_gateways", "NatGateways", "NatGatewayId"
    ),
    "aws:ec2/route:Route": _route,
    "aws:ec2/routeTable:RouteTable": _tagged(
        "describe_route_tables", "RouteTables", "RouteTableId"
    ),
    "aws:ec2/routeTableAssociation:RouteTableAssociation": _route_table_association,
    "aws:ec2/securityGroup:SecurityGroup": _tagged(
        "describe_security_groups", "SecurityGroups", "GroupId"
    ),
    "aws:ec2/securityGroupRule:SecurityGroupRule": _security_group_rule,
    "aws:ec2/subnet:Subnet": _tagged("describe_subnets", "Subnets", "SubnetId"),
    "aws:ec2/vpc:Vpc": _tagged("describe_vpcs", "Vpcs", "VpcId"),
    "aws:ec2/vpcEndpoint:VpcEndpoint": _tagged(
        "describe_vpc_endpoints", "VpcEndpoints", "VpcEndpointId"
    ),
    "aws:ecr/lifecyclePolicy:LifecyclePolicy": _repeat,
    "aws:ecr/repository:Repository": _repository,
    "aws:ecr/repositoryPolicy:RepositoryPolicy": _repeat,
    "aws:eks/accessEntry:AccessEntry": _eks(
        "describe_access_entry", "principalArn", "principalArn"
    ),
    "aws:eks/accessPolicyAssociation:AccessPolicyAssociation": _repeat,
    "aws:eks/addon:Addon": _eks("describe_addon", "addonName", "addonName"),
    "aws:eks/cluster:Cluster": _named("eks", "describe_cluster", "name"),
    "aws:eks/nodeGroup:NodeGroup": _eks("describe_nodegroup", "nodegroupName", "nodeGroupName"),
    "aws:eks/podIdentityAssociation:PodIdentityAssociation": _pod_identity,
    "aws:iam/accessKey:AccessKey": _access_key,
    "aws:iam/groupMembership:GroupMembership": _repeat,
    "aws:iam/groupPolicy:GroupPolicy": _inline_policy("Group"),
    "aws:iam/group:Group": _named("iam", "get_group", "GroupName"),
    "aws:iam/groupPolicyAttachment:GroupPolicyAttachment": _repeat,
    "aws:iam/instanceProfile:InstanceProfile": _named(
        "iam", "get_instance_profile", "InstanceProfileName"
    ),
    "aws:iam/openIdConnectProvider:OpenIdConnectProvider": _oidc_provider,
    "aws:iam/policy:Policy": _policy,
    "aws:iam/role:Role": _named("iam", "get_role", "RoleName"),
    "aws:iam/rolePolicy:RolePolicy": _inline_policy("Role"),
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment": _repeat,
    "aws:iam/userPolicy:UserPolicy": _inline_policy("User"),
    "aws:iam/userPolicyAttachment:UserPolicyAttachment": _repeat,
    "aws:iam/user:User": _named("iam", "get_user", "UserName"),
    "aws:iam/userGroupMembership:UserGroupMembership": _repeat,
    "aws:kms/alias:Alias": _alias,
    "aws:kms/key:Key": _key,
    "aws:rds/instance:Instance": _named(
        "rds", "describe_db_instances", "DBInstanceIdentifier", "identifier"
    ),
    "aws:rds/subnetGroup:SubnetGroup": _named(
        "rds", "describe_db_subnet_groups", "DBSubnetGroupName"
    ),
    "aws:s3/bucket:Bucket": _named("s3", "head_bucket", "Bucket", "bucket"),
    "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration": _repeat,
    "aws:s3/bucketOwnershipControls:BucketOwnershipControls": _repeat,
    "aws:s3/bucketPolicy:BucketPolicy": _repeat,
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock": _repeat,
    "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration": _repeat,
    "aws:s3/bucketVersioning:BucketVersioning": _repeat,
    "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule": _vpc_rule(egress=True),
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": _vpc_rule(egress=False),
    "docker-build:index:Image": _repeat,
}


_READY: Mapping[str, tuple[str, str, Callable[[str], Mapping[str, Any]]]] = {
    "aws:ec2/instance:Instance": ("ec2", "instance_running", lambda id: {"InstanceIds": [id]}),
    "aws:ec2/natGateway:NatGateway": (
        "ec2",
        "nat_gateway_available",
        lambda id: {"NatGatewayIds": [id]},
    ),
    "aws:eks/addon:Addon": (
        "eks",
        "addon_active",
        lambda id: {"clusterName": id.split(":")[0], "addonName": id.split(":")[1]},
    ),
    "aws:eks/cluster:Cluster": ("eks", "cluster_active", lambda id: {"name": id}),
    "aws:eks/nodeGroup:NodeGroup": (
        "eks",
        "nodegroup_active",
        lambda id: {"clusterName": id.split(":")[0], "nodegroupName": id.split(":")[1]},
    ),
    "aws:rds/instance:Instance": (
        "rds",
        "db_instance_available",
        lambda id: {"DBInstanceIdentifier": id},
    ),
}
"""Service, waiter and its arguments: what cannot be used, and not be deleted, before it is ready."""


_IN_CLUSTER = "kubernetes:"
_PULUMIS_OWN = "pulumi:"
"""Providers: nothing in a cloud."""


def looker(client: Client, kubernetes: Callable[[str], Kubernetes]) -> Look:
    """A look into the cloud that `client` leads to, and its cluster: `kubernetes` by namespace."""

    def look(item: Pending, known: frozenset[str]) -> Made | Repeatable | None:
        if item.type == RELEASE:
            return helm_releases.look(item, kubernetes)
        if item.type.startswith(_IN_CLUSTER):
            return objects.look(item, kubernetes)
        if item.type.startswith(_PULUMIS_OWN):
            return Repeatable()
        row = ROWS.get(item.type)
        if row is None:
            return None
        asked = Asked(client, item.inputs, known, _instant(item.since))
        try:
            with translated(f"look for {item.label}"):
                found = row(asked)
                if found and found not in known:
                    _until_ready(client, item.type, found)
        except (_Undecidable, KeyError):
            return None
        return Made(found) if found else Repeatable()

    return look


def _until_ready(client: Client, type_: str, identifier: str) -> None:
    if type_ not in _READY:
        return
    service, waiter, arguments = _READY[type_]
    # One that has failed is there, too: Pulumi reads how it is.
    with suppress(WaiterError):
        client(service).get_waiter(waiter).wait(**arguments(identifier))


def _instant(text: str) -> datetime | None:
    return datetime.fromisoformat(text.replace("Z", "+00:00")) if text else None
