"""The versions of Kubernetes that EKS offers: DescribeClusterVersions.

As of November 2026, by the release calendar of the EKS user guide (awsdocs/amazon-eks-user-guide,
latest/ug/versioning/kubernetes-versions.adoc) and endoflife.date/amazon-eks. A version is in standard
support for 14 months, and in extended support for 12 more.
"""

from sandbox.aws.standin import emulator
from sandbox.aws.standin.call import Call, json_answer
from sandbox.aws.standin.emulator import Answer
from sandbox.instance import KUBERNETES_VERSION

STANDARD, EXTENDED = "STANDARD_SUPPORT", "EXTENDED_SUPPORT"
OFFERED = {
    "1.36": STANDARD,
    "1.35": STANDARD,
    "1.34": STANDARD,
    "1.33": EXTENDED,
    "1.32": EXTENDED,
}


def described(call: Call) -> Answer:
    """All of them, on one page. What would narrow the answer is refused."""
    asked = sorted(call.query.keys() - {"maxResults"})
    if asked:
        return emulator.error(
            "InvalidParameterException",
            f"The sandbox's DescribeClusterVersions does not have {asked[0]}",
        )
    return json_answer({"clusterVersions": [_version(each) for each in OFFERED]})


def _version(version: str) -> dict[str, object]:
    return {
        "clusterVersion": version,
        "clusterType": "eks",
        "defaultVersion": version == KUBERNETES_VERSION,
        "status": OFFERED[version].lower(),
        "versionStatus": OFFERED[version],
    }
