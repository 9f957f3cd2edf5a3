"""IAM is enforced: least privilege can be proven here."""

import json

import pytest
from botocore.exceptions import ClientError


def policy(action, resource):
    statement = {"Effect": "Allow", "Action": action, "Resource": resource}
    return {"Version": "2012-10-17", "Statement": [statement]}


@pytest.fixture(scope="module")
def writer(emulator):
    """A user who may only put objects below one prefix of one bucket."""
    emulator.client("s3").create_bucket(Bucket="task-logs")
    emulator.client("s3").put_object(Bucket="task-logs", Key="main/old", Body=b"x")
    resource = "arn:aws:s3:::task-logs/main/*"
    return emulator.user("log-writer", policy("s3:PutObject", resource))


def test_a_log_writer_writes_below_its_prefix(emulator, writer):
    emulator.client("s3", **writer).put_object(Bucket="task-logs", Key="main/a", Body=b"x")


@pytest.mark.parametrize(
    ("service", "operation", "arguments"),
    [
        ("s3", "put_object", {"Bucket": "task-logs", "Key": "other/a", "Body": b"x"}),
        ("s3", "get_object", {"Bucket": "task-logs", "Key": "main/old"}),
        ("s3", "delete_object", {"Bucket": "task-logs", "Key": "main/old"}),
        ("s3", "list_objects_v2", {"Bucket": "task-logs"}),
        ("s3", "list_buckets", {}),
        ("s3", "put_bucket_policy", {"Bucket": "task-logs", "Policy": "{}"}),
        ("ec2", "describe_instances", {}),
        ("iam", "list_users", {}),
        ("iam", "create_access_key", {}),
        ("eks", "list_clusters", {}),
        ("eks", "describe_addon_versions", {}),
        ("ecr", "get_authorization_token", {}),
        ("kms", "list_keys", {}),
        ("logs", "describe_log_groups", {}),
        ("secretsmanager", "list_secrets", {}),
        ("ssm", "get_parameter", {"Name": "/aws/service/ami-amazon-linux-latest/x"}),
        ("resourcegroupstaggingapi", "get_resources", {}),
        ("eks-auth", "assume_role_for_pod_identity", {"clusterName": "c", "token": "t"}),
    ],
)
def test_a_log_writer_may_do_nothing_else(emulator, writer, service, operation, arguments):
    with pytest.raises(ClientError) as failure:
        getattr(emulator.client(service, **writer), operation)(**arguments)
    code = failure.value.response["Error"]["Code"]
    assert code in ("AccessDenied", "AccessDeniedException", "UnauthorizedOperation")


def test_a_groups_policy_counts(emulator):
    iam = emulator.client("iam")
    key = emulator.user("operator")
    arn = iam.create_policy(
        PolicyName="look",
        PolicyDocument='{"Version":"2012-10-17","Statement":[{"Effect":"Allow",'
        '"Action":"ec2:Describe*","Resource":"*"}]}',
    )["Policy"]["Arn"]
    iam.create_group(GroupName="operators")
    iam.attach_group_policy(GroupName="operators", PolicyArn=arn)
    iam.add_user_to_group(GroupName="operators", UserName="operator")
    emulator.client("ec2", **key).describe_vpcs()
    with pytest.raises(ClientError):
        emulator.client("ec2", **key).create_vpc(CidrBlock="10.0.0.0/16")


def test_a_bucket_policy_that_demands_tls_is_enforced(emulator):
    s3 = emulator.client("s3")
    s3.create_bucket(Bucket="tls-only")
    s3.put_bucket_policy(
        Bucket="tls-only",
        Policy='{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":'
        '"s3:*","Resource":["arn:aws:s3:::tls-only","arn:aws:s3:::tls-only/*"],"Condition":'
        '{"Bool":{"aws:SecureTransport":"false"}}}]}',
    )
    writer = emulator.client("s3", **emulator.user("tls", policy("s3:*", "*")))
    writer.put_object(Bucket="tls-only", Key="a", Body=b"x")
    # Without this header the sandbox's plain HTTP counts as TLS.
    writer.meta.events.register("before-sign", plain_http)
    with pytest.raises(ClientError):
        writer.get_object(Bucket="tls-only", Key="a")


def plain_http(request, **_):
    request.headers["X-Forwarded-Proto"] = "http"


def test_a_user_with_keys_cannot_be_deleted(emulator):
    iam = emulator.client("iam")
    key = emulator.user("leaver")
    with pytest.raises(ClientError) as failure:
        iam.delete_user(UserName="leaver")
    assert failure.value.response["Error"]["Code"] == "DeleteConflict"
    iam.delete_access_key(UserName="leaver", AccessKeyId=key["id"])
    iam.delete_user(UserName="leaver")


