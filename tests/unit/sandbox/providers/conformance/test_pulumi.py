"""Every AWS type of the stand-in under the real engine: made, looked at, unchanged, taken away.

Pulumi's engine is strict where a test by hand is not: a refresh puts what Read returns in the
place of the inputs, and each of them must mean the same to Diff as what the program says.
"""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sandbox.providers.aws.registry import resources
from tests.promises.aws_cloud import AwsStack, Emulator

PROGRAM = """
def policy(*actions):
    statement = {"Effect": "Allow", "Action": list(actions), "Resource": "*"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})

services = [f"{name}.amazonaws.com" for name in ("eks", "ec2", "pods.eks")]
trust = json.dumps({"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Principal": {"Service": services}, "Action": "sts:AssumeRole"}]})
readonly = "arn:aws:iam::aws:policy/ReadOnlyAccess"

vpc = aws.ec2.Vpc("net", cidr_block="10.60.0.0/16", enable_dns_hostnames=True, tags={"a": "b"})
subnets = [
    aws.ec2.Subnet(
        f"net-{zone}", vpc_id=vpc.id, cidr_block=f"10.60.{number}.0/24",
        availability_zone=f"us-east-1{zone}",
    )
    for number, zone in enumerate("ab")
]
out = aws.ec2.InternetGateway("out", vpc_id=vpc.id)
address = aws.ec2.Eip("nat", domain="vpc")
nat = aws.ec2.NatGateway("nat", allocation_id=address.id, subnet_id=subnets[0].id)
public = aws.ec2.RouteTable("public", vpc_id=vpc.id)
aws.ec2.Route(
    "public", route_table_id=public.id, destination_cidr_block="0.0.0.0/0", gateway_id=out.id)
private = aws.ec2.RouteTable("private", vpc_id=vpc.id)
aws.ec2.Route(
    "private", route_table_id=private.id, destination_cidr_block="0.0.0.0/0", nat_gateway_id=nat.id)
aws.ec2.VpcEndpoint(
    "s3", vpc_id=vpc.id, service_name="com.amazonaws.us-east-1.s3",
    route_table_ids=[public.id, private.id])
aws.ec2.RouteTableAssociation("public", route_table_id=public.id, subnet_id=subnets[0].id)

web = aws.ec2.SecurityGroup(
    "web", vpc_id=vpc.id,
    ingress=[{"protocol": "tcp", "from_port": 443, "to_port": 443,
              "cidr_blocks": ["192.168.0.0/16", "10.0.0.0/8"]}],
    egress=[{"protocol": "-1", "from_port": 0, "to_port": 0, "cidr_blocks": ["0.0.0.0/0"]}])
aws.ec2.VpcEndpoint(
    "logs", vpc_id=vpc.id, service_name="com.amazonaws.us-east-1.logs", vpc_endpoint_type="Interface",
    subnet_ids=[subnet.id for subnet in subnets], security_group_ids=[web.id],
    private_dns_enabled=True)
nodes = aws.ec2.SecurityGroup("nodes", vpc_id=vpc.id, revoke_rules_on_delete=True)
aws.ec2.SecurityGroupRule(
    "peer", type="ingress", protocol="tcp", from_port=443, to_port=443, description="From the web",
    source_security_group_id=web.id, security_group_id=nodes.id)

role = aws.iam.Role("all", assume_role_policy=trust, description="All in one")
aws.iam.RolePolicy("all", role=role.id, policy=policy("s3:GetObject"))
aws.iam.RolePolicyAttachment("all", role=role, policy_arn=readonly)
own = aws.iam.Policy("own", policy=policy("s3:PutObject", "s3:GetObject"))
user = aws.iam.User("ann", force_destroy=True)
key = aws.iam.AccessKey("ann", user=user.name)
group = aws.iam.Group("team")
aws.iam.GroupPolicyAttachment("team", group=group.name, policy_arn=own.arn)
other = aws.iam.User("bob")
aws.iam.UserGroupMembership("bob", user=other.name, groups=[aws.iam.Group("guests").name])
profile = aws.iam.InstanceProfile("vm", role=role.name)
aws.iam.OpenIdConnectProvider(
    "pods", url="https://oidc.example.com/id/1", client_id_lists=["sts.amazonaws.com"],
    thumbprint_lists=["0123456789012345678901234567890123456789"])

ami = aws.ec2.get_ami(most_recent=True, owners=["amazon"])
machine = aws.ec2.Instance(
    "vm", ami=ami.id, instance_type="t3.medium", subnet_id=subnets[0].id,
    vpc_security_group_ids=[web.id], iam_instance_profile=profile.name,
    user_data="#cloud-config\\n{}\\n", user_data_replace_on_change=True,
    metadata_options={"http_tokens": "required", "http_put_response_hop_limit": 1},
    root_block_device={"encrypted": True, "volume_size": 20, "volume_type": "gp3"},
    tags={"Name": "vm"})
held = aws.ec2.Eip("vm")
aws.ec2.EipAssociation("vm", allocation_id=held.id, instance_id=machine.id)

images = aws.ecr.Repository(
    "images", image_tag_mutability="IMMUTABLE", force_delete=True,
    image_scanning_configuration={"scan_on_push": True})
few = {"rulePriority": 1, "action": {"type": "expire"}, "selection": {
    "tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 5}}
aws.ecr.LifecyclePolicy("few", repository=images.name, policy=json.dumps({"rules": [few]}))

logs = aws.s3.Bucket("logs", force_destroy=True, tags={"a": "1"})
aws.ec2.FlowLog(
    "net", vpc_id=vpc.id, traffic_type="ALL", log_destination=logs.arn, log_destination_type="s3")
aws.s3.BucketVersioning("logs", bucket=logs.id, versioning_configuration={"status": "Enabled"})
aws.s3.BucketServerSideEncryptionConfiguration("logs", bucket=logs.id, rules=[
    {"apply_server_side_encryption_by_default": {"sse_algorithm": "AES256"}}])
aws.s3.BucketPublicAccessBlock("logs", bucket=logs.id, block_public_acls=True)
aws.s3.BucketLifecycleConfiguration("logs", bucket=logs.id, rules=[
    {"id": "old", "status": "Enabled", "filter": {"prefix": "airflow/"},
     "expiration": {"days": 90}, "noncurrent_version_expiration": {"noncurrent_days": 30}}])
aws.s3.BucketPolicy("logs", bucket=logs.id, policy=logs.arn.apply(lambda arn: json.dumps({
    "Version": "2012-10-17", "Statement": [{
        "Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": [arn, f"{arn}/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}}}]})))

aws.secretsmanager.Secret("token", description="of a server", recovery_window_in_days=0)
secrets = aws.kms.Key("secrets", enable_key_rotation=True, deletion_window_in_days=7)
aws.cloudwatch.LogGroup("plane", name="/aws/eks/all/cluster", retention_in_days=30)

aws.budgets.Budget(
    "month", budget_type="COST", time_unit="MONTHLY", limit_amount="400", limit_unit="USD",
    cost_filters=[{"name": "TagKeyValue", "values": ["user:aerodrome:environment$all"]}],
    notifications=[
        {"notification_type": kind, "comparison_operator": "GREATER_THAN", "threshold": percent,
         "threshold_type": "PERCENTAGE", "subscriber_email_addresses": ["b@example.org", "a@example.org"]}
        for kind, percent in (("ACTUAL", 80), ("FORECASTED", 100))])

databases = aws.rds.SubnetGroup("databases", subnet_ids=[subnet.id for subnet in subnets])
aws.rds.Instance(
    "airflow", engine="postgres", engine_version="15", instance_class="db.t4g.small",
    allocated_storage=20, db_name="airflow", username="airflow",
    password=pulumi.Output.secret("correct-horse"), db_subnet_group_name=databases.name,
    vpc_security_group_ids=[web.id], skip_final_snapshot=True)

cluster = aws.eks.Cluster(
    "all", role_arn=role.arn, version="1.36",
    access_config={
        "authentication_mode": "API", "bootstrap_cluster_creator_admin_permissions": True},
    vpc_config={"subnet_ids": [subnet.id for subnet in subnets],
                "endpoint_private_access": True, "endpoint_public_access": True},
    encryption_config={"provider": {"key_arn": secrets.arn}, "resources": ["secrets"]},
    enabled_cluster_log_types=["audit", "api"])
aws.eks.NodeGroup(
    "workers", cluster_name=cluster.name, node_role_arn=role.arn,
    subnet_ids=[subnet.id for subnet in subnets], instance_types=["t3.large"],
    scaling_config={"desired_size": 2, "min_size": 1, "max_size": 4}, labels={"pool": "workers"})
aws.eks.Addon(
    "cni", cluster_name=cluster.name, addon_name="vpc-cni", preserve=True,
    resolve_conflicts_on_create="OVERWRITE", resolve_conflicts_on_update="OVERWRITE",
    configuration_values=json.dumps({"env": {"WARM_ENI_TARGET": "1"}}))
entry = aws.eks.AccessEntry(
    "operator", cluster_name=cluster.name, principal_arn=role.arn, kubernetes_groups=["operators"])
aws.eks.AccessPolicyAssociation(
    "operator", cluster_name=cluster.name, principal_arn=entry.principal_arn,
    policy_arn="arn:aws:eks::aws:cluster-access-policy/AmazonEKSViewPolicy",
    access_scope={"type": "namespace", "namespaces": ["b", "a"]})
aws.eks.PodIdentityAssociation(
    "airflow", cluster_name=cluster.name, namespace="airflow", service_account="airflow",
    role_arn=role.arn)
pulumi.export("key", key.secret)
"""


