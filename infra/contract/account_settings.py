"""The settings of what an environment is to its account: its network's ways out, what it may cost, and what an
organisation wants of all that is in it.

`settings.py` has all others, and inherits these.
"""

from dataclasses import dataclass

from infra.contract import endpoints, organisation_tags
from infra.contract.rules import setting


@dataclass(frozen=True, kw_only=True)
class AccountSettings:
    """What concerns the account more than Airflow."""

    nat_per_zone: bool = setting(
        False,
        """Whether each zone has a NAT gateway of its own. Default false, one for both: a second costs as much as a
        worker, and while the first one's zone is lost the other zone's pods reach AWS only through
        `vpcEndpoints`, and nothing else outside.""",
    )

    vpc_endpoints: tuple[str, ...] = setting(
        ("s3",),
        """The AWS services that the network reaches past its NAT gateways: a JSON list of s3, ecr, sts and logs.
        Default s3, which costs nothing; each of the others has a price by the hour in each zone, and saves what NAT
        costs by the gigabyte. `docs/cost.md` has the figures.""",
        check=endpoints.check,
    )

    budget_usd: int = setting(
        0,
        """What a dedicated environment and its branches' share of AWS may cost a month, USD: AWS tells the addresses of
        alertEmails at 80 and 100 percent, and when it expects more than that. 0 makes no budget, the default. It counts
        what bears the environment's tag, from the day on which the tag is activated for bills; `docs/cost.md`.""",
        minimum=0,
        maximum=100_000_000,
    )

    tags: str = setting(
        "{}",
        """Tags that your organisation wants on everything, beside the kit's own: a JSON object such as
        `{"CostCenter": "1234"}`. All that AWS takes tags of gets them, volumes and their disks too; an environment that shares this one has its
        own setting. Default none.""",
        check=organisation_tags.check,
    )

    permissions_boundary: str = setting(
        "",
        """The ARN of a policy that no role and no IAM user of the environment may go beyond, where an organisation wants
        one. Roles of branches have their base's. It must let the kit's roles do their work; `docs/security.md`. Default none.""",
        pattern=r"(arn:[a-z-]+:iam::(\d{12}|aws):policy/\S+)?",
        allowed="the ARN of an IAM policy",
    )