def test_root_assumes_no_role(emulator):
    role = emulator.role("for-services", "ec2.amazonaws.com", ["sts:AssumeRole"])
    with pytest.raises(ClientError, match="may not be assumed by root"):
        emulator.client("sts").assume_role(RoleArn=role, RoleSessionName="session")


@pytest.mark.parametrize(
    "name",
    [
        "AmazonEC2ContainerRegistryPullOnly",
        "AmazonEKSClusterPolicy",
        "AmazonEKSWorkerNodePolicy",
        "AmazonEKS_CNI_Policy",
        "AmazonSSMManagedInstanceCore",
        "service-role/AmazonEBSCSIDriverPolicy",
    ],
)
def test_the_managed_policies_that_the_program_names_exist(emulator, name):
    iam = emulator.client("iam")
    found = iam.get_policy(PolicyArn=f"arn:aws:iam::aws:policy/{name}")["Policy"]
    assert found["PolicyName"] == name.rpartition("/")[2]


def test_a_managed_policy_that_does_not_exist_cannot_be_attached(emulator):
    emulator.role("attached", "ec2.amazonaws.com", ["sts:AssumeRole"])
    iam = emulator.client("iam")
    with pytest.raises(ClientError) as failure:
        iam.attach_role_policy(
            RoleName="attached", PolicyArn="arn:aws:iam::aws:policy/AmazonMisspelt"
        )
    assert failure.value.response["Error"]["Code"] == "NoSuchEntity"


def test_a_policy_can_name_what_belongs_to_a_cluster(emulator, subnets):
    emulator.cluster("named", subnets)
    eks = emulator.client("eks")
    role = emulator.role("named-node", "ec2.amazonaws.com", ["sts:AssumeRole"])
    for name in ("mine", "yours"):
        eks.create_nodegroup(
            clusterName="named", nodegroupName=name, nodeRole=role, subnets=subnets
        )
    arn = "arn:aws:eks:us-east-1:000000000000:"
    statements = [
        {
            "Effect": "Allow",
            "Action": "eks:DescribeNodegroup",
            "Resource": f"{arn}nodegroup/named/mine/*",
        },
        {
            "Effect": "Allow",
            "Action": ["eks:DescribeCluster", "eks:ListTagsForResource"],
            "Resource": f"{arn}cluster/named",
        },
    ]
    key = emulator.user("namer", {"Version": "2012-10-17", "Statement": statements})
    limited = emulator.client("eks", **key)
    limited.describe_cluster(name="named")
    limited.list_tags_for_resource(resourceArn=f"{arn}cluster/named")
    limited.describe_nodegroup(clusterName="named", nodegroupName="mine")
    with pytest.raises(ClientError):
        limited.describe_nodegroup(clusterName="named", nodegroupName="yours")
    with pytest.raises(ClientError):
        limited.list_tags_for_resource(resourceArn=f"{arn}cluster/other")


def test_a_policy_can_depend_on_a_resources_tags(emulator):
    ec2 = emulator.client("ec2")

    def vpc(team):
        tags = [{"ResourceType": "vpc", "Tags": [{"Key": "team", "Value": team}]}]
        return ec2.create_vpc(CidrBlock="10.1.0.0/16", TagSpecifications=tags)["Vpc"]["VpcId"]

    statement = policy("ec2:DeleteVpc", "*")["Statement"][0]
    statement["Condition"] = {"StringEquals": {"aws:ResourceTag/team": "mine"}}
    key = emulator.user("owner", {"Version": "2012-10-17", "Statement": [statement]})
    mine, yours = vpc("mine"), vpc("yours")
    with pytest.raises(ClientError) as failure:
        emulator.client("ec2", **key).delete_vpc(VpcId=yours)
    assert failure.value.response["Error"]["Code"] == "UnauthorizedOperation"
    emulator.client("ec2", **key).delete_vpc(VpcId=mine)


def test_a_list_of_a_bucket_can_be_held_to_a_prefix(emulator):
    emulator.client("s3").create_bucket(Bucket="listed")
    statement = policy("s3:ListBucket", "arn:aws:s3:::listed")["Statement"][0]
    statement["Condition"] = {"StringLike": {"s3:prefix": ["logs", "logs/*"]}}
    key = emulator.user("lister", {"Version": "2012-10-17", "Statement": [statement]})
    s3 = emulator.client("s3", **key)
    s3.list_objects_v2(Bucket="listed", Prefix="logs/main")
    for arguments in ({}, {"Prefix": "other"}):
        with pytest.raises(ClientError):
            s3.list_objects_v2(Bucket="listed", **arguments)


