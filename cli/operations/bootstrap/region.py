"""The region: that it exists, is enabled for the account, and has the instance types that are wanted.

Nothing here changes anything.
"""

import difflib

from cli.base.errors import UserError
from cli.base.settings import REGION_KEY
from cli.operations.bootstrap.aws import Aws
from cli.operations.bootstrap.requested_settings import RequestedSettings
from cli.operations.preflight import instance_types
from cli.operations.preflight.instance_types import TypeRequest
from infra.contract.clusters import CLUSTER


def check_name(aws: Aws, requested: RequestedSettings, environment: str) -> None:
    """UserError if there is no such region, or if the environment is in another one already."""
    known = aws.regions()
    if aws.region not in known:
        near = difflib.get_close_matches(aws.region, known, n=3)
        raise UserError(
            f'There is no AWS region "{aws.region}"',
            f"Did you mean {', '.join(near)}?" if near else "Such as eu-central-1 or us-east-1.",
        )
    configured = requested.configured.get(REGION_KEY)
    if configured and configured != aws.region:
        raise UserError(
            f'Environment "{environment}" is in {configured}, not in {aws.region}',
            f"Its configuration says so (Pulumi.{environment}.yaml). An environment does not move: give\n"
            "the new one another name.",
            f"./aerodrome bootstrap {environment} --region {configured}",
        )


def check_enabled(aws: Aws) -> None:
    """UserError if the account has not opted in to the region."""
    answer = aws.client("ec2", aws.home).describe_regions(RegionNames=[aws.region], AllRegions=True)
    if any(item.get("OptInStatus") == "not-opted-in" for item in answer["Regions"]):
        raise UserError(
            f"The account has not enabled the region {aws.region}",
            "Somebody who administers the account can; it takes some minutes.",
            f"aws account enable-region --region-name {aws.region}",
        )


def check_instance_types(aws: Aws, requested: RequestedSettings) -> None:
    """UserError if the region, or a zone that will be used, has not the instance types that are wanted."""
    if requested.value("vpcId") or requested.value(CLUSTER):
        # `up` asks in the zones of its subnets, which bootstrap's policy does not let it see; in another's cluster it makes no node.
        return
    wanted = [TypeRequest(instance_types.NODES, requested.value(instance_types.NODES))]
    if requested.value("rancherEnabled"):
        kind = requested.value(instance_types.RANCHER)
        wanted.append(TypeRequest(instance_types.RANCHER, [kind], first_zone_only=True))
    if refusal := instance_types.check(aws.client, aws.region, wanted):
        raise UserError(
            refusal.summary,
            f"{refusal.detail}\nAdd to the command, for example:",
            f"--set '{refusal.setting}={refusal.value or 'TYPE'}'",
        )
