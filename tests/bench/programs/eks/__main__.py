"""The program that was measured under the real engine: 42 resources, 18 of them one eks.Cluster's.

A network, a cluster and its workers, and one of everything else that the kit is made of.
"""

import json

import pulumi
import pulumi_aws as aws
import pulumi_eks as eks

TAGS = {"project": "bench"}
NODE_POLICIES = (
    "AmazonEKSWorkerNodePolicy",
    "AmazonEKS_CNI_Policy",
    "AmazonEC2ContainerRegistryReadOnly",
)


def assumed_by(service: str, *actions: str) -> str:
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": service},
        "Action": list(actions) or "sts:AssumeRole",
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


vpc = aws.ec2.Vpc("main", cidr_block="10.0.0.0/16", tags=TAGS)
public, private = (
    [
        aws.ec2.Subnet(
            f"{kind}-{zone}",
            vpc_id=vpc.id,
            cidr_block=f"10.0.{16 * first + 4 * number}.0/22",
            availability_zone=f"us-east-1{zone}",
            tags=TAGS,
        )
        for number, zone in enumerate("ab")
    ]
    for first, kind in enumerate(("public", "private"))
)

node_role = aws.iam.Role("node", assume_role_policy=assumed_by("ec2.amazonaws.com"), tags=TAGS)
attachments = [
    aws.iam.RolePolicyAttachment(
        f"node-{name}", role=node_role.name, policy_arn=f"arn:aws:iam::aws:policy/{name}"
    )
    for name in NODE_POLICIES
]

cluster = eks.Cluster(
    "cluster",
    vpc_id=vpc.id,
    public_subnet_ids=[subnet.id for subnet in public],
    private_subnet_ids=[subnet.id for subnet in private],
    authentication_mode=eks.AuthenticationMode.API,
    skip_default_node_group=True,
    version="1.36",
    endpoint_private_access=True,
    endpoint_public_access=True,
    create_oidc_provider=True,
    tags=TAGS,
)
eks.ManagedNodeGroup(
    "workers",
    cluster=cluster,
    node_role=node_role,
    subnet_ids=[subnet.id for subnet in (*public, *private)],
    scaling_config={"desired_size": 2, "min_size": 1, "max_size": 3},
    instance_types=["t3.large"],
    labels={"role": "worker"},
    opts=pulumi.ResourceOptions(depends_on=attachments),
)

bucket = aws.s3.Bucket("logs", force_destroy=True, tags=TAGS)
aws.s3.BucketVersioning("logs", bucket=bucket.id, versioning_configuration={"status": "Enabled"})
aws.s3.BucketServerSideEncryptionConfiguration(
    "logs",
    bucket=bucket.id,
    rules=[{"apply_server_side_encryption_by_default": {"sse_algorithm": "AES256"}}],
)
aws.s3.BucketPublicAccessBlock(
    "logs",
    bucket=bucket.id,
    block_public_acls=True,
    block_public_policy=True,
    ignore_public_acls=True,
    restrict_public_buckets=True,
)
aws.s3.BucketOwnershipControls(
    "logs", bucket=bucket.id, rule={"object_ownership": "BucketOwnerEnforced"}
)

pod_role = aws.iam.Role(
    "pod",
    assume_role_policy=assumed_by("pods.eks.amazonaws.com", "sts:AssumeRole", "sts:TagSession"),
    tags=TAGS,
)
aws.iam.RolePolicy(
    "pod",
    role=pod_role.id,
    policy=bucket.arn.apply(
        lambda arn: json.dumps(
            {
                "Version": "2012-10-17",
                "Statement": [
                    {"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"{arn}/*"}
                ],
            }
        )
    ),
)
aws.eks.PodIdentityAssociation(
    "pod",
    cluster_name=cluster.eks_cluster.name,
    namespace="default",
    service_account="pod",
    role_arn=pod_role.arn,
)

image = aws.ec2.get_ami(
    most_recent=True,
    owners=["amazon"],
    filters=[
        {"name": "name", "values": ["al2023-ami-2023.*-kernel-6.1-x86_64"]},
        {"name": "architecture", "values": ["x86_64"]},
    ],
)
aws.ec2.Instance(
    "server", ami=image.id, instance_type="t3.large", subnet_id=public[0].id, tags=TAGS
)
person = aws.iam.User("person", force_destroy=True, tags=TAGS)
key = aws.iam.AccessKey("person", user=person.name)
repository = aws.ecr.Repository("images", force_delete=True, tags=TAGS)

pulumi.export("bucket", bucket.bucket)
pulumi.export("repository", repository.repository_url)
pulumi.export("secretKey", key.secret)
