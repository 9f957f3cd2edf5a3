"""The settings of what an environment is to its account: its network's ways out, and what it may cost.

`settings.py` has all others, and inherits these.
"""

from dataclasses import dataclass

from infra.contract import endpoints
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
