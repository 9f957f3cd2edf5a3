"""Service Quotas, which MiniStack does not have: AWS' default values, read only.

A quota is enforced where `account.json` sets it: AWS' own are the figures of an account, and the
tests of one emulator make more networks than an account may have.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from sandbox.aws.standin import emulator
from sandbox.aws.standin.call import Call, Handler, json_answer
from sandbox.aws.standin.emulator import Answer
from sandbox.aws.standin.internals import records
from sandbox.aws.standin.services import Services
from tests.aws.standin.account import Account

SERVICES = {
    "ec2": "Amazon Elastic Compute Cloud (Amazon EC2)",
    "ebs": "Amazon Elastic Block Store (Amazon EBS)",
    "eks": "Amazon Elastic Kubernetes Service (Amazon EKS)",
    "elasticloadbalancing": "Elastic Load Balancing (ELB)",
    "iam": "AWS Identity and Access Management (IAM)",
    "s3": "Amazon Simple Storage Service (Amazon S3)",
    "vpc": "Amazon Virtual Private Cloud (Amazon VPC)",
}
STANDARD_VCPUS = "Running On-Demand Standard (A, C, D, H, I, M, R, T, Z) instances"
DEFAULTS: dict[str, tuple[str, float]] = {
    "ec2/L-1216C47A": (STANDARD_VCPUS, 5),
    "ec2/L-34B43A08": ("All Standard (A, C, D, H, I, M, R, T, Z) Spot Instance Requests", 5),
    "ec2/L-0263D0A3": ("EC2-VPC Elastic IPs", 5),
    "ebs/L-7A658B76": ("Storage for General Purpose SSD (gp3) volumes, in TiB", 50),
    "eks/L-1194D53C": ("Clusters", 100),
    "eks/L-6D54EA21": ("Managed node groups per cluster", 30),
    "eks/L-BD136A63": ("Nodes per managed node group", 450),
    "elasticloadbalancing/L-53DA6B97": ("Application Load Balancers per Region", 50),
    "elasticloadbalancing/L-69A177A2": ("Network Load Balancers per Region", 50),
    "elasticloadbalancing/L-E9E9831D": ("Classic Load Balancers per Region", 20),
    "iam/L-F55AF5E4": ("Users per account", 5000),
    "iam/L-FE177D64": ("Roles per account", 1000),
    "s3/L-DC2B2D3D": ("General purpose buckets", 10000),
    "vpc/L-F678F1CE": ("VPCs per Region", 5),
    "vpc/L-A4707A72": ("Internet gateways per Region", 5),
    "vpc/L-FE5A380F": ("NAT gateways per Availability Zone", 5),
    "vpc/L-407747CB": ("Subnets per VPC", 200),
    "vpc/L-E79EC296": ("VPC security groups per Region", 2500),
    "vpc/L-DF5E4CA3": ("Network interfaces per Region", 5000),
    "vpc/L-29B6F2EB": ("Interface VPC endpoints per VPC", 50),
    "vpc/L-1B52E74A": ("Gateway VPC endpoints per Region", 20),
}
"""By service and code: name, and AWS' default value."""

GRANTED = {"ec2/L-1216C47A": 32.0}
"""What the account has beyond a new one's: its vCPUs take the program as it is configured here."""

STORES = {
    "AllocateAddress": ("ec2/L-0263D0A3", "addresses", "AddressLimitExceeded"),
    "CreateVpc": ("vpc/L-F678F1CE", "vpcs", "VpcLimitExceeded"),
    "CreateInternetGateway": (
        "vpc/L-A4707A72",
        "internet_gateways",
        "InternetGatewayLimitExceeded",
    ),
}
"""EC2's calls that are refused beyond a quota: which, what counts, and AWS' error."""


def register(services: Services) -> None:
    state = services.settings.state
    services.add("servicequotas", handler(state), "service-quotas")
    services.wrap("ec2", lambda inner: refusing(inner, state))


def refusing(inner: Handler, state: Path) -> Handler:
    async def answer(call: Call) -> Answer:
        return exceeded(call, state) or await inner(call)

    return answer


def exceeded(call: Call, state: Path) -> Answer | None:
    """EC2's refusal of what would go beyond a quota that was set."""
    if call.action not in STORES:
        return None
    key, store, code = STORES[call.action]
    limit = Account.read(state).quotas.get(key)
    if limit is None or len(getattr(records("ec2"), store)) < limit:
        return None
    return emulator.ec2_error(code, f"The maximum number of {DEFAULTS[key][0]} has been reached.")


def handler(state: Path) -> Handler:
    async def answer(call: Call) -> Answer:
        asked = call.json()
        match call.action:
            case "ListServices":
                return json_answer({"Services": [_service(code) for code in SERVICES]})
            case "ListServiceQuotas":
                return _listed(asked, lambda key: _value(key, Account.read(state)))
            case "ListAWSDefaultServiceQuotas":
                return _listed(asked, lambda key: DEFAULTS[key][1])
            case "GetServiceQuota":
                return _one(asked, lambda key: _value(key, Account.read(state)))
            case "GetAWSDefaultServiceQuota":
                return _one(asked, lambda key: DEFAULTS[key][1])
        return emulator.error(
            "UnsupportedOperation", f"The sandbox's Service Quotas do not have {call.action}."
        )

    return answer


def _value(key: str, account: Account) -> float:
    return account.quotas.get(key, GRANTED.get(key, DEFAULTS[key][1]))


def _listed(asked: dict[str, Any], value: Callable[[str], float]) -> Answer:
    service = asked.get("ServiceCode", "")
    if service not in SERVICES:
        return _missing()
    keys: Iterator[str] = (key for key in DEFAULTS if key.startswith(f"{service}/"))
    return json_answer({"Quotas": [_quota(key, value(key)) for key in keys]})


def _one(asked: dict[str, Any], value: Callable[[str], float]) -> Answer:
    key = f"{asked.get('ServiceCode', '')}/{asked.get('QuotaCode', '')}"
    return json_answer({"Quota": _quota(key, value(key))}) if key in DEFAULTS else _missing()


def _missing() -> Answer:
    return emulator.error(
        "NoSuchResourceException", "The request failed because the specified quota does not exist."
    )


def _service(code: str) -> dict[str, str]:
    return {"ServiceCode": code, "ServiceName": SERVICES[code]}


def _quota(key: str, value: float) -> dict[str, Any]:
    service, _, code = key.partition("/")
    arn = f"arn:aws:servicequotas:{emulator.region()}:{emulator.account()}:{service}/{code}"
    return _service(service) | {
        "QuotaArn": arn,
        "QuotaCode": code,
        "QuotaName": DEFAULTS[key][0],
        "Value": value,
        "Unit": "None",
        "Adjustable": True,
        "GlobalQuota": service == "iam",
        "QuotaAppliedAtLevel": "ACCOUNT",
    }