@pytest.mark.parametrize(
    ("operation", "result"),
    [
        ("list_ssh_public_keys", "SSHPublicKeys"),
        ("list_service_specific_credentials", "ServiceSpecificCredentials"),
        ("list_signing_certificates", "Certificates"),
    ],
)
def test_credentials_that_no_user_can_have_here(emulator, operation, result) -> None:
    iam = emulator.client("iam")
    name = operation.replace("_", "-")
    iam.create_user(UserName=name)
    assert getattr(iam, operation)(UserName=name)[result] == []
    with pytest.raises(iam.exceptions.NoSuchEntityException):
        getattr(iam, operation)(UserName="nobody")


def document(*statements):
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


NOTHING = document({"Effect": "Deny", "Action": "*", "Resource": "*"})
PODS = document(
    {
        "Effect": "Allow",
        "Principal": {"Service": "pods.eks.amazonaws.com"},
        "Action": ["sts:AssumeRole", "sts:TagSession"],
    }
)


def test_a_policy_is_asked_about_roles_with_their_path(emulator):
    own = emulator.user("paths", policy("iam:*", "arn:aws:iam::*:role/ours/*"))
    iam = emulator.client("iam", **own)
    iam.create_role(RoleName="in-ours", Path="/ours/a/", AssumeRolePolicyDocument=PODS)
    iam.put_role_policy(RoleName="in-ours", PolicyName="p", PolicyDocument=NOTHING)
    emulator.role("elsewhere", "pods.eks.amazonaws.com", ["sts:AssumeRole"])
    for call in (
        lambda: iam.create_role(RoleName="x", AssumeRolePolicyDocument=PODS),
        lambda: iam.create_role(RoleName="x", Path="/theirs/", AssumeRolePolicyDocument=PODS),
        lambda: iam.delete_role(RoleName="elsewhere"),
        lambda: iam.create_policy(PolicyName="p", Path="/ours/", PolicyDocument=NOTHING),
        lambda: iam.create_open_id_connect_provider(Url="https://example.com"),
    ):
        with pytest.raises(ClientError, match="AccessDenied"):
            call()
    iam.delete_role_policy(RoleName="in-ours", PolicyName="p")
    iam.delete_role(RoleName="in-ours")


def test_a_policy_may_demand_a_permissions_boundary(emulator):
    limit = emulator.client("iam").create_policy(
        PolicyName="limit", PolicyDocument=document(policy("s3:*", "*")["Statement"][0])
    )["Policy"]["Arn"]
    wanted = policy("iam:*", "*")
    wanted["Statement"][0]["Condition"] = {"StringEquals": {"iam:PermissionsBoundary": limit}}
    iam = emulator.client("iam", **emulator.user("bounded", wanted))
    with pytest.raises(ClientError, match="AccessDenied"):
        iam.create_role(RoleName="unbound", AssumeRolePolicyDocument=PODS)
    iam.create_role(RoleName="bound", AssumeRolePolicyDocument=PODS, PermissionsBoundary=limit)
    iam.put_role_policy(RoleName="bound", PolicyName="p", PolicyDocument=NOTHING)
    emulator.role("free", "pods.eks.amazonaws.com", ["sts:AssumeRole"])
    for call in (
        lambda: iam.put_role_policy(RoleName="free", PolicyName="p", PolicyDocument=NOTHING),
        lambda: iam.put_role_permissions_boundary(
            RoleName="bound", PermissionsBoundary="arn:aws:iam::aws:policy/AdministratorAccess"
        ),
    ):
        with pytest.raises(ClientError, match="AccessDenied"):
            call()


def test_who_gives_pods_a_role_must_be_allowed_to_pass_it(emulator, subnets):
    emulator.cluster("passing", subnets)
    role = emulator.role("passed", "pods.eks.amazonaws.com", ["sts:AssumeRole"])
    pods = {"clusterName": "passing", "namespace": "n", "serviceAccount": "s", "roleArn": role}
    eks_only = emulator.user("eks-only", policy("eks:*", "*"))
    with pytest.raises(ClientError, match=r"iam:PassRole on resource: .*role/passed"):
        emulator.client("eks", **eks_only).create_pod_identity_association(**pods)
    both = policy("eks:*", "*")
    passing = policy("iam:PassRole", role)["Statement"][0]
    condition = {"StringEquals": {"iam:PassedToService": "pods.eks.amazonaws.com"}}
    both["Statement"].append(passing | {"Condition": condition})
    eks = emulator.client("eks", **emulator.user("eks-and-pass", both))
    made = eks.create_pod_identity_association(**pods)["association"]
    eks.delete_pod_identity_association(clusterName="passing", associationId=made["associationId"])
