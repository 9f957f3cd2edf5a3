"""IAM and STS: policies of AWS that MiniStack does not have, and refusals that it leaves out."""

import json

from sandbox.aws.standin import emulator, internals
from sandbox.aws.standin.call import Call, Handler
from sandbox.aws.standin.emulator import Answer
from sandbox.aws.standin.internals import records

PULL = ["ecr:GetAuthorizationToken", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
VOLUMES = "arn:aws:ec2:*:*:volume/*"

POLICIES: dict[str, list[dict[str, object]]] = {
    "AmazonEC2ContainerRegistryPullOnly": [
        {"Action": [*PULL, "ecr:BatchImportUpstreamImage"], "Resource": "*"}
    ],
    "AmazonEC2ContainerRegistryReadOnly": [
        {
            "Action": [
                *PULL,
                "ecr:BatchCheckLayerAvailability",
                "ecr:DescribeImages",
                "ecr:DescribeImageScanFindings",
                "ecr:DescribeRepositories",
                "ecr:GetLifecyclePolicy",
                "ecr:GetLifecyclePolicyPreview",
                "ecr:GetRepositoryPolicy",
                "ecr:ListImages",
                "ecr:ListTagsForResource",
            ],
            "Resource": "*",
        }
    ],
    "service-role/AmazonEBSCSIDriverPolicy": [
        {
            "Action": [
                "ec2:AttachVolume",
                "ec2:CreateSnapshot",
                "ec2:DescribeAvailabilityZones",
                "ec2:DescribeInstances",
                "ec2:DescribeSnapshots",
                "ec2:DescribeTags",
                "ec2:DescribeVolumes",
                "ec2:DescribeVolumesModifications",
                "ec2:DetachVolume",
                "ec2:ModifyVolume",
            ],
            "Resource": "*",
        },
        {
            "Action": ["ec2:CreateVolume", "ec2:CreateTags"],
            "Resource": VOLUMES,
            "Condition": {"StringLike": {"aws:RequestTag/ebs.csi.aws.com/cluster": "true"}},
        },
        {
            "Action": "ec2:DeleteVolume",
            "Resource": VOLUMES,
            "Condition": {"StringLike": {"ec2:ResourceTag/ebs.csi.aws.com/cluster": "true"}},
        },
    ],
}
"""AWS managed policies by name, with what AWS' documents allow in short."""

NEVER_MADE = {
    "ListSSHPublicKeys": "SSHPublicKeys",
    "ListServiceSpecificCredentials": "ServiceSpecificCredentials",
    "ListSigningCertificates": "Certificates",
}
"""Calls that list what a user can not be given here, and what they list: whoever deletes a user asks."""

ATTACH = ("AttachGroupPolicy", "AttachRolePolicy", "AttachUserPolicy")


def handler(inner: Handler) -> Handler:
    for name, statements in POLICIES.items():
        allowed = [{"Effect": "Allow", **statement} for statement in statements]
        document = json.dumps({"Version": "2012-10-17", "Statement": allowed})
        internals.add_managed_policy(name, document)

    async def answer(call: Call) -> Answer:
        if call.action in NEVER_MADE:
            return _none_of(call)
        policy = call.parameter("PolicyArn")
        if call.action in ATTACH and not emulator.policy_exists(policy):
            return emulator.query_error(
                "NoSuchEntity", f"Policy {policy} does not exist or is not attachable.", 404
            )
        return await inner(call)

    return answer


def _none_of(call: Call) -> Answer:
    user = call.parameter("UserName")
    if user not in records("iam").users:
        return emulator.query_error(
            "NoSuchEntity", f"The user with name {user} cannot be found.", 404
        )
    body = (
        f'<{call.action}Response xmlns="https://iam.amazonaws.com/doc/2010-05-08/">'
        f"<{call.action}Result><{NEVER_MADE[call.action]}/><IsTruncated>false</IsTruncated>"
        f"</{call.action}Result></{call.action}Response>"
    )
    return 200, {"Content-Type": "text/xml"}, body.encode()


def sts_handler(inner: Handler) -> Handler:
    async def answer(call: Call) -> Answer:
        # MiniStack lets root into every role that some service may assume.
        if call.action == "AssumeRole" and emulator.is_root(call.headers):
            return emulator.query_error(
                "AccessDenied", "Roles may not be assumed by root accounts.", 403
            )
        return await inner(call)

    return answer