@pytest.fixture
def stack(tmp_path: Path, endpoint: tuple[str, dict[str, str]]) -> Iterator[AwsStack]:
    made = AwsStack(tmp_path, Emulator(*endpoint))
    made.driver().create()
    yield made
    pulumi(made, "destroy", "--yes", "--skip-preview")


def pulumi(stack: AwsStack, *words: str) -> str:
    """What the CLI printed; it fails if `--expect-no-changes` is among `words` and not true."""
    place = stack.place()
    done = subprocess.run(
        [place.executable, *words, "--stack", stack.name, "--non-interactive"],
        cwd=stack.project,
        env=dict(place.variables),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_made_looked_at_unchanged_and_taken_away(stack: AwsStack) -> None:
    stack.program(PROGRAM)
    pulumi(stack, "up", "--yes")
    made = {item["type"] for item in stack.deployment()["resources"]}
    assert set(resources()) <= made
    before = inputs(stack)
    pulumi(stack, "up", "--yes", "--expect-no-changes")
    pulumi(stack, "preview", "--diff", "--expect-no-changes")
    pulumi(stack, "refresh", "--yes", "--expect-no-changes")
    pulumi(stack, "preview", "--diff", "--expect-no-changes")
    assert inputs(stack) == before
    assert "correct-horse" not in stack.checkpoint.read_text()
    pulumi(stack, "destroy", "--yes")
    assert not stack.deployment().get("resources")


def inputs(stack: AwsStack) -> dict[str, Any]:
    """What the state says that the program asked for, but for what encryption makes new each time."""
    text = json.dumps({key: item.get("inputs") for key, item in stack.resources().items()})
    return dict(json.loads(re.sub(r'"ciphertext": "[^"]*"', '"ciphertext": ""', text)))


HALF = """
aws.iam.InstanceProfile("half", name="half", role={role!r})
"""


def test_what_is_made_but_not_ready_is_kept_and_finished(stack: AwsStack) -> None:
    iam = stack.emulator.client("iam")
    stack.program(HALF.format(role="no-such-role"))
    with pytest.raises(AssertionError) as failed:
        pulumi(stack, "up", "--yes", "--skip-preview")
    assert "NoSuchEntity" in str(failed.value)
    assert "Traceback" not in str(failed.value)
    assert stack.resources()["InstanceProfile::half"]["initErrors"]
    iam.create_role(RoleName="late", AssumeRolePolicyDocument="{}")
    stack.program(HALF.format(role="late"))
    pulumi(stack, "up", "--yes", "--skip-preview")
    assert "initErrors" not in stack.resources()["InstanceProfile::half"]
    found = iam.get_instance_profile(InstanceProfileName="half")
    assert [role["RoleName"] for role in found["InstanceProfile"]["Roles"]] == ["late"]
    pulumi(stack, "destroy", "--yes", "--skip-preview")
    iam.delete_role(RoleName="late")


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ('aws.sqs.Queue("q")', "does not know the resource type aws:sqs/queue:Queue"),
        ('aws.ec2.Vpc("v", cidr_block="10.0.0.0/16", ipv6_ipam_pool_id="x")', "ipv6IpamPoolId"),
    ],
)
def test_what_the_stand_in_lacks_is_refused_by_name_in_the_preview(
    stack: AwsStack, program: str, said: str
) -> None:
    stack.program(program)
    with pytest.raises(AssertionError) as failed:
        pulumi(stack, "preview")
    assert said in str(failed.value)
    assert "Traceback" not in str(failed.value)
